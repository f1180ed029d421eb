import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { FlatRoutes } from "../../../../src/kernel/link/flat-routes.ts";
import { addFlatRoute, deleteFlatRoute } from "../../../../src/kernel/link/route-codec.ts";
import { Rtnetlink } from "../../../../src/kernel/link/rtnetlink.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";
import type { RouteSpec } from "../../../../src/plan/specs.ts";
import { FakeNetlink } from "../../../fakes/fake-netlink.ts";
import { routedEndpointOf } from "../../../fakes/requests.ts";

const { hostIf } = routedEndpointOf();
const gone = routedEndpointOf({}, 2).hostIf;
const into = (device: RouteSpec["device"], text = "10.20.1.2/32"): RouteSpec => ({
  destination: parsePrefix(text),
  metric: 9910,
  ...(device === undefined ? {} : { device }),
});
const block: RouteSpec = { destination: parsePrefix("fd00:20:1::/64"), metric: 9900 };

describe("routes of flat addresses", () => {
  let kernel: FakeNetlink;
  let routes: FlatRoutes;

  beforeEach(() => {
    kernel = new FakeNetlink();
    kernel.links.push({ index: 7, name: hostIf, kind: "veth" });
    routes = new FlatRoutes(new Rtnetlink(kernel));
  });

  test("go by the index that the device has now; of a device that is gone, nothing is sent", async () => {
    const all = [into(hostIf), into(gone, "10.20.1.3/32"), block];
    const { destination, metric } = into(hostIf);
    await routes.add(all);
    await routes.remove(all);
    assert.deepEqual(kernel.sent, [
      addFlatRoute({ destination, metric, index: 7 }),
      addFlatRoute(block),
      deleteFlatRoute({ destination, metric, index: 7 }),
      deleteFlatRoute(block),
    ]);
  });

  test("nothing is nothing", async () => {
    await routes.add([]);
    await routes.remove([]);
    assert.deepEqual(kernel.sent, []);
  });

  for (const errno of ["ENODEV", "ENETDOWN"]) {
    test(`into a device that goes away meanwhile (${errno}) are gone with it`, async () => {
      kernel.refuse = (_change, index) => (index === 0 ? errno : undefined);
      await routes.add([into(hostIf), block]);
      assert.equal(kernel.sent.length, 2);
    });
  }

  for (const errno of ["ESRCH", "ENODEV", "ENOENT"]) {
    test(`that are gone already (${errno}) are removed`, async () => {
      kernel.refuse = () => errno;
      await routes.remove([into(hostIf), block]);
    });
  }

  test("that the kernel refuses are an error that names the first, and the others are tried all the same", async () => {
    kernel.refuse = (_change, index) => (index === 0 ? "EPERM" : undefined);
    await assert.rejects(routes.add([into(hostIf), block]), { errno: "EPERM", operation: "add route to 10.20.1.2/32" });
    assert.equal(kernel.sent.length, 2);
    kernel.refuse = () => "EBUSY";
    await assert.rejects(routes.remove([block]), { errno: "EBUSY", operation: "delete route to fd00:20:1::/64" });
    await assert.rejects(routes.add([block]), { errno: "EBUSY" });
  });

  test("an answer that is fine for one direction is none for the other", async () => {
    kernel.refuse = () => "ESRCH";
    await assert.rejects(routes.add([block]), { errno: "ESRCH" });
    kernel.refuse = () => "ENETDOWN";
    await assert.rejects(routes.remove([block]), { errno: "ENETDOWN" });
  });
});
