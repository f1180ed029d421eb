/** What stands in our chain of the engine's packet filter, as iptables-save(8) prints it. Pure. */

export interface ChainParts {
  readonly chain: string;
  readonly linkGroup: number;
  /** Device of the default route. */
  readonly uplink?: string | undefined;
}

/** Names of bridges that engines and libvirt make; traffic into those is theirs to judge. */
const bridgePrefixes = ["docker", "br-", "virbr"];

/**
 * Our own table has judged each packet before. To our containers: let it pass. From our containers: let it pass, but
 * into somebody else's bridge only as far as the rules behind this chain allow.
 */
export function chainRules({ chain, linkGroup, uplink }: ChainParts): string[] {
  const group = `0x${linkGroup.toString(16)}`;
  const fromOurs = `-m devgroup --src-group ${group} -j ACCEPT`;
  const isOddUplink = uplink !== undefined && bridgePrefixes.some((prefix) => uplink.startsWith(prefix));
  return [
    `-m devgroup --dst-group ${group} -j ACCEPT`,
    ...(isOddUplink ? [`-o ${uplink} ${fromOurs}`] : []),
    ...bridgePrefixes.map((prefix) => `-o ${prefix}+ -j RETURN`),
    fromOurs,
  ].map((rule) => `-A ${chain} ${rule}`);
}

/** For `iptables-restore --noflush`: our chain as it should be, and one jump to it, in one transaction. */
export function admitScript(parts: ChainParts, engineChain: string, presentJumps: number): string {
  const jump = `${engineChain} -j ${parts.chain}`;
  return script([
    `:${parts.chain} - [0:0]`,
    ...chainRules(parts),
    ...Array.from({ length: presentJumps }, () => `-D ${jump}`),
    `-I ${jump}`,
  ]);
}

export function retractScript(chain: string, engineChain: string, presentJumps: number): string {
  return script([
    ...Array.from({ length: presentJumps }, () => `-D ${engineChain} -j ${chain}`),
    `-F ${chain}`,
    `-X ${chain}`,
  ]);
}

function script(lines: readonly string[]): string {
  return ["*filter", ...lines, "COMMIT", ""].join("\n");
}

export interface ListedFilter {
  readonly hasEngineChain: boolean;
  readonly hasOwnChain: boolean;
  /** Rules of our chain, as chainRules gives them. */
  readonly ownRules: readonly string[];
  readonly jumps: number;
  readonly jumpIsFirst: boolean;
}

/** Reads `iptables -S`. */
export function readFilter(listing: string, chain: string, engineChain: string): ListedFilter {
  const lines = listing.split("\n").map((line) => line.trim());
  const engineRules = lines.filter((line) => line.startsWith(`-A ${engineChain} `));
  const jump = `-A ${engineChain} -j ${chain}`;
  return {
    hasEngineChain: lines.includes(`-N ${engineChain}`),
    hasOwnChain: lines.includes(`-N ${chain}`),
    ownRules: lines.filter((line) => line.startsWith(`-A ${chain} `)),
    jumps: engineRules.filter((line) => line === jump).length,
    jumpIsFirst: engineRules[0] === jump,
  };
}

export function isAdmitted(listed: ListedFilter, parts: ChainParts): boolean {
  const wanted = chainRules(parts);
  return (
    listed.jumps === 1 &&
    listed.jumpIsFirst &&
    listed.ownRules.length === wanted.length &&
    listed.ownRules.every((rule, index) => rule === wanted[index])
  );
}
