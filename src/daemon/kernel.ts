/** The real kernel behind its ports. */
import { NetlinkConntrack } from "../kernel/conntrack/netlink-conntrack.ts";
import { DockerUserChain } from "../kernel/engine-firewall/docker-user.ts";
import { HostPorts } from "../kernel/host-port/host-ports.ts";
import { FlatRoutes } from "../kernel/link/flat-routes.ts";
import { LinkMonitor } from "../kernel/link/link-monitor.ts";
import { Rtnetlink } from "../kernel/link/rtnetlink.ts";
import { RtnetlinkLinks } from "../kernel/link/rtnetlink-links.ts";
import { WorkerTransport } from "../kernel/netlink/worker-transport.ts";
import { NfnetlinkNft } from "../kernel/nft/nfnetlink-nft.ts";
import type { Kernel, LinkMonitorPort } from "../kernel/ports.ts";
import { Sandboxes } from "../kernel/sandbox/sandboxes.ts";
import { ProcSysctl } from "../kernel/sysctl/proc-sysctl.ts";
import type { Logger } from "../log.ts";
import {
  admittedMarkBit,
  aliasPrefix,
  engineChain,
  flatLinkGroup,
  isolatedLinkGroup,
  linkGroup,
  reapGroup,
  shareLinkGroup,
} from "../plan/names.ts";

export interface OpenKernel extends AsyncDisposable {
  readonly kernel: Kernel;
  readonly monitor: LinkMonitorPort;
}

/** Three threads: one that answers wait for, one for deletions that wait for RCU, one that listens for events. */
export function openKernel(log: Logger): OpenKernel {
  const stack = new AsyncDisposableStack();
  const transport = stack.use(new WorkerTransport());
  const backgroundTransport = stack.use(new WorkerTransport());
  const monitor = stack.use(new LinkMonitor());
  const report = (what: string) => (error: unknown) => log.error(what, { error: String(error) });
  const sysctls = new ProcSysctl();
  const links = new RtnetlinkLinks(transport, backgroundTransport, {
    sysctls,
    aliasPrefix,
    linkGroup,
    groups: [linkGroup, isolatedLinkGroup, shareLinkGroup, flatLinkGroup],
    reapGroup,
    onError: report("could not delete links"),
  });
  const kernel: Kernel = {
    links,
    routes: new FlatRoutes(new Rtnetlink(transport)),
    nft: new NfnetlinkNft(transport),
    hostPorts: new HostPorts(transport),
    conntrack: new NetlinkConntrack(backgroundTransport, { onError: report("could not forget flows") }),
    sysctls,
    engineFirewall: new DockerUserChain(transport, {
      chain: engineChain,
      markBit: admittedMarkBit,
    }),
    sandboxes: new Sandboxes(transport),
  };
  return { kernel, monitor, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
