import assert from "node:assert/strict";
import { recover } from "../../src/apply/reconcile.ts";
import { watchLinks } from "../../src/apply/watch.ts";
import { Workshop } from "../../src/apply/workshop.ts";
import type { CallContext, Driver } from "../../src/driver/driver.ts";
import { createDriver } from "../../src/driver/index.ts";
import type { Endpoint, Publication } from "../../src/model/endpoint.ts";
import type { Network } from "../../src/model/network.ts";
import { planBridge, planBridgePort } from "../../src/plan/bridge.ts";
import { type HostFacts, planHostElements } from "../../src/plan/host.ts";
import { planFlatFurnishing, planFlatLink } from "../../src/plan/routed.ts";
import type { NftElement } from "../../src/plan/ruleset.ts";
import { planFurnishing, planSharedLink } from "../../src/plan/share.ts";
import type { RouteSpec } from "../../src/plan/specs.ts";
import { planEndpointElements, planEndpointRoutes, planNetworkElements } from "../../src/plan/wishes.ts";
import { Registry } from "../../src/store/registry.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { createFakeLog } from "./fake-log.ts";
import { FakeNames } from "./fake-names.ts";
import { elementLines } from "./fake-nft.ts";
import { FakeProcess } from "./fake-process.ts";
import { canonicalJson, FakeStore } from "./fake-store.ts";
import { remember } from "./remember.ts";

/** One run of the daemon on a fake host. */
export interface FakeRun {
  readonly process: FakeProcess;
  readonly workshop: Workshop;
  readonly driver: Driver;
}

export interface FakeCall extends CallContext {
  readonly controller: AbortController;
  /** Runs the undo that the answer's loss would. */
  lose(): Promise<void>;
}

/** Counts how often health checks were asked for. */
export class FakeHealth {
  begun = 0;
  isOff = false;

  begin(): void {
    this.begun += 1;
  }
}

/** A whole host without a kernel: disk and kernel outlive the runs of the daemon. */
export class FakeHost {
  readonly kernel = new FakeKernel();
  readonly store = new FakeStore();
  readonly names = new FakeNames();
  readonly health = new FakeHealth();
  readonly log = createFakeLog();
  #run: FakeRun | undefined;

  get run(): FakeRun {
    assert.ok(this.#run !== undefined, "the daemon runs");
    return this.#run;
  }

  get driver(): Driver {
    return this.run.driver;
  }

  get workshop(): Workshop {
    return this.run.workshop;
  }

  /** Starts the daemon as daemon/ does. @param prepare faults for the start itself */
  async start(prepare?: (process: FakeProcess) => void): Promise<FakeRun> {
    const process = new FakeProcess();
    const kernel = this.kernel.open(process);
    const registry = new Registry(this.store.open(process));
    const workshop = new Workshop({ registry, kernel, log: this.log.logger });
    process.onDeath(() => workshop.keeper[Symbol.dispose]());
    prepare?.(process);
    const ready = recover(workshop);
    watchLinks(workshop, this.kernel.links.monitor, ready);
    this.#run = {
      process,
      workshop,
      driver: createDriver({ workshop, names: this.names, health: this.health }, ready),
    };
    await Promise.race([ready, new Promise<void>((resolve) => process.onDeath(resolve))]);
    return this.#run;
  }

  kill(): void {
    this.run.process.kill();
  }

  async restart(): Promise<FakeRun> {
    this.kill();
    return this.start();
  }

  async reboot(): Promise<FakeRun> {
    this.kill();
    this.kernel.reboot();
    return this.start();
  }

