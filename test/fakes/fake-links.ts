import { FairwayError } from "../../src/errors.ts";
import {
  type BridgeSpec,
  type HostAddress,
  type HostRoute,
  KernelError,
  type LinkPort,
  type NextHopLinkSpec,
  type OwnedLink,
  type Uplink,
  type VethSpec,
} from "../../src/kernel/ports.ts";
import { type IfName, isIfName } from "../../src/model/ids.ts";
import { familyOf, type IpAddress, type Prefix, parseIpAddress, prefixOf, wholeAddress } from "../../src/model/ip.ts";
import { aliasPrefix } from "../../src/plan/names.ts";
import { FakeLinkMonitor } from "./fake-link-monitor.ts";

const maxBridgePorts = 1023;

export type FakeLink =
  | { readonly kind: "bridge"; readonly spec: BridgeSpec }
  | { readonly kind: "veth"; readonly spec: VethSpec; bridge: string | undefined; sandboxKey: string | undefined }
  /** A pair without a bridge. */
  | { readonly kind: "share"; readonly spec: NextHopLinkSpec; sandboxKey: string | undefined; isDown?: true }
  | { readonly kind: "foreign"; readonly what: string };

export interface FakeFlatRoute {
  readonly destination: Prefix;
  readonly metric: number;
}

/** The interfaces of one host, with the peer of a veth pair as part of it. Checks what the kernel would check. */
export class FakeLinks implements LinkPort {
  readonly links = new Map<string, FakeLink>();
  readonly routes: HostRoute[] = [];
  defaultRoute: Uplink | undefined = { name: "eth0", mtuBytes: 1500 };
  /** Addresses that others can reach the host by. */
  addresses: HostAddress[] = [
    { address: parseIpAddress("192.0.2.10"), device: "eth0" },
    { address: parseIpAddress("2001:db8::10"), device: "eth0" },
    { address: parseIpAddress("198.51.100.1"), device: "eth1" },
  ];
  /** Routes into pairs whose containers have flat addresses, by host side. */
  readonly flatRoutes = new Map<string, FakeFlatRoute[]>();
  readonly monitor = new FakeLinkMonitor();
  readonly #doomed = new Set<string>();
  #held = false;

  addForeign(name: string, what = "dummy"): void {
    this.links.set(name, { kind: "foreign", what });
  }

  async ensureBridge(spec: BridgeSpec): Promise<boolean> {
    requireNames(spec.name);
    requireAlias(spec.alias);
    this.#finish(spec.name);
    const existing = this.links.get(spec.name);
    if (existing !== undefined && (existing.kind !== "bridge" || existing.spec.alias !== spec.alias)) {
      throw taken(spec.name);
    }
    if (!spec.ipv6 && spec.addresses.some((address) => address.includes(":"))) {
      throw new KernelError(`add address to ${spec.name}`, "EACCES");
    }
    this.links.set(spec.name, { kind: "bridge", spec });
    return existing === undefined;
  }

  async attachVeth(spec: VethSpec): Promise<void> {
    const link = this.links.get(spec.host);
    if (this.links.get(spec.bridge)?.kind !== "bridge") {
      throw new KernelError(`attach ${spec.host}`, "ENODEV");
    }
    if (link?.kind === "veth") {
      link.bridge = spec.bridge;
    }
  }

  async addVeth(spec: VethSpec): Promise<void> {
    requireNames(spec.host, spec.sandbox);
    requireAlias(spec.alias);
    this.#finish(spec.host);
    const bridge = this.links.get(spec.bridge);
    if (bridge?.kind !== "bridge") {
      throw new KernelError(`create veth pair ${spec.host}`, bridge === undefined ? "ENODEV" : "EINVAL");
    }
    this.#replaceLeftover(spec);
    if (this.portsOf(spec.bridge).length >= maxBridgePorts) {
      throw new FairwayError({ code: "FW3008", what: `bridge ${spec.bridge} takes no more containers` });
    }
    this.links.set(spec.host, { kind: "veth", spec, bridge: spec.bridge, sandboxKey: undefined });
  }

