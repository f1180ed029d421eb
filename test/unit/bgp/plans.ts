import type { BgpPlan, DaemonKind } from "../../../src/bgp/settings.ts";
import { parsePassword, parsePeerName } from "../../../src/bgp/values.ts";
import { resolveConfig } from "../../../src/daemon/config.ts";

/** A plan by way of the configuration file, as an operator gets it. @throws FairwayError FW2005 */
export function planOf(bgp: object, flatSpace: readonly string[] = []): BgpPlan {
  const readFile = (): string => JSON.stringify({ flatSpace, bgp });
  const config = resolveConfig({ flags: {}, env: {}, readFile });
  if (config.bgp === undefined) {
    throw new Error("the configuration has no section bgp");
  }
  return { ...config.bgp, flatSpace: config.flatSpace, passwords: new Map() };
}

/** Everything that a text can have. */
export function fullPlan(daemon: DaemonKind, change: object = {}): BgpPlan {
  const plan = planOf(
    {
      daemon,
      routerId: "10.99.0.11",
      localAs: 4_200_000_011,
      peers: [
        {
          name: "tor4",
          address: "10.99.0.1",
          as: 65000,
          bfd: true,
          holdSeconds: 9,
          passwordFile: "/etc/fairway/bgp-password",
          communities: ["65000:100", "4200000011:1:2"],
          exportPrefixes: ["10.244.8.0/24", "10.244.9.1/32"],
          importDefaultOnly: true,
        },
        { name: "tor6", address: "fe80::1", interface: "eth0", as: 65000, bfd: true, gracefulRestart: false },
        { name: "far", address: "2001:db8::1", as: 65001, multihop: 3, passwordFile: "/etc/fairway/far" },
      ],
      ...change,
    },
    ["10.244.0.0/16", "fd00:244::/48"],
  );
  return { ...plan, passwords: new Map([[parsePeerName("tor4"), parsePassword("s3cr.t!\n")]]) };
}
