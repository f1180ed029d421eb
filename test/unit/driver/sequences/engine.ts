/** Plays a sequence of actions against a fake host and looks at every quiet point whether all is as it must be. */
import assert from "node:assert/strict";
import type { CreateNetworkRequest, JoinRequest } from "../../../../src/driver/driver.ts";
import { FairwayError } from "../../../../src/errors.ts";
import { wholeAddress } from "../../../../src/model/ip.ts";
import { checkWorld, type FakeCall, FakeHost, fakeCall } from "../../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  hostNetworkRequest,
  ip,
  joinRequest,
  networkId,
  networkRequest,
  poolData,
  port,
  programRequest,
  sandboxKey,
} from "../../../fakes/requests.ts";
import {
  type Action,
  type Event,
  type FlatChoice,
  firstRoutedNetwork,
  hostNetwork,
  type Interference,
  type Rpc,
} from "./actions.ts";
import { Model } from "./model.ts";

/** A call that is not answered after so many turns of the event loop waits for ever. */
const patienceTurns = 400;

interface Started {
  readonly call: Rpc;
  readonly interference: Interference;
  readonly wasJoined: boolean;
  readonly done: Promise<Outcome>;
}

type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: unknown };

export async function runSequence(actions: readonly Action[]): Promise<void> {
  const player = new Player();
  await player.start();
  for (const action of actions) {
    await player.play(action);
  }
  await player.finish();
}

class Player {
  readonly #host = new FakeHost();
  readonly #model = new Model();
  #under: Started[] = [];
  /** A fault was injected since the last clean comparison: what it left is a reconciliation's to find. */
  #disturbed = false;
  /** Records that could not be deleted come back with a restart. */
  #diskFailed = false;
  readonly #foreign: string;

  constructor() {
    const { links, hostPorts } = this.#host.kernel;
    links.addForeign("br-office", "bridge");
    hostPorts.hostAddresses.add("192.0.2.11");
    hostPorts.addForeign({ protocol: "tcp", address: ip("0.0.0.0"), port: 5000, holder: "nginx (pid 812)" });
    this.#foreign = this.#foreignState();
  }

  async start(): Promise<void> {
    await this.#host.start();
  }

  async play(action: Action): Promise<void> {
    if ("event" in action) {
      await this.#settle();
      await this.#happen(action.event);
      await this.#check();
      return;
    }
    this.#begin(this.#model.next(action.call), action.with);
    if (!action.with.overlapsNext) {
      await this.#settle();
      await this.#check();
    }
  }

  async finish(): Promise<void> {
    await this.#settle();
    await this.#check();
    this.#leaveRun();
    await this.#host.restart();
    await this.#check();
    assert.equal(this.#foreignState(), this.#foreign, "what others own is as it was");
    this.#host.kill();
  }

  /** The next run begins with what the disk says, and that may be what was true before it failed. */
  #leaveRun(): void {
    this.#diskFailed ||= this.#host.run.process.diskFailed;
    if (this.#diskFailed) {
      this.#model.distrustDisk();
    }
  }

