import { writeFileSync } from "node:fs";
import path from "node:path";
import { Daemon } from "./daemon.ts";
import type { Routing, SessionsUp } from "./routing-daemon.ts";
import { accepts } from "./sockets.ts";
import type { Space } from "./space.ts";

const READY_DEADLINE_MS = 20_000;
const FRR_DIRECTORY = "/run/frr";
/** FRR's daemons keep scratch files there, named by process numbers, which spaces have in common. */
const FRR_SCRATCH = "/var/tmp/frr";

export interface FrrOptions {
  /** Default true: bfdd runs as well. */
  readonly bfd?: boolean;
}

/** Sockets are where Debian's package has them: below /run/frr. */
export async function startFrr(space: Space, configText: string, options: FrrOptions = {}): Promise<Routing> {
  const frr = new Frr(space, options.bfd ?? true);
  await frr.prepare(configText);
  await frr.restart();
  return frr;
}

class Frr implements Routing {
  readonly kind = "frr";
  readonly #space: Space;
  readonly #daemons: ReadonlyMap<string, Daemon>;

  constructor(space: Space, bfd: boolean) {
    this.#space = space;
    const names = ["zebra", ...(bfd ? ["bfdd"] : []), "bgpd"];
    this.#daemons = new Map(names.map((name) => [name, new Daemon(space, name)]));
  }

  get isRunning(): boolean {
    return [...this.#daemons.values()].every((daemon) => daemon.isRunning);
  }

  get pids(): number[] {
    return [...this.#daemons.values()].map((daemon) => daemon.id.pid);
  }

  async prepare(text: string): Promise<void> {
    await this.#space.exec(["mkdir", "-p", FRR_DIRECTORY, FRR_SCRATCH]);
    await this.#space.exec(["mount", "-t", "tmpfs", "tmpfs", FRR_SCRATCH]);
    await this.#space.exec(["chown", "frr:frr", FRR_DIRECTORY, FRR_SCRATCH]);
    for (const [file, content] of Object.entries({ "frr.conf": text, "empty.conf": "", "vtysh.conf": "" })) {
      this.#write(file, content);
    }
  }

  async restart(): Promise<void> {
    const missing = [...this.#daemons].filter(([, daemon]) => !daemon.isRunning);
    // The others wait for zebra by themselves, but in steps of seconds.
    await this.#launch(missing.filter(([name]) => name === "zebra"));
    await this.#launch(missing.filter(([name]) => name !== "zebra"));
    await this.#load();
  }

  async control(command: string): Promise<string> {
    return await this.#vtysh(["-c", command]);
  }

  async configure(text: string): Promise<void> {
    this.#write("frr.conf", text);
    await this.#load();
  }

  async kill(signal: NodeJS.Signals, which: "bgp" | "all" = "bgp"): Promise<void> {
    const daemons = [...this.#daemons].filter(([name]) => which === "all" || name === "bgpd");
    await Promise.all(daemons.map(([, daemon]) => daemon.kill(signal)));
  }

  async sessionsUp(): Promise<SessionsUp> {
    const [summary, peers] = await Promise.all([
      this.control("show bgp summary json"),
      this.#daemons.has("bfdd") ? this.control("show bfd peers json") : "[]",
    ]);
    const families = Object.values(JSON.parse(summary) as Readonly<Record<string, FrrFamily>>);
    const bgp = families.flatMap(({ peers: all = {} }) => Object.values(all));
    const bfd = JSON.parse(peers) as { readonly status: string }[];
    return {
      bgp: bgp.filter(({ state }) => state === "Established").length,
      bfd: bfd.filter(({ status }) => status === "up").length,
    };
  }

  log(): string {
    return [...this.#daemons.values()].map((daemon) => daemon.log()).join("");
  }

  async #launch(daemons: readonly (readonly [string, Daemon])[]): Promise<void> {
    await Promise.all(
      daemons.map(([name, daemon]) =>
        daemon.start({
          name,
          argv: frrCommand(name),
          isReady: () => accepts(this.#space.pathFromOutside(`${FRR_DIRECTORY}/${name}.vty`)),
          readyDeadlineMs: READY_DEADLINE_MS,
        }),
      ),
    );
  }

  async #load(): Promise<void> {
    await this.#vtysh(["-b"]);
  }

  async #vtysh(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#space.tryExec(["vtysh", "--config_dir", FRR_DIRECTORY, ...args]);
    if (code !== 0) {
      throw new Error(`vtysh ${args.join(" ")} of ${this.#space.name}: exit code ${code}\n${stdout}${stderr}`);
    }
    return stdout;
  }

  #write(file: string, text: string): void {
    writeFileSync(this.#space.pathFromOutside(path.join(FRR_DIRECTORY, file)), text);
  }
}

interface FrrFamily {
  readonly peers?: Readonly<Record<string, { readonly state: string }>>;
}

function frrCommand(name: string): string[] {
  // zebra: keep other daemons' routes when they end, and its own over a restart.
  const retain = name === "zebra" ? ["-r", "-K", "15"] : [];
  const config = ["-f", `${FRR_DIRECTORY}/empty.conf`, "--log", "stdout"];
  return [`/usr/lib/frr/${name}`, "-A", "127.0.0.1", ...config, ...retain];
}
