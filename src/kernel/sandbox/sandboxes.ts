import { familyOf } from "../../model/ip.ts";
import { sandboxRulePreferences } from "../../plan/names.ts";
import { configureFurnished } from "../link/codec.ts";
import { RT_TABLE_LOCAL } from "../link/constants.ts";
import type { LinkInfo } from "../link/parse.ts";
import { addNeighbour, addRoute, addRule, deleteRule, type RuleTo } from "../link/route-codec.ts";
import { type Change, Rtnetlink } from "../link/rtnetlink.ts";
import { hostMac } from "../link/veths.ts";
import type { NamespaceSetting } from "../netlink/jobs.ts";
import type { WorkerTransport } from "../netlink/worker-transport.ts";
import { type FurnishSpec, isKernelError, type SandboxPort } from "../ports.ts";

/** With strict filtering, packets that the host sends from the address that is the container's too would be dropped. */
const settings: readonly NamespaceSetting[] = [{ path: ["ipv4", "conf", "all", "rp_filter"], value: "0" }];

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
      const link = (await sandbox.listLinks()).find(({ kind, mac }) => kind === "veth" && mac === spec.mac);
      if (link?.isUp !== true) {
        return false;
      }
      await this.#furnish(sandbox, spec, link);
      return true;
    } catch (error) {
      if (isKernelError(error, ...notThere)) {
        return false;
      }
      throw error;
    }
  }

  async #furnish(sandbox: Rtnetlink, spec: FurnishSpec, { index }: LinkInfo): Promise<void> {
    const changes: Change[] = [
      { what: "configure the sandbox's interface", message: configureFurnished({ index, note: spec.note }) },
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
      ...spec.routes.flatMap((route) => ruleChanges(spec.table, route)),
    ];
    const refusals = await sandbox.attempt(changes);
    const failed = refusals.find((error) => error !== undefined && !["EEXIST", "ENOENT"].includes(error.errno));
    if (failed !== undefined) {
      throw failed;
    }
  }
}

/**
 * The kernel looks up addresses of its own first, and so would keep what the container sends to the host's address. Here
 * a rule comes before that look-up, for what is sent from here only. The look-up is added at its new place before it is
 * taken away from its old one.
 */
function ruleChanges(table: number, { address }: FurnishSpec["routes"][number]): Change[] {
  const family = familyOf(address);
  const local = (preference: number): RuleTo => ({ family, preference, table: RT_TABLE_LOCAL });
  const { toHost, fromHost } = sandboxRulePreferences;
  return [
    { what: "add local rule", message: addRule(local(sandboxRulePreferences.local)) },
    {
      what: `add rule to ${address}`,
      message: addRule({ family, preference: toHost, table, to: address, input: "lo" }),
    },
    // A container with further networks answers where it was asked.
    { what: `add rule from ${address}`, message: addRule({ family, preference: fromHost, table, from: address }) },
    { what: "remove first local rule", message: deleteRule(local(0)) },
  ];
}
