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

  add(routes: readonly RouteSpec[]): Promise<void> {
    return this.#change("add", routes, addFlatRoute, fineWhenAdding);
  }

  remove(routes: readonly RouteSpec[]): Promise<void> {
    return this.#change("delete", routes, deleteFlatRoute, fineWhenRemoving);
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

  async #change(
    verb: string,
    routes: readonly RouteSpec[],
    encode: (route: FlatRoute) => Buffer,
    isFine: readonly string[],
  ): Promise<void> {
    const indexes = await this.#indexesOf(routes);
    const changes = routes.flatMap(({ destination, metric, device }) => {
      const index = device === undefined ? undefined : indexes.get(device);
      if (device !== undefined && index === undefined) {
        return [];
      }
      const message = encode({ destination, metric, ...(index === undefined ? {} : { index }) });
      return [{ what: `${verb} route to ${destination}`, message }];
    });
    const refusals = await this.#rtnetlink.attempt(changes);
    const failed = refusals.find((error): error is KernelError => error !== undefined && !isFine.includes(error.errno));
    if (failed !== undefined) {
      throw failed;
    }
  }

  async #indexesOf(routes: readonly RouteSpec[]): Promise<ReadonlyMap<string, number>> {
    const names = [...new Set(routes.map(({ device }) => device))].filter((device) => device !== undefined);
    const links = await Promise.all(names.map((name) => this.#rtnetlink.findLink(name)));
    return new Map(links.flatMap((link) => (link === undefined ? [] : [[link.name, link.index] as const])));
  }
}
