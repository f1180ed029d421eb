import { BirdControl, type ControlOptions } from "./bird-control.ts";
import { FrrControl } from "./frr-control.ts";
import type { RoutingDaemonPort } from "./port.ts";
import type { DaemonKind } from "./settings.ts";

export function routingDaemon(kind: DaemonKind, options: ControlOptions): RoutingDaemonPort {
  return kind === "bird" ? new BirdControl(options) : new FrrControl(options);
}
