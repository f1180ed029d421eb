import { ask } from "../ask.ts";
import type { Row } from "../row.ts";
import { RANGE } from "../scene.ts";

const COUNT = RANGE.last - RANGE.first + 1;

export const portRange: Row = {
  title: `${COUNT} ports at once (-p ${RANGE.first}-${RANGE.last}:${RANGE.first}-${RANGE.last})`,
  expected: "one element in the kernel; first, middle and last port answer",
  async run({ stage: { host, neighbour }, containers: { range } }) {
    const listing = await host.exec(["nft", "list", "table", "inet", "fairway"]);
    const elements = elementsNaming(listing, range.ipv4, [RANGE.first, RANGE.last]);
    const ports = [RANGE.first, RANGE.middle, RANGE.last];
    const replies = await Promise.all(ports.map((port) => ask(neighbour, host.ipv4, port)));
    const answers = replies.filter((reply) => reply.host === range.id).length;
    return {
      ok: elements.length === 1 && answers === ports.length,
      got: `${elements.length} element${elements.length === 1 ? "" : "s"}; ${answers} of ${ports.length} ports answer`,
      evidence: elements.map((element) => `nft: ${element}`),
    };
  },
};

/** Elements of maps that lead ports of the range to the address; one per port when they are kept singly. */
function elementsNaming(listing: string, address: string, [first, last]: readonly [number, number]): string[] {
  return [...listing.matchAll(/elements = \{([^}]*)\}/g)]
    .flatMap(([, content = ""]) => content.split(","))
    .map((element) => element.replace(/\s+/g, " ").trim())
    .filter((element) => {
      const [key = "", target] = element.split(" : ");
      const port = Number(/(\d+)(?:-\d+)?$/.exec(key)?.[1]);
      return target?.split(" . ")[0] === address && port >= first && port <= last;
    });
}
