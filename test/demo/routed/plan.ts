/** What is made on which host. */

/** Nobody but neighbours and the host gets there. */
export const UNPUBLISHED_PORT = 9000;

export interface NetworkPlan {
  /** Index of the host. */
  readonly host: number;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** What routers learn of it. */
  readonly announces: "block" | "address";
  /** Of `docker network create`, besides driver, mode and subnets. */
  readonly options: readonly string[];
}

/** Each host has subnets of its own, so that the engines' own address management does. */
export const networks: readonly NetworkPlan[] = [
  { host: 0, name: "app", ...subnets(1), announces: "block", options: [] },
  { host: 0, name: "solo", ...subnets(9), announces: "address", options: ["-o", "announce=address"] },
  { host: 1, name: "app", ...subnets(2), announces: "block", options: [] },
  { host: 1, name: "vault", ...subnets(3), announces: "block", options: ["--internal"] },
];

export interface ContainerPlan {
  readonly host: number;
  readonly name: ContainerName;
  readonly network: string;
}

export type ContainerName = "web" | "solo" | "shop" | "safe" | "teller";

/** All of them with `-p 80:80 -p 80:80/udp`. */
export const containers: readonly ContainerPlan[] = [
  { host: 0, name: "web", network: "app" },
  { host: 0, name: "solo", network: "solo" },
  { host: 1, name: "shop", network: "app" },
  { host: 1, name: "safe", network: "vault" },
  { host: 1, name: "teller", network: "vault" },
];

function subnets(number: number): { readonly ipv4: string; readonly ipv6: string } {
  return { ipv4: `10.60.${number}.0/26`, ipv6: `2001:db8:60:${number}::/64` };
}

export function subnetArguments({ ipv4, ipv6 }: NetworkPlan): string[] {
  return ["--subnet", ipv4, "--ipv6", "--subnet", ipv6];
}
