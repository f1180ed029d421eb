import { familyOf, hostOf, type InterfaceAddress, type IpAddress, wholeAddress } from "../../model/ip.ts";
import { sandboxRulePreferences, shareLinkGroup } from "../../plan/names.ts";
import { addAddress, configureFurnished, deleteAddress } from "../link/codec.ts";
import { RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RT_TABLE_MAIN } from "../link/constants.ts";
import type { LinkInfo } from "../link/parse.ts";
import { addNeighbour, addRoute, addRule, deleteRule, type RuleTo } from "../link/route-codec.ts";
import { type Change, Rtnetlink } from "../link/rtnetlink.ts";
import { hostMac } from "../link/veths.ts";
import type { NamespaceSetting } from "../netlink/jobs.ts";
import type { WorkerTransport } from "../netlink/worker-transport.ts";
import { type FurnishSpec, isKernelError, type SandboxPort } from "../ports.ts";

/** With strict filtering, packets that the host sends from the address that is the container's too would be dropped. */
const settings: readonly NamespaceSetting[] = [{ path: ["ipv4", "conf", "all", "rp_filter"], value: "0" }];

/** Every interface begins there (INIT_NETDEV_GROUP in include/linux/netdevice.h), those of other drivers stay there. */
const groupOfOtherInterfaces = 0;

/** Of a sandbox that has just been left, or of an interface on its way into it. */
const notThere = ["ENOENT", "ENODEV", "ENETDOWN", "EINVAL"];

/** Sandboxes of engines, visited by the thread that answers wait for: a visit takes some ten microseconds. */
export class Sandboxes implements SandboxPort {
  readonly #transport: Pick<WorkerTransport, "inside">;

  constructor(transport: Pick<WorkerTransport, "inside">) {
    this.#transport = transport;
  }

  async furnish(spec: FurnishSpec): Promise<boolean> {
    const sandbox = new Rtnetlink(this.#transport.inside(spec.sandboxKey, settings));
    try {
      const links = await sandbox.listLinks();
      const link = links.find(({ kind, mac }) => kind === "veth" && mac === spec.mac);
      if (link?.isUp !== true) {
        return false;
      }
      const others = links.filter(({ index, group }) => group === shareLinkGroup && index !== link.index);
      await this.#furnish(sandbox, spec, link, await addressesOf(sandbox, others));
      return true;
    } catch (error) {
      if (isKernelError(error, ...notThere)) {
        return false;
      }
      throw error;
    }
  }

  async #furnish(sandbox: Rtnetlink, spec: FurnishSpec, { index }: LinkInfo, others: OtherShares): Promise<void> {
    const changes: Change[] = [
      {
        what: "configure the sandbox's interface",
        message: configureFurnished({ index, group: shareLinkGroup, note: spec.note }),
      },
      ...spec.routes.flatMap(({ gateway }) => [
        // Not to depend on the host's answer, which strict reverse path filtering of the host would keep back.
        {
          what: `add neighbour ${gateway}`,
          message: addNeighbour({ address: gateway, mac: hostMac(spec.hostIf), index }),
        },
        {
          what: `add default route by ${gateway}`,
          message: addRoute({ destination: familyOf(gateway), gateway, index, table: spec.table }),
        },
      ]),
      ...spec.routes.flatMap(({ address }) => [
        ...(spec.sharesAddress ? sharedRuleChanges(spec.table, address) : []),
        ...fromRuleChanges(spec.table, address),
        ...mainRuleChanges(address, others.count),
        ...(spec.sharesAddress ? others.addresses.flatMap((other) => pairRuleChanges(spec.table, address, other)) : []),
      ]),
      ...(spec.sharesAddress ? [] : await wholeAddressChanges(sandbox, spec, index)),
    ];
    const refusals = await sandbox.attempt(changes);
    const failed = refusals.find((error) => error !== undefined && !["EEXIST", "ENOENT"].includes(error.errno));
    if (failed !== undefined) {
      throw failed;
    }
  }
}

