import { giveAddresses, plug, type Uplink } from "./cable.ts";
import { type Attachment, listRecords, readRecord, updateRecord } from "./record.ts";
import { createSpace, Space } from "./space.ts";

const BRIDGE = "lan0";
const FIRST_NUMBER = 11;
const LAST_NUMBER = 254;

export interface LanOptions {
  /** 0 to 255, part of the addresses; LANs that a router joins need different ones. Default 0. */
  readonly index?: number;
  readonly name?: string;
  readonly keep?: boolean;
}

export interface AttachOptions {
  readonly ifName?: string;
  /** Default true: the rest of the world is behind the LAN. */
  readonly defaultRoute?: boolean;
}

/**
 * An Ethernet segment with hosts and clients: 10.222.INDEX.0/24 and fd00:222:0:INDEX::/64, both with .1 or ::1 on the
 * segment itself, so that a default route has somewhere to point at. Nothing leaves it.
 */
export class Lan implements Uplink {
  readonly space: Space;
  readonly index: number;

  constructor(space: Space, index: number) {
    this.space = space;
    this.index = index;
  }

  /** Plugs a space in. Addresses are kept over a reboot of the space: then call it again. */
  async attach(space: Space, options: AttachOptions = {}): Promise<Attachment> {
    const ifName = options.ifName ?? "eth0";
    const attachment = this.#reserve(space, ifName);
    const mac = `02:de:00:00:${hexByte(this.index)}:${hexByte(attachment.number)}`;
    await plug({ at: this.space, bridge: BRIDGE, port: `p${attachment.number}`, ifName, mac }, space);
    const { defaultRoute = true } = options;
    await giveAddresses(space, {
      ifName,
      ipv4: `${attachment.ipv4}/24`,
      ipv6: `${attachment.ipv6}/64`,
      ...(defaultRoute ? { gateway: addressesOf(this.index, 1) } : {}),
    });
    return attachment;
  }

  /** A machine without an engine, to ask from. */
  async client(label: string, options: { readonly name?: string; readonly keep?: boolean } = {}): Promise<LanClient> {
    const space = await createSpace({ kind: "client", label, about: `client on ${this.space.name}`, ...options });
    return await orRemove(space, async () => new LanClient(space, await this.attach(space)));
  }

  /** A machine that forwards between this LAN and another. Routes to it are the caller's business. */
  async router(label: string, other: Lan): Promise<LanClient> {
    const space = await createSpace({ kind: "client", label, about: "router" });
    return await orRemove(space, async () => {
      const attachment = await this.attach(space, { defaultRoute: false });
      await other.attach(space, { ifName: "eth1", defaultRoute: false });
      await setSysctls(space, { "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1" });
      return new LanClient(space, attachment);
    });
  }

  async stop(): Promise<void> {
    await this.space.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Without an await between looking and writing, so that two attachments never get one number. */
  #reserve(space: Space, ifName: string): Attachment {
    const lan = this.space.name;
    const own = readRecord(space.name)?.attachments ?? [];
    const before = own.find((attachment) => attachment.lan === lan && attachment.ifName === ifName);
    if (before !== undefined) {
      return before;
    }
    const taken = listRecords()
      .flatMap((record) => record.attachments ?? [])
      .filter((attachment) => attachment.lan === lan)
      .map((attachment) => attachment.number);
    for (let number = FIRST_NUMBER; number <= LAST_NUMBER; number++) {
      if (!taken.includes(number)) {
        const attachment = { lan, ifName, number, ...addressesOf(this.index, number) };
        updateRecord(space.name, { attachments: [...own, attachment] });
        return attachment;
      }
    }
    throw new Error(`LAN ${lan} is full`);
  }
}

export class LanClient {
  readonly space: Space;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly exec: Space["exec"];
  readonly tryExec: Space["tryExec"];
  readonly spawn: Space["spawn"];

  constructor(space: Space, addresses: { readonly ipv4: string; readonly ipv6: string }) {
    this.space = space;
    this.name = space.name;
    this.ipv4 = addresses.ipv4;
    this.ipv6 = addresses.ipv6;
    this.exec = space.exec.bind(space);
    this.tryExec = space.tryExec.bind(space);
    this.spawn = space.spawn.bind(space);
  }

  async stop(): Promise<void> {
    await this.space.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export async function openLan(options: LanOptions = {}): Promise<Lan> {
  const { index = 0, ...rest } = options;
  const space = await createSpace({ kind: "lan", label: "lan", about: String(index), ...rest });
  const { ipv4, ipv6 } = addressesOf(index, 1);
  return await orRemove(space, async () => {
    await space.exec(["ip", "-batch", "-"], {
      stdin: [
        `link add ${BRIDGE} type bridge stp_state 0 mcast_snooping 0`,
        `addr add ${ipv4}/24 dev ${BRIDGE}`,
        `addr add ${ipv6}/64 dev ${BRIDGE} nodad`,
        `link set ${BRIDGE} up`,
      ].join("\n"),
    });
    return new Lan(space, index);
  });
}

/** The LAN that another process started and kept; undefined when there is none of that name. */
export function findLan(name: string): Lan | undefined {
  const record = readRecord(name);
  return record?.kind === "lan" ? new Lan(new Space(name, true, record.init), Number(record.about)) : undefined;
}

export async function setSysctls(space: Space, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    await space.exec(["tee", `/proc/sys/${name.replaceAll(".", "/")}`], { stdin: value });
  }
}

/** Nothing is left of the space when the action fails. */
export async function orRemove<T>(space: Space, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    await space.remove();
    throw error;
  }
}

function addressesOf(index: number, number: number): { ipv4: string; ipv6: string } {
  const subnet = index === 0 ? "fd00:222::" : `fd00:222:0:${index.toString(16)}::`;
  // The decimal digits of the IPv4 address, so that people see that both belong together.
  return { ipv4: `10.222.${index}.${number}`, ipv6: `${subnet}${number}` };
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
