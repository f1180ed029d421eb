/** A setting of the host below /proc/sys that somebody else may rely on, and that we changed. */
export interface HostSetting {
  /** As sysctl(8) writes it: dots between the parts, a slash for a dot within one. */
  readonly name: string;
  readonly path: readonly string[];
  readonly was: string;
  readonly now: string;
}

export function settingChange(path: readonly string[], was: string, now: string): HostSetting {
  return { name: path.map((part) => part.replaceAll(".", "/")).join("."), path, was, now };
}
