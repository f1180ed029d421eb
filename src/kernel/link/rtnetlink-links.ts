import type { IfName } from "../../model/ids.ts";
import type { NetlinkTransport } from "../netlink/transport.ts";
import type {
  BridgeSpec,
  HostAddress,
  HostRoute,
  LinkPort,
  NextHopLinkSpec,
  OwnedLink,
  SysctlPort,
  Uplink,
  VethSpec,
} from "../ports.ts";
import { Bridges } from "./bridges.ts";
import { setLinkDown } from "./codec.ts";
import { listHostAddresses } from "./host-addresses.ts";
import { findUplink, listHostRoutes } from "./host-routes.ts";
import { LinkReaper } from "./link-reaper.ts";
import { NextHopLinks } from "./next-hop-links.ts";
import { describeLink } from "./parse.ts";
import { Rtnetlink } from "./rtnetlink.ts";
import { Veths } from "./veths.ts";

export interface RtnetlinkLinksOptions {
  readonly sysctls: SysctlPort;
  /** IFLA_GROUP of our bridges, set at creation. */
  readonly linkGroup: number;
  /** Every IFLA_GROUP that marks a link as ours, linkGroup among them. */
  readonly groups: readonly number[];
  /** IFLA_GROUP that means "to be deleted". */
  readonly reapGroup: number;
  /** Start of IFLA_IFALIAS on every link of ours. */
  readonly aliasPrefix: string;
  /** Told of each failed background deletion; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/** Links of the current network namespace over rtnetlink. */
export class RtnetlinkLinks implements LinkPort {
  readonly #rtnetlink: Rtnetlink;
  readonly #bridges: Bridges;
  readonly #veths: Veths;
  readonly #nextHopLinks: NextHopLinks;
  readonly #reaper: LinkReaper;
  readonly #options: RtnetlinkLinksOptions;

  /** @param reaperTransport Only for deletions, which wait long; its own, so that nothing waits behind them. */
  constructor(transport: NetlinkTransport, reaperTransport: NetlinkTransport, options: RtnetlinkLinksOptions) {
    const rtnetlink = new Rtnetlink(transport);
    this.#rtnetlink = rtnetlink;
    this.#bridges = new Bridges({ rtnetlink, ...options });
    this.#veths = new Veths({ rtnetlink, ...options });
    this.#nextHopLinks = new NextHopLinks({ rtnetlink, ...options });
    this.#reaper = new LinkReaper({ rtnetlink: new Rtnetlink(reaperTransport), ...options });
    this.#options = options;
  }

  async ensureBridge(spec: BridgeSpec): Promise<boolean> {
    await this.#reaper.gone(spec.name);
    return await this.#bridges.ensure(spec);
  }

  async addVeth(spec: VethSpec): Promise<void> {
    await this.#reaper.gone(spec.host);
    await this.#veths.add(spec);
  }

  async addNextHopLink(spec: NextHopLinkSpec): Promise<void> {
    await this.#reaper.gone(spec.host);
    await this.#nextHopLinks.add(spec);
  }

  mendNextHopLink(spec: NextHopLinkSpec): Promise<void> {
    return this.#nextHopLinks.mend(spec);
  }

  attachVeth(spec: VethSpec): Promise<void> {
    return this.#veths.attach(spec);
  }

  async setDown(names: readonly IfName[]): Promise<void> {
    const changes = names.map((name) => ({ what: `set ${name} down`, message: setLinkDown(name) }));
    const refusals = await this.#rtnetlink.attempt(changes);
    const failed = refusals.find((error) => error !== undefined && error.errno !== "ENODEV");
    if (failed !== undefined) {
      throw failed;
    }
  }

  deleteLater(names: readonly IfName[]): void {
    this.#veths.forget(names);
    this.#reaper.deleteLater(names);
  }

  settled(): Promise<void> {
    return this.#reaper.settled();
  }

  async isPresent(name: IfName): Promise<boolean> {
    return (await this.#rtnetlink.findLink(name)) !== undefined;
  }

  async foreignLink(name: IfName): Promise<string | undefined> {
    const link = await this.#rtnetlink.findLink(name);
    const { groups, reapGroup } = this.#options;
    return link === undefined || [...groups, reapGroup].includes(link.group) ? undefined : describeLink(link);
  }

  async listOwned(): Promise<readonly OwnedLink[]> {
    const { aliasPrefix, groups } = this.#options;
    const links = await this.#rtnetlink.listLinks();
    return links
      .filter(({ alias, group }) => alias.startsWith(aliasPrefix) || (alias === "" && groups.includes(group)))
      .map(({ name, alias, kind, peerIsHome }) => ({ name, alias, kind, peerIsHome }));
  }

  async uplink(): Promise<Uplink | undefined> {
    const link = await findUplink(this.#rtnetlink);
    return link === undefined ? undefined : { name: link.name, mtuBytes: link.mtu };
  }

  async mtuBytes(device: string): Promise<number | undefined> {
    return (await this.#rtnetlink.findLink(device))?.mtu;
  }

  hostAddresses(device?: string): Promise<readonly HostAddress[]> {
    return listHostAddresses(this.#rtnetlink, device);
  }

  listRoutes(): Promise<readonly HostRoute[]> {
    return listHostRoutes(this.#rtnetlink);
  }
}
