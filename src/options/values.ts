/**
 * The kinds of values that options take. Each schema turns text into a typed value; its description completes
 * the sentence "… is not ___" and stands in the reference tables.
 */
import { z } from "zod";
import { FairwayError } from "../errors.ts";
import { type IfName, isIfName } from "../model/ids.ts";
import {
  type Family,
  familyOf,
  type IpAddress,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  type Prefix,
  parseIpAddress,
  parsePrefix,
  prefixesOverlap,
} from "../model/ip.ts";
import type { PortRange } from "../model/network.ts";

export type ValueSchema<T = unknown> = z.ZodType<T, string>;

/** Each address costs one socket per published port. */
const maxAddresses = 16;

// The spellings of Go's strconv.ParseBool, which Docker's own drivers use.
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false] as const),
]);

/** `read` answers undefined for text that is not such a value, and throws a FairwayError to say more. */
function kind<T>(description: string, read: (text: string) => T | undefined): ValueSchema<T> {
  return z
    .string()
    .transform((text, context): T => {
      const { value, reason } = attempt(() => read(text));
      if (value === undefined) {
        context.addIssue({ code: "custom", message: reason ?? description });
        return z.NEVER;
      }
      return value;
    })
    .describe(description);
}

function attempt<T>(read: () => T | undefined): { readonly value?: T | undefined; readonly reason?: string } {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof FairwayError) {
      return { reason: error.message };
    }
    throw error;
  }
}

export const booleanValue: ValueSchema<boolean> = kind("true or false", (text) => booleans.get(text));

export function integerValue(min: number, max: number): ValueSchema<number> {
  return kind(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

/** An address that outbound packets can carry as their source. */
export function sourceAddressValue(family: Family): ValueSchema<IpAddress> {
  const noun = family === "ipv4" ? "an IPv4 address" : "an IPv6 address";
  return kind(`${noun} of this host`, (text) => {
    const address = hostAddress(text);
    return address !== undefined && familyOf(address) === family && !isUnspecified(address) && !isLoopback(address)
      ? address
      : undefined;
  });
}

export const publishAddressesValue: ValueSchema<readonly IpAddress[]> = kind(
  "a list of IPv4 and IPv6 addresses of this host, separated by commas",
  (text) => {
    const addresses = text.split(",").map((part) => hostAddress(part.trim()));
    const usable = addresses.filter((address) => address !== undefined);
    return usable.length === addresses.length && usable.length <= maxAddresses ? [...new Set(usable)] : undefined;
  },
);

/** Addresses that a container can have as its own: one of each family at most. */
export const sharedAddressesValue: ValueSchema<readonly IpAddress[]> = kind(
  "an IPv4 address, an IPv6 address, or both separated by a comma, of this host",
  (text) => {
    const addresses = text.split(",").map((part) => hostAddress(part.trim()));
    const usable = addresses.filter(
      (address) => address !== undefined && !isUnspecified(address) && !isLoopback(address) && !isLinkLocal(address),
    ) as IpAddress[];
    const families = new Set(usable.map(familyOf));
    return usable.length === addresses.length && families.size === usable.length ? usable : undefined;
  },
);

export const portRangeValue: ValueSchema<PortRange> = kind("a range of ports from 1 to 65535, lowest first", (text) => {
  const [, first, last] = /^([1-9]\d{0,4})-([1-9]\d{0,4})$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  return range.first <= range.last && range.last <= 65_535 ? range : undefined;
});

/** Each of them is one element of the packet filter per subnet. */
const maxPrefixes = 64;

export const prefixesValue: ValueSchema<readonly Prefix[]> = kind(
  "a list of IPv4 and IPv6 subnets without overlap, separated by commas",
  (text) => {
    const prefixes = text.split(",").map((part) => parsePrefix(part.trim()));
    const isDisjoint = prefixes.every(
      (one, index) => !prefixes.some((two, at) => at > index && prefixesOverlap(one, two)),
    );
    return isDisjoint && prefixes.length <= maxPrefixes ? prefixes : undefined;
  },
);

export function wordValue<const Word extends string>(words: readonly Word[]): ValueSchema<Word> {
  return kind(words.join(" or "), (text) => words.find((word) => word === text));
}

/** The loopback interface is in every network namespace already. */
export const ifNameValue: ValueSchema<IfName> = kind(
  "an interface name of 1 to 15 letters, digits, dots, dashes and underscores, other than lo",
  (text) => (isIfName(text) && text !== "lo" ? text : undefined),
);

/** The engine appends a number; 12 characters leave room for three digits. */
export const ifNamePrefixValue: ValueSchema<string> = kind(
  "1 to 12 letters, digits, dots, dashes and underscores, as an interface name begins",
  (text) => (text.length >= 1 && text.length <= 12 && isIfName(`${text}0`) ? text : undefined),
);

/** Link-local IPv6 addresses need an interface to mean anything, and multicast ones are no host's. */
function hostAddress(text: string): IpAddress | undefined {
  const address = parseIpAddress(text);
  return isMulticast(address) || (familyOf(address) === "ipv6" && isLinkLocal(address)) ? undefined : address;
}
