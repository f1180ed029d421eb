/** A namespace behind the client of the small world, on a narrow link, with the client as its router. */
import { addresses, writeSysctl } from "./host.ts";
import { ipHere, type Sandbox } from "./sandbox.ts";

export const far = { ipv4: "198.51.100.9", ipv6: "2001:db8:5::9" } as const;
const farGateway = { ipv4: "198.51.100.1", ipv6: "2001:db8:5::1" } as const;
/** Packets to the far one must not be larger than this, and only the router knows. */
export const narrowMtuBytes = 1300;

export async function addFarSide(router: Sandbox, farSandbox: Sandbox): Promise<void> {
  await router.ip(
    `link add far0 mtu ${narrowMtuBytes} type veth peer name eth0 mtu 1500 netns ${farSandbox.pid}`,
    `addr add ${farGateway.ipv4}/24 dev far0`,
    `addr add ${farGateway.ipv6}/64 dev far0 nodad`,
    "link set far0 up",
  );
  await router.exec("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  await farSandbox.ip(
    `addr add ${far.ipv4}/24 dev eth0`,
    `addr add ${far.ipv6}/64 dev eth0 nodad`,
    "link set eth0 up",
    `route add default via ${farGateway.ipv4}`,
    `route add ::/0 via ${farGateway.ipv6}`,
  );
  await ipHere(`route add default via ${addresses.client.ipv4}`, `route add ::/0 via ${addresses.client.ipv6}`);
  // Asked for strictly by many a distribution.
  writeSysctl("net/ipv4/conf/up0/rp_filter", "1");
}
