import { ask, askFromContainer, type Reply } from "../ask.ts";
import type { Finding, Row } from "../row.ts";
import { OUTSIDE_PORT, PUBLISHED_PORT, type Scene, WEB_PORT } from "../scene.ts";

export const byName: Row = {
  title: "Containers of a network find each other by name",
  expected: "answers; sees the address of the container that asks",
  async run({ containers: { web, customer } }) {
    const reply = await askFromContainer(customer, web.name, WEB_PORT);
    return { ok: reply.host === web.id && [customer.ipv4, customer.ipv6].includes(reply.peer), got: sight(reply) };
  },
};

export const publishedHere: Row = {
  title: `A published port (-p ${PUBLISHED_PORT}:${WEB_PORT}), asked on this host`,
  expected: "answers on 127.0.0.1 and on the host's address",
  async run({ stage: { host }, containers: { web } }) {
    const replies = await Promise.all(["127.0.0.1", host.ipv4].map((address) => ask(host, address, PUBLISHED_PORT)));
    return {
      ok: replies.every((reply) => reply.host === web.id),
      got: replies.map((reply) => reply.text).join(", "),
    };
  },
};

export const publishedToNeighbour: Row = {
  title: "The same from another host",
  expected: "answers; the container sees the address of the host that asks",
  run: (scene) => fromNeighbour(scene, "ipv4"),
};

export const overIpv6: Row = {
  title: "The same from another host over IPv6",
  expected: "answers; the container sees the address of the host that asks",
  run: (scene) => fromNeighbour(scene, "ipv6"),
};

export const outbound: Row = {
  title: "A container asks another host, IPv4 and IPv6",
  expected: "answers; the other host sees the address of this host (masqueraded)",
  async run({ stage: { host, neighbour }, containers: { customer } }) {
    const [over4, over6] = await Promise.all([
      askFromContainer(customer, neighbour.ipv4, OUTSIDE_PORT),
      askFromContainer(customer, neighbour.ipv6, OUTSIDE_PORT),
    ]);
    return { ok: over4.peer === host.ipv4 && over6.peer === host.ipv6, got: [over4, over6].map(sight).join("; ") };
  },
};

async function fromNeighbour({ stage, containers }: Scene, family: "ipv4" | "ipv6"): Promise<Finding> {
  const reply = await ask(stage.neighbour, stage.host[family], PUBLISHED_PORT);
  return { ok: reply.host === containers.web.id && reply.peer === stage.neighbour[family], got: sight(reply) };
}

function sight(reply: Reply): string {
  return reply.answered ? `${reply.text}, saw ${reply.peer}` : reply.text;
}
