import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./exec.ts";
import { type Prefix, RoutingProcess } from "./routing-process.ts";
import { waitFor } from "./wait.ts";

const startDeadlineMs = 15_000;
const programs = "/usr/lib/frr";

export type FrrDaemon = "zebra" | "bgpd" | "bfdd" | "staticd";

export interface FrrOptions {
  /** For sockets, pid files and logs; given to the user frr, so every directory above must let that user pass. */
  readonly directory: string;
  /** Commands as in frr.conf, loaded once the daemons run. */
  readonly config?: string;
  readonly prefix?: Prefix;
  /** Default: zebra and bgpd. zebra comes first, always. */
  readonly daemons?: readonly FrrDaemon[];
}

/** FRR of its own, which touches nothing outside of its directory and namespace. */
export class Frr implements AsyncDisposable {
  readonly directory: string;
  readonly #options: FrrOptions;
  readonly #processes = new Map<FrrDaemon, RoutingProcess>();

  private constructor(options: FrrOptions) {
    this.#options = options;
    this.directory = options.directory;
  }

  static async start(options: FrrOptions): Promise<Frr> {
    await makeDirectory(options.directory);
    const frr = new Frr(options);
    try {
      for (const daemon of options.daemons ?? ["zebra", "bgpd"]) {
        await frr.startDaemon(daemon);
      }
      if (options.config !== undefined) {
        await frr.load(options.config);
      }
      return frr;
    } catch (error) {
      await frr[Symbol.asyncDispose]();
      throw error;
    }
  }

  process(daemon: FrrDaemon): RoutingProcess {
    const found = this.#processes.get(daemon);
    if (found === undefined) {
      throw new Error(`FRR in ${this.directory} has no ${daemon}`);
    }
    return found;
  }

  /** For a daemon that ended, too. */
  async startDaemon(daemon: FrrDaemon): Promise<void> {
    const { directory } = this;
    const argv = [
      ...(this.#options.prefix ?? []),
      join(programs, daemon),
      ...["--vty_socket", directory, "-i", join(directory, `${daemon}.pid`), "-z", join(directory, "zserv.api")],
      ...["-f", "/dev/null", "-P", "0", "--log", "stdout"],
      ...(daemon === "bfdd" ? ["--bfdctl", join(directory, "bfdd.sock")] : []),
    ];
    const started = RoutingProcess.start(argv, join(directory, `${daemon}.log`));
    this.#processes.set(daemon, started);
    const ready = async (): Promise<boolean> =>
      existsSync(join(directory, `${daemon}.vty`)) && (await this.#show(daemon, "show version")).includes("FRR");
    try {
      await waitFor(ready, startDeadlineMs, `${daemon} to answer`);
    } catch (error) {
      throw new Error(`${String(error)}: ${started.log()}`, { cause: error });
    }
  }

  /** One command of vtysh. */
  async ask(command: string): Promise<string> {
    return await run(["vtysh", "--vty_socket", this.directory, "-c", command], { timeoutMs: 10_000 });
  }

  async load(config: string): Promise<void> {
    const path = join(this.directory, "load.conf");
    writeFileSync(path, config, { mode: 0o600 });
    await run(["vtysh", "--vty_socket", this.directory, "-f", path], { timeoutMs: 20_000 });
  }

  /** The daemons end in reverse order, so that zebra sees the others go. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of [...this.#processes.values()].reverse()) {
      await started.end();
    }
  }

  async #show(daemon: FrrDaemon, command: string): Promise<string> {
    return await run(["vtysh", "--vty_socket", this.directory, "-d", daemon, "-c", command], { timeoutMs: 5000 });
  }
}

/** The daemons give up root for the user frr before they make their sockets. */
async function makeDirectory(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const owner = async (flag: string): Promise<number> => Number(await run(["id", flag, "frr"]));
  chownSync(directory, await owner("-u"), await owner("-g"));
  chmodSync(directory, 0o750);
}
