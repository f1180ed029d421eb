/** Cheap looks at the engine's packet filter. For nf_tables no program is started, and nothing is loaded. */
import { readFileSync } from "node:fs";
import { message, NLM_F_ACK, NLMSG_HEADER_BYTES, parseAttributes, textAttribute } from "../netlink/message.ts";
import type { NetlinkTransport } from "../netlink/transport.ts";
import { isKernelError } from "../ports.ts";
import { type IptablesProgram, runIptables } from "./iptables.ts";

// include/uapi/linux/netfilter/nf_tables.h
const NFT_MSG_GETCHAIN = (10 << 8) | 4;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_USE = 6;
const NF_DROP = 0;
const familyHeaderBytes = 4;

/** Chain that the engine keeps for rules of others (docs.docker.com, "Docker and iptables"). */
export const engineChain = "DOCKER-USER";

export interface FilterLook {
  readonly hasEngineChain: boolean;
  /** Rules in the engine's chain, and for nf_tables the jumps to it as well; 0 without the chain. */
  readonly engineUses: number;
  /** Rules in our chain and jumps to it, as the kernel counts them; 0 without the chain. */
  readonly ownUses: number;
  /** Forwarded packets that nobody accepts are lost. */
  readonly dropsForwarded: boolean;
}

/** The filter table of one family in one of the two implementations of iptables. */
export interface FilterVariant {
  readonly program: Exclude<IptablesProgram, `${string}-restore`>;
  /** @throws FairwayError FW2001 when there may be a chain of the engine, but no program to ask for it. */
  readonly look: (ownChain: string) => Promise<FilterLook>;
}

export function filterVariants(transport: NetlinkTransport): FilterVariant[] {
  return [
    { program: "iptables-nft", look: (chain) => lookAtNft(transport, 2, chain) },
    { program: "ip6tables-nft", look: (chain) => lookAtNft(transport, 10, chain) },
    { program: "iptables-legacy", look: (chain) => lookAtLegacy("iptables-legacy", "ip_tables_names", chain) },
    { program: "ip6tables-legacy", look: (chain) => lookAtLegacy("ip6tables-legacy", "ip6_tables_names", chain) },
  ];
}

async function lookAtNft(transport: NetlinkTransport, family: number, ownChain: string): Promise<FilterLook> {
  // Asked at once: each wait for the thread that asks costs more than the question.
  const names = [engineChain, ownChain, "FORWARD"];
  const [engine, own, forward] = await Promise.all(names.map((name) => findNftChain(transport, family, name)));
  return {
    hasEngineChain: engine !== undefined,
    engineUses: usesOf(engine),
    ownUses: usesOf(own),
    dropsForwarded: engine !== undefined && forward?.get(NFTA_CHAIN_POLICY)?.readUInt32BE() === NF_DROP,
  };
}

function usesOf(chain: Map<number, Buffer> | undefined): number {
  return chain?.get(NFTA_CHAIN_USE)?.readUInt32BE() ?? 0;
}

async function findNftChain(
  transport: NetlinkTransport,
  family: number,
  chain: string,
): Promise<Map<number, Buffer> | undefined> {
  const request = message(NFT_MSG_GETCHAIN, NLM_F_ACK, Buffer.from([family, 0, 0, 0]), [
    textAttribute(NFTA_CHAIN_TABLE, "filter"),
    textAttribute(NFTA_CHAIN_NAME, chain),
  ]);
  try {
    const [reply] = await transport.dump("netfilter", request);
    return reply === undefined ? undefined : parseAttributes(reply.subarray(NLMSG_HEADER_BYTES + familyHeaderBytes));
  } catch (error) {
    if (isKernelError(error, "ENOENT")) {
      return undefined;
    }
    throw error;
  }
}

async function lookAtLegacy(
  program: "iptables-legacy" | "ip6tables-legacy",
  namesFile: string,
  ownChain: string,
): Promise<FilterLook> {
  // Asking the program makes the table, so only when it is there already.
  const listing = legacyTables(namesFile).includes("filter") ? await runIptables(program, ["-w", "5", "-S"]) : "";
  const lines = listing.split("\n");
  return {
    hasEngineChain: lines.includes(`-N ${engineChain}`),
    engineUses: lines.filter((line) => line.startsWith(`-A ${engineChain} `)).length,
    ownUses: lines.filter((line) => line.startsWith(`-A ${ownChain} `) || line.endsWith(` -j ${ownChain}`)).length,
    dropsForwarded: lines.includes("-P FORWARD DROP"),
  };
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
