/** Parsers of what reaches the text of a routing daemon: each leaves no character that has a meaning there. */
import { FairwayError } from "../errors.ts";
import { familyOf, type IpAddress, parseIpAddress } from "../model/ip.ts";
import type { Password } from "./settings.ts";

/** Part of names in BIRD ("fairway_NAME") and FRR. */
export type PeerName = string & { readonly __peerName: unique symbol };
/** 1 to 4294967295 (RFC 6793). */
export type AsNumber = number & { readonly __asNumber: unique symbol };
/** "65000:1" (RFC 1997) or "4200000000:1:2" (RFC 8092). */
export type Community = string & { readonly __community: unique symbol };

export const descriptions = {
  peerName: "a word of at most 31 letters, digits and underscores, beginning with a letter",
  asNumber: "a whole number from 1 to 4294967295",
  community: 'a community like "65000:1" or a large one like "4200000000:1:2"',
  routerId: "an IPv4 address other than 0.0.0.0",
  password: "1 to 80 printable ASCII characters without blanks, quotes and backslashes",
} as const;

export function parsePeerName(text: string): PeerName {
  return checked(/^[A-Za-z][A-Za-z0-9_]{0,30}$/.test(text), text as PeerName, "peer name", descriptions.peerName);
}

export function parseAsNumber(value: number): AsNumber {
  const fits = Number.isInteger(value) && value >= 1 && value <= 0xffff_ffff;
  return checked(fits, value as AsNumber, "AS number", descriptions.asNumber);
}

export function parseCommunity(text: string): Community {
  const parts = /^\d{1,10}(:\d{1,10}){1,2}$/.test(text) ? text.split(":") : [];
  const limit = parts.length === 2 ? 0xffff : 0xffff_ffff;
  const fits = parts.length > 0 && parts.every((part) => String(Number(part)) === part && Number(part) <= limit);
  return checked(fits, text as Community, "community", descriptions.community);
}

export function parseRouterId(text: string): IpAddress {
  const address = parseIpAddress(text, "router id");
  const fits = familyOf(address) === "ipv4" && address !== "0.0.0.0";
  return checked(fits, address, "router id", descriptions.routerId);
}

/** What a password file holds; one line break at its end is not part of it. 80 bytes is what TCP MD5 takes. */
export function parsePassword(text: string): Password {
  const secret = text.replace(/\r?\n$/, "");
  return checked(/^[!#-[\]-~]{1,80}$/.test(secret), secret as Password, "password", descriptions.password);
}

/** The value is not repeated in the error: it may be a secret. */
function checked<T>(fits: boolean, value: T, what: string, wanted: string): T {
  if (fits) {
    return value;
  }
  throw new FairwayError({ code: "FW2005", what: `${what} is not ${wanted}` });
}
