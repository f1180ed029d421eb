import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Prefix, parsePrefix } from "../model/ip.ts";
import { type ControlOptions, defaultTimeoutMs } from "./bird-control.ts";
import type { Dialogue } from "./dialogue.ts";
import { frrDelta } from "./frr-delta.ts";
import { type FrrSession, frrFamilies, markedPrefixes, parseFrrSessions } from "./frr-sessions.ts";
import { asObject, openVty, vtyCommand, vtyJson } from "./frr-vty.ts";
import { IncludeFile } from "./include-file.ts";
import type { BgpSession, RoutingDaemonPort } from "./port.ts";
import { daemonRefused, notUnderstood, unknownSession } from "./refusals.ts";
import { vtyshRefusal } from "./vtysh-output.ts";

/**
 * Reads over the vty sockets. A configuration goes through vtysh, which knows which daemon takes which line.
 * FRR has no include: the file is what was loaded last, so that the next load can take it back.
 */
export class FrrControl implements RoutingDaemonPort {
  readonly #options: Required<ControlOptions>;

  constructor(options: ControlOptions) {
    this.#options = { timeoutMs: defaultTimeoutMs, ...options };
  }

  async sessions(): Promise<readonly BgpSession[]> {
    using bgpd = await this.#open("bgpd");
    const sessions = await list(bgpd);
    const ours = new Set(await this.announced());
    const counted: BgpSession[] = [];
    for (const session of sessions) {
      const { families: _, localAs: __, ...plain } = session;
      counted.push({ ...plain, ours: session.state === "established" ? await countOurs(bgpd, session, ours) : 0 });
    }
    return counted;
  }

  async announced(): Promise<readonly Prefix[]> {
    using zebra = await this.#open("zebra");
    const marked: Prefix[] = [];
    for (const command of ["show ip route kernel json", "show ipv6 route kernel json"]) {
      marked.push(...(await understood(command, async () => markedPrefixes(await vtyJson(zebra, command)))));
    }
    return marked;
  }

  async apply(text: string): Promise<void> {
    // Without this, vtysh without a daemon says nothing and changes nothing.
    for (const daemon of ["zebra", "bgpd"] as const) {
      (await this.#open(daemon))[Symbol.dispose]();
    }
    const file = new IncludeFile(this.#options.includeFile);
    const before = file.read() ?? "";
    await this.#load(change(before, text), ["-C"]);
    file.replace(text);
    try {
      await this.#load(change(before, text));
    } catch (error) {
      file.replace(before === "" ? undefined : before);
      await this.#load(frrDelta(text, before)).catch(() => undefined);
      throw error;
    }
  }

  async drain(session: string): Promise<void> {
    await this.#configure(session, (neighbor) => `neighbor ${neighbor} shutdown message drained by fairway`);
  }

  async undrain(session: string): Promise<void> {
    await this.#configure(session, (neighbor) => `no neighbor ${neighbor} shutdown`);
  }

  async #configure(name: string, line: (neighbor: string) => string): Promise<void> {
    using bgpd = await this.#open("bgpd");
    const sessions = await list(bgpd);
    const session = sessions.find((candidate) => candidate.name === name || candidate.neighbor === name);
    if (session === undefined) {
      throw unknownSession(
        name,
        sessions.map((candidate) => candidate.name),
      );
    }
    // The neighbor is FRR's own spelling, not what was typed.
    for (const command of ["configure terminal", `router bgp ${session.localAs}`, line(session.neighbor), "end"]) {
      await vtyCommand(bgpd, command);
    }
  }

  async #load(text: string, flags: readonly string[] = []): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), "fairway-frr-"));
    try {
      const path = join(directory, "load");
      writeFileSync(path, text, { mode: 0o600 });
      await this.#vtysh([...flags, "-f", path]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  #vtysh(args: readonly string[]): Promise<void> {
    const { controlSocket, timeoutMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const options = { timeout: timeoutMs, killSignal: "SIGKILL", env: { PATH: "/usr/bin:/bin", LC_ALL: "C" } } as const;
    execFile("vtysh", ["--vty_socket", controlSocket, ...args], options, (error, stdout, stderr) => {
      const refusal = vtyshRefusal({ said: `${stdout}\n${stderr}`, failure: error?.message });
      if (refusal === undefined) {
        resolve();
      } else {
        reject(daemonRefused("configuration refused by FRR", refusal));
      }
    });
    return promise;
  }

  #open(daemon: "bgpd" | "zebra"): Promise<Dialogue> {
    const { controlSocket: directory, timeoutMs } = this.#options;
    return openVty({ directory, daemon, timeoutMs });
  }
}

/** The old text first: FRR may have been started without it, and refuses to take back what is not there. */
function change(before: string, text: string): string {
  return before === text ? text : `${before}\n${frrDelta(before, text)}`;
}

async function list(bgpd: Dialogue): Promise<readonly FrrSession[]> {
  const command = "show bgp summary json";
  return await understood(command, async () => parseFrrSessions(await vtyJson(bgpd, command)));
}

async function countOurs(bgpd: Dialogue, session: FrrSession, ours: ReadonlySet<Prefix>): Promise<number> {
  let count = 0;
  for (const family of session.families) {
    const command = `show bgp ${frrFamilies[family]} unicast neighbors ${session.neighbor} advertised-routes json`;
    const routes = await understood(command, async () =>
      asObject((await vtyJson(bgpd, command))["advertisedRoutes"] ?? {}),
    );
    count += Object.keys(routes).filter((prefix) => ours.has(parsePrefix(prefix))).length;
  }
  return count;
}

async function understood<T>(command: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof TypeError ? notUnderstood(`FRR to "${command}"`, error.message) : error;
  }
}
