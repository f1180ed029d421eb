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

/** What the last `admit` left; a rule that others add behind the jump shows in the number of the engine's chain. */
interface Uses {
  readonly own: number;
  readonly engine: number;
}

/** Our chain in the engine's packet filter, for IPv4 and IPv6, nf_tables and legacy iptables. */
export class DockerUserChain implements EngineFirewallPort {
  readonly #options: DockerUserOptions;
  readonly #variants: readonly FilterVariant[];
  readonly #left = new Map<FilterVariant, Uses>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(transport: NetlinkTransport, options: DockerUserOptions) {
    this.#options = options;
    this.#variants = filterVariants(transport);
  }

  async isAdmitted(): Promise<boolean> {
    for (const variant of this.#variants) {
      const { hasEngineChain, engineUses, ownUses } = await variant.look(this.#options.chain);
      const left = this.#left.get(variant);
      if (hasEngineChain && (ownUses !== left?.own || engineUses !== left.engine)) {
        return false;
      }
    }
    return true;
  }

  admit(): Promise<void> {
    return this.#inTurn(async () => {
      for (const variant of this.#variants) {
        const left = await admitIn(variant, this.#options);
        if (left === undefined) {
          this.#left.delete(variant);
        } else {
          this.#left.set(variant, left);
        }
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

/** Undefined: there is nothing to be admitted to, or no way to. */
async function admitIn({ program, look }: FilterVariant, parts: ChainParts): Promise<Uses | undefined> {
  const { hasEngineChain, engineUses, dropsForwarded } = await look(parts.chain);
  if (!hasEngineChain) {
    return undefined;
  }
  try {
    const listed = await list(program, parts.chain);
    if (!isAdmitted(listed, parts)) {
      await restore(program, admitScript(parts, engineChain, listed));
    }
    // From the look before the change: what others added meanwhile is noticed at the next one.
    return { own: chainRules(parts).length + 1, engine: engineUses - listed.jumps + 1 };
  } catch (error) {
    // Where the engine lets everything pass, there is nothing to be admitted to.
    if (dropsForwarded || !isMissingProgram(error)) {
      throw error;
    }
    return undefined;
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
