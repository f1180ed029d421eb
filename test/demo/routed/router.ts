/** What the router knows, and what it learns when something ends. */
import { setTimeout as delay } from "node:timers/promises";
import { startProbe } from "../../lab/prober.ts";
import { watchRoutes } from "../../lab/route-watch.ts";
import { fairwayArguments } from "../../lab/routed-fabric.ts";
import { trace } from "../../lab/trace.ts";
import type { Finding } from "../row.ts";
import { announced, type Scene } from "./scene.ts";

const AWAY_MS = 2000;
/** At one each 10 ms. */
const ANSWERS = 30;

/** By the middle of the network to a container, IPv4 and IPv6. */
export async function tracePaths({ fabric, boxes }: Scene): Promise<Finding> {
  const { vm, tor } = fabric;
  const host = fabric.host(0);
  const names = new Map(
    [["tor", tor] as const, ["h1", host] as const, ["web", boxes.web] as const].flatMap(([name, { ipv4, ipv6 }]) => [
      [ipv4, name],
      [ipv6, name],
    ]),
  );
  const traces = await Promise.all([boxes.web.ipv4, boxes.web.ipv6].map((address) => trace(vm, address)));
  const lines = traces.map(({ hops }) => hops.map((hop) => `${names.get(hop) ?? "?"} ${hop}`).join(" -> "));
  return {
    ok: traces.every(({ hops }) => hops.map((hop) => names.get(hop)).join(" ") === "tor h1 web"),
    got: "vm -> web: tor, h1, web, each with its own address",
    evidence: lines,
  };
}

/** `birdc show route`, one line each: what, by whom, from which AS. */
export async function knownToRouter({ fabric, boxes }: Scene): Promise<Finding> {
  const listing = await fabric.tor.routing.control("show route");
  const routes = [...listing.matchAll(/^(\S+\/\d+) .*\[(AS\d+)i?\]\n\s+via (\S+) on (\S+)/gm)].map(
    ([, prefix = "", as = "", via = "", link = ""]) => ({ prefix, text: `${prefix} via ${via} on ${link} (${as})` }),
  );
  const [known, wanted] = [routes.map(({ prefix }) => prefix), announced(boxes)];
  const wrong = [
    ...wanted.filter((prefix) => !known.includes(prefix)).map((prefix) => `${prefix} is missing`),
    ...known.filter((prefix) => !wanted.includes(prefix)).map((prefix) => `${prefix} is too much`),
  ];
  return {
    ok: wrong.length === 0,
    got: wrong.length === 0 ? `${wanted.length} routes: blocks, and the address of solo alone` : wrong.join(", "),
    evidence: routes.map(({ text }) => text),
  };
}

export async function stopContainer({ fabric, boxes }: Scene): Promise<Finding> {
  await using watch = await watchRoutes(fabric.tor.space);
  const startMs = Date.now();
  const withdrawals = [boxes.solo.ipv4, boxes.solo.ipv6].map((address) => watch.see(address, "deleted", startMs));
  await fabric.host(0).lab.docker("kill", "solo");
  const afterMs = (await Promise.all(withdrawals)).map(({ atMs }) => Math.round(atMs - startMs));
  const others = watch.events().filter(({ action }) => action === "deleted").length - afterMs.length;
  return {
    ok: others === 0,
    got: `withdrawn ${afterMs.join(" and ")} ms after the command (IPv4, IPv6); other routes withdrawn: ${others}`,
  };
}

export async function killFairway({ fabric, boxes }: Scene): Promise<Finding> {
  const host = fabric.host(0);
  await using watch = await watchRoutes(fabric.tor.space);
  const probes = await Promise.all(
    [boxes.web.ipv4, boxes.web.ipv6].map((address) => startProbe(fabric.bareMetal.space, address)),
  );
  const answered = () => Promise.all(probes.map((probe) => probe.hasAnswered(ANSWERS)));
  await answered();
  await host.lab.killDriver("SIGKILL");
  await delay(AWAY_MS);
  await host.lab.startDriver({ args: fairwayArguments });
  await answered();
  const results = await Promise.all(probes.map((probe) => probe.stop()));
  const [sent, lost] = [sum(results.map((result) => result.sent)), sum(results.map((result) => result.lost))];
  const moved = watch.events().length;
  return {
    ok: lost === 0 && moved === 0,
    got: `packets lost: ${lost} of ${sent} (IPv4 and IPv6); changes of the router's routes: ${moved}`,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
