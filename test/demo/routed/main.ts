/**
 * Shows mode routed in a data centre of namespaces, with real containers, routing daemons and requests:
 *
 *   npm run demo:routed
 *
 * What it does goes to stderr, what it finds to stdout. It ends with 0 if everything is as expected.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Interrupted, onSignal } from "../interrupt.ts";
import { removeOwnSpaces } from "../private-stage.ts";
import { Progress, screenOf, seconds } from "../progress.ts";
import type { Finding } from "../row.ts";
import { draw } from "./drawing.ts";
import { meetingTable, tryMeetings } from "./meetings.ts";
import { killFairway, knownToRouter, stopContainer, tracePaths } from "./router.ts";
import { type Scene, setScene } from "./scene.ts";
import { topologyOf } from "./topology.ts";

const GRACE_MS = 3000;
const EXPERIMENTS: readonly (readonly [title: string, run: (scene: Scene) => Promise<Finding>])[] = [
  ["the way from the virtual machine to web", tracePaths],
  ["what the router knows (birdc show route)", knownToRouter],
  ["docker kill solo", stopContainer],
  ["kill -9 of fairway on h1, back after 2 s, at 200 packets a second", killFairway],
];

async function main(): Promise<number> {
  const progress = new Progress(screenOf(process.stderr, process.env));
  const paper = new Progress(screenOf(process.stdout, process.env));
  const interrupted = onSignal();
  const performing = perform(progress, paper);
  try {
    return await Promise.race([performing, interrupted]);
  } catch (error) {
    progress.hush();
    progress.say(`\n${error instanceof Error ? error.message : String(error)}`);
    return error instanceof Interrupted ? error.exitCode : 1;
  } finally {
    await removeOwnSpaces();
    // A step that was interrupted fails for want of its machines, but may have made another one before it noticed.
    await Promise.race([performing.catch(() => undefined), delay(GRACE_MS)]);
    await removeOwnSpaces();
  }
}

async function perform(progress: Progress, paper: Progress): Promise<number> {
  const scene = await setScene(progress);
  paper.say(`\n${draw(topologyOf(scene))}\n`);
  const outcomes = await progress.step("everybody tries everybody: TCP, UDP, ICMP, IPv4, IPv6", () =>
    tryMeetings(scene),
  );
  paper.say(meetingTable(outcomes, paper));
  let failed = outcomes.filter(({ ok }) => !ok).length;
  for (const [title, run] of EXPERIMENTS) {
    const { ok, got, evidence = [] } = await progress.step(title, () => run(scene), verdictOf);
    const word = ok ? paper.good("as expected") : paper.bad("NOT as expected");
    paper.say([`\n${title}: ${word}`, ...[got, ...evidence].map((line) => `  ${line}`)].join("\n"));
    failed += ok ? 0 : 1;
  }
  const count = outcomes.length + EXPERIMENTS.length;
  const verdict = failed === 0 ? `All ${count} as expected` : `${failed} of ${count} NOT as expected`;
  paper.say(`\n${verdict}, ${seconds(progress.elapsedMs)}.`);
  return failed === 0 ? 0 : 1;
}

function verdictOf({ ok }: Finding) {
  return { verdict: ok ? "ok" : "FAILED" } as const;
}

process.exit(await main());
