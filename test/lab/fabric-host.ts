import type { Uplink } from "./cable.ts";
import type { FabricCable } from "./cabling.ts";
import type { EngineVersion } from "./engines.ts";
import type { HostPlan } from "./fabric-plan.ts";
import { type HostOptions, type LabHost, startHost } from "./host.ts";
import { orRemove, setSysctls } from "./lan.ts";
import { type Routing, startBird, startFrr } from "./routing.ts";
import { birdHost, frrHost, type HostConfigOptions, type Peering } from "./routing-configs.ts";
import { createSpace, type Place, type Space } from "./space.ts";

export type RoutingKind = "bird" | "frr";

export interface FabricHostOptions {
  /** false: a machine without an engine, which starts in a tenth of the time. */
  readonly engine: EngineVersion | false;
  /** Passed on to startHost. */
  readonly host?: Partial<Omit<HostOptions, "engine" | "lan">>;
  /** Switches forwarding on before an engine starts. Default: only on machines without an engine. */
  readonly forwarding?: boolean;
}

export interface RoutingOptions extends Partial<Omit<HostConfigOptions, "peering">> {
  /** Default "bird". */
  readonly kind?: RoutingKind;
  /** Whole configuration instead of the lab's own. */
  readonly config?: string;
  /** BIRD only: restart with -R. Default true. */
  readonly recovery?: boolean;
}

/** A host on a fabric, with its own AS and a static default route to the router. */
export class FabricHost implements Place {
  readonly space: Space;
  readonly cable: FabricCable;
  /** As the host sees it. */
  readonly peering: Peering;
  readonly exec: Space["exec"];
  readonly tryExec: Space["tryExec"];
  readonly #lab: LabHost | undefined;
  #routing: Routing | undefined;

  constructor(space: Space, cable: FabricCable, peering: Peering, lab?: LabHost) {
    this.space = space;
    this.cable = cable;
    this.peering = peering;
    this.exec = space.exec.bind(space);
    this.tryExec = space.tryExec.bind(space);
    this.#lab = lab;
  }

  get name(): string {
    return this.space.name;
  }

  get ipv4(): string {
    return this.peering.local.ipv4;
  }

  get ipv6(): string {
    return this.peering.local.ipv6;
  }

  /** Engine and driver of the host. @throws when the fabric was opened without engines. */
  get lab(): LabHost {
    if (this.#lab === undefined) {
      throw new Error(`${this.name} has no engine`);
    }
    return this.#lab;
  }

  /** @throws before startRouting. */
  get routing(): Routing {
    if (this.#routing === undefined) {
      throw new Error(`${this.name} runs no routing daemon`);
    }
    return this.#routing;
  }

  /** The configuration that startRouting uses when it gets none. */
  config({ kind = "bird", ...options }: RoutingOptions = {}): string {
    const facts = { peering: this.peering, ...options };
    return options.config ?? (kind === "bird" ? birdHost(facts) : frrHost(facts));
  }

  /** Also after a reboot of the host, which ends the daemons. */
  async startRouting(options: RoutingOptions = {}): Promise<Routing> {
    const text = this.config(options);
    const { kind = "bird", recovery = true } = options;
    this.#routing = await (kind === "bird" ? startBird(this.space, text, { recovery }) : startFrr(this.space, text));
    return this.#routing;
  }

  /** Everything on it dies, at once. Its neighbours notice by what they do not hear. */
  async remove(): Promise<void> {
    await this.space.remove();
  }
}

export async function startFabricHost(
  label: string,
  cable: FabricCable,
  plan: HostPlan,
  options: FabricHostOptions,
): Promise<FabricHost> {
  const { engine, forwarding = engine === false } = options;
  const uplink: Uplink = {
    attach: async (space) => {
      await setForwarding(space, forwarding);
      return await cable.attach(space);
    },
  };
  if (engine !== false) {
    const lab = await startHost({ label, ...options.host, engine, lan: uplink });
    return new FabricHost(lab.space, cable, plan.peering, lab);
  }
  const space = await createMachine(label);
  return await orRemove(space, async () => {
    await uplink.attach(space);
    return new FabricHost(space, cable, plan.peering);
  });
}

/** A space with a /run of its own, as hosts with an engine have it: daemons have their sockets there. */
export async function createMachine(label: string): Promise<Space> {
  const space = await createSpace({ kind: "client", label, about: "on a fabric" });
  return await orRemove(space, async () => {
    await space.exec(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]);
    return space;
  });
}

export async function setForwarding(space: Space, on: boolean): Promise<void> {
  if (on) {
    await setSysctls(space, { "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1" });
  }
}
