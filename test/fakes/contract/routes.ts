import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RouteSpec } from "../../../src/kernel/ports.ts";
import { parseInterfaceAddress, parsePrefix } from "../../../src/model/ip.ts";
import { routeMetrics } from "../../../src/plan/names.ts";
import { planFlatLink, planFlatRoutes } from "../../../src/plan/routed.ts";
import { planSharedLink } from "../../../src/plan/share.ts";
import { endpointOf, hostNetworkOf, routedEndpointOf, routedNetworkOf } from "../requests.ts";
import type { OpenSubject } from "./subject.ts";

const network = routedNetworkOf();
const endpoint = routedEndpointOf({ state: "joined" });
const pair = planFlatLink(network, endpoint);
const intoPair = planFlatRoutes(network, endpoint);
const second = planFlatLink(network, routedEndpointOf({}, 2));
const { announced, local } = routeMetrics;
const blocks: readonly RouteSpec[] = [
  { destination: parsePrefix("10.20.1.0/24"), metric: announced },
  { destination: parsePrefix("fd00:20:1::/64"), metric: local },
];

function texts(routes: readonly RouteSpec[]): string[] {
  return routes.map(({ destination, device, metric }) => `${destination} ${device ?? "unreachable"} ${metric}`).sort();
}

/** What routes of flat addresses do, whoever keeps them. */
export function routesContract(open: OpenSubject): void {
  describe("routes", () => {
    test("of both families come, come again as they are, and go", async () => {
      await using subject = await open();
      const { routes } = subject.kernel;
      assert.deepEqual(await routes.listOwned(), []);
      await routes.add(blocks);
      await routes.add(blocks);
      assert.deepEqual(texts(await routes.listOwned()), texts(blocks));
      await routes.remove(blocks.slice(0, 1));
      assert.deepEqual(texts(await routes.listOwned()), texts(blocks.slice(1)));
      await routes.remove(blocks);
      assert.deepEqual(await routes.listOwned(), []);
    });

    test("of the same destination stand side by side by their metrics, and go by them", async () => {
      await using subject = await open();
      const { routes } = subject.kernel;
      const others = blocks.map(({ destination }) => ({ destination, metric: 7 }));
      await routes.add([...blocks, ...others]);
      assert.deepEqual(texts(await routes.listOwned()), texts([...blocks, ...others]));
      await routes.remove(blocks);
      assert.deepEqual(texts(await routes.listOwned()), texts(others));
    });

    test("into a pair come with it and are put back when somebody took them", async () => {
      await using subject = await open();
      const { routes, links } = subject.kernel;
      await links.addNextHopLink(pair);
      assert.deepEqual(texts(await routes.listOwned()), texts(intoPair));
      await routes.remove(intoPair);
      assert.deepEqual(await routes.listOwned(), []);
      await routes.add([...intoPair, ...blocks]);
      assert.deepEqual(texts(await routes.listOwned()), texts([...intoPair, ...blocks]));
    });

    test("into a pair go with it, and those of others stay", async () => {
      await using subject = await open();
      const { routes, links } = subject.kernel;
      await links.addNextHopLink(pair);
      await links.addNextHopLink(second);
      await routes.add(blocks);
      links.deleteLater([pair.host]);
      await links.settled();
      const left = texts(await routes.listOwned());
      assert.equal(left.length, second.targets.length + blocks.length);
      assert.ok(!left.some((text) => text.includes(pair.host)));
    });

    test("into a pair that is gone, or down, are passed over, and the others come all the same", async () => {
      await using subject = await open();
      const { routes, links } = subject.kernel;
      await routes.add([...intoPair, ...blocks]);
      assert.deepEqual(texts(await routes.listOwned()), texts(blocks));
      await links.addNextHopLink(pair);
      await links.setDown([pair.host]);
      await routes.add(intoPair);
      assert.deepEqual(texts(await routes.listOwned()), texts(blocks));
    });

    test("that are absent can be removed, whether their device is there or not", async () => {
      await using subject = await open();
      const { routes, links } = subject.kernel;
      await routes.remove([...blocks, ...intoPair]);
      await links.addNextHopLink(pair);
      await routes.remove(intoPair.map((route) => ({ ...route, metric: 7 })));
      assert.deepEqual(texts(await routes.listOwned()), texts(intoPair));
      await links.setDown([pair.host]);
      await routes.remove(intoPair);
    });

    test("to an address whose former pair is still there lead into the new one", async () => {
      await using subject = await open();
      const { routes, links } = subject.kernel;
      await links.addNextHopLink(pair);
      await links.addNextHopLink({ ...second, targets: pair.targets });
      const moved = intoPair.map((route) => ({ ...route, device: second.host }));
      assert.deepEqual(texts(await routes.listOwned()), texts(moved));
      links.deleteLater([pair.host]);
      await links.settled();
      assert.deepEqual(texts(await routes.listOwned()), texts(moved));
    });

    test("of others, and those of mode host, are not ours to list, to replace or to remove", async () => {
      await using subject = await open();
      const { routes, links } = subject.kernel;
      const whole = { ipv4: parseInterfaceAddress("192.0.2.10/32"), ipv6: parseInterfaceAddress("2001:db8::10/128") };
      await links.addNextHopLink(planSharedLink(hostNetworkOf(), endpointOf({ ...whole, standIn: 7 }, 3)));
      for (const { destination, metric } of blocks) {
        await subject.addForeignRoute(destination, metric);
      }
      assert.deepEqual(await routes.listOwned(), []);
      await assert.rejects(routes.add(blocks), { code: "FW3002" });
      await routes.remove(blocks);
      for (const { destination } of blocks) {
        assert.equal(await subject.hasForeignRoute(destination), true, destination);
      }
    });
  });
}
