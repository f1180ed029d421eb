/** Which addresses of the host a network of mode host shares. Pure. */
import { type Family, familyOf, type IpAddress } from "../model/ip.ts";
import type { HostNetwork } from "../model/network.ts";
import type { HostAddress } from "./specs.ts";

export interface SharedAddresses {
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
}

type SharedBefore = Pick<HostNetwork, "sharedIpv4" | "sharedIpv6">;

/** The kernel lists addresses of IPv4 in the order in which they came, those of IPv6 the other way round. */
function oldest(family: Family, candidates: readonly HostAddress[]): HostAddress | undefined {
  return family === "ipv4" ? candidates[0] : candidates.at(-1);
}

/**
 * The addresses that were chosen before, as long as the host has them: neither another address nor another default route
 * is a reason to leave one. Otherwise the first ones.
 *
 * @param present the host's addresses, in the kernel's order
 * @param uplink interface with the default route
 */
export function chooseShared(
  network: Pick<HostNetwork, "parent" | "hostAddresses"> & SharedBefore,
  present: readonly HostAddress[],
  uplink: string | undefined,
): SharedAddresses {
  const { hostAddresses, parent } = network;
  const device = network.parent ?? uplink;
  const isCandidate =
    hostAddresses.length > 0
      ? ({ address }: HostAddress) => hostAddresses.includes(address)
      : (at: HostAddress) => at.device === device;
  const isKept = ({ address, device: at }: HostAddress) =>
    (address === network.sharedIpv4 || address === network.sharedIpv6) && (parent === undefined || parent === at);
  const choose = (family: Family) => {
    const own = present.filter(({ address }) => familyOf(address) === family);
    return (own.find(isKept) ?? oldest(family, own.filter(isCandidate)))?.address;
  };
  const [ipv4, ipv6] = [choose("ipv4"), choose("ipv6")];
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}
