import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./exec.ts";
import { type Prefix, RoutingProcess } from "./routing-process.ts";
import { waitFor } from "./wait.ts";

const startDeadlineMs = 10_000;

export interface BirdOptions {
  /** For configuration, socket and log; made when it is not there. */
  readonly directory: string;
  /** Text of bird.conf. Relative includes are relative to the directory. */
  readonly config: string;
  readonly prefix?: Prefix;
  /** Recover a graceful restart (-R). */
  readonly recover?: boolean;
}

/** A BIRD of its own, which touches nothing outside of its directory and namespace. */
export class Bird implements AsyncDisposable {
  readonly directory: string;
  readonly controlSocket: string;
  #process: RoutingProcess;
  readonly #options: BirdOptions;

  private constructor(options: BirdOptions) {
    this.#options = options;
    this.directory = options.directory;
    this.controlSocket = join(options.directory, "bird.ctl");
    mkdirSync(options.directory, { recursive: true });
    writeFileSync(join(options.directory, "bird.conf"), options.config);
    this.#process = this.#spawn(options.recover ?? false);
  }

  static async start(options: BirdOptions): Promise<Bird> {
    const bird = new Bird(options);
    await bird.#ready();
    return bird;
  }

  get process(): RoutingProcess {
    return this.#process;
  }

  /** Starts again after an end of any kind. */
  async restart(recover: boolean): Promise<void> {
    await this.#process.end();
    this.#process = this.#spawn(recover);
    await this.#ready();
  }

  /** One command of birdc, its answer as birdc prints it. */
  async ask(...words: readonly string[]): Promise<string> {
    return await run(["birdc", "-s", this.controlSocket, ...words], { timeoutMs: 10_000 });
  }

  /** Prefixes in BIRD's tables, as printed. */
  async prefixes(...condition: readonly string[]): Promise<readonly string[]> {
    const lines = (await this.ask("show", "route", ...condition)).split("\n");
    return lines.map((line) => /^([0-9a-f.:]+\/\d+) /.exec(line)?.[1]).filter((prefix) => prefix !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
  }

  #spawn(recover: boolean): RoutingProcess {
    const { directory, prefix = [] } = this.#options;
    rmSync(this.controlSocket, { force: true });
    const flags = ["-f", "-c", join(directory, "bird.conf"), "-s", this.controlSocket, "-P", join(directory, "pid")];
    return RoutingProcess.start([...prefix, "bird", ...flags, ...(recover ? ["-R"] : [])], join(directory, "bird.log"));
  }

  async #ready(): Promise<void> {
    try {
      await waitFor(() => this.#answers(), startDeadlineMs, "BIRD to answer");
    } catch (error) {
      await this.#process.end();
      throw new Error(`${String(error)}: ${this.#process.log()}`, { cause: error });
    }
  }

  async #answers(): Promise<boolean> {
    return existsSync(this.controlSocket) && (await this.ask("show", "status")).includes("Daemon is up");
  }
}
