import { type Prefix, parsePrefix } from "../model/ip.ts";
import { type BirdReply, birdTailBytes, isRefusal, isWholeBirdReply, parseBirdReply } from "./bird-reply.ts";
import { type CountlessSession, parseBirdSessions, sum } from "./bird-sessions.ts";
import { birdMark } from "./bird-text.ts";
import { Dialogue } from "./dialogue.ts";
import { IncludeFile } from "./include-file.ts";
import type { BgpSession, RoutingDaemonPort } from "./port.ts";
import { daemonRefused, notUnderstood, unknownSession } from "./refusals.ts";

export interface ControlOptions {
  /** BIRD: its control socket. FRR: the directory of the vty sockets. */
  readonly controlSocket: string;
  readonly includeFile: string;
  readonly timeoutMs?: number;
}

/** Long enough for a daemon that is busy with a full table. */
export const defaultTimeoutMs = 10_000;

export class BirdControl implements RoutingDaemonPort {
  readonly #options: Required<ControlOptions>;

  constructor(options: ControlOptions) {
    this.#options = { timeoutMs: defaultTimeoutMs, ...options };
  }

  async sessions(): Promise<readonly BgpSession[]> {
    using bird = await this.#open();
    const sessions = await this.#list(bird);
    const counted: BgpSession[] = [];
    for (const session of sessions) {
      counted.push({ ...session, ours: session.state === "established" ? await countOurs(bird, session.name) : 0 });
    }
    return counted;
  }

  async announced(): Promise<readonly Prefix[]> {
    using bird = await this.#open();
    const { lines } = await accepted(bird, `show route where ${birdMark}`);
    const prefixes = lines.map((line) => /^([0-9a-f.:]+\/\d+) /.exec(line)?.[1]).filter((text) => text !== undefined);
    return [...new Set(prefixes.map((text) => parsePrefix(text)))];
  }

  async apply(text: string): Promise<void> {
    const file = new IncludeFile(this.#options.includeFile);
    using bird = await this.#open();
    const before = file.read();
    file.replace(text);
    const check = await said(bird, "configure check").catch((error: unknown) => {
      file.replace(before);
      throw error;
    });
    const reply = isRefusal(check) ? check : await said(bird, "configure");
    if (isRefusal(reply)) {
      file.replace(before);
      throw daemonRefused("configuration refused by BIRD", reply.lines.at(-1) ?? "");
    }
    await refuseUnread(bird, file.path);
  }

  async drain(session: string): Promise<void> {
    await this.#switch("disable", session);
  }

  async undrain(session: string): Promise<void> {
    await this.#switch("enable", session);
  }

  async #switch(verb: "disable" | "enable", session: string): Promise<void> {
    using bird = await this.#open();
    const names = (await this.#list(bird)).map(({ name }) => name);
    // Only names that BIRD told us get into a command.
    if (!names.includes(session)) {
      throw unknownSession(session, names);
    }
    await accepted(bird, verb === "disable" ? `disable ${session} "drained by fairway"` : `enable ${session}`);
  }

  async #list(bird: Dialogue): Promise<readonly CountlessSession[]> {
    return parseBirdSessions((await accepted(bird, "show protocols all")).lines, Date.now());
  }

  async #open(): Promise<Dialogue> {
    const { controlSocket: socketPath, timeoutMs } = this.#options;
    const options = { who: "BIRD", socketPath, timeoutMs, isWhole: isWholeBirdReply, tailBytes: birdTailBytes };
    const bird = await Dialogue.open(options);
    const greeting = parseBirdReply(await bird.receive());
    if (greeting.code !== 1 || !greeting.lines.at(-1)?.startsWith("BIRD ")) {
      bird[Symbol.dispose]();
      throw notUnderstood(`what listens at ${socketPath}`, greeting.lines.join("\n"));
    }
    return bird;
  }
}

async function countOurs(bird: Dialogue, session: string): Promise<number> {
  const reply = await said(bird, `show route export ${session} where ${birdMark} count`);
  return isRefusal(reply)
    ? 0
    : sum(reply.lines.map((line) => Number(/^(\d+) of \d+ routes .* in table/.exec(line)?.[1] ?? 0)));
}

/** A file that BIRD does not include would change nothing, silently. */
async function refuseUnread(bird: Dialogue, path: string): Promise<void> {
  const { lines } = await accepted(bird, "show symbols function");
  if (!lines.some((line) => /^fairway_ours\s/.test(line))) {
    throw daemonRefused("file not included by BIRD", `put include "${path}"; into bird.conf`);
  }
}

async function said(bird: Dialogue, command: string): Promise<BirdReply> {
  return parseBirdReply(await bird.ask(`${command}\n`));
}

async function accepted(bird: Dialogue, command: string): Promise<BirdReply> {
  const reply = await said(bird, command);
  if (isRefusal(reply)) {
    throw daemonRefused(`command "${command}" refused by BIRD`, reply.lines.at(-1) ?? "");
  }
  return reply;
}
