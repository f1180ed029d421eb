/** What stands in our chain of the engine's packet filter, as iptables-save(8) prints it. Pure. */

export interface ChainParts {
  readonly chain: string;
  /** Mark of packets that our own table has judged and lets pass. */
  readonly markBit: number;
}

/**
 * Our own table has judged each packet before, and marked what may pass. Without our table there is no mark, and the
 * engine's policy holds.
 */
export function chainRules({ chain, markBit }: ChainParts): string[] {
  const mark = `0x${markBit.toString(16)}`;
  return [`-A ${chain} -m mark --mark ${mark}/${mark} -j ACCEPT`];
}

/** For `iptables-restore --noflush`: our chain as it should be, and one jump to it, in one transaction. */
export function admitScript(parts: ChainParts, engineChain: string, listed: ListedFilter): string {
  const jump = `${engineChain} -j ${parts.chain}`;
  const position = jumpPosition(listed);
  return script([
    `:${parts.chain} - [0:0]`,
    ...chainRules(parts),
    ...Array.from({ length: listed.jumps }, () => `-D ${jump}`),
    position === undefined ? `-A ${jump}` : `-I ${engineChain} ${position} -j ${parts.chain}`,
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
  /** Rules of the engine's chain that are not ours. */
  readonly otherRules: readonly string[];
  readonly jumps: number;
  /** Rules of others in front of the first jump to us. */
  readonly rulesBeforeJump: number;
  /** The last rule sends everything back, as engines up to 27 make it. */
  readonly endsWithReturn: boolean;
}

/** Reads `iptables -S`. */
export function readFilter(listing: string, chain: string, engineChain: string): ListedFilter {
  const lines = listing.split("\n").map((line) => line.trim());
  const engineRules = lines.filter((line) => line.startsWith(`-A ${engineChain} `));
  const jump = `-A ${engineChain} -j ${chain}`;
  const otherRules = engineRules.filter((line) => line !== jump);
  return {
    hasEngineChain: lines.includes(`-N ${engineChain}`),
    hasOwnChain: lines.includes(`-N ${chain}`),
    ownRules: lines.filter((line) => line.startsWith(`-A ${chain} `)),
    otherRules,
    jumps: engineRules.length - otherRules.length,
    rulesBeforeJump: engineRules.indexOf(jump),
    endsWithReturn: otherRules.at(-1) === `-A ${engineChain} -j RETURN`,
  };
}

/** 1-based; undefined: behind all. The administrator's own rules in the engine's chain come first and keep their word. */
function jumpPosition({ otherRules, endsWithReturn }: ListedFilter): number | undefined {
  return endsWithReturn ? otherRules.length : undefined;
}

export function isAdmitted(listed: ListedFilter, parts: ChainParts): boolean {
  const wanted = chainRules(parts);
  const position = jumpPosition(listed) ?? listed.otherRules.length + 1;
  return (
    listed.jumps === 1 &&
    listed.rulesBeforeJump === position - 1 &&
    listed.ownRules.length === wanted.length &&
    listed.ownRules.every((rule, index) => rule === wanted[index])
  );
}
