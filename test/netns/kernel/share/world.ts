/** Containers that share the host's address, put into place by what the driver puts them into place with. */
import assert from "node:assert/strict";
import { openKernel } from "../../../../src/daemon/kernel.ts";
import type { Kernel } from "../../../../src/kernel/ports.ts";
import type { Endpoint, Protocol, Publication } from "../../../../src/model/endpoint.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../../src/model/ip.ts";
import type { HostNetwork } from "../../../../src/model/network.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { planFurnishing, planSharedLink } from "../../../../src/plan/share.ts";
import { standInOf } from "../../../../src/plan/stand-in.ts";
import { planEndpointElements, planNetworkElements } from "../../../../src/plan/wishes.ts";
import { createFakeLog } from "../../../fakes/fake-log.ts";
import { endpointOf, hostNetworkOf, ip } from "../../../fakes/requests.ts";
import { addFarSide } from "../far.ts";
import { addresses, buildSmallWorld, type SmallWorld } from "../host.ts";
import { moveIn } from "../move-in.ts";
import { Sandbox } from "../sandbox.ts";

export const sharedNetwork = hostNetworkOf({
  sharedIpv4: ip(addresses.host.ipv4),
  sharedIpv6: ip(addresses.host.ipv6),
});

export interface Share {
  readonly sandbox: Sandbox;
  readonly endpoint: Endpoint;
}

export interface SharedWorld extends SmallWorld {
  readonly kernel: Kernel;
  readonly far: Sandbox;
  /** Claims port 80. */
  readonly shop: Share;
  /** Claims port 81. */
  readonly mail: Share;
}

/** far -- client -- up0 [the test's own namespace] -- shop, mail; and a bridge beside them. */
export async function buildSharedWorld(
  options: { readonly network?: HostNetwork; readonly elements?: readonly NftElement[] } = {},
): Promise<SharedWorld> {
  const { network = sharedNetwork, elements = [] } = options;
  await using building = new AsyncDisposableStack();
  const small = building.use(await buildSmallWorld());
  const farSandbox = building.use(await Sandbox.open());
  await addFarSide(small.client, farSandbox);
  const { kernel } = building.use(openKernel(createFakeLog().logger));
  const endpoints = [shareOf(1, [80]), shareOf(2, [81])] as const;
  await kernel.nft.install(planRuleset(), [
    ...elements,
    ...planNetworkElements(network),
    ...endpoints.flatMap((endpoint) => planEndpointElements(network, endpoint)),
  ]);
  const open = async (endpoint: Endpoint): Promise<Share> => {
    const sandbox = building.use(await Sandbox.open());
    return { sandbox, endpoint: await plugInShare(kernel, network, endpoint, sandbox) };
  };
  const [shop, mail] = [await open(endpoints[0]), await open(endpoints[1])];
  const built = building.move();
  return { ...small, kernel, far: farSandbox, shop, mail, [Symbol.asyncDispose]: () => built.disposeAsync() };
}

/** Number n is known to the host by stand-in n, and claims these ports for tcp and udp. */
export function shareOf(number: number, ports: readonly number[]): Endpoint {
  const { ipv4, ipv6 } = addresses.host;
  return endpointOf(
    {
      state: "joined",
      mac: parseMac(`02:00:00:00:02:0${number}`),
      ipv4: parseInterfaceAddress(`${ipv4}/32`),
      ipv6: parseInterfaceAddress(`${ipv6}/128`),
      standIn: number,
      claims: ports.flatMap((port) =>
        (["tcp", "udp"] as const).flatMap((protocol) => claimsOf(number, protocol, port)),
      ),
    },
    number,
  );
}

function claimsOf(number: number, protocol: Protocol, port: number): Publication[] {
  return [addresses.host.ipv4, "127.0.0.1", addresses.host.ipv6, "::1"].map((address) => ({
    protocol,
    hostAddress: ip(address),
    hostPortFirst: port,
    hostPortLast: port,
    containerAddress: standInOf(number, address.includes(":") ? "ipv6" : "ipv4"),
    containerPort: port,
  }));
}

/** What the driver, the engine and then the driver again do for a container that starts. */
export async function plugInShare(
  kernel: Kernel,
  network: HostNetwork,
  endpoint: Endpoint,
  sandbox: Sandbox,
): Promise<Endpoint> {
  const joined = { ...endpoint, sandboxKey: `/proc/${sandbox.pid}/ns/net` };
  await kernel.links.addNextHopLink(planSharedLink(network, joined));
  await moveIn(network, joined, sandbox);
  assert.equal(await kernel.sandboxes.furnish(planFurnishing(network, joined)), true);
  return joined;
}
