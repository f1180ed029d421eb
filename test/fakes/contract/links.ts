import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseIfName } from "../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { planBridge, planBridgePort } from "../../../src/plan/bridge.ts";
import { endpointOf, networkOf } from "../requests.ts";
import type { OpenSubject } from "./subject.ts";

const quiet = { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false };
const network = networkOf();
const bridge = planBridge(network);
const veth = planBridgePort(network, endpointOf(), quiet);
const secondVeth = planBridgePort(network, endpointOf({}, 2), quiet);

/** What links do, whoever does it. */
export function linksContract(open: OpenSubject): void {
  describe("links", () => {
    test("a bridge comes, comes again as it is, and goes later", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.ensureBridge(bridge);
      await links.ensureBridge(bridge);
      assert.deepEqual(await links.listOwned(), [
        { name: bridge.name, alias: bridge.alias, kind: "bridge", peerIsHome: false },
      ]);
      links.deleteLater([bridge.name, bridge.name]);
      await links.settled();
      assert.deepEqual(await links.listOwned(), []);
    });

    test("a bridge's addresses become routes on it, and change with it", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      const own = async (): Promise<unknown[]> =>
        (await links.listRoutes()).filter(({ device }) => device === bridge.name).map(({ destination }) => destination);
      await links.ensureBridge(bridge);
      assert.deepEqual(await own(), ["10.88.1.0/24"]);
      await links.ensureBridge({ ...bridge, addresses: [parseInterfaceAddress("10.99.1.1/24")] });
      assert.deepEqual(await own(), ["10.99.1.0/24"]);
    });

    test("a name that is somebody else's is FW3007, and stays theirs", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await subject.addForeignLink(bridge.name);
      assert.notEqual(await links.foreignLink(bridge.name), undefined);
      await assert.rejects(links.ensureBridge(bridge), { code: "FW3007" });
      assert.equal(await links.isPresent(bridge.name), true);
      assert.deepEqual(await links.listOwned(), []);
    });

    test("so is one of another network of ours", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.ensureBridge({ ...planBridge(networkOf({}, 2)), name: bridge.name });
      assert.equal(await links.foreignLink(bridge.name), undefined);
      await assert.rejects(links.ensureBridge(bridge), { code: "FW3007" });
    });

    test("a pair needs its bridge: ENODEV", async () => {
      await using subject = await open();
      await assert.rejects(subject.kernel.links.addVeth(veth), { errno: "ENODEV" });
      assert.deepEqual(await subject.kernel.links.listOwned(), []);
    });

    test("a pair comes, is replaced when it is a leftover, and goes as a whole", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.ensureBridge(bridge);
      await links.addVeth(veth);
      await links.addVeth(veth);
      await links.addVeth(secondVeth);
      // The container's ends bear no mark: while they are here, they go with the others.
      const pairs = (await links.listOwned()).filter(({ kind }) => kind === "veth");
      assert.deepEqual(pairs, [
        { name: veth.host, alias: veth.alias, kind: "veth", peerIsHome: true },
        { name: secondVeth.host, alias: secondVeth.alias, kind: "veth", peerIsHome: true },
      ]);
      assert.equal(await links.isPresent(veth.sandbox), true);
      links.deleteLater([veth.host]);
      await links.settled();
      assert.equal(await links.isPresent(veth.host), false);
      assert.equal(await links.isPresent(veth.sandbox), false);
      assert.equal(await links.isPresent(secondVeth.host), true);
    });

    test("a pair whose name is somebody else's is FW3007", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.ensureBridge(bridge);
      await subject.addForeignLink(veth.host);
      await assert.rejects(links.addVeth(veth), { code: "FW3007" });
      assert.equal(await links.isPresent(veth.host), true);
    });

    test("a name in the deletion queue can be used again at once", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.ensureBridge(bridge);
      await links.addVeth(veth);
      links.deleteLater([veth.host, bridge.name]);
      await links.ensureBridge(bridge);
      await links.addVeth(veth);
      await links.settled();
      assert.deepEqual([await links.isPresent(bridge.name), await links.isPresent(veth.host)], [true, true]);
    });

    test("of a bridge that somebody removed, the pairs are put back into the new one", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      assert.equal(await links.ensureBridge(bridge), true);
      await links.addVeth(veth);
      links.deleteLater([bridge.name]);
      await links.settled();
      assert.equal(await links.isPresent(veth.host), true);
      assert.equal(await links.ensureBridge(bridge), true);
      await links.attachVeth(veth);
      await links.attachVeth(secondVeth);
      assert.equal(await links.isPresent(secondVeth.host), false);
      assert.equal(await links.ensureBridge(bridge), false);
    });

    test("absent links can be deleted, and names that nobody has are present nowhere", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      links.deleteLater([parseIfName("fwv0", "interface")]);
      await links.settled();
      assert.equal(await links.isPresent(parseIfName("fwv0", "interface")), false);
      assert.equal(await links.foreignLink(parseIfName("fwv0", "interface")), undefined);
    });
  });
}
