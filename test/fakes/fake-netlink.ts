import {
  attribute,
  message,
  NLM_F_DUMP,
  nested,
  parseAttributes,
  readText,
  textAttribute,
  u32Attribute,
} from "../../src/kernel/netlink/message.ts";
import type { NetlinkAck, NetlinkProtocol, NetlinkTransport } from "../../src/kernel/netlink/transport.ts";
import { KernelError } from "../../src/kernel/ports.ts";
import { hostOf, type InterfaceAddress, prefixLengthOf, toBytes } from "../../src/model/ip.ts";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;

export interface FakeNetlinkLink {
  readonly index: number;
  readonly name: string;
  readonly mac?: string;
  readonly kind?: string;
  readonly alias?: string;
  readonly group?: number;
  readonly isUp?: boolean;
}

export interface FakeNetlinkAddress {
  readonly index: number;
  readonly address: InterfaceAddress;
  readonly scope?: number;
  readonly flags?: number;
}

/** The routing netlink of one network namespace, as bytes: keeps what it was sent, and refuses what it is told to. */
export class FakeNetlink implements NetlinkTransport {
  readonly links: FakeNetlinkLink[] = [];
  readonly addresses: FakeNetlinkAddress[] = [];
  /** Every change so far, carried out or not. */
  readonly sent: Buffer[] = [];
  /** Called once per change; an errno refuses it. */
  refuse: (change: Buffer, index: number) => string | undefined = () => undefined;
  /** The namespace cannot be entered. */
  gone: string | undefined;

  async transact(_protocol: NetlinkProtocol, messages: readonly Buffer[]): Promise<readonly NetlinkAck[]> {
    this.#enter();
    const first = this.sent.length;
    this.sent.push(...messages);
    return messages.map((change, index) => {
      const errno = this.refuse(change, first + index);
      return { index, detail: "", ...(errno === undefined ? {} : { errno }) };
    });
  }

  async dump(_protocol: NetlinkProtocol, request: Buffer): Promise<readonly Buffer[]> {
    this.#enter();
    if (request.readUInt16LE(4) !== RTM_GETLINK) {
      return this.addresses.map(addressMessage);
    }
    if ((request.readUInt16LE(6) & NLM_F_DUMP) === NLM_F_DUMP) {
      return this.links.map(linkMessage);
    }
    const name = readText(parseAttributes(request.subarray(32)).get(3) ?? Buffer.alloc(0));
    const link = this.links.find((one) => one.name === name);
    if (link === undefined) {
      throw new KernelError(`get ${name}`, "ENODEV");
    }
    return [linkMessage(link)];
  }

  #enter(): void {
    if (this.gone !== undefined) {
      throw new KernelError("enter namespace", this.gone);
    }
  }
}

function linkMessage({ index, name, mac, kind, alias, group, isUp = true }: FakeNetlinkLink): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(isUp ? 1 : 0, 8);
  return message(RTM_NEWLINK, 0, header, [
    textAttribute(3, name),
    ...(mac === undefined ? [] : [attribute(1, Buffer.from(mac.replaceAll(":", ""), "hex"))]),
    ...(alias === undefined ? [] : [textAttribute(20, alias)]),
    ...(group === undefined ? [] : [u32Attribute(27, group)]),
    ...(kind === undefined ? [] : [nested(18, [textAttribute(1, kind)])]),
  ]);
}

function addressMessage({ index, address, scope = 0, flags = 0 }: FakeNetlinkAddress): Buffer {
  const bytes = toBytes(hostOf(address));
  const header = Buffer.from([
    bytes.length === 4 ? 2 : 10,
    prefixLengthOf(address),
    flags & 0xff,
    scope,
    index,
    0,
    0,
    0,
  ]);
  return message(RTM_NEWADDR, 0, header, [attribute(1, bytes), u32Attribute(8, flags)]);
}
