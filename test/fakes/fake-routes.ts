import { FairwayError } from "../../src/errors.ts";
import type { RoutePort, RouteSpec } from "../../src/kernel/ports.ts";
import type { IfName } from "../../src/model/ids.ts";
import type { FakeLinks } from "./fake-links.ts";

/** Routes of ours in one host's main table. Those with a device belong to it and go with it. */
export class FakeRoutes implements RoutePort {
  readonly unreachable = new Map<string, RouteSpec>();
  readonly foreign: RouteSpec[] = [];
  readonly #links: FakeLinks;

  constructor(links: FakeLinks) {
    this.#links = links;
  }

  addForeign(route: RouteSpec): void {
    this.foreign.push(route);
  }

  async add(routes: readonly RouteSpec[]): Promise<void> {
    for (const route of routes) {
      const { destination, metric, device } = requireMetric(route);
      if (this.foreign.some((one) => one.destination === destination && one.metric === metric)) {
        throw new FairwayError({ code: "FW3002", what: `the host has a route to ${destination} that is not ours` });
      }
      if (device === undefined) {
        this.unreachable.set(keyOf(route), route);
      } else {
        this.#links.addFlatRoute(device, { destination, metric });
      }
    }
  }

  async remove(routes: readonly RouteSpec[]): Promise<void> {
    for (const route of routes) {
      const { destination, metric, device } = requireMetric(route);
      if (device === undefined) {
        this.unreachable.delete(keyOf(route));
      } else {
        const left = this.#links.flatRoutes
          .get(device)
          ?.filter((one) => one.destination !== destination || one.metric !== metric);
        this.#links.flatRoutes.set(device, left ?? []);
      }
    }
  }

  async listOwned(): Promise<readonly RouteSpec[]> {
    return this.owned();
  }

  owned(): readonly RouteSpec[] {
    const inside = [...this.#links.flatRoutes].flatMap(([device, routes]) =>
      routes.map((route) => ({ ...route, device: device as IfName })),
    );
    return [...this.unreachable.values(), ...inside];
  }

  transcript(): string[] {
    return [...this.unreachable.keys()].map((key) => `route ${key} unreachable`).sort();
  }
}

function keyOf({ destination, metric }: RouteSpec): string {
  return `${destination} metric ${metric}`;
}

/** A route without a metric of its own would be announced, or not, by accident. */
function requireMetric(route: RouteSpec): RouteSpec {
  if (!(route.metric > 0)) {
    throw new Error(`route to ${route.destination} has no metric`);
  }
  return route;
}
