/** An engine's packet filter without the engine, in either implementation of iptables. */
import { DockerUserChain } from "../../../../src/kernel/engine-firewall/docker-user.ts";
import type { NetlinkTransport } from "../../../../src/kernel/netlink/transport.ts";
import { admittedMarkBit, engineChain as chain } from "../../../../src/plan/names.ts";
import { run } from "../../../lab/exec.ts";

export { chain };
export type Kind = "nft" | "legacy";
export const programs = ["iptables", "ip6tables"] as const;
export type Program = (typeof programs)[number];

/** What engines up to 27 leave behind: their own chain with rules of the administrator, and the policy DROP. */
export const engineRules = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -s 203.0.113.0/24 -m comment --comment "keep: -j FAIRWAY" -j DROP
-A DOCKER-USER -j RETURN
COMMIT
`;
/** Later engines leave their chain without an end. */
export const laterEngineRules = engineRules.replace("-A DOCKER-USER -j RETURN\n", "");
export const plainRules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";

export class EngineFilter {
  readonly kind: Kind;

  constructor(kind: Kind) {
    this.kind = kind;
  }

  async load(rules: string): Promise<void> {
    await run([`iptables-${this.kind}-restore`], { stdin: rules });
    await run([`ip6tables-${this.kind}-restore`], { stdin: rules.replace("203.0.113.0/24", "2001:db8:113::/48") });
  }

  /** Bytes of both filter tables without the lines that carry the time. */
  async saved(): Promise<string> {
    const texts = await Promise.all(programs.map((program) => run([`${program}-${this.kind}-save`])));
    return texts
      .join("")
      .replace(/^#.*\n/gm, "")
      .replace(/\[\d+:\d+\]/g, "[0:0]");
  }

  async rulesOf(name: string, program: Program = "iptables"): Promise<string[]> {
    return (await run([`${program}-${this.kind}`, "-S", name])).trim().split("\n").slice(1);
  }

  async alter(args: readonly string[], program: Program = "iptables"): Promise<void> {
    await run([`${program}-${this.kind}`, ...args]);
  }
}

export function createDockerUser(transport: NetlinkTransport): DockerUserChain {
  return new DockerUserChain(transport, { chain, markBit: admittedMarkBit });
}