  /** Everything that was set going has ended, deletions and clean-up after vanished links included. */
  async quiet(): Promise<void> {
    const { queue } = this.workshop;
    for (let round = 0; round < 3; round += 1) {
      await this.kernel.links.settled();
      await queue.idle();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async checkNothingLeaks(): Promise<void> {
    await this.quiet();
    checkWorld(this);
  }
}

export function fakeCall(): FakeCall {
  const controller = new AbortController();
  const undos: (() => Promise<void>)[] = [];
  return {
    requestId: "0123abcd",
    controller,
    signal: controller.signal,
    onUndelivered: (undo) => undos.push(undo),
    lose: async () => {
      for (const undo of undos.reverse()) {
        await undo();
      }
    },
  };
}

/** The leak oracle: the fake world is exactly what the records say, and the disk says what memory says. */
export function checkWorld(host: FakeHost): void {
  const { registry } = host.workshop;
  const networks = registry.networks();
  const { kernel } = host;
  if (!host.run.process.diskFailed) {
    const memory = [...networks, ...registry.endpoints()].map((record) => remember(texts, record, canonicalJson));
    assert.deepEqual(host.store.transcript(), memory.sort(), "disk and memory");
  }
  checkLinks(host, factsOf(host));
  assert.deepEqual(routeTexts(kernel.routes.owned()), routeTexts(wantedRoutes(host)), "routes");
  const facts = factsOf(host);
  const wanted = networks.length === 0 ? [] : [...planHostElements(facts), ...wantedElements(registry)];
  assert.equal(kernel.nft.isInstalled, networks.length > 0, "tables stand while there are networks");
  assert.deepEqual(elementLines(kernel.nft.elements()), elementLines(wanted), "elements");
  assert.deepEqual(heldPorts(host), registry.endpoints().flatMap(publishedPorts).sort(), "held ports");
  assert.equal(kernel.engineFirewall.admitted, networks.length > 0, "the engine's filter is open");
}

// Records are never changed, only replaced; what they ask for is worked out once.
const texts = new WeakMap<Network | Endpoint, string>();
const wishes = new WeakMap<Network | Endpoint, readonly NftElement[]>();

function wantedElements(registry: Registry): NftElement[] {
  return [
    ...registry.networks().flatMap((network) => remember(wishes, network, () => planNetworkElements(network))),
    ...registry.endpoints().flatMap((endpoint) => {
      const network = registry.network(endpoint.networkId);
      assert.ok(network !== undefined, "an endpoint has a network");
      // What a shared address asks for depends on the network's record, too.
      const plan = () => planEndpointElements(network, endpoint);
      return network.mode === "host" ? plan() : remember(wishes, endpoint, plan);
    }),
  ];
}

/**
 * After a crash on the way to a second join, the pair of the first one is there still, without a route: what is not up has
 * none.
 */
function wantedRoutes({ workshop, kernel }: FakeHost): RouteSpec[] {
  const { registry } = workshop;
  return [
    ...registry.networks().flatMap((network) => workshop.networkRoutes(network)),
    ...registry.endpoints().flatMap((endpoint) => {
      const network = registry.network(endpoint.networkId);
      return network === undefined || kernel.links.isDown(endpoint.hostIf) ? [] : planEndpointRoutes(network, endpoint);
    }),
  ];
}

function routeTexts(routes: readonly RouteSpec[]): string[] {
  return routes.map(({ destination, metric, device }) => `${destination} ${device ?? "-"} ${metric}`).sort();
}

function checkLinks(host: FakeHost, facts: HostFacts): void {
  const { kernel } = host;
  const { registry } = host.workshop;
  const wanted = new Set<string>();
  for (const network of registry.networks()) {
    assert.equal(network.state, "ready", `network ${network.id}`);
    if (network.mode === "bridge") {
      wanted.add(network.bridge);
      const link = kernel.links.links.get(network.bridge);
      assert.deepEqual(link, { kind: "bridge", spec: planBridge(network) }, `bridge ${network.bridge}`);
    }
    for (const endpoint of registry.endpointsOf(network.id)) {
      wanted.add(endpoint.hostIf);
      // After a leave the pair stays until the endpoint goes.
      if (endpoint.state === "joined") {
        checkPair(kernel, network, endpoint, facts);
      }
    }
  }
  const present = [...kernel.links.links].filter(([, { kind }]) => kind !== "foreign").map(([name]) => name);
  assert.deepEqual(
    present.filter((name) => !wanted.has(name)),
    [],
    "links without a record",
  );
}

function checkPair(kernel: FakeKernel, network: Network, endpoint: Endpoint, facts: HostFacts): void {
  const link = kernel.links.links.get(endpoint.hostIf);
  if (network.mode === "bridge") {
    assert.ok(link?.kind === "veth", `veth of ${endpoint.id}`);
    assert.deepEqual(link.spec, planBridgePort(network, endpoint, facts));
    assert.equal(link.bridge, network.bridge);
    return;
  }
  assert.ok(link?.kind === "share", `pair of ${endpoint.id}`);
  const isShared = network.mode === "host";
  assert.deepEqual(link.spec, isShared ? planSharedLink(network, endpoint) : planFlatLink(network, endpoint));
  if (link.sandboxKey === endpoint.sandboxKey) {
    const furnished = kernel.sandboxes.furnished.get(`${endpoint.sandboxKey} ${endpoint.mac}`);
    const wanted = isShared ? planFurnishing(network, endpoint) : planFlatFurnishing(network, endpoint);
    assert.deepEqual(furnished?.routes, wanted.routes, `sandbox of ${endpoint.id}`);
  }
}

function heldPorts({ kernel }: FakeHost): string[] {
  return kernel.hostPorts
    .sockets()
    .filter(({ owner }) => owner !== undefined)
    .map(({ protocol, address, port, owner }) => `${owner} ${protocol} ${address} ${port}`)
    .sort();
}

function publishedPorts(endpoint: Endpoint): string[] {
  const text = (owner: string) => (one: Publication) =>
    portsOf(one).map((port) => `${owner} ${one.protocol} ${one.hostAddress} ${port}`);
  return [
    ...endpoint.publications.flatMap(text(endpoint.id)),
    ...(endpoint.claims ?? []).filter(({ isOwn }) => isOwn !== true).flatMap(text(`${endpoint.id} claims`)),
  ];
}

function portsOf({ hostPortFirst, hostPortLast }: Publication): number[] {
  return Array.from({ length: hostPortLast - hostPortFirst + 1 }, (_, offset) => hostPortFirst + offset);
}

function factsOf({ kernel }: { readonly kernel: FakeKernel }): HostFacts {
  const isOn = (knob: string) => kernel.sysctls.read(["net", "bridge", knob]) === "1";
  return {
    bridgedIpv4Filtered: isOn("bridge-nf-call-iptables"),
    bridgedIpv6Filtered: isOn("bridge-nf-call-ip6tables"),
    uplink: kernel.links.defaultRoute?.name,
  };
}
