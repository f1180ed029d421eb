/** `fairway ports`: which port of the host leads where, for people and for what feeds load balancers. Pure. */
import type { DaemonStatus } from "../api/status.ts";
import { printable } from "../errors.ts";
import type { Publication } from "../model/endpoint.ts";
import { portText } from "./status-text.ts";
import { alignColumns } from "./table.ts";

export interface PortEntry extends Publication {
  readonly network: string;
  readonly networkId: string;
  readonly mode: string;
  readonly container?: string;
  readonly endpointId: string;
}

export interface PortList {
  readonly apiVersion: "v1";
  readonly ports: readonly PortEntry[];
}

export function portList(status: DaemonStatus): PortList {
  const ports = status.networks.flatMap((network) =>
    network.endpoints.flatMap((endpoint) =>
      endpoint.ports.map((port) => ({
        network: network.name ?? network.id.slice(0, 12),
        networkId: network.id,
        mode: network.mode,
        ...(endpoint.container === undefined ? {} : { container: endpoint.container }),
        endpointId: endpoint.id,
        ...port,
      })),
    ),
  );
  return { apiVersion: "v1", ports };
}

export function portsText(status: DaemonStatus): string {
  const { ports } = portList(status);
  if (ports.length === 0) {
    return "no port of this host leads to a container";
  }
  const rows = ports.map((port) => [port.network, port.container ?? port.endpointId.slice(0, 12), portText(port)]);
  return alignColumns([["NETWORK", "CONTAINER", "PORT"], ...rows])
    .map(printable)
    .join("\n");
}