  #begin(call: Rpc, interference: Interference): void {
    const { process } = this.#host.run;
    const { failNth, crashNth, delayTurns } = interference;
    process.delayTurns = delayTurns ?? process.delayTurns;
    if (failNth !== undefined) {
      process.failNth(failNth.nth, failNth.errno);
      this.#disturbed = true;
    }
    if (crashNth !== undefined) {
      process.crashNth(crashNth.nth, crashNth.moment);
    }
    this.#model.withdraw(call);
    const wasJoined = this.#isJoined(call);
    const context = fakeCall();
    hangUpAfter(context, interference.hangUpAfter);
    const done = this.#answer(call, context, interference.lost === true);
    this.#under.push({ call, interference, wasJoined, done });
  }

  #isJoined(call: Rpc): boolean {
    const { registry } = this.#host.workshop;
    return "endpoint" in call && registry.endpoint(endpointId(call.endpoint))?.state === "joined";
  }

  async #answer(call: Rpc, context: FakeCall, lost: boolean): Promise<Outcome> {
    try {
      await this.#send(call, context);
    } catch (error) {
      return { ok: false, error };
    }
    if (lost) {
      // An undo that fails is logged; nobody is there to hear of it.
      await context.lose().catch(() => undefined);
    }
    return { ok: true };
  }

  #send(call: Rpc, context: FakeCall): Promise<unknown> {
    const { driver } = this.#host;
    switch (call.do) {
      case "createNetwork":
        return driver.createNetwork(createNetworkRequest(call), context);
      case "deleteNetwork":
        return driver.deleteNetwork(networkId(call.network), context);
      case "createEndpoint":
        return driver.createEndpoint(this.#createEndpointRequest(call), context);
      case "join":
        return driver.join(this.#joinRequest(call), context).then((reply) => {
          const name = reply.interface?.srcName ?? "";
          this.#host.kernel.links.moveToSandbox(name, sandboxKey(call.sandbox));
        });
      case "program":
        return driver.programExternalConnectivity(
          programRequest(call.ports.map(port), call.endpoint, call.network),
          context,
        );
      case "revoke":
        return driver.revokeExternalConnectivity(networkId(call.network), endpointId(call.endpoint), context);
      case "leave":
        return driver.leave(networkId(call.network), endpointId(call.endpoint), context);
      case "deleteEndpoint":
        return driver.deleteEndpoint(networkId(call.network), endpointId(call.endpoint), context);
      case "finishDeletes":
        return driver.finishDeletes();
      default:
        return call satisfies never;
    }
  }

  /** Two of a kind want the same port of the host. */
  #joinRequest({ endpoint, network, sandbox, ports }: Rpc & { do: "join" }): JoinRequest {
    if (network >= firstRoutedNetwork) {
      return joinRequest(endpoint, network, sandbox, { ports: ports.map(port) });
    }
    const exposed = [{ protocol: "tcp" as const, port: 9000 + (endpoint % 2) }];
    return joinRequest(endpoint, network, sandbox, { exposed });
  }

  #createEndpointRequest(call: Rpc & { do: "createEndpoint" }): ReturnType<typeof endpointRequest> {
    const network = this.#host.workshop.registry.network(networkId(call.network));
    if (network?.mode === "host") {
      return {
        ...endpointRequest(call.address, call.network, { v4: false }),
        endpointId: endpointId(call.endpoint),
        ...(network.sharedIpv4 === undefined ? {} : { ipv4: wholeAddress(network.sharedIpv4) }),
      };
    }
    const address = endpointRequest(call.address, this.#model.networks.get(call.network)?.subnet ?? call.network, {
      v4: (network?.ipv4.length ?? 1) > 0,
      v6: (network?.ipv6.length ?? 0) > 0,
    });
    return { ...address, networkId: networkId(call.network), endpointId: endpointId(call.endpoint) };
  }

  /** Waits for the answers to all calls under way, or for the end of the process. */
  async #settle(): Promise<void> {
    const started = this.#under;
    this.#under = [];
    const outcomes = await this.#outcomes(started.map(({ done }) => done));
    this.#host.run.process.forgetFaults();
    const isCalm = !this.#disturbed && !this.#host.run.process.dead;
    for (const [index, { call, interference, wasJoined }] of started.entries()) {
      const outcome = outcomes?.[index];
      if (outcome?.ok === true) {
        this.#model.promise(call, this.#host.workshop.registry, wasJoined);
        continue;
      }
      if (outcome !== undefined && isCalm && interference.hangUpAfter === undefined) {
        checkRefusal(call, outcome.error);
      }
    }
    for (const [index, { call, interference }] of started.entries()) {
      if (outcomes?.[index]?.ok !== true) {
        this.#model.fail(call);
      }
      if (interference.lost === true) {
        this.#model.lose(call);
      }
      // Of calls at the same time, nobody knows which came last.
      if (started.length > 1) {
        this.#model.withdraw(call);
      }
    }
    if (this.#host.run.process.dead) {
      this.#leaveRun();
      await this.#host.start();
    }
  }

  async #outcomes(pending: readonly Promise<Outcome>[]): Promise<Outcome[] | undefined> {
    let outcomes: Outcome[] | undefined;
    Promise.all(pending).then(
      (all) => {
        outcomes = all;
      },
      () => undefined,
    );
    for (let turn = 0; turn < patienceTurns; turn += 1) {
      await nextTurn();
      if (outcomes !== undefined || this.#host.run.process.dead) {
        return outcomes;
      }
    }
    return assert.fail("a call is never answered");
  }

  async #happen(event: Event): Promise<void> {
    const { kernel } = this.#host;
    this.#model.happen(event, this.#host.workshop.registry);
    switch (event.do) {
      case "restart":
        this.#leaveRun();
        await this.#host.restart();
        break;
      case "reboot":
        this.#leaveRun();
        await this.#host.reboot();
        break;
      case "endSandbox":
        kernel.links.endSandbox(sandboxKey(event.sandbox));
        break;
      case "flushNft":
        kernel.nft.flush();
        this.#disturbed = true;
        break;
      case "removeBridge":
        this.#removeBridge(event.network);
        break;
      case "flushRoutes":
        kernel.links.flatRoutes.clear();
        kernel.routes.unreachable.clear();
        this.#disturbed = true;
        break;
      case "renumber":
        kernel.links.addresses = [
          { address: ip(event.address), device: "eth0" },
          { address: ip("2001:db8::10"), device: "eth0" },
        ];
        kernel.links.monitor.emitAddressChange();
        break;
      case "overrun":
        kernel.links.monitor.overrun();
        break;
      default:
        event satisfies never;
    }
  }

  async #check(): Promise<void> {
    await this.#host.quiet();
    if (this.#disturbed) {
      await this.#host.driver.finishDeletes();
      await this.#host.quiet();
      this.#disturbed = false;
    }
    checkWorld(this.#host);
    this.#diskFailed ||= this.#host.run.process.diskFailed;
    if (!this.#diskFailed) {
      checkAddresses(this.#host);
    }
    this.#model.check(this.#host.workshop.registry);
    for (const number of this.#model.attached()) {
      const link = this.#host.workshop.registry.endpoint(endpointId(number))?.hostIf ?? "";
      assert.ok(!this.#host.kernel.links.isDown(link), `the pair of endpoint ${number} is up`);
    }
  }

  #removeBridge(number: number): void {
    const network = this.#host.workshop.registry.network(networkId(number));
    if (network?.mode === "bridge") {
      this.#host.kernel.links.remove(network.bridge);
    }
  }

  #foreignState(): string {
    const { links, hostPorts } = this.#host.kernel;
    return [...links.transcript(), ...hostPorts.transcript()].filter((line) => /office|nginx/.test(line)).join("\n");
  }
}

