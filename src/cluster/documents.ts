/** What hosts write into the store they share. Others wrote it: parsed, never trusted. */
import { z } from "zod";
import { type IpAddress, parseIpAddress, parsePrefix } from "../model/ip.ts";

const prefix = z.string().transform((text) => parsePrefix(text));
const name = z.string().max(255);
const epoch = z.int().min(1);
/** A later version that cannot be understood by this one has another number. */
const version = z.literal(1);

const host = z.object({ version, id: z.uuid(), name, epoch, by: z.uuid(), at: z.string() });
/** `instance` is one run of the daemon: two at a time with one host id are a mistake. */
const alive = z.object({ version, id: z.uuid(), name, instance: z.uuid(), at: z.string() });
const pool = z.object({ version, subnet: prefix, blockLength: z.int().min(1).max(128), by: z.uuid(), at: z.string() });

const loan = z.object({ host: z.uuid(), name, epoch, at: z.string() });
const block = z.object({
  version,
  owner: z.uuid(),
  ownerName: name,
  epoch,
  claimedAt: z.string(),
  /** Part of the block that other hosts may borrow from; the owner promised to leave it alone. */
  offered: prefix.optional(),
  /** By address. */
  lent: z.record(z.string(), loan).optional(),
  /** Who wrote this last, and a number that no other writing has. */
  by: z.uuid(),
  mark: z.uuid(),
});

export type HostDocument = z.output<typeof host>;
export type AliveDocument = z.output<typeof alive>;
export type PoolDocument = z.output<typeof pool>;
export type BlockDocument = z.output<typeof block>;
export type Loan = z.output<typeof loan>;

/** Undefined: nothing that this version understands, and so nothing to touch. */
function reader<T>(schema: z.ZodType<T>): (text: string) => T | undefined {
  return (text) => {
    try {
      return schema.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  };
}

export const readHost = reader(host);
export const readAlive = reader(alive);
export const readPool = reader(pool);
export const readBlock = reader(block);

export function addressesLent(document: BlockDocument | undefined): IpAddress[] {
  return Object.keys(document?.lent ?? {}).flatMap((text) => {
    try {
      return [parseIpAddress(text)];
    } catch {
      return [];
    }
  });
}
