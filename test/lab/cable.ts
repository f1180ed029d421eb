import { run } from "./exec.ts";
import type { Attachment } from "./record.ts";
import type { Space } from "./space.ts";
import { waitFor } from "./wait.ts";

const PORT_GONE_DEADLINE_MS = 20_000;

/** Where a machine is plugged in. Addresses are kept over a reboot of the machine: then it is plugged in again. */
export interface Uplink {
  attach(space: Space): Promise<Attachment>;
}

/** A veth pair from a bridge in the space `at` into a machine. */
export interface Cable {
  readonly at: Space;
  readonly bridge: string;
  /** Interface on the bridge's side. */
  readonly port: string;
  /** Interface inside the machine. */
  readonly ifName: string;
  readonly mac: string;
}

/** Addresses of one interface, with their prefix lengths. */
export interface InterfaceAddresses {
  readonly ifName: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Default routes; none without. */
  readonly gateway?: { readonly ipv4: string; readonly ipv6: string };
}

export async function plug({ at, bridge, port, ifName, mac }: Cable, machine: Space): Promise<void> {
  // After a reboot the kernel may still be busy with the old cable.
  await waitFor(async () => !(await hasPort(at, port)), PORT_GONE_DEADLINE_MS, `old port ${port} to vanish`);
  // From outside the space's process namespace: the peer's namespace is named by its number out here.
  await run(["nsenter", "-t", String(at.pid), "-n", "--", "ip", "-batch", "-"], {
    stdin: [
      `link add ${port} type veth peer name ${ifName} address ${mac} netns ${machine.pid}`,
      `link set ${port} master ${bridge} up`,
    ].join("\n"),
  });
}

export async function giveAddresses(space: Space, addresses: InterfaceAddresses): Promise<void> {
  const { ifName, ipv4, ipv6, gateway } = addresses;
  const lines = [
    `addr add ${ipv4} dev ${ifName}`,
    `addr add ${ipv6} dev ${ifName} nodad`,
    `link set ${ifName} up`,
    ...(gateway === undefined ? [] : [`route add default via ${gateway.ipv4}`, `route add ::/0 via ${gateway.ipv6}`]),
  ];
  await space.exec(["ip", "-batch", "-"], { stdin: lines.join("\n") });
}

async function hasPort(space: Space, port: string): Promise<boolean> {
  return (await space.tryExec(["ip", "link", "show", "dev", port])).code === 0;
}
