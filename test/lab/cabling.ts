import { giveAddresses, type InterfaceAddresses, plug, type Uplink } from "./cable.ts";
import { orRemove, setSysctls } from "./lan.ts";
import { type Attachment, readRecord, updateRecord } from "./record.ts";
import { createSpace, type Space } from "./space.ts";

/**
 * How a cable fails. "silent": nothing passes, and both ends still see a carrier, as with a broken switch on the way;
 * "carrier": the machine's end sees that the cable is out.
 */
export type Cut = "silent" | "carrier";

/** All segments of a fabric, as bridges in one space that has no addresses and forwards nothing. */
export class Cabling {
  readonly space: Space;
  #cables = 0;

  private constructor(space: Space) {
    this.space = space;
  }

  static async open(): Promise<Cabling> {
    const space = await createSpace({ kind: "lan", label: "cabling", about: "fabric" });
    return await orRemove(space, async () => {
      await setSysctls(space, {
        "net.ipv6.conf.all.disable_ipv6": "1",
        "net.ipv6.conf.default.disable_ipv6": "1",
      });
      return new Cabling(space);
    });
  }

  async addSegments(...names: readonly string[]): Promise<void> {
    const lines = names.flatMap((name) => [
      `link add ${name} type bridge stp_state 0 mcast_snooping 0`,
      `link set ${name} up`,
    ]);
    await this.space.exec(["ip", "-batch", "-"], { stdin: lines.join("\n") });
  }

  /** Two segments become one, as a hypervisor's bridge and the switch that it is plugged into are. */
  async join(one: string, other: string): Promise<void> {
    const lines = [
      `link add ${one}-up type veth peer name ${one}-dn`,
      `link set ${one}-up master ${other} up`,
      `link set ${one}-dn master ${one} up`,
    ];
    await this.space.exec(["ip", "-batch", "-"], { stdin: lines.join("\n") });
  }

  /** A place on the segment, to be plugged in by `attach`. @param mac default: one of the lab's own */
  cable(segment: string, addresses: InterfaceAddresses, mac?: string): FabricCable {
    this.#cables += 1;
    const own = `02:df:00:00:00:${this.#cables.toString(16).padStart(2, "0")}`;
    return new FabricCable(this.space, segment, this.#cables, mac ?? own, addresses);
  }
}

export class FabricCable implements Uplink {
  readonly segment: string;
  readonly mac: string;
  readonly ifName: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly #cabling: Space;
  readonly #number: number;
  readonly #addresses: InterfaceAddresses;

  constructor(cabling: Space, segment: string, number: number, mac: string, addresses: InterfaceAddresses) {
    this.segment = segment;
    this.mac = mac;
    this.ifName = addresses.ifName;
    this.ipv4 = withoutLength(addresses.ipv4);
    this.ipv6 = withoutLength(addresses.ipv6);
    this.#cabling = cabling;
    this.#number = number;
    this.#addresses = addresses;
  }

  async attach(space: Space): Promise<Attachment> {
    const { ifName, mac, ipv4, ipv6 } = this;
    const attachment = { lan: this.#cabling.name, ifName, number: this.#number, ipv4, ipv6 };
    const others = (readRecord(space.name)?.attachments ?? []).filter((other) => other.ifName !== ifName);
    updateRecord(space.name, { attachments: [...others, attachment] });
    await plug({ at: this.#cabling, bridge: this.segment, port: this.#port, ifName, mac }, space);
    // FRR gives up for seconds when it finds an interface without a link-local address that is ready.
    await setSysctls(space, { [`net.ipv6.conf.${ifName}.accept_dad`]: "0" });
    await giveAddresses(space, this.#addresses);
    return attachment;
  }

  async cut(how: Cut = "silent"): Promise<void> {
    await this.#set(how === "silent" ? ["nomaster"] : ["down"]);
  }

  async mend(): Promise<void> {
    await this.#set(["master", this.segment, "up"]);
  }

  get #port(): string {
    return `c${this.#number}`;
  }

  async #set(change: readonly string[]): Promise<void> {
    await this.#cabling.exec(["ip", "link", "set", "dev", this.#port, ...change]);
  }
}

function withoutLength(address: string): string {
  return address.split("/")[0] ?? address;
}
