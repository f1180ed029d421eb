import { readFileSync } from "node:fs";
import { isIfName } from "../../model/ids.ts";
import { message, NLM_F_ACK, textAttribute } from "../netlink/message.ts";
import type { NetlinkTransport } from "../netlink/transport.ts";
import { type EngineFirewallPort, isKernelError } from "../ports.ts";
import { type IptablesProgram, runIptables } from "./iptables.ts";
import { admitScript, type ChainParts, isAdmitted, readFilter, retractScript } from "./rules.ts";

// include/uapi/linux/netfilter/nf_tables.h
const NFT_MSG_GETCHAIN = (10 << 8) | 4;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;

/** Chain that the engine keeps for rules of others (docs.docker.com, "Docker and iptables"). */
const engineChain = "DOCKER-USER";

interface Variant {
  readonly program: IptablesProgram;
  /** Does this packet filter have a chain of this name? No program is started to find out for nf_tables. */
  readonly hasChain: (chain: string) => Promise<boolean>;
}

export interface DockerUserOptions {
  readonly chain: string;
  readonly linkGroup: number;
  /** Device of the default route, if there is one. */
  readonly uplink: () => Promise<string | undefined>;
}

/** Our chain in the engine's packet filter, for IPv4 and IPv6, nf_tables and legacy iptables. */
export class DockerUserChain implements EngineFirewallPort {
  readonly #options: DockerUserOptions;
  readonly #variants: readonly Variant[];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(transport: NetlinkTransport, options: DockerUserOptions) {
    this.#options = options;
    this.#variants = [
      { program: "iptables-nft", hasChain: (chain) => nftHasChain(transport, NFPROTO_IPV4, chain) },
      { program: "ip6tables-nft", hasChain: (chain) => nftHasChain(transport, NFPROTO_IPV6, chain) },
      { program: "iptables-legacy", hasChain: (chain) => legacyHasChain("iptables-legacy", "ip_tables_names", chain) },
      {
        program: "ip6tables-legacy",
        hasChain: (chain) => legacyHasChain("ip6tables-legacy", "ip6_tables_names", chain),
      },
    ];
  }

  async isAdmitted(): Promise<boolean> {
    for (const { hasChain } of this.#variants) {
      if (!(await hasChain(this.#options.chain)) && (await hasChain(engineChain))) {
        return false;
      }
    }
    return true;
  }

  admit(): Promise<void> {
    return this.#inTurn(async () => {
      const uplink = await this.#options.uplink();
      const parts: ChainParts = {
        chain: this.#options.chain,
        linkGroup: this.#options.linkGroup,
        uplink: uplink !== undefined && isIfName(uplink) ? uplink : undefined,
      };
      for (const variant of this.#variants) {
        await admitIn(variant, parts);
      }
    });
  }

  retract(): Promise<void> {
    return this.#inTurn(async () => {
      for (const variant of this.#variants) {
        await retractFrom(variant, this.#options.chain);
      }
    });
  }

  /** Two changes at once would both insert a jump. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

async function admitIn({ program, hasChain }: Variant, parts: ChainParts): Promise<void> {
  if (!(await hasChain(engineChain))) {
    return;
  }
  const listed = readFilter(await runIptables(program, ["-w", "5", "-S"]), parts.chain, engineChain);
  if (!isAdmitted(listed, parts)) {
    await restore(program, admitScript(parts, engineChain, listed.jumps));
  }
}

async function retractFrom({ program, hasChain }: Variant, chain: string): Promise<void> {
  if (!(await hasChain(chain))) {
    return;
  }
  const listed = readFilter(await runIptables(program, ["-w", "5", "-S"]), chain, engineChain);
  await restore(program, retractScript(chain, engineChain, listed.jumps));
}

async function restore(program: IptablesProgram, script: string): Promise<void> {
  await runIptables(`${program}-restore` as IptablesProgram, ["-w", "5", "--noflush"], script);
}

async function nftHasChain(transport: NetlinkTransport, family: number, chain: string): Promise<boolean> {
  const request = message(NFT_MSG_GETCHAIN, NLM_F_ACK, Buffer.from([family, 0, 0, 0]), [
    textAttribute(NFTA_CHAIN_TABLE, "filter"),
    textAttribute(NFTA_CHAIN_NAME, chain),
  ]);
  try {
    await transport.dump("netfilter", request);
    return true;
  } catch (error) {
    if (isKernelError(error, "ENOENT")) {
      return false;
    }
    throw error;
  }
}

/** The file lists tables of the legacy packet filter; reading it starts nothing and loads nothing. */
async function legacyHasChain(
  program: "iptables-legacy" | "ip6tables-legacy",
  namesFile: string,
  chain: string,
): Promise<boolean> {
  if (!legacyTables(namesFile).includes("filter")) {
    return false;
  }
  return (await runIptables(program, ["-w", "5", "-S"])).split("\n").includes(`-N ${chain}`);
}

function legacyTables(namesFile: string): string[] {
  try {
    return readFileSync(`/proc/net/${namesFile}`, "utf8").trim().split("\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return [];
    }
    throw error;
  }
}
