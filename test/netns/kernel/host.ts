import { writeFileSync } from "node:fs";
import { linkGroup } from "../../../src/plan/names.ts";
import { tryRun } from "../../lab/exec.ts";
import { ipHere, Sandbox } from "./sandbox.ts";

/** Addresses of the small world below, by what they belong to. */
export const addresses = {
  host: { ipv4: "192.0.2.1", ipv6: "2001:db8::1" },
  client: { ipv4: "192.0.2.9", ipv6: "2001:db8::9" },
  gateway: { ipv4: "10.88.0.1", ipv6: "fd00:88::1" },
  first: { ipv4: "10.88.0.2", ipv6: "fd00:88::2" },
  second: { ipv4: "10.88.0.3", ipv6: "fd00:88::3" },
  sideGateway: { ipv4: "10.77.0.1", ipv6: "fd00:77::1" },
  /** Behind a bridge of its own, where a test adds one. */
  side: { ipv4: "10.77.0.2", ipv6: "fd00:77::2" },
} as const;

export interface SmallWorld extends AsyncDisposable {
  /** Beyond the host's uplink. */
  readonly client: Sandbox;
  /** On the bridge br0; ports in hairpin mode, as ours are. */
  readonly first: Sandbox;
  readonly second: Sandbox;
}

/** client -- up0 [the test's own namespace, forwarding] br0 -- first, second */
export async function buildSmallWorld(): Promise<SmallWorld> {
  await using building = new AsyncDisposableStack();
  const open = async (): Promise<Sandbox> => building.use(await Sandbox.open());
  const [client, first, second] = [await open(), await open(), await open()];
  building.defer(() => removeLinks());
  await ipHere(
    `link add br0 group ${linkGroup} type bridge mcast_snooping 0`,
    "link set br0 up",
    `addr add ${addresses.gateway.ipv4}/24 dev br0`,
    `addr add ${addresses.gateway.ipv6}/64 dev br0 nodad`,
    `link add up0 type veth peer name eth0 netns ${client.pid}`,
    `addr add ${addresses.host.ipv4}/24 dev up0`,
    `addr add ${addresses.host.ipv6}/64 dev up0 nodad`,
    "link set up0 up",
  );
  await client.ip(
    `addr add ${addresses.client.ipv4}/24 dev eth0`,
    `addr add ${addresses.client.ipv6}/64 dev eth0 nodad`,
    "link set eth0 up",
  );
  const onBridge = { bridge: "br0", gateway: addresses.gateway };
  await plugIn(first, { ...onBridge, port: "v1", own: addresses.first });
  await plugIn(second, { ...onBridge, port: "v2", own: addresses.second });
  writeSysctl("net/ipv4/ip_forward", "1");
  writeSysctl("net/ipv6/conf/all/forwarding", "1");
  writeSysctl("net/ipv4/conf/br0/route_localnet", "1");
  const built = building.move();
  return { client, first, second, [Symbol.asyncDispose]: () => built.disposeAsync() };
}

/** The veth pairs go with the namespaces that hold their other ends. */
async function removeLinks(): Promise<void> {
  await tryRun(["ip", "link", "del", "br0"]);
}

export function writeSysctl(path: string, value: string): void {
  writeFileSync(`/proc/sys/${path}`, value);
}

/** Second bridge of the small world, with one container. @param group 0: somebody else's. */
export async function addSideBridge(bridge: string, container: Sandbox, group: number): Promise<void> {
  const { side, sideGateway } = addresses;
  await ipHere(
    `link add ${bridge} group ${group} type bridge mcast_snooping 0`,
    `link set ${bridge} up`,
    `addr add ${sideGateway.ipv4}/24 dev ${bridge}`,
    `addr add ${sideGateway.ipv6}/64 dev ${bridge} nodad`,
  );
  await plugIn(container, { bridge, port: "v3", own: side, gateway: sideGateway });
}

interface Plug {
  readonly bridge: string;
  readonly port: string;
  readonly own: AddressPair;
  readonly gateway: AddressPair;
}

interface AddressPair {
  readonly ipv4: string;
  readonly ipv6: string;
}

async function plugIn(sandbox: Sandbox, { bridge, port, own, gateway }: Plug): Promise<void> {
  await ipHere(
    `link add ${port} type veth peer name eth0 netns ${sandbox.pid}`,
    `link set ${port} master ${bridge}`,
    `link set ${port} type bridge_slave hairpin on`,
    `link set ${port} up`,
  );
  await sandbox.ip(
    `addr add ${own.ipv4}/24 dev eth0`,
    `addr add ${own.ipv6}/64 dev eth0 nodad`,
    "link set eth0 up",
    `route add default via ${gateway.ipv4}`,
    `route add ::/0 via ${gateway.ipv6}`,
  );
}
