import { Cabling, type FabricCable } from "./cabling.ts";
import { engineUnderTest } from "./engines.ts";
import {
  createMachine,
  type FabricHost,
  type FabricHostOptions,
  type RoutingKind,
  type RoutingOptions,
  setForwarding,
  startFabricHost,
} from "./fabric-host.ts";
import { type FabricPlan, type Layout, onServices, planFabric, SERVICES } from "./fabric-plan.ts";
import { LanClient, orRemove } from "./lan.ts";
import { sweep } from "./record.ts";
import { type Routing, startBird, startFrr } from "./routing.ts";
import { type BfdMode, birdTor, frrTor } from "./routing-configs.ts";
import { startServer } from "./server.ts";
import type { Space } from "./space.ts";
import { waitFor } from "./wait.ts";

/** Bare metal and virtual machine answer there over TCP (HTTP) and UDP; the test image's server has the same. */
export const ECHO_PORT = 80;
const ROUTER_NUMBER = 1;
const BARE_METAL_NUMBER = 10;
const VM_NUMBER = 20;
const FIRST_GUEST_NUMBER = 31;
const VM_BRIDGE = "hyper";
/** From the range that QEMU uses. */
const VM_MAC = "52:54:00:12:34:56";
/** FRR's first attempts fail until BFD is up, and it waits between them. */
const SETTLED_DEADLINE_MS = 40_000;

/** Of the hosts: `engine` (default: the engine under test), `host`, `forwarding`. */
export interface FabricOptions extends Partial<FabricHostOptions> {
  /** Default 2. */
  readonly hosts?: number;
  /** What runs on the router. Default "bird". */
  readonly tor?: RoutingKind;
  /** Default "links". */
  readonly layout?: Layout;
  /** Of all hosts. "none": the caller starts it. Default: bird with the lab's configuration. */
  readonly routing?: "none" | RoutingOptions;
  /** Of both ends, where it is BIRD. Default "hard". */
  readonly bfd?: BfdMode;
}

/**
 * A data centre: hosts with an AS each, a top-of-rack router that forwards and installs what it learns by BGP, and
 * behind it a segment with a bare-metal machine and a virtual one.
 */
export class Fabric implements AsyncDisposable {
  readonly hosts: readonly FabricHost[];
  readonly tor: Tor;
  readonly bareMetal: LanClient;
  readonly vm: LanClient;
  readonly #cabling: Cabling;
  readonly #guests: LanClient[] = [];
  #number = FIRST_GUEST_NUMBER;

  constructor(cabling: Cabling, tor: Tor, hosts: readonly FabricHost[], bareMetal: LanClient, vm: LanClient) {
    this.#cabling = cabling;
    this.tor = tor;
    this.hosts = hosts;
    this.bareMetal = bareMetal;
    this.vm = vm;
  }

  /** @param index from 0 */
  host(index: number): FabricHost {
    const host = this.hosts[index];
    if (host === undefined) {
      throw new Error(`the fabric has no host ${index}`);
    }
    return host;
  }

  /** One more machine beside the bare-metal one, with a /run of its own. It ends with the fabric. */
  async guest(label: string): Promise<LanClient> {
    const cable = this.#cabling.cable(SERVICES, onServices("eth0", this.#number++));
    const guest = await startClient(label, cable);
    this.#guests.push(guest);
    return guest;
  }

