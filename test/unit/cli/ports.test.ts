import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createApi } from "../../../src/api/app.ts";
import { type DaemonStatus, networkStatus } from "../../../src/api/status.ts";
import { portList, portsText } from "../../../src/cli/ports.ts";
import { controlSocket, createProgram } from "../../../src/cli/program.ts";
import { statusText } from "../../../src/cli/status-text.ts";
import { alignColumns } from "../../../src/cli/table.ts";
import type { Publication } from "../../../src/model/endpoint.ts";
import { parseIfName } from "../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { FakeNames } from "../../fakes/fake-names.ts";
import { endpointId, endpointOf, hostNetworkOf, ip, networkId, networkOf } from "../../fakes/requests.ts";
import { daemonWith } from "./daemon-status.ts";

const publication = (hostAddress: string, hostPort: number, more: Partial<Publication> = {}): Publication => ({
  protocol: "tcp",
  hostAddress: ip(hostAddress),
  hostPortFirst: hostPort,
  hostPortLast: hostPort,
  containerAddress: ip("240.52.7.19"),
  containerPort: 80,
  ...more,
});

/** A network of mode host with a claim and a dynamic port, and a bridge with a range. */
function town(): DaemonStatus {
  const names = new FakeNames();
  names.networks.set(networkId(1), "web");
  names.containers.set(endpointId(1), "shop");
  const shop = endpointOf({
    state: "joined",
    ipv4: parseInterfaceAddress("192.0.2.10/32"),
    claims: [publication("192.0.2.10", 443, { containerPort: 443 })],
    publications: [publication("::1", 20_017)],
  });
  const mail = endpointOf(
    { state: "joined", publications: [publication("0.0.0.0", 8000, { hostPortLast: 8001, protocol: "udp" })] },
    2,
    2,
  );
  return daemonWith([networkStatus(hostNetworkOf(), [shop], names), networkStatus(networkOf({}, 2), [mail], names)]);
}

describe("fairway ports", () => {
  test("shows every port of every container, in columns", () => {
    assert.equal(
      portsText(town()),
      [
        "NETWORK        CONTAINER      PORT",
        "web            shop           192.0.2.10:443->443/tcp",
        "web            shop           [::1]:20017->80/tcp",
        "a002a002a002   e002e002e002   0.0.0.0:8000-8001->80-81/udp",
      ].join("\n"),
    );
  });

  test("says so when there is none", () => {
    const nobody = networkStatus(networkOf(), [endpointOf()], new FakeNames());
    for (const status of [daemonWith([]), daemonWith([nobody])]) {
      assert.equal(portsText(status), "no port of this host leads to a container");
      assert.deepEqual(portList(status), { apiVersion: "v1", ports: [] });
    }
  });

  test("--json has one entry per line, with ids and without names that are unknown", () => {
    const { apiVersion, ports } = portList(town());
    assert.equal(apiVersion, "v1");
    assert.deepEqual(ports[1], {
      network: "web",
      networkId: networkId(1),
      mode: "host",
      container: "shop",
      endpointId: endpointId(1),
      protocol: "tcp",
      hostAddress: "::1",
      hostPortFirst: 20_017,
      hostPortLast: 20_017,
      containerAddress: "240.52.7.19",
      containerPort: 80,
    });
    assert.equal("container" in (ports[2] ?? {}), false);
    assert.equal(ports[2]?.network, "a002a002a002");
    assert.equal(ports[2]?.mode, "bridge");
  });

  test("no name can act on the terminal or forge a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const names = new FakeNames();
        names.networks.set(networkId(1), text);
        names.containers.set(endpointId(1), text);
        const endpoint = endpointOf({ publications: [publication("0.0.0.0", 80)] });
        const lines = portsText(daemonWith([networkStatus(networkOf(), [endpoint], names)]));
        assert.equal(lines.split("\n").length, 2);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        assert.doesNotMatch(lines.replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      }),
    );
  });

  test("asks the daemon at its run directory, for text or JSON", async (t) => {
    const runDir = mkdtempSync(join(tmpdir(), "fairway-ports-"));
    const server = createServer(createApi(town)).listen(controlSocket(runDir));
    t.after(() => {
      server.close();
      rmSync(runDir, { recursive: true });
    });
    await once(server, "listening");
    const printed: string[] = [];
    const run = async (...words: string[]): Promise<string> => {
      const surroundings = { version: "0.1.0", env: {}, print: (text: string) => void printed.push(text) };
      await createProgram(surroundings as never).parseAsync([
        "node",
        "fairway",
        "ports",
        "--run-dir",
        runDir,
        ...words,
      ]);
      return printed.pop() ?? "";
    };
    assert.equal(await run(), portsText(town()));
    assert.deepEqual(JSON.parse(await run("--json")), JSON.parse(JSON.stringify(portList(town()))));
    await assert.rejects(run("--run-dir", "/nowhere"), { code: "FW2007" });
  });
});

describe("fairway status of a network with the host's address", () => {
  test("shows what is shared and what is claimed", () => {
    const line = (network = hostNetworkOf()): string =>
      statusText(daemonWith([networkStatus(network, [], new FakeNames())])).split("\n")[3] ?? "";
    assert.equal(line(), "a001a001a001   host   192.0.2.10, 2001:db8::10   mtu 1500   claims exposed ports");
    const parent = parseIfName("eth1", "parent");
    assert.equal(
      line(hostNetworkOf({ parent, claim: "published" })),
      "a001a001a001   host   192.0.2.10, 2001:db8::10   eth1   mtu 1500   claims published ports",
    );
  });

  test("--json has its gateways, and nothing that only bridges have", () => {
    const { sharedIpv6: _, ...network } = hostNetworkOf();
    const status = networkStatus(network, [], new FakeNames());
    assert.deepEqual(status, {
      id: networkId(1),
      mode: "host",
      mtuBytes: 1500,
      internal: false,
      shared: ["192.0.2.10"],
      gateways: ["169.254.80.1", "fe80::fa17:0:1"],
      claim: "exposed",
      subnets: [],
      endpoints: [],
    });
  });
});

describe("columns", () => {
  test("are as wide as their widest cell, and no line ends in blanks", () => {
    const rows = [
      ["a", "bbbb", "c"],
      ["aaa", "b", ""],
    ];
    assert.deepEqual(alignColumns(rows), ["a     bbbb   c", "aaa   b"]);
  });

  test("of nothing are nothing", () => {
    assert.deepEqual(alignColumns([]), []);
    assert.deepEqual(alignColumns([[""]]), [""]);
  });
});
