/** A change to the kernel as data: what to do, in which order, and what takes it back. */
import type { IfName } from "../model/ids.ts";
import type { Family } from "../model/ip.ts";
import type { ElementChange } from "./ruleset.ts";
import type { BridgeSpec, FlowFilter, NextHopLinkSpec, RouteSpec, VethSpec } from "./specs.ts";

export interface StepArgs {
  readonly enableForwarding: { readonly families: readonly Family[] };
  /** Lets forwarded traffic of ours pass the engine's own packet filter. */
  readonly admitForwarding: Record<never, never>;
  readonly ensureBridge: { readonly spec: BridgeSpec };
  readonly addVeth: { readonly spec: VethSpec };
  readonly addNextHopLink: { readonly spec: NextHopLinkSpec };
  /** Host sides of pairs go down, and with them every route that leads into them. */
  readonly setLinksDown: { readonly names: readonly IfName[] };
  readonly addRoutes: { readonly routes: readonly RouteSpec[] };
  readonly deleteRoutes: { readonly routes: readonly RouteSpec[] };
  readonly deleteLinks: { readonly names: readonly IfName[] };
  readonly changeElements: ElementChange;
  readonly forgetFlows: { readonly filters: readonly FlowFilter[] };
}

export type Verb = keyof StepArgs;
export type Step = { [V in Verb]: { readonly do: V } & StepArgs[V] }[Verb];
export type StepOf<V extends Verb> = Extract<Step, { do: V }>;

/**
 * What takes a step back; undefined where nothing has to be. Forwarding stays on, as others may rely on it by then, and
 * the engine's filter is left open until the last network goes.
 */
export function inverseOf(step: Step): Step | undefined {
  switch (step.do) {
    case "ensureBridge":
      return { do: "deleteLinks", names: [step.spec.name] };
    case "addVeth":
    case "addNextHopLink":
      return { do: "deleteLinks", names: [step.spec.host] };
    case "changeElements":
      return { do: "changeElements", add: step.remove, remove: step.add };
    case "addRoutes":
      return { do: "deleteRoutes", routes: step.routes };
    case "enableForwarding":
    case "admitForwarding":
    case "deleteLinks":
    case "deleteRoutes":
    case "setLinksDown":
    case "forgetFlows":
      return undefined;
    default:
      return step satisfies never;
  }
}
