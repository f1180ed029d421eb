import { writeFileSync } from "node:fs";
import { Daemon } from "./daemon.ts";
import type { Routing, SessionsUp } from "./routing-daemon.ts";
import { accepts } from "./sockets.ts";
import type { Space } from "./space.ts";

const READY_DEADLINE_MS = 20_000;
const BIRD_DIRECTORY = "/run/bird";

export interface BirdOptions {
  /** -R: recover by graceful restart at each start after the first. Default true. */
  readonly recovery?: boolean;
}

/** Control socket and configuration are where Debian's package has them: /run/bird/bird.ctl, /run/bird/bird.conf. */
export async function startBird(space: Space, configText: string, options: BirdOptions = {}): Promise<Routing> {
  const bird = new Bird(space, options.recovery ?? true);
  await bird.prepare(configText);
  await bird.launch(false);
  return bird;
}

class Bird implements Routing {
  readonly kind = "bird";
  readonly #space: Space;
  readonly #daemon: Daemon;
  readonly #recovery: boolean;

  constructor(space: Space, recovery: boolean) {
    this.#space = space;
    this.#daemon = new Daemon(space, "bird");
    this.#recovery = recovery;
  }

  get isRunning(): boolean {
    return this.#daemon.isRunning;
  }

  get pids(): number[] {
    return [this.#daemon.id.pid];
  }

  async prepare(text: string): Promise<void> {
    await this.#space.exec(["mkdir", "-p", BIRD_DIRECTORY]);
    this.#write(text);
    // A daemon that ends at once leaves its reason in a log that may be gone with the space.
    await this.#space.exec(["bird", "-p", "-c", `${BIRD_DIRECTORY}/bird.conf`]);
  }

  async launch(recover: boolean): Promise<void> {
    const socket = `${BIRD_DIRECTORY}/bird.ctl`;
    await this.#daemon.start({
      name: "bird",
      argv: ["bird", "-f", "-c", `${BIRD_DIRECTORY}/bird.conf`, "-s", socket, ...(recover ? ["-R"] : [])],
      isReady: () => accepts(this.#space.pathFromOutside(socket)),
      readyDeadlineMs: READY_DEADLINE_MS,
    });
  }

  control(command: string): Promise<string> {
    return this.#space.exec(["birdc", "-s", `${BIRD_DIRECTORY}/bird.ctl`, ...command.split(" ")]);
  }

  async configure(text: string): Promise<void> {
    this.#write(text);
    await this.control("configure");
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.#daemon.kill(signal);
  }

  restart(): Promise<void> {
    return this.launch(this.#recovery);
  }

  async sessionsUp(): Promise<SessionsUp> {
    const [protocols, sessions] = await Promise.all([
      this.control("show protocols"),
      this.control("show bfd sessions"),
    ]);
    const bgp = protocols.split("\n").filter((line) => / BGP .* Established/.test(line));
    return { bgp: bgp.length, bfd: sessions.split("\n").filter((line) => / Up /.test(line)).length };
  }

  log(): string {
    return this.#daemon.log();
  }

  #write(text: string): void {
    writeFileSync(this.#space.pathFromOutside(`${BIRD_DIRECTORY}/bird.conf`), text);
  }
}
