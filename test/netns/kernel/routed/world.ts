/** Containers with flat addresses, put into place by what the driver puts them into place with. */
import assert from "node:assert/strict";
import { openKernel } from "../../../../src/daemon/kernel.ts";
import type { Kernel } from "../../../../src/kernel/ports.ts";
import type { Endpoint } from "../../../../src/model/endpoint.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";
import type { RoutedNetwork } from "../../../../src/model/network.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import { planHostElements } from "../../../../src/plan/host.ts";
import { planFlatFurnishing, planFlatLink, planReachable } from "../../../../src/plan/routed.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import {
  planEndpointElements,
  planEndpointRoutes,
  planNetworkElements,
  planNetworkRoutes,
} from "../../../../src/plan/wishes.ts";
import { createFakeLog } from "../../../fakes/fake-log.ts";
import { port, routedEndpointOf, routedNetworkOf } from "../../../fakes/requests.ts";
import { run } from "../../../lab/exec.ts";
import { addFarSide } from "../far.ts";
import { addresses, buildSmallWorld, type SmallWorld } from "../host.ts";
import { moveIn } from "../move-in.ts";
import { Sandbox } from "../sandbox.ts";

export const networks = {
  app: routedNetworkOf({}, 1),
  apart: routedNetworkOf({ icc: false }, 2),
  secret: routedNetworkOf({ internal: true }, 3),
  open: routedNetworkOf({ reachable: "all" }, 4),
  /** Of the world, the client's side is flat and the far side is not. */
  nat: routedNetworkOf({ egressNat: true, flatSpace: [parsePrefix("192.0.2.0/24"), parsePrefix("2001:db8::/64")] }, 5),
} as const satisfies Record<string, RoutedNetwork>;

export interface Flat {
  readonly sandbox: Sandbox;
  readonly endpoint: Endpoint;
  readonly network: RoutedNetwork;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface RoutedWorld extends SmallWorld {
  readonly kernel: Kernel;
  readonly far: Sandbox;
  /** A container of this network, with these ports of `-p`; its number is also the last part of its addresses. */
  open(network: RoutedNetwork, number: number, ports?: readonly string[]): Promise<Flat>;
  /** One more network for a container. */
  join(network: RoutedNetwork, number: number, sandbox: Sandbox): Promise<Flat>;
}

/** What a bridge network of ours asks for, but translation. */
const bridgeElements: readonly NftElement[] = [
  { set: "intra", key: ["br0", "br0"], data: "accept" },
  { set: "own_gateway4", key: ["br0", addresses.gateway.ipv4] },
  { set: "own_gateway6", key: ["br0", addresses.gateway.ipv6] },
  { set: "gateways4", key: [addresses.gateway.ipv4] },
  { set: "gateways6", key: [addresses.gateway.ipv6] },
];

/** far -- client -- up0 [the test's own namespace] -- containers of the networks above; and a bridge beside them. */
export async function buildRoutedWorld(): Promise<RoutedWorld> {
  await using building = new AsyncDisposableStack();
  const small = building.use(await buildSmallWorld());
  const farSandbox = building.use(await Sandbox.open());
  await addFarSide(small.client, farSandbox);
  const { ipv4, ipv6 } = addresses.host;
  await small.client.ip(`route add 10.20.0.0/16 via ${ipv4}`, `route add fd00:20::/32 via ${ipv6}`);
  const { kernel } = building.use(openKernel(createFakeLog().logger));
  const facts = { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false, uplink: "up0" };
  const all = Object.values(networks);
  await kernel.nft.install(planRuleset(), [
    ...planHostElements(facts),
    ...bridgeElements,
    ...all.flatMap(planNetworkElements),
  ]);
  await kernel.routes.add(all.flatMap((network) => planNetworkRoutes(network, (subnet) => [subnet])));
  const sandboxes = building.use(new AsyncDisposableStack());
  const open = async (network: RoutedNetwork, number: number, ports: readonly string[] = []): Promise<Flat> => {
    const sandbox = sandboxes.use(await Sandbox.open());
    return await plugIn(kernel, network, endpointOf(network, number, ports), sandbox);
  };
  const join = (network: RoutedNetwork, number: number, sandbox: Sandbox): Promise<Flat> =>
    plugIn(kernel, network, endpointOf(network, number, []), sandbox, "eth1");
  const built = building.move();
  return { ...small, kernel, far: farSandbox, open, join, [Symbol.asyncDispose]: () => built.disposeAsync() };
}

function numberOf(network: RoutedNetwork): number {
  return Object.values(networks).indexOf(network) + 1;
}

function endpointOf(network: RoutedNetwork, number: number, ports: readonly string[]): Endpoint {
  const place = numberOf(network);
  const mac = parseMac(`02:00:00:00:0${place}:${number.toString(16).padStart(2, "0")}`);
  const endpoint = routedEndpointOf({ state: "joined", mac }, place * 40 + number, place);
  const addressed = { ...endpoint, ...routedAddresses(number, place) };
  return { ...addressed, claims: planReachable(network, addressed, ports.map(port)) };
}

/** With the length of the subnet, as the engine's own address management has them. */
function routedAddresses(number: number, place: number): Pick<Endpoint, "ipv4" | "ipv6"> {
  const { ipv4, ipv6 } = routedEndpointOf({}, number - 1, place);
  return { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
}

/** What the driver, the engine and then the driver again do for a container that starts. */
async function plugIn(
  kernel: Kernel,
  network: RoutedNetwork,
  endpoint: Endpoint,
  sandbox: Sandbox,
  name = "eth0",
): Promise<Flat> {
  const joined = { ...endpoint, sandboxKey: `/proc/${sandbox.pid}/ns/net` };
  await kernel.nft.change({ add: planEndpointElements(network, joined), remove: [] });
  await kernel.links.addNextHopLink(planFlatLink(network, joined));
  await moveIn(network, joined, sandbox, name);
  assert.equal(await kernel.sandboxes.furnish(planFlatFurnishing(network, joined)), true);
  const texts = planEndpointRoutes(network, joined).map(({ destination }) => destination.replace(/\/\d+$/, ""));
  return { sandbox, network, endpoint: joined, ipv4: texts[0] ?? "", ipv6: texts[1] ?? "" };
}

/** Packets that a chain of ours has dropped. */
export async function droppedBy(chain: string): Promise<number> {
  const text = await run(["nft", "list", "chain", "inet", "fairway", chain]);
  const counts = text.matchAll(/counter packets (\d+) bytes \d+ drop/g);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}
