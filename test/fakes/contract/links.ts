import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Endpoint } from "../../../src/model/endpoint.ts";
import { parseIfName } from "../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { planBridge, planBridgePort } from "../../../src/plan/bridge.ts";
import { planFlatLink } from "../../../src/plan/routed.ts";
import { planSharedLink } from "../../../src/plan/share.ts";
import { endpointOf, hostNetworkOf, networkOf, routedEndpointOf, routedNetworkOf } from "../requests.ts";
import type { OpenSubject } from "./subject.ts";

const quiet = { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false };
const network = networkOf();
const bridge = planBridge(network);
const veth = planBridgePort(network, endpointOf(), quiet);
const hostNetwork = hostNetworkOf();
const share = planSharedLink(hostNetwork, endpointOf({ ...bothFamilies(), standIn: 7 }, 3));
const secondShare = planSharedLink(hostNetwork, endpointOf({ ...bothFamilies(), standIn: 8 }, 4));
const flat = planFlatLink(routedNetworkOf(), routedEndpointOf({}, 1));
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

    test("a pair without a bridge comes, is replaced when it is a leftover, and goes as a whole", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.addNextHopLink(share);
      await links.addNextHopLink(share);
      await links.addNextHopLink(secondShare);
      assert.deepEqual(
        await links.listOwned(),
        [share, secondShare].map(({ host, alias }) => ({ name: host, alias, kind: "veth", peerIsHome: true })),
      );
      assert.equal(await links.foreignLink(share.host), undefined);
      assert.equal(await links.isPresent(share.sandbox), true);
      links.deleteLater([share.host]);
      await links.settled();
      assert.deepEqual([await links.isPresent(share.host), await links.isPresent(share.sandbox)], [false, false]);
      assert.equal(await links.isPresent(secondShare.host), true);
      // Its stand-in address is free for another pair.
      await links.addNextHopLink({ ...secondShare, host: share.host, sandbox: share.sandbox, targets: share.targets });
    });

    test("a pair without a bridge, of one family only", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      for (const index of [0, 1]) {
        const [gateways, standIns] = [share.gateways, share.targets].map((both) => both.slice(index, index + 1));
        await links.addNextHopLink({ ...share, gateways: gateways ?? [], targets: standIns ?? [] });
        assert.equal(await links.isPresent(share.host), true);
      }
    });

    test("a pair without a bridge whose name is somebody else's is FW3007, and stays theirs", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await subject.addForeignLink(share.host);
      await assert.rejects(links.addNextHopLink(share), { code: "FW3007" });
      assert.equal(await links.isPresent(share.host), true);
      assert.deepEqual([await links.isPresent(share.sandbox), await links.listOwned()], [false, []]);
    });

    test("a pair without a bridge takes the place of one with, and its name can be used at once", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.ensureBridge(bridge);
      await links.addVeth({ ...veth, host: share.host, sandbox: share.sandbox });
      await links.addNextHopLink(share);
      links.deleteLater([share.host]);
      await links.addNextHopLink(share);
      await links.settled();
      assert.equal(await links.isPresent(share.host), true);
    });

    test("a pair of a flat address comes, is replaced when it is a leftover, and goes as a whole", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      await links.addNextHopLink(flat);
      await links.addNextHopLink({ ...flat, mtu: 1400 });
      assert.deepEqual(await links.listOwned(), [
        { name: flat.host, alias: flat.alias, kind: "veth", peerIsHome: true },
      ]);
      assert.equal(await links.foreignLink(flat.host), undefined);
      const hops = (await links.listRoutes()).filter(
        ({ device, maker }) => device === flat.host && maker === "fairway",
      );
      assert.deepEqual(hops.map(({ destination, onLink, maker }) => [destination, onLink, maker]).sort(), [
        ["10.20.1.2/32", true, "fairway"],
        ["fd00:20:1::2/128", true, "fairway"],
      ]);
      links.deleteLater([flat.host]);
      await links.settled();
      assert.deepEqual([await links.isPresent(flat.host), await links.isPresent(flat.sandbox)], [false, false]);
    });

    test("a pair that is set down is still there, without its routes, and can be replaced and deleted", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      const routes = async (): Promise<number> =>
        (await links.listRoutes()).filter(({ device, maker }) => device === flat.host && maker !== undefined).length;
      await links.addNextHopLink(flat);
      assert.equal(await routes(), 2);
      await links.setDown([flat.host]);
      await links.setDown([flat.host, parseIfName("fwv0", "interface")]);
      assert.deepEqual([await links.isPresent(flat.host), await routes()], [true, 0]);
      await links.addNextHopLink(flat);
      assert.equal(await routes(), 2);
      await links.setDown([flat.host]);
      links.deleteLater([flat.host]);
      await links.settled();
      assert.deepEqual(await links.listOwned(), []);
    });

    test("the host's addresses are those of its devices, and none of a pair's or of a device that is not there", async () => {
      await using subject = await open();
      const { links } = subject.kernel;
      const before = await links.hostAddresses();
      await links.addNextHopLink(share);
      assert.deepEqual(await links.hostAddresses(), before);
      for (const { device } of before) {
        const own = before.filter((at) => at.device === device);
        assert.deepEqual(await links.hostAddresses(device), own);
      }
      assert.deepEqual([await links.hostAddresses(share.host), await links.hostAddresses("nosuch")], [[], []]);
      assert.equal(await links.mtuBytes("nosuch"), undefined);
    });
  });
}

function bothFamilies(): Pick<Endpoint, "ipv4" | "ipv6"> {
  return { ipv4: parseInterfaceAddress("192.0.2.10/32"), ipv6: parseInterfaceAddress("2001:db8::10/128") };
}
