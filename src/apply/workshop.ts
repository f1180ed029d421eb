import type { Kernel, Uplink } from "../kernel/ports.ts";
import type { Logger } from "../log.ts";
import type { Endpoint, Publication } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { hostOf, type Prefix, prefixContains } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import { planRuleset } from "../plan/firewall.ts";
import { type HostFacts, planHostElements } from "../plan/host.ts";
import { planEndpointFlows, planPublicationElements, planPublicationFlows } from "../plan/publish.ts";
import type { StandingOf } from "../plan/routed.ts";
import type { NftElement } from "../plan/ruleset.ts";
import type { RouteSpec } from "../plan/specs.ts";
import {
  networkLinkNames,
  planAttachmentElements,
  planEndpointElements,
  planEndpointRoutes,
  planNetworkElements,
  planNetworkRoutes,
  planWithdrawal,
} from "../plan/wishes.ts";
import type { Registry } from "../store/registry.ts";
import { claimOwner } from "./claim-owner.ts";
import { createExecutors } from "./executors.ts";
import { Firewall } from "./firewall.ts";
import { Furnisher } from "./furnisher.ts";
import { Keeper } from "./keeper.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { Applier } from "./run.ts";

/** Which addresses this host may use, where several hosts share a subnet. */
export interface AddressRights {
  /** Parts of the subnet that are this host's. Undefined: it is not divided, all of it is. */
  blocksOf(subnet: Prefix): readonly Prefix[] | undefined;
  standingOf: StandingOf;
}

/** Takes networks and endpoints out of the world, whoever asks: the engine, the reconciler or a vanished link. */
export class Workshop {
  readonly registry: Registry;
  readonly kernel: Kernel;
  readonly firewall: Firewall;
  readonly applier: Applier;
  /** One change at a time per network id and per endpoint id. */
  readonly queue = new KeyedQueue();
  readonly keeper: Keeper;
  readonly furnisher: Furnisher;
  readonly log: Logger;
  /** Endpoints that a call was about since this process began: their engine may be about to make the next. */
  readonly calledHere = new Set<EndpointId>();
  /** Of these, the joined ones whose pair has not had a carrier yet. */
  readonly awaitedPairs = new Set<EndpointId>();
  #uplink: string | undefined;

  readonly #addresses: AddressRights | undefined;

