import { KernelError, type SysctlPort } from "../../src/kernel/ports.ts";

/** A few knobs of a host that forwards nothing yet. */
export class FakeSysctls implements SysctlPort {
  readonly values = new Map([
    ["net/ipv4/ip_forward", "0"],
    ["net/ipv6/conf/all/forwarding", "0"],
  ]);
  readonly writes: string[] = [];

  read(path: readonly string[]): string | undefined {
    return this.values.get(path.join("/"));
  }

  write(path: readonly string[], value: string): void {
    const name = path.join("/");
    if (!this.values.has(name)) {
      throw new KernelError(`write sysctl ${name}`, "ENOENT");
    }
    this.writes.push(`${name}=${value}`);
    this.values.set(name, value);
  }

  transcript(): string[] {
    return [...this.values].map(([name, value]) => `sysctl ${name} = ${value}`).sort();
  }
}
