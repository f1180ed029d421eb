import type { NetlinkTransport } from "../netlink/transport.ts";
import type { EngineFirewallPort } from "../ports.ts";
import { isMissingProgram, runIptables } from "./iptables.ts";
import { engineChain, type FilterVariant, filterVariants } from "./look.ts";
import {
  admitScript,
  type ChainParts,
  chainRules,
  isAdmitted,
  type ListedFilter,
  readFilter,
  retractScript,
} from "./rules.ts";

export interface DockerUserOptions {
  readonly chain: string;
  /** Mark of packets that our own table has judged and lets pass. */
  readonly markBit: number;
}

/** Our chain in the engine's packet filter, for IPv4 and IPv6, nf_tables and legacy iptables. */
export class DockerUserChain implements EngineFirewallPort {
  readonly #options: DockerUserOptions;
  readonly #variants: readonly FilterVariant[];
  /** Rules of our chain and the jump to it, as the last `admit` left them. */
  #expectedUses: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(transport: NetlinkTransport, options: DockerUserOptions) {
    this.#options = options;
    this.#variants = filterVariants(transport);
  }

  async isAdmitted(): Promise<boolean> {
    for (const { look } of this.#variants) {
      const { hasEngineChain, ownUses } = await look(this.#options.chain);
      if (hasEngineChain && ownUses !== this.#expectedUses) {
        return false;
      }
    }
    return true;
  }

  admit(): Promise<void> {
    return this.#inTurn(async () => {
      const parts: ChainParts = this.#options;
      for (const variant of this.#variants) {
        await admitIn(variant, parts);
      }
      this.#expectedUses = chainRules(parts).length + 1;
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

async function admitIn({ program, look }: FilterVariant, parts: ChainParts): Promise<void> {
  const { hasEngineChain, dropsForwarded } = await look(parts.chain);
  if (!hasEngineChain) {
    return;
  }
  try {
    const listed = await list(program, parts.chain);
    if (!isAdmitted(listed, parts)) {
      await restore(program, admitScript(parts, engineChain, listed));
    }
  } catch (error) {
    // Where the engine lets everything pass, there is nothing to be admitted to.
    if (dropsForwarded || !isMissingProgram(error)) {
      throw error;
    }
  }
}

async function retractFrom({ program, look }: FilterVariant, chain: string): Promise<void> {
  if ((await look(chain)).ownUses > 0) {
    const { jumps } = await list(program, chain);
    await restore(program, retractScript(chain, engineChain, jumps));
  }
}

async function list(program: FilterVariant["program"], chain: string): Promise<ListedFilter> {
  return readFilter(await runIptables(program, ["-w", "5", "-S"]), chain, engineChain);
}

async function restore(program: FilterVariant["program"], script: string): Promise<void> {
  await runIptables(`${program}-restore`, ["-w", "5", "--noflush"], script);
}
