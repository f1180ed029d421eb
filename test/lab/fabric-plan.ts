/** Addresses of a fabric: benchmark and documentation ranges (RFC 2544, RFC 3849), so that no other lab has them. */
import type { InterfaceAddresses } from "./cable.ts";
import type { Peering, Speaker } from "./routing-configs.ts";

/** "links": one segment between each host and the router, as BGP fabrics have it; "rack": one segment for all. */
export type Layout = "links" | "rack";

export const TOR_ASN = 65000;
export const SERVICES = "services";
const RACK = "rack";
const FIRST_ON_RACK = 10;

/** One end of a cable, and the segment that it is plugged into. */
export interface Plug {
  readonly segment: string;
  readonly addresses: InterfaceAddresses;
}

export interface HostPlan {
  readonly plug: Plug;
  /** As the host sees it. */
  readonly peering: Peering;
}

export interface FabricPlan {
  readonly segments: readonly string[];
  /** The router's interfaces towards the hosts. */
  readonly torPlugs: readonly Plug[];
  readonly torPeerings: readonly Peering[];
  readonly hosts: readonly HostPlan[];
}

export function planFabric(hostCount: number, layout: Layout): FabricPlan {
  const numbers = Array.from({ length: hostCount }, (_, index) => index + 1);
  const hosts = numbers.map((number) => (layout === "links" ? linkPlan(number) : rackPlan(number)));
  const torPlugs = hosts.map(({ plug, peering }, index) => ({
    segment: plug.segment,
    addresses: addressesOf(layout === "links" ? `host${index + 1}` : RACK, peering.remote, layout),
  }));
  return {
    segments: [...new Set(hosts.map(({ plug }) => plug.segment)), SERVICES],
    torPlugs: layout === "links" ? torPlugs : torPlugs.slice(0, 1),
    torPeerings: hosts.map(({ peering }, index) => ({
      name: `host${index + 1}`,
      local: peering.remote,
      remote: peering.local,
    })),
    hosts,
  };
}

/** @param number 1 is the router. */
export function onServices(ifName: string, number: number): InterfaceAddresses {
  const address = (last: number) => ({ ipv4: `198.19.0.${last}`, ipv6: `2001:db8:19::${last}` });
  const { ipv4, ipv6 } = address(number);
  const own = { ifName, ipv4: `${ipv4}/24`, ipv6: `${ipv6}/64` };
  return number === 1 ? own : { ...own, gateway: address(1) };
}

function linkPlan(number: number): HostPlan {
  const local = speaker(number, `198.18.${number}.2`, `2001:db8:18:${number}::2`);
  const remote = { asn: TOR_ASN, ipv4: `198.18.${number}.1`, ipv6: `2001:db8:18:${number}::1` };
  return hostPlan(`link${number}`, { name: "tor", local, remote }, "links");
}

function rackPlan(number: number): HostPlan {
  const last = FIRST_ON_RACK + number;
  const local = speaker(number, `198.18.0.${last}`, `2001:db8:18::${last}`);
  return hostPlan(
    RACK,
    { name: "tor", local, remote: { asn: TOR_ASN, ipv4: "198.18.0.1", ipv6: "2001:db8:18::1" } },
    "rack",
  );
}

function hostPlan(segment: string, peering: Peering, layout: Layout): HostPlan {
  const addresses = { ...addressesOf("eth0", peering.local, layout), gateway: peering.remote };
  return { plug: { segment, addresses }, peering };
}

function speaker(number: number, ipv4: string, ipv6: string): Speaker {
  return { asn: TOR_ASN + 10 + number, ipv4, ipv6 };
}

function addressesOf(ifName: string, { ipv4, ipv6 }: Speaker, layout: Layout): InterfaceAddresses {
  return { ifName, ipv4: `${ipv4}/${layout === "links" ? 30 : 24}`, ipv6: `${ipv6}/64` };
}
