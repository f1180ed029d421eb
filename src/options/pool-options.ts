/** `--ipam-opt`: how a subnet is divided among hosts. */
import { z } from "zod";
import { FairwayError } from "../errors.ts";
import { type Prefix, parsePrefix } from "../model/ip.ts";
import { quote } from "./quote.ts";
import { suggest } from "./suggest.ts";

export interface PoolOptions {
  /** This host's part of the subnet, by configuration. */
  readonly block?: Prefix;
  /** Length of the blocks that hosts claim. */
  readonly blockSize?: number;
  /** May hosts take single addresses of each other's blocks? */
  readonly borrow?: boolean;
}

interface Entry {
  readonly value: z.ZodType<unknown, string>;
  readonly description: string;
  readonly example: string;
  readonly doc: string;
}

const prefix = z.string().transform((text, context) => {
  try {
    return parsePrefix(text);
  } catch {
    context.addIssue({ code: "custom", message: "not a prefix" });
    return z.NEVER;
  }
});

export const poolCatalog = {
  block: {
    value: prefix,
    description: "a prefix inside the subnet",
    example: "block=10.244.1.0/26",
    doc: "The part of the subnet that this host hands out addresses from; the rest is other hosts'. Needs no store.",
  },
  block_size: {
    value: z
      .string()
      .regex(/^\/?[1-9]\d{0,2}$/)
      .transform((text) => Number(text.replace("/", "")))
      .refine((length) => length <= 126),
    description: "a prefix length",
    example: "block_size=26",
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
  const block = read("block", given) as Prefix | undefined;
  const blockSize = read("block_size", given) as number | undefined;
  const borrow = read("borrow", given) as boolean | undefined;
  if (block !== undefined && (blockSize !== undefined || borrow !== undefined)) {
    throw new FairwayError({
      code: "FW1003",
      what: `ipam options block and ${blockSize === undefined ? "borrow" : "block_size"} contradict each other`,
      why: "block is for hosts that are given their part by hand, the other for hosts that agree by themselves",
      fix: "leave out one of them",
    });
  }
  return {
    ...(block === undefined ? {} : { block }),
    ...(blockSize === undefined ? {} : { blockSize }),
    ...(borrow === undefined ? {} : { borrow }),
  };
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