  /** @param parts.addresses absent: every subnet is this host's alone */
  constructor(parts: { registry: Registry; kernel: Kernel; log: Logger; addresses?: AddressRights }) {
    this.#addresses = parts.addresses;
    this.registry = parts.registry;
    this.kernel = parts.kernel;
    this.log = parts.log;
    this.firewall = new Firewall({
      nft: parts.kernel.nft,
      ruleset: planRuleset(),
      desired: () => [...planHostElements(this.#facts()), ...desiredElements(parts.registry)],
      onDrift: (errno) => this.log.warn("packet filter had been changed by others; rebuilt", { errno }),
    });
    this.keeper = new Keeper(this);
    this.furnisher = new Furnisher(this);
    const executors = createExecutors(parts.kernel, this.firewall, (setting) => {
      parts.registry.putSetting(setting);
      this.log.warn("changed a setting of this host", { setting: setting.name, was: setting.was, now: setting.now });
    });
    this.applier = new Applier(executors, parts.log);
  }

  /** Interface with the default route, as it was when somebody looked last. */
  get uplinkName(): string | undefined {
    return this.#uplink;
  }

  /** Asks which way the default route leads, and tells the packet filter when that has changed. */
  async lookAtUplink(): Promise<Uplink | undefined> {
    const uplink = await this.kernel.links.uplink();
    const before = this.#uplink;
    if (uplink?.name !== before) {
      this.#uplink = uplink?.name;
      const element = (name: string | undefined) => (name === undefined ? [] : [{ set: "uplinks", key: [name] }]);
      if (this.registry.networks().length > 0) {
        await this.firewall.change({ add: element(uplink?.name), remove: element(before) });
      }
    }
    return uplink;
  }

  /** Routes that should stand for a network, whatever its endpoints. */
  networkRoutes(network: Network): RouteSpec[] {
    return planNetworkRoutes(network, (subnet) => this.#addresses?.blocksOf(subnet) ?? [subnet]);
  }

  endpointRoutes(network: Network, endpoint: Endpoint): RouteSpec[] {
    return planEndpointRoutes(network, endpoint, this.standingOf);
  }

  readonly standingOf: StandingOf = (subnet, address) => this.#addresses?.standingOf(subnet, address) ?? "own";

  #facts(): HostFacts {
    return { ...hostFacts(this.kernel), uplink: this.#uplink };
  }

  /** Removes an endpoint and all that belongs to it. Never fails; the record goes first, so a crash leaves orphans. */
  async removeEndpoint(id: EndpointId): Promise<void> {
    const endpoint = this.registry.endpoint(id);
    if (endpoint === undefined) {
      return;
    }
    // Once the record is gone, nothing keeps the network's.
    const network = this.registry.network(endpoint.networkId);
    this.calledHere.delete(id);
    this.awaitedPairs.delete(id);
    this.recordInAnyCase(() => this.registry.deleteEndpoint(id));
    await this.unpublish(endpoint);
    await this.unclaim(endpoint);
    await this.applier.applyAll([
      ...(network === undefined || endpoint.state !== "joined" ? [] : planWithdrawal(network, endpoint)),
      { do: "deleteLinks", names: [endpoint.hostIf] },
      { do: "changeElements", add: [], remove: network === undefined ? [] : planAttachmentElements(network, endpoint) },
      { do: "forgetFlows", filters: planEndpointFlows(endpoint) },
    ]);
  }

  /** Takes back the published ports of an endpoint whose record no longer has them. */
  unpublish(endpoint: Endpoint): Promise<void> {
    return this.#takeBack(endpoint.publications, endpoint.id);
  }

  /** The same for ports that belong to an attached endpoint whatever it publishes. */
  unclaim(endpoint: Endpoint): Promise<void> {
    return this.#takeBack(endpoint.claims ?? [], claimOwner(endpoint.id));
  }

  async #takeBack(publications: readonly Publication[], owner: string): Promise<void> {
    if (publications.length === 0) {
      return;
    }
    await this.applier.applyAll([
      { do: "changeElements", add: [], remove: planPublicationElements(publications) },
      { do: "forgetFlows", filters: planPublicationFlows(publications) },
    ]);
    await this.releasePorts(owner);
  }

  /** Never fails. */
  async releasePorts(owner: string): Promise<void> {
    try {
      await this.kernel.hostPorts.release(owner);
    } catch (error) {
      this.log.error("could not free host ports", { owner, error: String(error) });
    }
  }

  /** Removes a network with its endpoints. Never fails. */
  async removeNetwork(id: NetworkId): Promise<void> {
    const network = this.registry.network(id);
    if (network === undefined) {
      return;
    }
    // A start after a crash goes on with the removal; the engine believes that the network is gone.
    this.recordInAnyCase(() => this.registry.putNetwork({ ...network, state: "deleting" }));
    // Each time anew: an endpoint may come while others go.
    for (let next = this.registry.endpointsOf(id)[0]; next !== undefined; next = this.registry.endpointsOf(id)[0]) {
      const endpointId = next.id;
      await this.queue.run(endpointId, () => this.removeEndpoint(endpointId));
    }
    this.recordInAnyCase(() => this.registry.deleteNetwork(id));
    await this.applier.applyAll([
      { do: "changeElements", add: [], remove: planNetworkElements(network) },
      { do: "deleteLinks", names: networkLinkNames(network) },
      { do: "deleteRoutes", routes: await this.#routesToRemove(network) },
    ]);
    await this.leaveHostWhenUnused();
  }

  /** Blocks may have been given up since their routes were made, so the kernel is asked what is there. */
  async #routesToRemove(network: Network): Promise<readonly RouteSpec[]> {
    if (network.mode !== "routed") {
      return [];
    }
    const subnets = [...network.ipv4, ...network.ipv6].map(({ subnet }) => subnet);
    try {
      const owned = await this.kernel.routes.listOwned();
      return owned.filter(({ destination }) => subnets.some((subnet) => prefixContains(subnet, hostOf(destination))));
    } catch (error) {
      this.log.error("could not list routes", { error: String(error) });
      return this.networkRoutes(network);
    }
  }

  /**
   * Removal goes on when the disk is full: what is in the kernel does harm, a record that stays does not. It is gone from
   * memory in any case, and the next start finds that nothing belongs to it.
   */
  recordInAnyCase(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.log.error("could not write to the state file", { error: String(error) });
    }
  }

  /** Without networks nothing of ours remains on the host: no table, no rule in the engine's filter. */
  async leaveHostWhenUnused(): Promise<void> {
    if (this.registry.networks().length > 0) {
      return;
    }
    try {
      await this.firewall.remove();
      await this.kernel.engineFirewall.retract();
    } catch (error) {
      this.log.error("could not leave the host clean", { error: String(error) });
    }
    // A network may have been created meanwhile; its rules must not be missing.
    if (this.registry.networks().length > 0) {
      await this.firewall.install();
      await this.kernel.engineFirewall.admit();
    }
  }
}

/** Every element that should be in the kernel, computed from the records alone. */
export function desiredElements(registry: Registry): NftElement[] {
  return [
    ...registry.networks().flatMap((network) => planNetworkElements(network)),
    ...registry.endpoints().flatMap((endpoint) => {
      const network = registry.network(endpoint.networkId);
      return network === undefined ? [] : planEndpointElements(network, endpoint);
    }),
  ];
}

export function hostFacts(kernel: Kernel): HostFacts {
  return {
    bridgedIpv4Filtered: kernel.sysctls.read(["net", "bridge", "bridge-nf-call-iptables"]) === "1",
    bridgedIpv6Filtered: kernel.sysctls.read(["net", "bridge", "bridge-nf-call-ip6tables"]) === "1",
  };
}
