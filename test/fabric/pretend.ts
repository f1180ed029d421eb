/** Containers as the driver would furnish them, made by hand: a veth pair, host routes, a network of their own. */
import { startServer } from "../lab/server.ts";
import type { Place, Space } from "../lab/space.ts";

const GATEWAY = { ipv4: "169.254.1.1", ipv6: "fe80::1" };
const OURS = ["proto", "143", "metric", "9900"];

export interface Pretended extends Place {
  readonly addresses: readonly [ipv4: string, ipv6: string];
  withdraw(): Promise<void>;
  announce(): Promise<void>;
}

/** @param name at most 13 characters; also what its server calls itself */
export async function pretendContainer(
  space: Space,
  name: string,
  addresses: readonly [ipv4: string, ipv6: string],
): Promise<Pretended> {
  const port = `v-${name}`;
  const [ipv4, ipv6] = addresses;
  await space.exec(["ip", "netns", "add", name]);
  await batch(space, [
    `link add ${port} type veth peer name eth0 netns ${name}`,
    `addr add ${GATEWAY.ipv4}/32 dev ${port}`,
    `addr add ${GATEWAY.ipv6}/64 dev ${port} nodad`,
    `link set ${port} up`,
  ]);
  await batch(
    space,
    [
      "link set lo up",
      `addr add ${ipv4}/32 dev eth0`,
      `addr add ${ipv6}/128 dev eth0 nodad`,
      "link set eth0 up",
      `route add ${GATEWAY.ipv4} dev eth0 scope link`,
      `route add default via ${GATEWAY.ipv4}`,
      `route add ::/0 via ${GATEWAY.ipv6} dev eth0`,
    ],
    name,
  );
  const enter = ["nsenter", `--net=/run/netns/${name}`, "--"];
  const command = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', name];
  await startServer(space, ["tcp:80", "udp:80"], { enter: [...enter, ...command], log: `server-${name}.log` });
  const change = async (verb: "add" | "del") => {
    await batch(
      space,
      [ipv4, ipv6].map((address) => [`route ${verb} ${address} dev ${port}`, ...OURS].join(" ")),
    );
  };
  await change("add");
  return {
    name,
    addresses,
    exec: (argv, options) => space.exec([...enter, ...argv], options),
    tryExec: (argv, options) => space.tryExec([...enter, ...argv], options),
    withdraw: () => change("del"),
    announce: () => change("add"),
  };
}

async function batch(space: Space, lines: readonly string[], netns?: string): Promise<void> {
  const where = netns === undefined ? [] : ["-n", netns];
  await space.exec(["ip", ...where, "-batch", "-"], { stdin: lines.join("\n") });
}
