/** What must be typed so that FRR has one of our texts instead of another. */

/** A line together with the blocks that it stands in, outermost first. */
type Statement = readonly string[];

const blockHeads = /^(route-map |router bgp |address-family )/;
const blockEnds: readonly string[] = ["exit", "exit-address-family"];

/**
 * Lines of `before` that `after` does not have are taken back, last first; then everything of `after` is said.
 * @returns text for vtysh; without anything to take back it is `after`.
 */
export function frrDelta(before: string, after: string): string {
  const kept = new Set(statementsOf(after).map((statement) => statement.join("\n")));
  const gone = statementsOf(before).filter((statement) => !kept.has(statement.join("\n")));
  return [...gone.toReversed().flatMap((statement) => takenBack(statement, kept)), after].join("\n");
}

function statementsOf(text: string): Statement[] {
  const statements: Statement[] = [];
  const blocks: string[] = [];
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    if (line === "" || line.startsWith("!")) {
      continue;
    }
    if (blockEnds.includes(line)) {
      blocks.pop();
      continue;
    }
    statements.push([...blocks, line]);
    if (blockHeads.test(line)) {
      blocks.push(line);
    }
  }
  return statements;
}

/** A route-map goes with its lines. A BGP instance is emptied of ours but never removed: others may have lines there. */
function takenBack(statement: Statement, kept: ReadonlySet<string>): string[] {
  const line = statement.at(-1) ?? "";
  const blocks = statement.slice(0, -1);
  const goesWithMap = blocks.some((head) => head.startsWith("route-map ") && !kept.has(head));
  if (goesWithMap || line.startsWith("address-family ") || line.startsWith("router bgp ")) {
    return [];
  }
  const opposite = line.startsWith("no ") ? line.slice("no ".length) : `no ${line}`;
  const ends = blocks.map((head) => (head.startsWith("address-family ") ? "exit-address-family" : "exit"));
  return [...blocks, opposite, ...ends.toReversed()];
}
