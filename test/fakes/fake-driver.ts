import type {
  CallContext,
  CreateEndpointReply,
  CreateEndpointRequest,
  CreateNetworkRequest,
  Driver,
  JoinReply,
  JoinRequest,
  ProgramRequest,
} from "../../src/driver/driver.ts";
import { FairwayError } from "../../src/errors.ts";
import { type EndpointId, type Mac, type NetworkId, parseIfName } from "../../src/model/ids.ts";
import { hostOf } from "../../src/model/ip.ts";

export type DriverMethod = keyof Driver;

export interface RecordedCall {
  readonly method: DriverMethod;
  readonly request: unknown;
}

type Intercept = (context: CallContext | undefined) => Promise<void>;

/** A driver without a kernel: records its calls, refuses unknown ids and notes an order that no engine would send. */
export class FakeDriver implements Driver {
  readonly calls: RecordedCall[] = [];
  readonly violations: string[] = [];
  readonly networks = new Map<NetworkId, CreateNetworkRequest>();
  readonly endpoints = new Map<EndpointId, CreateEndpointRequest & { joined: boolean; programmed: boolean }>();
  readonly #intercepts = new Map<DriverMethod, Intercept>();

  /** Runs before every call of the method, with its context: may wait, throw or register an undo. */
  intercept(method: DriverMethod, intercept: Intercept): void {
    this.#intercepts.set(method, intercept);
  }

  async createNetwork(request: CreateNetworkRequest, context: CallContext): Promise<void> {
    await this.#enter("createNetwork", request, context);
    this.#expect(!this.networks.has(request.networkId), "network created twice");
    this.networks.set(request.networkId, request);
  }

  async deleteNetwork(networkId: NetworkId, context: CallContext): Promise<void> {
    await this.#enter("deleteNetwork", { networkId }, context);
    const left = this.endpoints.values().filter((endpoint) => endpoint.networkId === networkId);
    this.#expect(left.toArray().length === 0, "network deleted before its endpoints");
    this.networks.delete(networkId);
  }

  async createEndpoint(request: CreateEndpointRequest, context: CallContext): Promise<CreateEndpointReply> {
    await this.#enter("createEndpoint", request, context);
    this.#network(request.networkId);
    this.#expect(!this.endpoints.has(request.endpointId), "endpoint created twice");
    this.endpoints.set(request.endpointId, { ...request, joined: false, programmed: false });
    return { interface: { mac: `02:42:${request.endpointId.slice(0, 8).replace(/..(?!$)/g, "$&:")}` as Mac } };
  }

  async endpointInfo(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void> {
    await this.#enter("endpointInfo", { networkId, endpointId }, context);
    this.#endpoint(endpointId);
  }

  async deleteEndpoint(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void> {
    await this.#enter("deleteEndpoint", { networkId, endpointId }, context);
    this.#expect(this.endpoints.get(endpointId)?.joined !== true, "endpoint deleted while joined");
    this.endpoints.delete(endpointId);
  }

  async join(request: JoinRequest, context: CallContext): Promise<JoinReply> {
    await this.#enter("join", request, context);
    const network = this.#network(request.networkId);
    const endpoint = this.#endpoint(request.endpointId);
    this.#expect(endpoint.networkId === request.networkId, "joined on another network");
    this.#expect(!endpoint.joined, "joined twice");
    endpoint.joined = true;
    const gateway = network.ipv4[0]?.gateway;
    const gatewayIpv6 = endpoint.ipv6 === undefined ? undefined : network.ipv6[0]?.gateway;
    return {
      interface: { srcName: parseIfName(`fwc${request.endpointId.slice(0, 8)}`, "interface"), dstPrefix: "eth" },
      ...(network.internal || gateway === undefined ? {} : { gateway: hostOf(gateway) }),
      ...(network.internal || gatewayIpv6 === undefined ? {} : { gatewayIpv6: hostOf(gatewayIpv6) }),
      staticRoutes: [],
      disableGatewayService: network.internal,
    };
  }

  async leave(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void> {
    await this.#enter("leave", { networkId, endpointId }, context);
    const endpoint = this.endpoints.get(endpointId);
    if (endpoint !== undefined) {
      endpoint.joined = false;
    }
  }

  async programExternalConnectivity(request: ProgramRequest, context: CallContext): Promise<void> {
    await this.#enter("programExternalConnectivity", request, context);
    const endpoint = this.#endpoint(request.endpointId);
    this.#expect(endpoint.joined, "programmed before join");
    endpoint.programmed = true;
  }

  async revokeExternalConnectivity(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void> {
    await this.#enter("revokeExternalConnectivity", { networkId, endpointId }, context);
    const endpoint = this.endpoints.get(endpointId);
    if (endpoint !== undefined) {
      endpoint.programmed = false;
    }
  }

  async finishDeletes(): Promise<void> {
    await this.#enter("finishDeletes", undefined, undefined);
  }

  /** How often a method was called. */
  count(method: DriverMethod): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async #enter(method: DriverMethod, request: unknown, context: CallContext | undefined): Promise<void> {
    this.calls.push({ method, request });
    await this.#intercepts.get(method)?.(context);
  }

  #network(id: NetworkId): CreateNetworkRequest {
    const network = this.networks.get(id);
    if (network === undefined) {
      throw new FairwayError({ code: "FW5003", what: `network ${id} is not known` });
    }
    return network;
  }

  #endpoint(id: EndpointId) {
    const endpoint = this.endpoints.get(id);
    if (endpoint === undefined) {
      throw new FairwayError({ code: "FW5004", what: `endpoint ${id} is not known` });
    }
    return endpoint;
  }

  #expect(holds: boolean, violation: string): void {
    if (!holds) {
      this.violations.push(violation);
    }
  }
}
