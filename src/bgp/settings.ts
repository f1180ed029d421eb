/** What the operator says about BGP, every value checked. Only the parsers of values.ts make these types. */
import type { IfName } from "../model/ids.ts";
import type { IpAddress, Prefix } from "../model/ip.ts";
import type { AsNumber, Community, PeerName } from "./values.ts";

export const daemonKinds = ["bird", "frr"] as const;
export type DaemonKind = (typeof daemonKinds)[number];

export interface BgpPeer {
  readonly name: PeerName;
  /** The session carries routes of this address's family. */
  readonly address: IpAddress;
  readonly as: AsNumber;
  /** Where a link-local address is. */
  readonly interface?: IfName;
  /** Hops to the peer; absent: directly connected. */
  readonly multihop?: number;
  readonly passwordFile?: string;
  readonly bfd: boolean;
  readonly gracefulRestart: boolean;
  /** Absent: the routing daemon's own default. */
  readonly holdSeconds?: number;
  readonly communities: readonly Community[];
  /** What goes to this peer lies in one of these; empty: no further limit. */
  readonly exportPrefixes: readonly Prefix[];
  readonly importDefaultOnly: boolean;
}

export interface BgpSettings {
  readonly daemon: DaemonKind;
  /** BIRD: its control socket. FRR: the directory of its vty sockets. */
  readonly controlSocket?: string;
  readonly routerId?: IpAddress;
  readonly localAs?: AsNumber;
  /** Whether the text has BIRD's kernel protocols; absent: when there are peers. */
  readonly standalone?: boolean;
  readonly peers: readonly BgpPeer[];
}

/** Everything a text is made of. */
export interface BgpPlan extends BgpSettings {
  /** Empty: no limit. */
  readonly flatSpace: readonly Prefix[];
  /** Passwords by peer name. A peer with a passwordFile that is not here gets a comment in its place. */
  readonly passwords: ReadonlyMap<PeerName, Password>;
}

export type Password = string & { readonly __bgpPassword: unique symbol };

export const defaultControlSockets = { bird: "/run/bird/bird.ctl", frr: "/run/frr" } as const;
export const defaultIncludeFiles = { bird: "/etc/bird/fairway.conf", frr: "/etc/frr/fairway.conf" } as const;

/** Seconds that a peer keeps routes of a daemon that died (RFC 4724). */
export const restartSeconds = 15;