  async addNextHopLink(spec: NextHopLinkSpec): Promise<void> {
    requireNames(spec.host, spec.sandbox);
    requireAlias(spec.alias);
    if (spec.gateways.length === 0 || spec.gateways.length !== spec.targets.length) {
      throw new Error(`${spec.host} needs a gateway and a stand-in address per family`);
    }
    this.#finish(spec.host);
    this.#replaceLeftover(spec);
    const clash = spec.targets.find((standIn) => this.#leadsTo(standIn) !== undefined);
    if (clash !== undefined && spec.flatMetrics === undefined) {
      throw new Error(`${clash} leads to ${this.#leadsTo(clash)} already`);
    }
    this.links.set(spec.host, { kind: "share", spec, sandboxKey: undefined });
    if (spec.flatMetrics !== undefined && spec.flatMetrics.length !== spec.targets.length) {
      throw new Error(`${spec.host} needs a metric per address`);
    }
    this.#addFlatRoutes(spec);
  }

  async mendNextHopLink(spec: NextHopLinkSpec): Promise<void> {
    if (this.links.get(spec.host)?.kind === "share" && !this.isDown(spec.host)) {
      this.#addFlatRoutes(spec);
    }
  }

  #addFlatRoutes(spec: NextHopLinkSpec): void {
    for (const [at, metric] of (spec.flatMetrics ?? []).entries()) {
      const destination = prefixOf(wholeAddress(spec.targets[at] ?? ("" as IpAddress)));
      this.addFlatRoute(spec.host, { destination, metric });
    }
  }

  /** Set down by us, and not made again since. */
  isDown(name: string): boolean {
    const link = this.links.get(name);
    return link?.kind === "share" && link.isDown === true;
  }

  /** Takes the place of an equal one, whichever pair that leads into. */
  addFlatRoute(device: string, route: FakeFlatRoute): void {
    if (!this.links.has(device) || this.isDown(device)) {
      return;
    }
    for (const [other, routes] of this.flatRoutes) {
      const left = routes.filter(
        ({ destination, metric }) => destination !== route.destination || metric !== route.metric,
      );
      this.flatRoutes.set(other, left);
    }
    this.flatRoutes.set(device, [...(this.flatRoutes.get(device) ?? []), route]);
  }

  async setDown(names: readonly IfName[]): Promise<void> {
    for (const name of names) {
      const link = this.links.get(name);
      if (link?.kind === "foreign") {
        throw new Error(`asked to set ${name} down, which is not ours`);
      }
      if (link?.kind === "share") {
        link.isDown = true;
        this.flatRoutes.delete(name);
      }
    }
  }

  deleteLater(names: readonly IfName[]): void {
    for (const name of names) {
      const link = this.links.get(name);
      if (link?.kind === "foreign") {
        throw new Error(`asked to delete ${name}, which is not ours`);
      }
      this.#doomed.add(name);
    }
    if (!this.#held) {
      void Promise.resolve().then(() => this.#reapUnlessHeld());
    }
  }

  async settled(): Promise<void> {
    while (this.#doomed.size > 0) {
      this.#reapUnlessHeld();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async listOwned(): Promise<readonly OwnedLink[]> {
    return [...this.links].flatMap(([name, link]) => {
      if (link.kind === "foreign") {
        return [];
      }
      const peerIsHome = link.kind !== "bridge" && link.sandboxKey === undefined;
      return [{ name, alias: link.spec.alias, kind: link.kind === "bridge" ? "bridge" : "veth", peerIsHome }];
    });
  }

  async isPresent(name: IfName): Promise<boolean> {
    const end = this.#sandboxEnd(name);
    return this.links.has(name) || (end !== undefined && end.sandboxKey === undefined);
  }

  async foreignLink(name: IfName): Promise<string | undefined> {
    this.#finish(name);
    const link = this.links.get(name);
    return link?.kind === "foreign" ? link.what : undefined;
  }

  async uplink(): Promise<Uplink | undefined> {
    return this.defaultRoute;
  }

  async mtuBytes(device: string): Promise<number | undefined> {
    const isThere = this.addresses.some((at) => at.device === device) || this.defaultRoute?.name === device;
    return isThere ? (this.defaultRoute?.mtuBytes ?? 1500) : undefined;
  }

  async hostAddresses(device?: string): Promise<readonly HostAddress[]> {
    return this.addresses.filter((at) => device === undefined || at.device === device);
  }

  async listRoutes(): Promise<readonly HostRoute[]> {
    const own = [...this.links].flatMap(([device, link]) =>
      link.kind === "bridge"
        ? link.spec.addresses.map((address) => ({
            family: familyOf(address),
            destination: prefixOf(address),
            device,
            onLink: true,
            priority: 0,
          }))
        : [],
    );
    const flat = [...this.flatRoutes].flatMap(([device, routes]) =>
      routes.map(({ destination, metric }) => ({
        family: familyOf(destination),
        destination,
        device,
        onLink: true,
        priority: metric,
        maker: "fairway" as const,
      })),
    );
    return [...this.routes, ...own, ...flat];
  }

  /** Keeps deletions waiting until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#reapUnlessHeld();
  }

  /** The process that had the queue is gone, and the queue with it. */
  forgetQueue(): void {
    this.#doomed.clear();
    this.#held = false;
  }

  /** What the engine does after a join. */
  moveToSandbox(sandbox: string, sandboxKey: string): void {
    const link = this.#sandboxEnd(sandbox);
    if (link === undefined) {
      throw new Error(`the engine finds no interface ${sandbox}`);
    }
    link.sandboxKey = sandboxKey;
    this.monitor.emitUp(link.spec.host);
  }

  moveBack(sandbox: string): void {
    const link = this.#sandboxEnd(sandbox);
    if (link !== undefined) {
      link.sandboxKey = undefined;
    }
  }

  /** The namespace ends, as when its last process is killed: every pair with an end in it is gone. */
  endSandbox(sandboxKey: string): void {
    for (const [name, link] of this.links) {
      if ((link.kind === "veth" || link.kind === "share") && link.sandboxKey === sandboxKey) {
        this.remove(name);
      }
    }
  }

  /** Somebody deletes a link by hand. */
  remove(name: string): void {
    const link = this.links.get(name);
    if (link === undefined) {
      return;
    }
    this.links.delete(name);
    this.flatRoutes.delete(name);
    for (const port of link.kind === "bridge" ? this.portsOf(name) : []) {
      port.bridge = undefined;
    }
    this.monitor.emitGone(name);
    if ((link.kind === "veth" || link.kind === "share") && link.sandboxKey === undefined) {
      this.monitor.emitGone(link.spec.sandbox);
    }
  }

  portsOf(bridge: string): (FakeLink & { kind: "veth" })[] {
    return [...this.links.values()].filter((link) => link.kind === "veth").filter((link) => link.bridge === bridge);
  }

  transcript(): string[] {
    return [...this.links].map(([name, link]) => `link ${name} ${describe(link)}`).sort();
  }

  /** Of either kind: the container's end is in this sandbox, and its link-layer address is this one. */
  isInside(sandboxKey: string, mac: string): boolean {
    return this.#pairs().some((link) => link.sandboxKey === sandboxKey && link.spec.sandboxMac === mac);
  }

  #pairs(): (FakeLink & { kind: "veth" | "share" })[] {
    return [...this.links.values()].filter((link) => link.kind === "veth" || link.kind === "share");
  }

  #sandboxEnd(sandbox: string): (FakeLink & { kind: "veth" | "share" }) | undefined {
    return this.#pairs().find((link) => link.spec.sandbox === sandbox);
  }

