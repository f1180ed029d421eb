/** What the engine may rely on: everything that was answered with a success and that nothing has ended since. */
import assert from "node:assert/strict";
import type { Endpoint } from "../../../../src/model/endpoint.ts";
import { hostOf } from "../../../../src/model/ip.ts";
import type { Registry } from "../../../../src/store/registry.ts";
import { endpointId, networkId, port, sandboxKey } from "../../../fakes/requests.ts";
import { type Call, type Event, type FlatChoice, firstRoutedNetwork, hostNetwork, type Rpc } from "./actions.ts";

interface ModelEndpoint {
  readonly network: number;
  readonly address: number;
  sandbox: number | undefined;
  ports: readonly string[];
  /** Of its own addresses, from the join on. */
  ownPorts: readonly string[];
}

/** What `docker network create` says without options. */
const flatDefaults: FlatChoice = { announce: "block", icc: true, reachable: "published", egressNat: false };

export class Model {
  readonly networks = new Map<number, { readonly subnet: number }>();
  readonly endpoints = new Map<number, ModelEndpoint>();

  /** What an engine that knows this would send. */
  next(call: Call): Rpc {
    if (call.do !== "advance") {
      return call;
    }
    const { endpoint, network, sandbox, ports } = call;
    if (!this.networks.has(network)) {
      const v6 = network !== 2;
      const flat = network < firstRoutedNetwork ? {} : { flat: flatDefaults };
      return { do: "createNetwork", network, subnet: network, custom: false, v6, internal: false, ...flat };
    }
    const own = this.endpoints.get(endpoint);
    if (own === undefined) {
      return { do: "createEndpoint", endpoint, network, address: endpoint };
    }
    return own.sandbox === undefined
      ? { do: "join", endpoint, network: own.network, sandbox, ports }
      : { do: "program", endpoint, network: own.network, ports };
  }

