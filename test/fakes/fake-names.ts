import type { NameBook } from "../../src/driver/context.ts";
import type { EndpointId, NetworkId } from "../../src/model/ids.ts";

export class FakeNames implements NameBook {
  readonly containers = new Map<EndpointId, string>();
  readonly networks = new Map<NetworkId, string>();
  readonly refreshed: NetworkId[] = [];

  containerOf(endpointId: EndpointId): string | undefined {
    return this.containers.get(endpointId);
  }

  networkName(networkId: NetworkId): string | undefined {
    return this.networks.get(networkId);
  }

  refresh(networkId: NetworkId): void {
    this.refreshed.push(networkId);
  }

  forget(networkId: NetworkId): void {
    this.networks.delete(networkId);
  }
}
