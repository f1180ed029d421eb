/**
 * What the driver needs from the kernel, as small interfaces. Adapters in this folder implement them over netlink and
 * plain sockets; fakes in test/fakes implement them in memory and check their callers.
 *
 * Failures are KernelError, or FairwayError where a user can do something about it.
 */
import type { IfName } from "../model/ids.ts";
import type { Family, IpAddress, Prefix } from "../model/ip.ts";
import type { ElementChange, NftElement, Ruleset } from "../plan/ruleset.ts";
import type {
  BridgeSpec,
  FlowFilter,
  FurnishSpec,
  HostAddress,
  NextHopLinkSpec,
  PortClaim,
  RouteSpec,
  VethSpec,
} from "../plan/specs.ts";

export type {
  BridgeSpec,
  FlowFilter,
  FurnishSpec,
  HostAddress,
  NextHopLinkSpec,
  PortClaim,
  RouteSpec,
  VethSpec,
} from "../plan/specs.ts";

/** A refusal by the kernel: the operation, the errno and the kernel's own words when it gave some. */
export class KernelError extends Error {
  readonly operation: string;
  /** Symbolic errno such as "EEXIST". */
  readonly errno: string;

  constructor(operation: string, errno: string, detail = "") {
    super(`${operation}: ${errno}${detail === "" ? "" : ` (${detail})`}`);
    this.name = "KernelError";
    this.operation = operation;
    this.errno = errno;
  }
}

export function isKernelError(error: unknown, ...errnos: readonly string[]): error is KernelError {
  return error instanceof KernelError && (errnos.length === 0 || errnos.includes(error.errno));
}

export interface OwnedLink {
  readonly name: string;
  readonly alias: string;
  readonly kind: string;
  /** Of a veth pair: the other end is in this namespace too, so it is in no sandbox. */
  readonly peerIsHome: boolean;
}

export interface HostRoute {
  readonly family: Family;
  /** Absent for a default route. */
  readonly destination?: Prefix;
  readonly device: string;
  /** True when the destination is on the link, not behind a next hop. */
  readonly onLink: boolean;
  /** Metric; the lowest wins. */
  readonly priority: number;
  /** Absent: the kernel, or somebody who sees to this host. */
  readonly maker?: "routing daemon" | "fairway";
}

export interface Uplink {
  readonly name: string;
  readonly mtuBytes: number;
}

export interface LinkPort {
  /**
   * Creates the bridge, or brings an existing one of ours to this state. True: it is new, and has no ports.
   * @throws FairwayError FW3007 when the name belongs to somebody else's interface.
   */
  ensureBridge(spec: BridgeSpec): Promise<boolean>;
  /**
   * Creates the pair attached and up on the host side. A leftover pair of ours with this name is replaced.
   * @throws FairwayError FW3008 when the bridge takes no more ports.
   */
  addVeth(spec: VethSpec): Promise<void>;
  /** Creates the pair with its host side up, as next hop. A leftover pair of ours with this name is replaced. */
  addNextHopLink(spec: NextHopLinkSpec): Promise<void>;
  /** Gives such a pair back what it lost when somebody set its host side down and up; one that is gone or down is fine. */
  mendNextHopLink(spec: NextHopLinkSpec): Promise<void>;
  /** Puts a pair that exists back into its bridge, which is new; a pair that is gone is fine. */
  attachVeth(spec: VethSpec): Promise<void>;
  /** Takes host sides of pairs of ours out of service, and so every route into them; absent ones are fine. */
  setDown(names: readonly IfName[]): Promise<void>;
  /** Queues links of ours for deletion; absent ones are fine. Resolves when queued, not when gone. */
  deleteLater(names: readonly IfName[]): void;
  /** Resolves when everything queued so far is gone from the kernel. */
  settled(): Promise<void>;
  /** Is there a link of this name? */
  isPresent(name: IfName): Promise<boolean>;
  /** What the link of this name is, when it is not ours; undefined when the name is free or ours. */
  foreignLink(name: IfName): Promise<string | undefined>;
  /** All links that carry our ownership mark. */
  listOwned(): Promise<readonly OwnedLink[]>;
  /** Device with the best default route (IPv4 first); undefined without one. */
  uplink(): Promise<Uplink | undefined>;
  /** MTU in bytes of a device; undefined when there is none of that name. */
  mtuBytes(device: string): Promise<number | undefined>;
  /** Addresses of the host that others can reach it by, on one device or all, in the kernel's order. */
  hostAddresses(device?: string): Promise<readonly HostAddress[]>;
  /** Routes of the main table, both families. */
  listRoutes(): Promise<readonly HostRoute[]>;
}

