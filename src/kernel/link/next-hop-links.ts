import { familyOf, type IpAddress, prefixOf, wholeAddress } from "../../model/ip.ts";
import { KernelError, type NextHopLinkSpec, type SysctlPort } from "../ports.ts";
import { activateFlat, activateNextHop, addAddress, addLinkAddress, createVeth, deleteLink } from "./codec.ts";
import { FlatRoutes } from "./flat-routes.ts";
import { kernelHasIpv6, setIpv6 } from "./ipv6-settings.ts";
import { type PairMarks, removeLeftoverPair } from "./leftovers.ts";
import { addFlatRoute, addLoopbackRoute, addNeighbour, addRoute } from "./route-codec.ts";
import type { Change, Rtnetlink } from "./rtnetlink.ts";
import { hostMac } from "./veths.ts";

/** Pairs whose host side is the next hop of the container, without a bridge. */
export class NextHopLinks {
  readonly #rtnetlink: Rtnetlink;
  readonly #sysctls: SysctlPort;
  readonly #marks: PairMarks;

  constructor(parts: PairMarks & { readonly rtnetlink: Rtnetlink; readonly sysctls: SysctlPort }) {
    this.#rtnetlink = parts.rtnetlink;
    this.#sysctls = parts.sysctls;
    this.#marks = parts;
  }

  /** A pair that could not be finished is deleted again. */
  async add(spec: NextHopLinkSpec): Promise<void> {
    let refused = await this.#create(spec);
    if (refused?.errno === "EEXIST") {
      await removeLeftoverPair(this.#rtnetlink, spec, this.#marks);
      refused = await this.#create(spec);
    }
    if (refused !== undefined) {
      throw refused;
    }
    try {
      await this.#configure(spec);
    } catch (error) {
      await this.#rtnetlink.attempt([{ what: `delete ${spec.host}`, message: deleteLink(spec.host) }]);
      throw error;
    }
  }

  /** Routes that others have in the place of ours stay. */
  async mend(spec: NextHopLinkSpec): Promise<void> {
    const link = await this.#rtnetlink.findLink(spec.host);
    if (link?.isUp === true) {
      await this.#attempt(belongings(spec, link.index));
    }
  }

  async #create(spec: NextHopLinkSpec): Promise<KernelError | undefined> {
    const message = createVeth({
      host: { name: spec.host, mac: hostMac(spec.host) },
      sandbox: { name: spec.sandbox, mac: spec.sandboxMac },
      mtu: spec.mtu,
      group: spec.group,
    });
    return (await this.#rtnetlink.attempt([{ what: `create veth pair ${spec.host}`, message }]))[0];
  }

  async #configure(spec: NextHopLinkSpec): Promise<void> {
    const link = await this.#rtnetlink.findLink(spec.host);
    if (link === undefined) {
      throw new KernelError(`find ${spec.host}`, "ENODEV");
    }
    // While the link is down: once up, an accepted router advertisement would stay (CVE-2020-13401).
    setIpv6(this.#sysctls, spec.host, hasIpv6(spec));
    const { index } = link;
    const isFlat = spec.flatMetrics !== undefined;
    const activate = isFlat ? activateFlat : activateNextHop;
    const refusals = await this.#attempt([
      {
        what: `set up ${spec.host}`,
        message: activate({ index, alias: spec.alias, ipv6: kernelHasIpv6(this.#sysctls) }),
      },
      ...belongings(spec, index),
    ]);
    if (isFlat && refusals.some((error) => error?.errno === "EEXIST")) {
      await this.#takeOver(spec);
    }
  }

  /** What is there already is no failure. */
  async #attempt(changes: readonly Change[]): Promise<readonly (KernelError | undefined)[]> {
    const refusals = await this.#rtnetlink.attempt(changes);
    const failed = refusals.find((error) => error !== undefined && error.errno !== "EEXIST");
    if (failed !== undefined) {
      throw failed;
    }
    return refusals;
  }

  /** The former pair of an address may not be gone yet. */
  async #takeOver({ host, targets, flatMetrics = [] }: NextHopLinkSpec): Promise<void> {
    const routes = flatMetrics.flatMap((metric, at) => {
      const target = targets[at];
      return target === undefined ? [] : [{ destination: prefixOf(wholeAddress(target)), metric, device: host }];
    });
    await new FlatRoutes(this.#rtnetlink).add(routes);
  }
}

/** What the kernel takes away when the host side goes down, but for IPv4 addresses. */
function belongings(spec: NextHopLinkSpec, index: number): Change[] {
  const sharesIpv6 = spec.flatMetrics === undefined && hasIpv6(spec);
  return [
    ...spec.gateways.map((gateway) => gatewayChange(spec, index, gateway)),
    ...spec.targets.flatMap((target, at) => targetChanges(spec, index, target, spec.flatMetrics?.[at])),
    ...(sharesIpv6 ? [{ what: `add route for ::1 to ${spec.host}`, message: addLoopbackRoute(index) }] : []),
  ];
}

function hasIpv6({ gateways }: NextHopLinkSpec): boolean {
  return gateways.some((gateway) => familyOf(gateway) === "ipv6");
}

function gatewayChange(spec: NextHopLinkSpec, index: number, gateway: IpAddress): Change {
  const address = wholeAddress(gateway);
  const what = `add address ${gateway} to ${spec.host}`;
  // IPv6 has the scope in the address itself.
  const message = familyOf(gateway) === "ipv4" ? addLinkAddress(index, address) : addAddress(index, address);
  return { what, message };
}

/**
 * The neighbour is never asked for: the first packet would do so before the engine has moved the interface, and the kernel
 * asks again a second later only.
 */
function targetChanges(spec: NextHopLinkSpec, index: number, target: IpAddress, metric: number | undefined): Change[] {
  const message =
    metric === undefined
      ? // By itself as next hop: the packet's own destination has been put back by the time the neighbour is looked up.
        addRoute({ destination: target, gateway: target, index })
      : addFlatRoute({ destination: prefixOf(wholeAddress(target)), metric, index });
  return [
    { what: `add neighbour ${target}`, message: addNeighbour({ address: target, mac: spec.sandboxMac, index }) },
    { what: `add route to ${target}`, message },
  ];
}
