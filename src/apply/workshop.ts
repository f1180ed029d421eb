import type { Kernel } from "../kernel/ports.ts";
import type { Logger } from "../log.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { planNetworkElements } from "../plan/bridge.ts";
import { planRuleset } from "../plan/firewall.ts";
import { type HostFacts, planHostElements } from "../plan/host.ts";
import { planEndpointFlows, planPublicationElements, planPublicationFlows } from "../plan/publish.ts";
import type { NftElement } from "../plan/ruleset.ts";
import type { Registry } from "../store/registry.ts";
import { createExecutors } from "./executors.ts";
import { Firewall } from "./firewall.ts";
import { Keeper } from "./keeper.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { Applier } from "./run.ts";

/** Takes networks and endpoints out of the world, whoever asks: the engine, the reconciler or a vanished link. */
export class Workshop {
  readonly registry: Registry;
  readonly kernel: Kernel;
  readonly firewall: Firewall;
  readonly applier: Applier;
  /** One change at a time per network id and per endpoint id. */
  readonly queue = new KeyedQueue();
  readonly keeper: Keeper;
  readonly log: Logger;
  #uplink: string | undefined;

  constructor(parts: { registry: Registry; kernel: Kernel; log: Logger }) {
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
    const executors = createExecutors(parts.kernel, this.firewall, (family) =>
      this.log.warn("switched on forwarding", { family }),
    );
    this.applier = new Applier(executors, parts.log);
  }

  /** Asks which way the default route leads, and tells the packet filter when that has changed. */
  async lookAtUplink(): Promise<void> {
    const uplink = await this.kernel.links.uplinkName();
    const before = this.#uplink;
    if (uplink !== before) {
      this.#uplink = uplink;
      const element = (name: string | undefined) => (name === undefined ? [] : [{ set: "uplinks", key: [name] }]);
      if (this.registry.networks().length > 0) {
        await this.firewall.change({ add: element(uplink), remove: element(before) });
      }
    }
  }

  #facts(): HostFacts {
    return { ...hostFacts(this.kernel), uplink: this.#uplink };
  }

  /** Removes an endpoint and all that belongs to it. Never fails; the record goes first, so a crash leaves orphans. */
  async removeEndpoint(id: EndpointId): Promise<void> {
    const endpoint = this.registry.endpoint(id);
    if (endpoint === undefined) {
      return;
    }
    this.recordInAnyCase(() => this.registry.deleteEndpoint(id));
    await this.unpublish(endpoint);
    await this.applier.applyAll([
      { do: "deleteLinks", names: [endpoint.hostIf] },
      { do: "forgetFlows", filters: planEndpointFlows(endpoint) },
    ]);
  }

  /** Takes back the published ports of an endpoint whose record no longer has them. */
  async unpublish(endpoint: Endpoint): Promise<void> {
    if (endpoint.publications.length === 0) {
      return;
    }
    await this.applier.applyAll([
      { do: "changeElements", add: [], remove: planPublicationElements(endpoint.publications) },
      { do: "forgetFlows", filters: planPublicationFlows(endpoint.publications) },
    ]);
    try {
      await this.kernel.hostPorts.release(endpoint.id);
    } catch (error) {
      this.log.error("could not free host ports", { endpointId: endpoint.id, error: String(error) });
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
      { do: "deleteLinks", names: [network.bridge] },
    ]);
    await this.leaveHostWhenUnused();
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
    ...registry.endpoints().flatMap(({ publications }) => planPublicationElements(publications)),
  ];
}

export function hostFacts(kernel: Kernel): HostFacts {
  return {
    bridgedIpv4Filtered: kernel.sysctls.read(["net", "bridge", "bridge-nf-call-iptables"]) === "1",
    bridgedIpv6Filtered: kernel.sysctls.read(["net", "bridge", "bridge-nf-call-ip6tables"]) === "1",
  };
}
