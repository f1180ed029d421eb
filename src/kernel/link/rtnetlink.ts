import type { InterfaceAddress } from "../../model/ip.ts";
import type { NetlinkAck, NetlinkTransport } from "../netlink/transport.ts";
import { mapInTurns } from "../netlink/turns.ts";
import { isKernelError, KernelError } from "../ports.ts";
import { dumpAddresses, dumpLinks, getLink } from "./codec.ts";
import {
  type AddressInfo,
  isDefaultRoute,
  type LinkInfo,
  type OwnRouteInfo,
  parseAddress,
  parseLink,
  parseOwnRoute,
  parseRoute,
  type RouteInfo,
} from "./parse.ts";
import { dumpRoutes } from "./route-codec.ts";

/** A message with its meaning in words, which becomes KernelError.operation: "set up bridge fwb0". */
export interface Change {
  readonly what: string;
  readonly message: Buffer;
}

/** Questions and changes to the routing netlink family, one round trip each. */
export class Rtnetlink {
  readonly #transport: NetlinkTransport;

  constructor(transport: NetlinkTransport) {
    this.#transport = transport;
  }

  /** Carries out all changes, even after a failed one. The refusal per change, in order; undefined on success. */
  async attempt(changes: readonly Change[]): Promise<readonly (KernelError | undefined)[]> {
    const acks = await this.#transport.transact(
      "route",
      changes.map(({ message }) => message),
    );
    return changes.map(({ what }, index) => refusal(what, acks, index));
  }

  /** @throws KernelError of the first change that failed; those behind it were tried all the same. */
  async commit(changes: readonly Change[]): Promise<void> {
    const failed = (await this.attempt(changes)).find((error) => error !== undefined);
    if (failed !== undefined) {
      throw failed;
    }
  }

  async findLink(link: string | number): Promise<LinkInfo | undefined> {
    try {
      const [reply] = await this.#transport.dump("route", getLink(link));
      return reply === undefined ? undefined : parseLink(reply);
    } catch (error) {
      if (isKernelError(error, "ENODEV")) {
        return undefined;
      }
      throw error;
    }
  }

  async listLinks(): Promise<readonly LinkInfo[]> {
    return await mapInTurns(await this.#transport.dump("route", dumpLinks()), parseLink);
  }

  async listAddresses(linkIndex: number): Promise<readonly InterfaceAddress[]> {
    const all = await this.listAllAddresses();
    return all.flatMap((info) => (info.linkIndex === linkIndex ? [info.address] : []));
  }

  async listAllAddresses(): Promise<readonly AddressInfo[]> {
    const all = await mapInTurns(await this.#transport.dump("route", dumpAddresses()), parseAddress);
    return all.filter((info) => info !== undefined);
  }

  async listOwnRoutes(family: "ipv4" | "ipv6"): Promise<readonly OwnRouteInfo[]> {
    const all = await mapInTurns(await this.#transport.dump("route", dumpRoutes(family)), parseOwnRoute);
    return all.filter((info) => info !== undefined);
  }

  async listRoutes(family: "ipv4" | "ipv6"): Promise<readonly RouteInfo[]> {
    return (await mapInTurns(await this.#transport.dump("route", dumpRoutes(family)), parseRoute)).flat();
  }

  async listDefaultRoutes(family: "ipv4" | "ipv6"): Promise<readonly RouteInfo[]> {
    const all = await this.#transport.dump("route", dumpRoutes(family));
    return all.filter(isDefaultRoute).flatMap(parseRoute);
  }
}

function refusal(what: string, acks: readonly NetlinkAck[], index: number): KernelError | undefined {
  const ack = acks.find((candidate) => candidate.index === index);
  if (ack === undefined) {
    return new KernelError(what, "EPROTO", "the kernel did not acknowledge it");
  }
  return ack.errno === undefined ? undefined : new KernelError(what, ack.errno, ack.detail);
}
