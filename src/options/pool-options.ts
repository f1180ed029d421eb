/** `--ipam-opt`: how a subnet is divided among hosts. */
import { z } from "zod";
import { FairwayError } from "../errors.ts";
import { familyOf, type Prefix, parsePrefix } from "../model/ip.ts";
import { quote } from "./quote.ts";
import { suggest } from "./suggest.ts";

export interface PoolOptions {
  /** This host's part of the subnet by configuration, one for each family at most: an engine tells both pools all options. */
  readonly blocks?: readonly Prefix[];
  /** Length of the blocks that hosts claim; those above 32 are IPv6's. */
  readonly blockSizes?: readonly number[];
  /** May hosts take single addresses of each other's blocks? */
  readonly borrow?: boolean;
}

interface Entry {
  readonly value: z.ZodType<unknown, string>;
  readonly description: string;
  readonly example: string;
  readonly doc: string;
}

const prefixes = z.string().transform((text, context) => {
  try {
    const found = text.split(",").map((one) => parsePrefix(one));
    if (new Set(found.map(familyOf)).size === found.length) {
      return found;
    }
  } catch {
    // Said below.
  }
  context.addIssue({ code: "custom", message: "not one prefix of each family" });
  return z.NEVER;
});

const lengths = z
  .string()
  .regex(/^\/?[1-9]\d{0,2}(,\/?[1-9]\d{0,2})?$/)
  .transform((text) => text.split(",").map((one) => Number(one.replace("/", ""))))
  .refine((found) => found.every((length) => length <= 126) && new Set(found.map(isIpv6Length)).size === found.length);

export const poolCatalog = {
  block: {
    value: prefixes,
    description: "a prefix inside the subnet, or one of each family",
    example: "block=10.244.1.0/26,fd00:244::40/122",
    doc: "The part of the subnet that this host hands out addresses from; the rest is other hosts'. Needs no store.",
  },
  block_size: {
    value: lengths,
    description: "a prefix length, or one of each family",
    example: "block_size=26,122",
    doc: "Length of the blocks that hosts of a cluster claim; the first host that creates the network decides.",
  },
  borrow: {
    value: z.enum(["true", "false"]).transform((text) => text === "true"),
    description: "true or false",
    example: "borrow=true",
    doc: "Owners offer the last quarter of each block; other hosts take single addresses of it when they have to.",
  },
} as const satisfies Readonly<Record<string, Entry>>;

type Name = keyof typeof poolCatalog;
const names = Object.keys(poolCatalog) as Name[];

/** @throws FairwayError FW1001, FW1002, FW1003 */
export function parsePoolOptions(given: ReadonlyMap<string, string>): PoolOptions {
  for (const key of given.keys()) {
    if (!names.some((name) => name === key)) {
      throw unknownOption(key);
    }
  }
  const blocks = read("block", given) as readonly Prefix[] | undefined;
  const blockSizes = read("block_size", given) as readonly number[] | undefined;
  const borrow = read("borrow", given) as boolean | undefined;
  if (blocks !== undefined && (blockSizes !== undefined || borrow !== undefined)) {
    throw new FairwayError({
      code: "FW1003",
      what: `ipam options block and ${blockSizes === undefined ? "borrow" : "block_size"} contradict each other`,
      why: "block is for hosts that are given their part by hand, the other for hosts that agree by themselves",
      fix: "leave out one of them",
    });
  }
  return {
    ...(blocks === undefined ? {} : { blocks }),
    ...(blockSizes === undefined ? {} : { blockSizes }),
    ...(borrow === undefined ? {} : { borrow }),
  };
}

/** No IPv6 subnet has blocks that large, and no IPv4 one that small. */
export function isIpv6Length(length: number): boolean {
  return length > 32;
}

function read(name: Name, given: ReadonlyMap<string, string>): unknown {
  const text = given.get(name);
  const { value, description, example } = poolCatalog[name];
  const result = text === undefined ? undefined : value.safeParse(text);
  if (text !== undefined && result?.success !== true) {
    throw new FairwayError({
      code: "FW1002",
      what: `ipam option ${name}: ${quote(text)} is not ${description}`,
      fix: `write it like --ipam-opt ${example}`,
    });
  }
  return result?.data;
}

function unknownOption(key: string): FairwayError {
  const meant = suggest(key, new Map(names.map((name) => [name, name])));
  return new FairwayError({
    code: "FW1001",
    what: `ipam option ${quote(key)} is not known${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    why: "an ignored option would be a promise not kept",
    fix: `the ipam options are: ${names.join(", ")}`,
  });
}
