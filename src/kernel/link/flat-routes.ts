import { FairwayError } from "../../errors.ts";
import type { IfName } from "../../model/ids.ts";
import type { KernelError, RoutePort, RouteSpec } from "../ports.ts";
import { addFlatRoute, deleteFlatRoute, type FlatRoute } from "./route-codec.ts";
import type { Rtnetlink } from "./rtnetlink.ts";

/** Of a link that is gone or down, and of a route that is. */
const fineWhenAdding = ["ENODEV", "ENETDOWN"];
const fineWhenRemoving = ["ESRCH", "ENODEV", "ENOENT"];

/** Routes to flat addresses in the main table. */
export class FlatRoutes implements RoutePort {
  readonly #rtnetlink: Rtnetlink;

  constructor(rtnetlink: Rtnetlink) {
    this.#rtnetlink = rtnetlink;
  }

  async add(routes: readonly RouteSpec[]): Promise<void> {
    const inTheWay = await this.#change("add", routes, addFlatRoute, fineWhenAdding);
    if (inTheWay.length > 0) {
      await this.#replace(inTheWay);
    }
  }

  async remove(routes: readonly RouteSpec[]): Promise<void> {
    await this.#change("delete", routes, deleteFlatRoute, fineWhenRemoving);
  }

  async listOwned(): Promise<readonly RouteSpec[]> {
    const all = [...(await this.#rtnetlink.listOwnRoutes("ipv4")), ...(await this.#rtnetlink.listOwnRoutes("ipv6"))];
    const names = new Map((await this.#rtnetlink.listLinks()).map(({ index, name }) => [index, name]));
    return all.flatMap(({ destination, priority: metric, linkIndex }) => {
      const device = linkIndex === undefined ? undefined : names.get(linkIndex);
      if (linkIndex === undefined) {
        return [{ destination, metric }];
      }
      return device === undefined ? [] : [{ destination, metric, device: device as IfName }];
    });
  }

  /** A route of ours that leads elsewhere gives way; somebody else's stays. */
  async #replace(routes: readonly RouteSpec[]): Promise<void> {
    const owned = await this.listOwned();
    const isSame = (a: RouteSpec, b: RouteSpec) => a.destination === b.destination && a.metric === b.metric;
    const foreign = routes.find((route) => !owned.some((one) => isSame(one, route)));
    if (foreign !== undefined) {
      throw foreignRoute(foreign);
    }
    const other = routes.filter((route) => !owned.some((one) => isSame(one, route) && one.device === route.device));
    await this.remove(owned.filter((one) => other.some((route) => isSame(one, route))));
    await this.#change("add", other, addFlatRoute, fineWhenAdding);
  }

  /** Those that exist already in some form. */
  async #change(
    verb: string,
    routes: readonly RouteSpec[],
    encode: (route: FlatRoute) => Buffer,
    isFine: readonly string[],
  ): Promise<RouteSpec[]> {
    const indexes = await this.#indexesOf(routes);
    const sent = routes.filter(({ device }) => device === undefined || indexes.has(device));
    const changes = sent.map(({ destination, metric, device }) => {
      const index = device === undefined ? undefined : indexes.get(device);
      const message = encode({ destination, metric, ...(index === undefined ? {} : { index }) });
      return { what: `${verb} route to ${destination}`, message };
    });
    const refusals = await this.#rtnetlink.attempt(changes);
    const tolerated = [...isFine, "EEXIST"];
    const failed = refusals.find(
      (error): error is KernelError => error !== undefined && !tolerated.includes(error.errno),
    );
    if (failed !== undefined) {
      throw failed;
    }
    return sent.filter((_route, index) => refusals[index]?.errno === "EEXIST");
  }

  async #indexesOf(routes: readonly RouteSpec[]): Promise<ReadonlyMap<string, number>> {
    const names = [...new Set(routes.map(({ device }) => device))].filter((device) => device !== undefined);
    const links = await Promise.all(names.map((name) => this.#rtnetlink.findLink(name)));
    return new Map(links.flatMap((link) => (link === undefined ? [] : [[link.name, link.index] as const])));
  }
}

function foreignRoute({ destination, metric }: RouteSpec): FairwayError {
  return new FairwayError({
    code: "FW3002",
    what: `the host has a route to ${destination} with metric ${metric} already, which is not fairway's`,
    why: "there can be one route for a destination and a metric, and what others made is left alone",
    fix: `remove it (ip route show ${destination}), or give it another metric`,
  });
}
