import { type LabHost, startHost } from "../../lab/host.ts";
import { type LanClient, openLan } from "../../lab/lan.ts";
import { EngineApi } from "../engine-api.ts";
import { timed } from "../rounds.ts";
import { idle, type StageOptions } from "../stage.ts";
import { serverPort, slice, startServerIn } from "../traffic/load.ts";
import { type Call, calls, forAll, type Guest, guestOf, Plugin } from "./plugin.ts";

const network = "bench-crowd";
const desk = "desk";
/** The engine gives the first addresses to real containers. */
const firstVisitor = 300;
const visitors = 200;
const firstGuest = 512;
/** Where the containers' ends are kept; a driver takes an endpoint whose both ends are at home for a forgotten one. */
const sandbox = "crowd";
const moveTimeoutMs = 600_000;

export type VisitTimes = Readonly<Record<Call | "all four", number>>;

/** A host whose network has as many endpoints as one likes, without containers behind them. */
export class Hotel implements AsyncDisposable {
  readonly host: LabHost;
  readonly #api: EngineApi;
  /** Beginning of all its addresses. */
  readonly #prefix: string;
  #plugin: Plugin;
  #guests: readonly Guest[] = [];
  #networkId = "";
  #visits = 0;

  constructor(host: LabHost, prefix: string) {
    this.host = host;
    this.#prefix = prefix;
    this.#api = new EngineApi(host.apiSocket);
    this.#plugin = new Plugin(host);
  }

  get count(): number {
    return this.#guests.length;
  }

  async open(client: LanClient): Promise<void> {
    const subnet = `${this.#prefix}.0.0/16`;
    await this.host.startDriver();
    await this.#api.createNetwork({ name: network, driver: "fairway", subnet, options: { mode: "routed" } });
    this.#networkId = await this.host.docker("network", "inspect", "-f", "{{.Id}}", network);
    await this.host.exec(["ip", "netns", "add", sandbox]);
    await client.exec(["ip", "route", "replace", subnet, "via", this.host.uplink?.ipv4 ?? ""]);
  }

  /** Until there are so many. */
  async fill(count: number): Promise<void> {
    const fresh = Array.from({ length: count - this.count }, (_, index) =>
      guestOf(this.#networkId, this.#prefix, firstGuest + this.count + index),
    );
    const ends: string[] = [];
    await forAll(fresh, async (guest) => {
      ends.push(await this.#plugin.attach(guest));
    });
    const moves = ends.map((end) => `link set ${end} netns ${sandbox}`);
    await this.host.exec(["ip", "-batch", "-"], { stdin: moves.join("\n"), timeoutMs: moveTimeoutMs });
    this.#guests = [...this.#guests, ...fresh];
  }

  /** One more endpoint comes and goes. Milliseconds of each call. */
  async visit(): Promise<VisitTimes> {
    // Another one each time: the interface of the last one is still on its way out, and its name would have to wait for that.
    const guest = guestOf(this.#networkId, this.#prefix, firstVisitor + (this.#visits % visitors));
    this.#visits += 1;
    const times: [Call, number][] = [];
    for (const call of calls) {
      times.push([call, await timed(() => this.#plugin.call(call, guest))]);
    }
    const all = times.reduce((sum, [, ms]) => sum + ms, 0);
    return { ...(Object.fromEntries(times) as Record<Call, number>), "all four": all };
  }

  /** @returns milliseconds until the first call about an endpoint is answered */
  async restart(): Promise<number> {
    const [guest] = this.#guests;
    await this.host.killDriver("SIGKILL");
    await this.#plugin.untilSilent();
    this.#plugin.close();
    return await timed(async () => {
      await this.host.startDriver();
      this.#plugin = new Plugin(this.host);
      await (guest === undefined ? undefined : this.#plugin.call("EndpointOperInfo", guest));
    });
  }

  /** A real container with a server among the others. */
  async openDesk(): Promise<void> {
    const port = { hostPort: serverPort, containerPort: serverPort };
    await this.#api.createContainer(idle(desk, network, [port]));
    await this.#api.startContainer(desk);
    const pid = await this.host.docker("inspect", "-f", "{{.State.Pid}}", desk);
    await startServerIn(this, ["nsenter", "-t", pid, "-n", "--"], desk);
  }

  async talk(client: LanClient): Promise<{ readonly echo: number; readonly connect: number }> {
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    const address = await this.host.docker("inspect", "-f", format, desk);
    return {
      echo: await slice(client, "echo", address, serverPort),
      connect: await slice(client, "connect", address, serverPort),
    };
  }

  /** @throws when one of the endpoints has been given up meanwhile: the figures would be those of a smaller crowd. */
  async assertFull(): Promise<void> {
    const routes = await this.host.exec(["ip", "-4", "route", "show", "proto", "143"]);
    const found = routes.split("\n").filter((line) => line.includes(" dev ")).length;
    if (found < this.count) {
      throw new Error(`${this.host.name} has routes to ${found} of ${this.count} endpoints`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#plugin.close();
    this.#api.close();
    await this.host.stop();
  }
}

export interface Hotels extends AsyncDisposable {
  readonly client: LanClient;
  readonly small: Hotel;
  readonly large: Hotel;
}

/** Two hosts and a client on one segment. */
export async function openHotels({ engine }: StageOptions): Promise<Hotels> {
  await using undo = new AsyncDisposableStack();
  const lan = undo.use(await openLan());
  const client = undo.use(await lan.client("client"));
  const open = async (prefix: string) => {
    const hotel = undo.use(new Hotel(await startHost({ engine, lan, images: ["test"] }), prefix));
    await hotel.open(client);
    return hotel;
  };
  const [small, large] = [await open("10.32"), await open("10.33")];
  const kept = undo.move();
  return { client, small, large, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
