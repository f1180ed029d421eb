/** Which addresses of the host a network of mode host shares. Pure. */
import { type Family, familyOf, type IpAddress } from "../model/ip.ts";
import type { HostNetwork } from "../model/network.ts";

/** An address of the host and the interface that has it. */
export interface AddressAt {
  readonly address: IpAddress;
  readonly device: string;
}

export interface SharedAddresses {
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
}

/**
 * @param present the host's addresses, in the kernel's order
 * @param uplink interface with the default route
 */
export function chooseShared(
  network: Pick<HostNetwork, "parent" | "hostAddresses">,
  present: readonly AddressAt[],
  uplink: string | undefined,
): SharedAddresses {
  const { hostAddresses } = network;
  const device = network.parent ?? uplink;
  const isCandidate =
    hostAddresses.length > 0
      ? ({ address }: AddressAt) => hostAddresses.includes(address)
      : (at: AddressAt) => at.device === device;
  const first = (family: Family) => present.find((at) => isCandidate(at) && familyOf(at.address) === family)?.address;
  const [ipv4, ipv6] = [first("ipv4"), first("ipv6")];
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}
