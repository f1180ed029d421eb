import { ask, askFromContainer, type Reply } from "../ask.ts";
import type { Finding, Row } from "../row.ts";
import { OUTSIDE_PORT, PUBLISHED_PORT, RANGE, UNPUBLISHED_PORT, WEB_PORT } from "../scene.ts";

/** A route alone must not be a way in, neither to a port that nobody published nor past the published one. */
export const unpublishedPort: Row = {
  title: "Another host, with a route to the subnet, asks a port not published",
  expected: "no answer; a neighbour on the network gets one",
  async run({ stage: { host, neighbour }, containers: { web, customer }, subnets }) {
    for (const subnet of subnets["demo-shop"] ?? []) {
      await neighbour.exec(["ip", "route", "replace", subnet, "via", subnet.includes(":") ? host.ipv6 : host.ipv4]);
    }
    const addresses = [web.ipv4, web.ipv6];
    const questions = addresses.flatMap((address) =>
      [UNPUBLISHED_PORT, WEB_PORT].map((port) => ask(neighbour, address, port)),
    );
    return await closed(questions, askFromContainer(customer, web.name, UNPUBLISHED_PORT));
  },
};

/** It does reach the port that the host publishes for everyone: so it is not simply cut off. */
export const otherNetwork: Row = {
  title: "A container of another network asks",
  expected: "no answer; what is published for everyone answers",
  async run({ stage: { host }, containers: { web, stranger, range } }) {
    const targets = [web.ipv4, web.ipv6, web.name];
    const questions = targets.map((target) => askFromContainer(stranger, target, WEB_PORT));
    return await closed(
      [...questions, askFromContainer(stranger, range.ipv4, RANGE.first)],
      askFromContainer(stranger, host.ipv4, PUBLISHED_PORT),
    );
  },
};

/** Not even for a container that gives itself the route which the engine left out. */
export const internalNetwork: Row = {
  title: "A container on an --internal network makes itself a route and asks out",
  expected: "no answer; a neighbour on the network answers",
  async run({ stage: { host, neighbour }, containers: { safe, teller, web }, subnets }) {
    const [subnet = ""] = subnets["demo-vault"] ?? [];
    await safe.exec(["ip", "route", "add", "default", "via", subnet.replace(/\.0\/.*$/, ".1")]);
    return await closed(
      [
        askFromContainer(safe, neighbour.ipv4, OUTSIDE_PORT),
        askFromContainer(safe, web.ipv4, WEB_PORT),
        askFromContainer(safe, host.ipv4, PUBLISHED_PORT),
      ],
      askFromContainer(safe, teller.name, WEB_PORT),
    );
  },
};

/** Nobody may answer but the one who proves that the question was good. */
async function closed(questions: readonly Promise<Reply>[], control: Promise<Reply>): Promise<Finding> {
  const [proof, ...replies] = await Promise.all([control, ...questions]);
  const answers = replies.filter((reply) => reply.answered);
  const silence = `no answer to ${replies.length} requests`;
  return {
    ok: answers.length === 0 && proof.answered,
    got: `${answers.length === 0 ? silence : answers.map((reply) => reply.text).join(", ")}; ${proof.text}`,
    evidence: replies.map((reply) => reply.text),
  };
}
