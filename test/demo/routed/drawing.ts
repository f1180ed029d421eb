/** The topology in letters, at most 100 columns wide. Pure. */

export interface Spot {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** What it is, in a few words. */
  readonly about: string;
}

export interface HostSpot extends Spot {
  /** By network: a line about the network, and who is on it. */
  readonly networks: readonly { readonly about: string; readonly containers: readonly Spot[] }[];
}

export interface Topology {
  readonly metal: Spot;
  readonly vm: Spot;
  readonly router: Spot;
  readonly hosts: readonly [HostSpot, HostSpot];
}

const COLUMN_WIDTH = 48;
const GAP = "    ";
const MIDDLE = COLUMN_WIDTH + GAP.length / 2;

export function draw({ metal, vm, router, hosts }: Topology): string {
  const [left, right] = hosts.map((host) => box(host.name, [...linesOf(host), ...insideOf(host)]));
  return [
    ...beside(box(metal.name, linesOf(metal)), box(vm.name, linesOf(vm))),
    ...fork("down"),
    ...centred(box(router.name, linesOf(router))),
    ...fork("up"),
    ...beside(left ?? [], right ?? []),
  ].join("\n");
}

function linesOf({ about, ipv4, ipv6 }: Spot): string[] {
  return [about, `${ipv4}  ${ipv6}`];
}

function insideOf({ networks }: HostSpot): string[] {
  return networks.flatMap(({ about, containers }) => [
    "",
    about,
    ...containers.map(({ name, ipv4, ipv6 }) => `  ${name.padEnd(8)}${ipv4.padEnd(13)}${ipv6}`),
  ]);
}

/** What does not fit is cut, so that the sides stay straight. */
function box(title: string, lines: readonly string[]): string[] {
  const inner = COLUMN_WIDTH - 4;
  const edge = `+${"-".repeat(COLUMN_WIDTH - 2)}+`;
  return [
    `+- ${title} ${"-".repeat(Math.max(0, COLUMN_WIDTH - 5 - title.length))}+`,
    ...lines.map((line) => `| ${line.slice(0, inner).padEnd(inner)} |`),
    edge,
  ];
}

function beside(left: readonly string[], right: readonly string[]): string[] {
  const height = Math.max(left.length, right.length);
  const tall = (lines: readonly string[]) => [...lines, ...Array<string>(height - lines.length).fill("")];
  const [one, other] = [tall(left), tall(right)];
  return one.map((line, index) => `${line.padEnd(COLUMN_WIDTH)}${GAP}${other[index] ?? ""}`.trimEnd());
}

function centred(lines: readonly string[]): string[] {
  return lines.map((line) => " ".repeat(MIDDLE - COLUMN_WIDTH / 2) + line);
}

/** Two above and one below, or the other way round. */
function fork(way: "down" | "up"): string[] {
  const [left, right] = [COLUMN_WIDTH / 2, COLUMN_WIDTH + GAP.length + COLUMN_WIDTH / 2];
  const two = `${" ".repeat(left)}|${" ".repeat(right - left - 1)}|`;
  const half = "-".repeat(MIDDLE - left - 1);
  const bar = `${" ".repeat(left)}+${half}+${half}+`;
  const one = `${" ".repeat(MIDDLE)}|`;
  return way === "down" ? [two, bar, one] : [one, bar, two];
}
