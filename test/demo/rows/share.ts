import { ask, askFromContainer } from "../ask.ts";
import type { Row } from "../row.ts";
import { OUTSIDE_PORT, SHARED_PORT } from "../scene.ts";

/** No translation in either direction: what `--network host` gives, with interfaces and ports of its own. */
export const hostAddress: Row = {
  title: "A container with the host's own address (mode=host), asked from another host and asking it, IPv4 and IPv6",
  expected: "has the host's addresses; both sides see the other's own address",
  async run({ stage: { host, neighbour }, containers: { shared } }) {
    const replies = await Promise.all(
      (["ipv4", "ipv6"] as const).flatMap((family) => [
        ask(neighbour, host[family], SHARED_PORT).then((reply) => ({
          ok: reply.host === shared.id && reply.peer === neighbour[family],
          reply,
        })),
        askFromContainer(shared, neighbour[family], OUTSIDE_PORT).then((reply) => ({
          ok: reply.peer === host[family],
          reply,
        })),
      ]),
    );
    const links = (await shared.exec(["ip", "-o", "link"])).trim().split("\n");
    const isOwn = shared.ipv4 === host.ipv4 && shared.ipv6 === host.ipv6 && links.length === 2;
    const good = replies.filter(({ ok }) => ok).length;
    return {
      ok: isOwn && good === replies.length,
      got: `${isOwn ? "has them, and two interfaces" : `has ${shared.ipv4} ${shared.ipv6}`}; ${good} of ${replies.length} as expected`,
      evidence: replies.map(({ reply }) => (reply.answered ? `${reply.text}, saw ${reply.peer}` : reply.text)),
    };
  },
};
