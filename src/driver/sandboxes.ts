import { hostFacts } from "../apply/workshop.ts";
import { FairwayError } from "../errors.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { hostOf } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import { planForwarding, planVeth } from "../plan/bridge.ts";
import { planEndpointFlows } from "../plan/publish.ts";
import { type DriverContext, requireEndpoint, requireNetwork } from "./context.ts";
import type { CallContext, JoinReply, JoinRequest } from "./driver.ts";
import { gatewayFor } from "./network-record.ts";

export async function join(context: DriverContext, request: JoinRequest, call: CallContext): Promise<JoinReply> {
  const network = requireNetwork(context, request.networkId);
  const endpoint = requireEndpoint(context, network.id, request.endpointId);
  if (endpoint.state === "joined") {
    requireSameSandbox(endpoint, request);
    return joinReply(network, endpoint);
  }
  const { registry, applier } = context.workshop;
  registry.putEndpoint({ ...endpoint, state: "joined", sandboxKey: request.sandboxKey });
  await applier.applyOrUndo(
    [
      // Not earlier: an engine that finds forwarding on at its start leaves the host open to all traffic.
      { do: "enableForwarding", families: planForwarding(network) },
      { do: "addVeth", spec: planVeth(network, endpoint, hostFacts(context.workshop.kernel)) },
    ],
    {
      signal: call.signal,
      forget: () => registry.reduceEndpoint(endpoint),
    },
  );
  call.onUndelivered(() => context.workshop.queue.run(endpoint.id, () => leave(context, network.id, endpoint.id)));
  // The engine may only now have brought its own packet filter; asking for it here would slow every attachment down.
  context.workshop.keeper.nudge();
  context.names.refresh(network.id);
  return joinReply(network, endpoint);
}

/** After this answer the engine takes the interface back; the pair goes with the endpoint. */
export async function leave(context: DriverContext, networkId: NetworkId, endpointId: EndpointId): Promise<void> {
  const { registry, applier } = context.workshop;
  const endpoint = registry.endpoint(endpointId);
  if (endpoint === undefined || endpoint.networkId !== networkId) {
    return;
  }
  const { sandboxKey: _, ...rest } = endpoint;
  context.workshop.recordInAnyCase(() => registry.reduceEndpoint({ ...rest, state: "created", publications: [] }));
  await context.workshop.unpublish(endpoint);
  await applier.applyAll([{ do: "forgetFlows", filters: planEndpointFlows(endpoint) }]);
}

/**
 * Without a gateway and without `disableGatewayService` the engine would silently add a second interface in its own
 * bridge, with a default route (moby libnetwork default_gateway.go): a way out of an internal network.
 */
export function joinReply(network: Network, endpoint: Endpoint): JoinReply {
  const gateway = network.internal ? undefined : gatewayFor(network.ipv4, endpoint.ipv4);
  const gatewayIpv6 = network.internal ? undefined : gatewayFor(network.ipv6, endpoint.ipv6);
  return {
    interface: {
      srcName: endpoint.sandboxIf,
      dstPrefix: network.ifNamePrefix,
      ...(endpoint.ifName === undefined ? {} : { dstName: endpoint.ifName }),
    },
    ...(gateway === undefined ? {} : { gateway: hostOf(gateway) }),
    ...(gatewayIpv6 === undefined ? {} : { gatewayIpv6: hostOf(gatewayIpv6) }),
    staticRoutes: [],
    disableGatewayService: true,
  };
}

function requireSameSandbox(endpoint: Endpoint, request: JoinRequest): void {
  if (endpoint.sandboxKey !== request.sandboxKey) {
    throw new FairwayError({
      code: "FW5005",
      what: `endpoint ${endpoint.id.slice(0, 12)} is attached to another container already`,
      why: "an endpoint belongs to one sandbox",
      fix: "disconnect the container and connect it again",
    });
  }
}
