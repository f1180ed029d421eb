import { FairwayError } from "../../errors.ts";
import type { Mac } from "../../model/ids.ts";
import { deriveMac } from "../../model/mac.ts";
import { KernelError, type SysctlPort, type VethSpec } from "../ports.ts";
import { activatePort, createVeth, deleteLink, setLinkMaster } from "./codec.ts";
import { kernelHasIpv6 } from "./ipv6-settings.ts";
import { type PairMarks, removeLeftoverPair } from "./leftovers.ts";
import type { Rtnetlink } from "./rtnetlink.ts";

/** Smallest MTU that carries IPv6 (RFC 8200 section 5); below it the kernel has no IPv6 on the link. */
const minIpv6MtuBytes = 1280;

/** Pairs with one end in a bridge. */
export class Veths {
  readonly #rtnetlink: Rtnetlink;
  readonly #sysctls: SysctlPort;
  readonly #marks: PairMarks;
  /** The kernel wants the bridge's number. It never reuses one, so an outdated one is refused. */
  readonly #bridgeIndexes = new Map<string, number>();

  constructor(parts: PairMarks & { readonly rtnetlink: Rtnetlink; readonly sysctls: SysctlPort }) {
    this.#rtnetlink = parts.rtnetlink;
    this.#sysctls = parts.sysctls;
    this.#marks = parts;
  }

  async add(spec: VethSpec): Promise<void> {
    const wasKnown = this.#bridgeIndexes.has(spec.bridge);
    let refused = await this.#create(spec);
    // The kernel looks at names before it looks at the bridge.
    if (refused?.errno === "EEXIST") {
      await removeLeftoverPair(this.#rtnetlink, spec, this.#marks);
      refused = await this.#create(spec);
    }
    if (wasKnown && (refused?.errno === "EINVAL" || refused?.errno === "ENODEV")) {
      this.#bridgeIndexes.delete(spec.bridge);
      refused = await this.#create(spec);
    }
    if (refused !== undefined) {
      throw refused.errno === "EXFULL" ? bridgeIsFull(spec, refused) : refused;
    }
  }

  async attach(spec: VethSpec): Promise<void> {
    this.#bridgeIndexes.delete(spec.bridge);
    const bridgeIndex = await this.#bridgeIndex(spec);
    const refusals = await this.#rtnetlink.attempt([
      { what: `attach ${spec.host} to ${spec.bridge}`, message: setLinkMaster(spec.host, bridgeIndex) },
      { what: `set up bridge port ${spec.host}`, message: this.#activation(spec) },
    ]);
    const [refused] = refusals.filter((error) => error !== undefined);
    if (refused !== undefined && refused.errno !== "ENODEV") {
      throw refused;
    }
  }

  /** Bridges that are about to go; saves memory, changes nothing. */
  forget(names: readonly string[]): void {
    for (const name of names) {
      this.#bridgeIndexes.delete(name);
    }
  }

  /** The refusal of the creation; a failure behind it takes the pair back and is thrown. */
  async #create(spec: VethSpec): Promise<KernelError | undefined> {
    const create = createVeth({
      host: { name: spec.host, mac: hostMac(spec.host) },
      sandbox: { name: spec.sandbox, mac: spec.sandboxMac },
      mtu: spec.mtu,
      group: spec.group,
      bridgeIndex: await this.#bridgeIndex(spec),
    });
    const [created, activated] = await this.#rtnetlink.attempt([
      { what: `create veth pair ${spec.host}`, message: create },
      { what: `set up bridge port ${spec.host}`, message: this.#activation(spec) },
    ]);
    if (created === undefined && activated !== undefined) {
      await this.#rtnetlink.attempt([{ what: `delete ${spec.host}`, message: deleteLink(spec.host) }]);
      throw activated;
    }
    return created;
  }

  #activation(spec: VethSpec): Buffer {
    return activatePort({
      name: spec.host,
      alias: spec.alias,
      isolated: spec.isolated,
      ipv6: spec.mtu >= minIpv6MtuBytes && kernelHasIpv6(this.#sysctls),
    });
  }

  async #bridgeIndex(spec: VethSpec): Promise<number> {
    const known = this.#bridgeIndexes.get(spec.bridge);
    if (known !== undefined) {
      return known;
    }
    const bridge = await this.#rtnetlink.findLink(spec.bridge);
    if (bridge === undefined) {
      throw new KernelError(`find bridge ${spec.bridge}`, "ENODEV");
    }
    this.#bridgeIndexes.set(spec.bridge, bridge.index);
    return bridge.index;
  }
}

/** Set at creation, because udev gives a link without an address of its own another one later (MACAddressPolicy). */
export function hostMac(hostIf: string): Mac {
  return deriveMac("host side", hostIf);
}

function bridgeIsFull(spec: VethSpec, cause: KernelError): FairwayError {
  return new FairwayError({
    code: "FW3008",
    what: `bridge ${spec.bridge} takes no more containers`,
    why: "a Linux bridge has at most 1023 ports",
    fix: "put further containers into another network",
    cause,
  });
}
