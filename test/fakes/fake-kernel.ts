import type { Kernel } from "../../src/kernel/ports.ts";
import { FakeConntrack } from "./fake-conntrack.ts";
import { FakeEngineFirewall } from "./fake-engine-firewall.ts";
import { FakeHostPorts } from "./fake-host-ports.ts";
import { FakeLinks } from "./fake-links.ts";
import { FakeNft } from "./fake-nft.ts";
import { type FakeProcess, throughProcess } from "./fake-process.ts";
import { FakeRoutes } from "./fake-routes.ts";
import { FakeSandboxes } from "./fake-sandboxes.ts";
import { FakeSysctls } from "./fake-sysctls.ts";

/** One host's kernel. It outlives the processes that use it. */
export class FakeKernel {
  readonly links = new FakeLinks();
  readonly routes = new FakeRoutes(this.links);
  readonly nft = new FakeNft();
  readonly hostPorts = new FakeHostPorts();
  readonly conntrack = new FakeConntrack();
  readonly sysctls = new FakeSysctls();
  readonly engineFirewall = new FakeEngineFirewall();
  readonly sandboxes = new FakeSandboxes(this.links);

  /** The kernel as this process sees it, until that is killed. */
  open(process: FakeProcess): Kernel {
    process.onDeath(() => this.#processEnded());
    return {
      links: throughProcess(process, "links", this.links, ["deleteLater"]),
      routes: throughProcess(process, "routes", this.routes, []),
      nft: throughProcess(process, "nft", this.nft, []),
      hostPorts: throughProcess(process, "hostPorts", this.hostPorts, []),
      conntrack: throughProcess(process, "conntrack", this.conntrack, ["forgetLater"]),
      sysctls: throughProcess(process, "sysctls", this.sysctls, ["read", "write"]),
      engineFirewall: throughProcess(process, "engineFirewall", this.engineFirewall, []),
      sandboxes: throughProcess(process, "sandboxes", this.sandboxes, []),
    };
  }

  /** Everything that memory held is gone: links, tables, sockets, settings. What others had comes back with them. */
  reboot(): void {
    for (const [name, link] of this.links.links) {
      if (link.kind !== "foreign") {
        this.links.links.delete(name);
      }
    }
    this.links.flatRoutes.clear();
    this.routes.unreachable.clear();
    this.nft.flush();
    this.hostPorts.releaseOurs();
    this.engineFirewall.admitted = false;
    for (const [name] of this.sysctls.values) {
      this.sysctls.values.set(name, "0");
    }
  }

  /** The whole host as sorted text, to be compared. */
  transcript(): string {
    const parts = [this.links, this.routes, this.nft, this.hostPorts, this.engineFirewall, this.sysctls];
    return parts.flatMap((part) => part.transcript()).join("\n");
  }

  #processEnded(): void {
    this.hostPorts.releaseOurs();
    this.links.forgetQueue();
    void this.links.monitor.close();
  }
}