/** Routes of the main table that we make, known by our protocol number. */
export interface RoutePort {
  /** All of them, replacing equal ones; one whose device is gone is passed over, as it would have gone with it. */
  add(routes: readonly RouteSpec[]): Promise<void>;
  /** Absent ones are fine. */
  remove(routes: readonly RouteSpec[]): Promise<void>;
  /** Without those of mode host, which have a next hop. */
  listOwned(): Promise<readonly RouteSpec[]>;
}

export interface NftPort {
  /**
   * Makes our tables exactly this, in one transaction: readers see the old or the new state. Where chains or sets change,
   * a new connection may meet neither for an instant, since the kernel has the new hooks in front of the old ones then.
   */
  install(ruleset: Ruleset, elements: readonly NftElement[]): Promise<void>;
  /**
   * Adds and removes elements in one transaction.
   * @throws KernelError ENOENT or EEXIST when the kernel's tables are not what we left there.
   */
  change(change: ElementChange): Promise<void>;
  /** Are our tables there with all their chains, rules and sets? Elements are not compared. */
  isIntact(ruleset: Ruleset): Promise<boolean>;
  /** Removes our tables; absent ones are fine. */
  remove(ruleset: Ruleset): Promise<void>;
}

/** A claim that another socket stands in the way of. */
export interface ClaimConflict {
  readonly claim: PortClaim;
  readonly address: IpAddress;
  readonly port: number;
  /** "EADDRINUSE", "EADDRNOTAVAIL", … */
  readonly errno: string;
  /** Process that holds the port, when it could be found: "nginx (pid 812)". */
  readonly holder?: string;
}

/** Keeps host ports from being taken by others: one bound, silent socket per address and port. */
export interface HostPortPort {
  /** All or nothing. The chosen port per claim, in order, or the first conflict. */
  claim(owner: string, claims: readonly PortClaim[]): Promise<readonly number[] | ClaimConflict>;
  /** Frees everything of this owner; an unknown owner is fine. */
  release(owner: string): Promise<void>;
}

export interface ConntrackPort {
  /** Deletes matching entries, in the background and in batches. */
  forgetLater(filters: readonly FlowFilter[]): void;
  settled(): Promise<void>;
}

export interface SysctlPort {
  /** Value without the newline; undefined when this kernel has no such knob. `path` is below /proc/sys. */
  read(path: readonly string[]): string | undefined;
  write(path: readonly string[], value: string): void;
}

/** The one place where we meet the engine's own packet filter: a jump in DOCKER-USER, where that chain exists. */
export interface EngineFirewallPort {
  /** Cheap question, for every attachment: an engine that starts after us brings its chain then. */
  isAdmitted(): Promise<boolean>;
  /** Makes sure that forwarded traffic of our interfaces is left to our own table. Idempotent. */
  admit(): Promise<void>;
  /** Takes all of it back. Idempotent. */
  retract(): Promise<void>;
}

export interface LinkMonitorPort {
  /** Calls back with the name of each link that disappears from our namespace for good. */
  onLinkGone(listener: (name: string) => void): void;
  /** Calls back with the name of each link that has a carrier: of a veth pair, both ends are up now. */
  onLinkUp(listener: (name: string) => void): void;
  /** Calls back when an address of the host came or went. */
  onAddressChange(listener: () => void): void;
  /** Calls back when events were lost, so that the listener can compare as a whole. */
  onOverrun(listener: () => void): void;
  close(): Promise<void>;
}

/** Settings inside sandboxes, which engines make and move interfaces into. */
export interface SandboxPort {
  /**
   * Makes the sandbox of a container whose next hop is the host usable. Idempotent. False: the interface is not
   * there yet, or not up, or the sandbox is gone.
   */
  furnish(spec: FurnishSpec): Promise<boolean>;
}

/** Everything that the applying room needs from the kernel. */
export interface Kernel {
  readonly links: LinkPort;
  readonly routes: RoutePort;
  readonly nft: NftPort;
  readonly hostPorts: HostPortPort;
  readonly conntrack: ConntrackPort;
  readonly sysctls: SysctlPort;
  readonly engineFirewall: EngineFirewallPort;
  readonly sandboxes: SandboxPort;
}
