import "./isolation.ts";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { run } from "../../lab/exec.ts";
import { waitFor } from "../../lab/wait.ts";
import {
  type AgentCommand,
  type AgentReply,
  type AskCommand,
  ask,
  type ServeCommand,
  type Transport,
} from "./agent.ts";

const startDeadlineMs = 10_000;
const defaultTimeoutMs = 3000;

type Unnumbered = ServeCommand | AskCommand;

export interface AskOptions {
  readonly from?: string;
  readonly fromPort?: number;
  /** Size of the question; udp only. */
  readonly bytes?: number;
  /** Shorter where no answer is what the test wants. */
  readonly timeoutMs?: number;
}

/** A further network namespace next to the one the test runs in. It ends with the test, however that ends. */
export class Sandbox implements AsyncDisposable {
  readonly pid: number;
  readonly #holder: ChildProcess;
  readonly #agent: ChildProcess;
  readonly #waiting = new Map<number, (text: string) => void>();
  #lastId = 0;

  constructor(holder: ChildProcess, agent: ChildProcess) {
    this.pid = holder.pid ?? 0;
    this.#holder = holder;
    this.#agent = agent;
    agent.on("message", (reply: AgentReply) => {
      this.#waiting.get(reply.id)?.(reply.text);
      this.#waiting.delete(reply.id);
    });
  }

  static async open(): Promise<Sandbox> {
    // cat ends when the pipe to this process closes, even after kill -9.
    const holder = spawn("unshare", ["--net", "--", "cat"], { stdio: ["pipe", "ignore", "inherit"] });
    const own = readlinkSync("/proc/self/ns/net");
    await waitFor(() => readlinkSync(`/proc/${holder.pid}/ns/net`) !== own, startDeadlineMs, "a network namespace");
    const sandbox = await Sandbox.#withAgent(holder);
    await sandbox.exec("ip", "link", "set", "lo", "up");
    return sandbox;
  }

  /** No namespace of its own: services next to the test, in another process. */
  static here(): Promise<Sandbox> {
    return Sandbox.#withAgent(spawn("cat", { stdio: ["pipe", "ignore", "inherit"] }));
  }

  static async #withAgent(holder: ChildProcess): Promise<Sandbox> {
    const argv = ["-t", String(holder.pid), "-n", process.execPath, new URL("agent.ts", import.meta.url).pathname];
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
    const agent = spawn("nsenter", argv, { stdio: ["ignore", "inherit", "inherit", "ipc"], env });
    await once(agent, "message");
    return new Sandbox(holder, agent);
  }

  exec(...argv: readonly string[]): Promise<string> {
    return run(["nsenter", "-t", String(this.pid), "-n", "--", ...argv]);
  }

  /** Lines for "ip -batch". */
  ip(...lines: readonly string[]): Promise<string> {
    return run(["nsenter", "-t", String(this.pid), "-n", "--", "ip", "-batch", "-"], { stdin: lines.join("\n") });
  }

  async serve(transport: Transport, port: number, greeting: string, address?: string): Promise<void> {
    const command: ServeCommand = { serve: transport, port, greeting };
    const text = await this.#send(address === undefined ? command : { ...command, address });
    if (text !== "serving") {
      throw new Error(`cannot serve ${transport} ${port}: ${text}`);
    }
  }

  ask(transport: Transport, address: string, port: number, options: AskOptions = {}): Promise<string> {
    return this.#send({ ask: transport, address, port, timeoutMs: defaultTimeoutMs, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = [this.#agent, this.#holder]
      .filter((child) => child.exitCode === null)
      .map((child) => once(child, "exit"));
    this.#agent.disconnect();
    this.#holder.stdin?.end();
    await Promise.all(ends);
  }

  #send(command: Unnumbered): Promise<string> {
    this.#lastId += 1;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#waiting.set(this.#lastId, resolve);
    this.#agent.send({ ...command, id: this.#lastId } satisfies AgentCommand);
    return promise;
  }
}

/** Asks from the namespace the test runs in. */
export function askHere(
  transport: Transport,
  address: string,
  port: number,
  options: AskOptions = {},
): Promise<string> {
  return ask({ ask: transport, address, port, timeoutMs: defaultTimeoutMs, ...options });
}

/** Lines for "ip -batch" in the namespace the test runs in. */
export function ipHere(...lines: readonly string[]): Promise<string> {
  return run(["ip", "-batch", "-"], { stdin: lines.join("\n") });
}

/** The sandbox's first interface has one more address while `act` goes on. */
export async function withAddress(sandbox: Sandbox, address: string, act: () => Promise<void>): Promise<void> {
  const place = address.includes(":") ? "/128 dev eth0" : "/32 dev eth0";
  await sandbox.ip(`addr add ${address}${place}${address.includes(":") ? " nodad" : ""}`);
  try {
    await act();
  } finally {
    await sandbox.ip(`addr del ${address}${place}`);
  }
}
