/** ICMP errors as their receiver sees them, and what it learns from them. */
import assert from "node:assert/strict";
import { hasRightHeaderChecksum, hasRightIcmpChecksum, isIcmpError, parsePacket, quotedBy } from "./packet.ts";
import type { Sandbox } from "./sandbox.ts";
import type { openTap } from "./tap.ts";

/** What the namespace knows of the path between two addresses; undefined: nothing. */
export async function pathMtu(sandbox: Sandbox, address: string, from: string): Promise<number | undefined> {
  const [route] = JSON.parse(await sandbox.exec("ip", "-json", "route", "get", address, "from", from)) as {
    metrics?: { mtu?: number }[];
  }[];
  return route?.metrics?.[0]?.mtu;
}

export interface Quote {
  /** Who is told. */
  readonly teller: string;
  readonly told: string;
  readonly from: string;
  readonly to: string;
}

/** Waits for the error, as the told one receives it, and looks at every byte that translation may have spoilt. Payload of the quoted packet. */
export async function checkError(
  packets: ReturnType<typeof openTap>,
  wanted: Quote,
  act: () => Promise<void>,
): Promise<Buffer> {
  await using tap = await packets;
  await act();
  const isWanted = (bytes: Buffer): boolean => isIcmpError(bytes) && quotedBy(bytes).destination === wanted.to;
  const error = await tap.find(`an ICMP error about ${wanted.to}`, isWanted);
  const packet = parsePacket(error);
  const quoted = quotedBy(error);
  assert.deepEqual(
    { teller: packet?.source, told: packet?.destination, from: quoted.source, to: quoted.destination },
    wanted,
  );
  assert.ok(hasRightHeaderChecksum(error), "checksum of the header");
  assert.ok(hasRightIcmpChecksum(error), "checksum of the message");
  assert.ok(hasRightHeaderChecksum(quoted.bytes), "checksum of the quoted header");
  return quoted.payload;
}
