/** One call of the engine, from the driver's own log: how long it took from the request's head to the answer. */
export interface DriverCall {
  readonly method: string;
  readonly durationMs: number;
  readonly outcome: string;
  readonly endpointId?: string;
}

/** Calls in the order of their ends. Lines of other kinds and unfinished ones are left out. */
export function driverCalls(log: string): DriverCall[] {
  return log.split("\n").flatMap((line) => callIn(line) ?? []);
}

function callIn(line: string): DriverCall | undefined {
  try {
    const entry = JSON.parse(line) as DriverCall & { readonly msg: string };
    return entry.msg === "driver call" ? entry : undefined;
  } catch {
    return undefined;
  }
}