function createNetworkRequest(call: Rpc & { do: "createNetwork" }): CreateNetworkRequest {
  if (call.network === hostNetwork) {
    return hostNetworkRequest(call.network, {}, { internal: call.internal });
  }
  const space = call.custom ? "Elsewhere" : "LocalDefault";
  const { subnet } = call;
  return networkRequest(call.network, {
    internal: call.internal,
    ipv4: [poolData(`10.88.${subnet}.0/24`, `10.88.${subnet}.1/24`, space)],
    ipv6: call.v6 ? [poolData(`fd00:88:${subnet}::/64`, `fd00:88:${subnet}::1/64`, space)] : [],
    ipv6Enabled: call.v6,
    options: new Map(call.flat === undefined ? bridgeOptions(call.bridge) : flatOptions(call.flat)),
  });
}

function bridgeOptions(bridge: string | undefined): [string, string][] {
  return bridge === undefined ? [] : [["bridge_name", bridge]];
}

function flatOptions({ announce, icc, reachable, egressNat }: FlatChoice): [string, string][] {
  return [
    ["mode", "routed"],
    ["announce", announce],
    ["icc", String(icc)],
    ["reachable", reachable],
    ["egress_nat", String(egressNat)],
  ];
}

/** Nobody meets an error of ours, or of the kernel, when nothing is broken; and a delete is never refused. */
function checkRefusal(call: Rpc, error: unknown): void {
  const isForUsers = error instanceof FairwayError && !error.code.startsWith("FW9");
  assert.ok(isForUsers, `${call.do} was refused with ${error instanceof Error ? error.stack : String(error)}`);
  assert.ok(/^(create|join|program)/.test(call.do), `${call.do} was refused: ${error.message}`);
}

function checkAddresses({ workshop }: FakeHost): void {
  const addresses = workshop.registry
    .endpoints()
    .filter((endpoint) => workshop.registry.network(endpoint.networkId)?.mode !== "host")
    .flatMap(({ networkId: network, ipv4, ipv6 }) => [ipv4, ipv6].filter(Boolean).map((one) => `${network} ${one}`));
  assert.equal(new Set(addresses).size, addresses.length, "an address at two endpoints");
}

function hangUpAfter({ controller }: FakeCall, turns: number | undefined): void {
  if (turns === undefined) {
    return;
  }
  const reason = new FairwayError({ code: "FW5006", what: "the engine hung up" });
  const count = async (): Promise<void> => {
    for (let turn = 0; turn < turns; turn += 1) {
      await undefined;
    }
    controller.abort(reason);
  };
  void count();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
