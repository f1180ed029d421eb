import { FairwayError } from "../../errors.ts";
import { deleteLink } from "./codec.ts";
import { describeLink } from "./parse.ts";
import type { Rtnetlink } from "./rtnetlink.ts";

/** How a pair of ours is recognised. */
export interface PairMarks {
  /** Every link group that marks a link as ours. */
  readonly groups: readonly number[];
  /** Start of the alias of every link of ours. */
  readonly aliasPrefix: string;
}

/**
 * Deletes a pair of ours that has these names. Either name may be the one that exists; a link that a crash left without
 * alias still has the group.
 * @throws FairwayError FW3007 when a name belongs to somebody else's interface.
 */
export async function removeLeftoverPair(
  rtnetlink: Rtnetlink,
  pair: { readonly host: string; readonly sandbox: string },
  { groups, aliasPrefix }: PairMarks,
): Promise<void> {
  const host = await rtnetlink.findLink(pair.host);
  const link = host ?? (await rtnetlink.findLink(pair.sandbox));
  if (link === undefined) {
    return;
  }
  const isUnfinished = link.alias === "" && groups.includes(link.group);
  if (link !== host || link.kind !== "veth" || !(isUnfinished || link.alias.startsWith(aliasPrefix))) {
    throw new FairwayError({
      code: "FW3007",
      what: `interface ${link.name} exists already and does not belong to fairway`,
      why: `it is ${describeLink(link)}`,
      fix: `remove it with: ip link delete ${link.name}`,
    });
  }
  const [refused] = await rtnetlink.attempt([{ what: `delete leftover ${pair.host}`, message: deleteLink(pair.host) }]);
  if (refused !== undefined && refused.errno !== "ENODEV") {
    throw refused;
  }
}