  /** Waits until the router's BGP and BFD sessions with so many hosts are up. Default: all. */
  async settled(hostCount = this.hosts.length): Promise<void> {
    const wanted = 2 * hostCount;
    const isUp = async () => {
      const { bgp, bfd } = await this.tor.routing.sessionsUp();
      return bgp === wanted && bfd === wanted;
    };
    await waitFor(isUp, SETTLED_DEADLINE_MS, `${wanted} BGP and BFD sessions of the router to be up`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const machines = [...this.hosts, this.tor, this.bareMetal, this.vm, ...this.#guests];
    await Promise.all([...machines.map(({ space }) => space.remove()), this.#cabling.space.remove()]);
  }
}

/** The router; its addresses are those on the segment behind it. */
export class Tor extends LanClient {
  readonly routing: Routing;
  readonly kind: RoutingKind;
  readonly #plan: FabricPlan;

  constructor(space: Space, cable: FabricCable, routing: Routing, plan: FabricPlan) {
    super(space, cable);
    this.routing = routing;
    this.kind = routing.kind;
    this.#plan = plan;
  }

  config(bfd?: BfdMode): string {
    return torConfig(this.kind, this.#plan, bfd);
  }
}

/** Returns when all sessions are up, unless the hosts' routing is "none". Leftovers of dead runs are swept first. */
export async function openFabric(options: FabricOptions = {}): Promise<Fabric> {
  await sweep();
  const { hosts: hostCount = 2, layout = "links", routing = {}, bfd = "hard" } = options;
  const plan = planFabric(hostCount, layout);
  await using undo = new AsyncDisposableStack();
  const remembered = async <T extends { readonly space: Space }>(starting: Promise<T>): Promise<T> => {
    const machine = await starting;
    undo.defer(() => machine.space.remove());
    return machine;
  };
  const cabling = await remembered(Cabling.open());
  await cabling.addSegments(...plan.segments, VM_BRIDGE);
  await cabling.join(VM_BRIDGE, SERVICES);
  const hosts = plan.hosts.map(async (hostPlan, index) => {
    const cable = cabling.cable(hostPlan.plug.segment, hostPlan.plug.addresses);
    const { engine = engineUnderTest(), ...rest } = options;
    const host = await remembered(startFabricHost(`h${index + 1}`, cable, hostPlan, { engine, ...rest }));
    await (routing === "none" ? undefined : host.startRouting({ bfd, ...routing }));
    return host;
  });
  const services = [
    startServerOn("metal", cabling.cable(SERVICES, onServices("eth0", BARE_METAL_NUMBER))),
    startServerOn("vm", cabling.cable(VM_BRIDGE, onServices("eth0", VM_NUMBER), VM_MAC)),
  ] as const;
  const starting = [
    remembered(startTor(options.tor ?? "bird", cabling, plan, bfd)),
    Promise.all(hosts),
    remembered(services[0]),
    remembered(services[1]),
  ] as const;
  // All of them, so that nothing starts any more when the undoing begins.
  await Promise.allSettled([...starting, ...hosts]);
  const [tor, started, bareMetal, vm] = await Promise.all(starting);
  const fabric = new Fabric(cabling, tor, started, bareMetal, vm);
  await (routing === "none" ? undefined : fabric.settled());
  undo.move();
  return fabric;
}

async function startTor(kind: RoutingKind, cabling: Cabling, plan: FabricPlan, bfd: BfdMode): Promise<Tor> {
  const space = await createMachine("tor");
  return await orRemove(space, async () => {
    await setForwarding(space, true);
    const services = cabling.cable(SERVICES, onServices("services", ROUTER_NUMBER));
    await services.attach(space);
    for (const { segment, addresses } of plan.torPlugs) {
      await cabling.cable(segment, addresses).attach(space);
    }
    const text = torConfig(kind, plan, bfd);
    const routing = await (kind === "bird" ? startBird(space, text) : startFrr(space, text));
    return new Tor(space, services, routing, plan);
  });
}

function torConfig(kind: RoutingKind, plan: FabricPlan, bfd: BfdMode = "hard"): string {
  const routerId = onServices("", ROUTER_NUMBER).ipv4.split("/")[0] ?? "";
  const facts = { routerId, peerings: plan.torPeerings, bfd };
  return kind === "bird" ? birdTor(facts) : frrTor(facts);
}

async function startClient(label: string, cable: FabricCable): Promise<LanClient> {
  const space = await createMachine(label);
  return await orRemove(space, async () => {
    await cable.attach(space);
    return new LanClient(space, cable);
  });
}

async function startServerOn(label: string, cable: FabricCable): Promise<LanClient> {
  const client = await startClient(label, cable);
  return await orRemove(client.space, async () => {
    await startServer(client.space, [`tcp:${ECHO_PORT}`, `udp:${ECHO_PORT}`]);
    return client;
  });
}