  /** What a call may end, whether it succeeds or not. */
  withdraw(call: Rpc): void {
    switch (call.do) {
      case "createNetwork":
        for (const [number, { subnet }] of this.networks) {
          if (number !== call.network && subnet === call.subnet && !call.custom) {
            this.#endNetwork(number);
          }
        }
        break;
      case "deleteNetwork":
        this.#endNetwork(call.network);
        break;
      case "createEndpoint":
        this.#endEndpoints(
          (other, number) =>
            call.network !== hostNetwork &&
            number !== call.endpoint &&
            other.network === call.network &&
            other.address === call.address,
        );
        break;
      case "leave":
        this.#detach(call.endpoint);
        break;
      case "deleteEndpoint":
        this.endpoints.delete(call.endpoint);
        break;
      case "program":
      case "revoke":
        this.#unpublish(call.endpoint);
        break;
      case "join":
      case "finishDeletes":
        break;
      default:
        call satisfies never;
    }
  }

  /** What an answered success promises. @param wasJoined the endpoint, when the call came */
  promise(call: Rpc, registry: Registry, wasJoined: boolean): void {
    const own = "endpoint" in call ? this.endpoints.get(call.endpoint) : undefined;
    switch (call.do) {
      case "createNetwork":
        this.networks.set(call.network, { subnet: call.subnet });
        break;
      case "createEndpoint":
        // What a crash left attached is a ghost's until it is attached again; an engine would have deleted it.
        if (own === undefined && this.networks.has(call.network) && !wasJoined) {
          this.endpoints.set(call.endpoint, {
            network: call.network,
            address: call.address,
            sandbox: undefined,
            ports: [],
            ownPorts: [],
          });
        }
        break;
      case "join":
        if (own !== undefined) {
          // A join that is repeated says what it said before.
          own.ownPorts = own.sandbox === undefined && !wasJoined ? call.ports : own.ownPorts;
          own.sandbox = call.sandbox;
        }
        break;
      case "program":
        if (own !== undefined && own.network < firstRoutedNetwork && isAlone(registry, call.endpoint)) {
          own.ports = call.ports;
        }
        break;
      default:
        break;
    }
  }

  /** A lost answer to a create promises nothing, and its undo may end what it repeated. */
  lose(call: Rpc): void {
    if (call.do === "createNetwork") {
      this.#endNetwork(call.network);
    } else if (call.do === "createEndpoint") {
      this.endpoints.delete(call.endpoint);
    } else if (call.do === "join") {
      this.endpoints.delete(call.endpoint);
    }
  }

  /** The disk may say of endpoints what was true before it failed. */
  distrustDisk(): void {
    this.endpoints.clear();
  }

  /** After a join that failed the engine deletes the endpoint, whatever was refused. */
  fail(call: Rpc): void {
    if (call.do === "join") {
      this.endpoints.delete(call.endpoint);
    }
  }

  /** Goes by the records, as an endpoint may be attached without the engine having been told. */
  happen(event: Event, registry: Registry): void {
    if (event.do !== "reboot" && event.do !== "endSandbox") {
      return;
    }
    this.#endEndpoints((_, number) => {
      const record = registry.endpoint(endpointId(number));
      return record?.state === "joined" && (event.do === "reboot" || record.sandboxKey === sandboxKey(event.sandbox));
    });
  }

  attached(): number[] {
    return [...this.endpoints].filter(([, { sandbox }]) => sandbox !== undefined).map(([number]) => number);
  }

  check(registry: Registry): void {
    for (const number of this.networks.keys()) {
      assert.equal(registry.network(networkId(number))?.state, "ready", `network ${number} was promised`);
    }
    for (const [number, { network, sandbox, ports, ownPorts }] of this.endpoints) {
      const record = registry.endpoint(endpointId(number));
      assert.ok(record !== undefined, `endpoint ${number} was promised`);
      const isInternal = registry.network(record.networkId)?.internal === true;
      if (sandbox !== undefined) {
        assert.equal(record.state, "joined", `endpoint ${number} was joined`);
        assert.equal(record.sandboxKey, sandboxKey(sandbox));
        checkClaims(record, network, number, isInternal ? [] : ownPorts);
      }
      for (const text of isInternal ? [] : ports) {
        const wanted = port(text);
        const isPublished = record.publications.some(
          ({ protocol, hostPortFirst, hostPortLast }) =>
            protocol === wanted.protocol &&
            (wanted.hostPortFirst === 0 ||
              (hostPortFirst <= wanted.hostPortLast && wanted.hostPortFirst <= hostPortLast)),
        );
        assert.ok(isPublished, `port ${text} of endpoint ${number} was promised`);
      }
    }
  }

  #endNetwork(number: number): void {
    this.networks.delete(number);
    this.#endEndpoints(({ network }) => network === number);
  }

  #endEndpoints(matches: (endpoint: ModelEndpoint, number: number) => boolean): void {
    for (const [number, endpoint] of this.endpoints) {
      if (matches(endpoint, number)) {
        this.endpoints.delete(number);
      }
    }
  }

  #detach(number: number): void {
    this.#unpublish(number);
    const endpoint = this.endpoints.get(number);
    if (endpoint !== undefined) {
      endpoint.sandbox = undefined;
      endpoint.ownPorts = [];
    }
  }

  #unpublish(number: number): void {
    const endpoint = this.endpoints.get(number);
    if (endpoint !== undefined) {
      endpoint.ports = [];
    }
  }
}

function checkClaims(record: Endpoint, network: number, number: number, ownPorts: readonly string[]): void {
  if (network === hostNetwork) {
    const isClaimed = record.claims?.some(({ hostPortFirst }) => hostPortFirst === 9000 + (number % 2));
    assert.ok(isClaimed, "claim");
  } else if (network >= firstRoutedNetwork) {
    checkOwnPorts(record, ownPorts);
  }
}

/** Every port that names no address of the host leads to where it was asked to, at each address of the container. */
function checkOwnPorts({ claims = [], ipv4, ipv6 }: Endpoint, texts: readonly string[]): void {
  for (const wanted of texts.map(port).filter(({ hostAddress }) => hostAddress === undefined)) {
    const number = wanted.hostPortFirst === 0 ? wanted.containerPort : wanted.hostPortFirst;
    for (const address of [ipv4, ipv6].filter((one) => one !== undefined).map(hostOf)) {
      const leads = claims.some(
        (one) =>
          one.isOwn === true &&
          one.protocol === wanted.protocol &&
          one.hostAddress === address &&
          one.hostPortFirst <= number &&
          number <= one.hostPortLast &&
          one.containerPort + number - one.hostPortFirst === wanted.containerPort,
      );
      assert.ok(leads, `port ${number} of ${address} was promised`);
    }
  }
}

/** Ports that another endpoint of the same container publishes are not published again. */
function isAlone(registry: Registry, number: number): boolean {
  const own = registry.endpoint(endpointId(number));
  const inSandbox = registry.endpoints().filter((one) => one.sandboxKey === own?.sandboxKey);
  return own?.state === "joined" && inSandbox.length === 1;
}