/** The engine's own address management gives a container an address with the length of its subnet. */
async function wholeAddressChanges(sandbox: Rtnetlink, { routes }: FurnishSpec, index: number): Promise<Change[]> {
  const present = await sandbox.listAddresses(index);
  return routes.flatMap(({ address }) =>
    present
      .filter((one) => hostOf(one) === address && one !== wholeAddress(address))
      .flatMap((one) => shorteningChanges(index, one)),
  );
}

/**
 * IPv4: the right one comes before the other goes, as without any address an interface loses all its routes
 * (fib_inetaddr_event() in net/ipv4/fib_frontend.c). IPv6 takes an address once, whatever its length, and keeps routes.
 */
function shorteningChanges(index: number, before: InterfaceAddress): Change[] {
  const address = wholeAddress(hostOf(before));
  const add = { what: `add address ${address}`, message: addAddress(index, address) };
  const remove = { what: `delete address ${before}`, message: deleteAddress(index, before) };
  return familyOf(before) === "ipv4" ? [add, remove] : [remove, add];
}

/** What else in the sandbox has an address of the host. */
interface OtherShares {
  readonly count: number;
  readonly addresses: readonly IpAddress[];
}

async function addressesOf(sandbox: Rtnetlink, links: readonly LinkInfo[]): Promise<OtherShares> {
  if (links.length === 0) {
    return { count: 0, addresses: [] };
  }
  const indices = new Set(links.map(({ index }) => index));
  const all = await sandbox.listAllAddresses();
  const own = all.filter(({ linkIndex, scope }) => indices.has(linkIndex) && scope === RT_SCOPE_UNIVERSE);
  return { count: links.length, addresses: own.map(({ address }) => hostOf(address)) };
}

/** What one of its addresses answers to the other leaves by its own network, and not by that of the address it goes to. */
function pairRuleChanges(table: number, from: IpAddress, to: IpAddress): Change[] {
  const family = familyOf(from);
  const rule: RuleTo = { family, preference: sandboxRulePreferences.toOther, table, from, to, input: "lo" };
  return familyOf(to) === family ? [{ what: `add rule from ${from} to ${to}`, message: addRule(rule) }] : [];
}

/**
 * The kernel looks up addresses of its own first, and so would keep what the container sends to the host's address. Here
 * a rule comes before that look-up, for what is sent from here only. The look-up is added at its new place before it is
 * taken away from its old one.
 */
function sharedRuleChanges(table: number, address: IpAddress): Change[] {
  const family = familyOf(address);
  const local = (preference: number): RuleTo => ({ family, preference, table: RT_TABLE_LOCAL });
  const { toHost } = sandboxRulePreferences;
  return [
    { what: "add local rule", message: addRule(local(sandboxRulePreferences.local)) },
    {
      what: `add rule to ${address}`,
      message: addRule({ family, preference: toHost, table, to: address, input: "lo" }),
    },
    { what: "remove first local rule", message: deleteRule(local(0)) },
  ];
}

/** A container with further networks answers where it was asked, whatever its main table says. */
function fromRuleChanges(table: number, address: IpAddress): Change[] {
  const rule: RuleTo = {
    family: familyOf(address),
    preference: sandboxRulePreferences.fromHost,
    table,
    from: address,
  };
  return [{ what: `add rule from ${address}`, message: addRule(rule) }];
}

/**
 * The main table is asked before the network's own, and what it says counts when it leads to this network. The kernel
 * keeps a path's MTU with the route that it found, and a socket that has not chosen its source address finds that one
 * (__ip_rt_update_pmtu() in net/ipv4/route.c). Where several networks share an address of the host, the group does not
 * tell one from the other: none of them has the rule then.
 */
function mainRuleChanges(address: IpAddress, otherShares: number): Change[] {
  const rule: RuleTo = {
    family: familyOf(address),
    preference: sandboxRulePreferences.mainFromHost,
    table: RT_TABLE_MAIN,
  };
  if (otherShares === 0) {
    const message = addRule({ ...rule, from: address, exceptGroup: groupOfOtherInterfaces });
    return [{ what: `add main rule from ${address}`, message }];
  }
  return Array.from({ length: otherShares + 1 }, () => ({ what: "remove main rule", message: deleteRule(rule) }));
}