  #leadsTo(standIn: string): string | undefined {
    return this.#pairs().find((link) => link.kind === "share" && link.spec.targets.some((one) => one === standIn))?.spec
      .host;
  }

  #replaceLeftover(spec: { readonly host: string; readonly sandbox: string }): void {
    const existing = this.links.get(spec.host);
    if (existing?.kind === "veth" || existing?.kind === "share") {
      this.remove(spec.host);
    } else if (existing !== undefined || this.#sandboxEnd(spec.sandbox) !== undefined) {
      throw taken(spec.host);
    }
  }

  /** A name that is about to be used again must be free first. */
  #finish(name: string): void {
    if (this.#doomed.delete(name)) {
      this.remove(name);
    }
  }

  #reapUnlessHeld(): void {
    if (this.#held) {
      return;
    }
    for (const name of this.#doomed) {
      this.remove(name);
    }
    this.#doomed.clear();
  }
}

function describe(link: FakeLink): string {
  if (link.kind === "foreign") {
    return link.what;
  }
  const { spec } = link;
  if (link.kind === "bridge") {
    const addresses = [...link.spec.addresses].sort().join(",");
    return `bridge mac ${link.spec.mac} mtu ${spec.mtu} ipv6 ${link.spec.ipv6} addresses ${addresses} alias ${spec.alias}`;
  }
  if (link.kind === "share") {
    const { sandbox, sandboxMac, mtu, gateways, targets, alias } = link.spec;
    return `share peer ${sandbox} ${sandboxMac} mtu ${mtu} by ${gateways.join(",")} as ${targets.join(",")} alias ${alias}`;
  }
  const port = `master ${link.bridge ?? "-"} isolated ${link.spec.isolated}`;
  return `veth peer ${link.spec.sandbox} ${link.spec.sandboxMac} mtu ${spec.mtu} ${port} alias ${spec.alias}`;
}

function requireNames(...names: readonly string[]): void {
  for (const name of names) {
    if (!isIfName(name)) {
      throw new KernelError(`create ${name}`, "EINVAL");
    }
  }
}

function requireAlias(alias: string): void {
  // IFALIASZ in include/uapi/linux/if.h, with the final zero byte.
  if (!alias.startsWith(aliasPrefix) || alias.length > 255) {
    throw new Error(`alias ${alias} does not mark a link as ours`);
  }
}

function taken(name: string): FairwayError {
  return new FairwayError({ code: "FW3007", what: `interface ${name} exists already and does not belong to us` });
}
