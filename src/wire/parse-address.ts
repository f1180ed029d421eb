import { FairwayError } from "../errors.ts";
import { type Family, familyOf, type InterfaceAddress, type IpAddress, parseInterfaceAddress } from "../model/ip.ts";

/** An address with its prefix length, of the family that its field is for. @throws FairwayError FW3003. */
export function parseCidr(text: string, family: Family, what: string): InterfaceAddress {
  return requireFamily(parseInterfaceAddress(text, what), family, what);
}

/** @throws FairwayError FW3003. */
export function requireFamily<Address extends InterfaceAddress | IpAddress>(
  address: Address,
  family: Family,
  what: string,
): Address {
  if (familyOf(address) === family) {
    return address;
  }
  throw new FairwayError({ code: "FW3003", what: `${what} ${address} is not ${family === "ipv4" ? "IPv4" : "IPv6"}` });
}
