import type { SysctlPort } from "../ports.ts";

export function kernelHasIpv6(sysctls: SysctlPort): boolean {
  return sysctls.read(["net", "ipv6", "conf", "default", "disable_ipv6"]) !== undefined;
}

/** A link of ours listens to no router, whether it has IPv6 or not. Nothing without IPv6 in the kernel. */
export function setIpv6(sysctls: SysctlPort, link: string, isWanted: boolean): void {
  const wanted = { accept_ra: "0", autoconf: "0", disable_ipv6: isWanted ? "0" : "1" };
  for (const [name, value] of Object.entries(wanted)) {
    const knob = ["net", "ipv6", "conf", link, name];
    const found = sysctls.read(knob);
    // /proc/sys may be mounted read-only; values that are right already must not fail there.
    if (found !== undefined && found !== value) {
      sysctls.write(knob, value);
    }
  }
}
