import { FairwayError } from "../../errors.ts";
import { familyOf, hostOf, type InterfaceAddress, isLinkLocal } from "../../model/ip.ts";
import { type BridgeSpec, KernelError, type SysctlPort } from "../ports.ts";
import { addAddress, configureBridge, createBridge, deleteAddress, deleteLink, setLinkUp } from "./codec.ts";
import { setIpv6 } from "./ipv6-settings.ts";
import { describeLink, type LinkInfo } from "./parse.ts";
import { addLoopbackRoute } from "./route-codec.ts";
import type { Change, Rtnetlink } from "./rtnetlink.ts";

/** Bridges of ours: made, or brought back to what they should be. */
export class Bridges {
  readonly #rtnetlink: Rtnetlink;
  readonly #sysctls: SysctlPort;
  readonly #linkGroup: number;

  constructor(parts: { rtnetlink: Rtnetlink; sysctls: SysctlPort; linkGroup: number }) {
    this.#rtnetlink = parts.rtnetlink;
    this.#sysctls = parts.sysctls;
    this.#linkGroup = parts.linkGroup;
  }

  /** A bridge that could not be finished is deleted again; one that existed before stays. */
  async ensure(spec: BridgeSpec): Promise<boolean> {
    const isNew = await this.#create(spec);
    try {
      await this.#converge(spec, isNew);
      return isNew;
    } catch (error) {
      if (isNew) {
        await this.#rtnetlink.attempt([{ what: `delete bridge ${spec.name}`, message: deleteLink(spec.name) }]);
      }
      throw error;
    }
  }

  /** False when an interface of this name exists. */
  async #create(spec: BridgeSpec): Promise<boolean> {
    const message = createBridge({ name: spec.name, mac: spec.mac, group: this.#linkGroup });
    const [refused] = await this.#rtnetlink.attempt([{ what: `create bridge ${spec.name}`, message }]);
    if (refused !== undefined && refused.errno !== "EEXIST") {
      throw refused;
    }
    return refused === undefined;
  }

  async #converge(spec: BridgeSpec, isNew: boolean): Promise<void> {
    const { name, mac, mtu, alias } = spec;
    const { index, mac: presentMac } = await this.#findOurs(spec);
    // While the bridge is down: once up, an accepted router advertisement would stay (CVE-2020-13401).
    setIpv6(this.#sysctls, name, spec.ipv6);
    const unwanted = isNew ? [] : await this.#unwantedAddresses(spec, index);
    const configuration = configureBridge({
      index,
      mtu,
      alias,
      group: this.#linkGroup,
      ...(mac !== presentMac && { mac }),
    });
    await this.#rtnetlink.commit([
      { what: `configure bridge ${name}`, message: configuration },
      ...unwanted.map((address) => ({
        what: `remove address ${address} from ${name}`,
        message: deleteAddress(index, address),
      })),
    ]);
    await this.#addAddresses(spec, index);
  }

  async #findOurs(spec: BridgeSpec): Promise<LinkInfo> {
    const link = await this.#rtnetlink.findLink(spec.name);
    if (link === undefined) {
      throw new KernelError(`find bridge ${spec.name}`, "ENODEV");
    }
    // Creation leaves the group but no alias: a crash in between must not block the name for ever.
    const isUnfinished = link.alias === "" && link.group === this.#linkGroup;
    if (link.kind !== "bridge" || !(isUnfinished || link.alias === spec.alias)) {
      throw new FairwayError({
        code: "FW3007",
        what: `interface ${spec.name} exists already and does not belong to this network`,
        why: `it is ${describeLink(link)}`,
        fix: `choose another bridge name, or remove it with: ip link delete ${spec.name}`,
      });
    }
    return link;
  }

  /** A kernel without IPv6 has none of the knobs. */
  #hasIpv6(name: string): boolean {
    return this.#sysctls.read(["net", "ipv6", "conf", name, "disable_ipv6"]) !== undefined;
  }

  /** The kernel's own link-local IPv6 address is nobody's wish, and stays. */
  async #unwantedAddresses(spec: BridgeSpec, index: number): Promise<readonly InterfaceAddress[]> {
    const present = await this.#rtnetlink.listAddresses(index);
    return present.filter((address) => {
      const isOwn = familyOf(address) === "ipv6" && isLinkLocal(hostOf(address));
      return !isOwn && !spec.addresses.includes(address);
    });
  }

  async #addAddresses(spec: BridgeSpec, index: number): Promise<void> {
    // All of them: removing the first IPv4 address of a subnet took the others with it.
    const changes: readonly Change[] = [
      ...spec.addresses.map((address) => ({
        what: `add address ${address} to ${spec.name}`,
        message: addAddress(index, address),
      })),
      { what: `set bridge ${spec.name} up`, message: setLinkUp(index) },
      // Last: routes need the link up, and go when it goes down.
      ...(spec.ipv6 && this.#hasIpv6(spec.name)
        ? [{ what: `add route for ::1 to ${spec.name}`, message: addLoopbackRoute(index) }]
        : []),
    ];
    const refused = (await this.#rtnetlink.attempt(changes)).find(
      (error) => error !== undefined && error.errno !== "EEXIST",
    );
    if (refused !== undefined) {
      throw refused;
    }
  }
}
