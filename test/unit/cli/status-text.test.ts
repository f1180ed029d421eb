import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { networkStatus } from "../../../src/api/status.ts";
import { portText, statusText } from "../../../src/cli/status-text.ts";
import type { Publication } from "../../../src/model/endpoint.ts";
import { planReachable } from "../../../src/plan/routed.ts";
import { FakeNames } from "../../fakes/fake-names.ts";
import {
  endpointId,
  endpointOf,
  ip,
  networkId,
  networkOf,
  port,
  routedEndpointOf,
  routedNetworkOf,
} from "../../fakes/requests.ts";
import { daemonWith } from "./daemon-status.ts";

const publication = (first: number, last = first): Publication => ({
  protocol: "tcp",
  hostAddress: ip("0.0.0.0"),
  hostPortFirst: first,
  hostPortLast: last,
  containerAddress: ip("10.88.1.2"),
  containerPort: 80,
});

describe("fairway status", () => {
  test("shows a host with a network, its containers in columns, and what to do next", () => {
    const names = new FakeNames();
    names.networks.set(networkId(1), "shop");
    names.containers.set(endpointId(1), "web");
    const network = networkStatus(
      networkOf({ icc: false }),
      [endpointOf({ state: "joined", publications: [publication(8080)] }), endpointOf({}, 2)],
      names,
    );
    assert.equal(
      statusText(daemonWith([network])),
      [
        "fairway 0.1.0  running 59 s   pid 812   socket /run/docker/plugins/fairway.sock",
        "networks 1   endpoints 2   state /var/lib/fairway",
        "",
        "shop   bridge   10.88.1.0/24   fwba001a001a001   mtu 1500   icc off",
        "  web            10.88.1.2   fwve001e001e001   0.0.0.0:8080->80/tcp",
        "  e002e002e002   10.88.1.3   fwve002e002e002   (not attached)",
        "",
        "details: fairway status --json",
      ].join("\n"),
    );
  });

  test("says what was changed on the host, and what it was before", () => {
    const settings = [
      { name: "net.ipv4.ip_forward", was: "0", now: "1" },
      { name: "net.ipv6.conf.eth0/5.accept_ra", was: "1", now: "2" },
    ];
    assert.equal(
      statusText(daemonWith([], { settings })).split("\n")[2],
      "changed on this host: net.ipv4.ip_forward 0 -> 1, net.ipv6.conf.eth0/5.accept_ra 1 -> 2",
    );
  });

  test("tells a new user how to begin", () => {
    assert.match(statusText(daemonWith([])), /^next: docker network create -d fairway mynet$/m);
  });

  test("says so while it is still starting", () => {
    assert.match(statusText(daemonWith([], { ready: false })), /^fairway 0\.1\.0 {2}starting 59 s/);
  });

  const spans: [number, string][] = [
    [0, "0 s"],
    [59.9, "59 s"],
    [60, "1 min"],
    [3599, "59 min"],
    [3600, "1 h"],
    [86_399, "23 h"],
    [86_400, "1 d"],
    [8_640_000, "100 d"],
  ];
  for (const [uptimeSeconds, text] of spans) {
    test(`${uptimeSeconds} s up is ${text}`, () => {
      assert.ok(statusText(daemonWith([], { uptimeSeconds })).includes(`running ${text} `));
    });
  }

  const ports: [Partial<Publication>, string][] = [
    [{}, "0.0.0.0:8000->80/tcp"],
    [{ hostPortLast: 8009 }, "0.0.0.0:8000-8009->80-89/tcp"],
    [{ hostAddress: ip("::"), protocol: "sctp" }, "[::]:8000->80/sctp"],
  ];
  for (const [more, text] of ports) {
    test(`a port reads ${text}`, () => {
      assert.equal(portText({ ...publication(8000), ...more }), text);
    });
  }

  test("shows a few of many ports and says how to see all", () => {
    const publications = Array.from({ length: 30 }, (_, index) => publication(2 * index + 1));
    const network = networkStatus(networkOf(), [endpointOf({ state: "joined", publications })], new FakeNames());
    assert.match(statusText(daemonWith([network])), /0\.0\.0\.0:15->80\/tcp, and 22 more \(--json\)$/m);
  });

  test("flags what is unusual about a network, and only that", () => {
    const flags = (more: Parameters<typeof networkOf>[0]): string =>
      statusText(daemonWith([networkStatus(networkOf(more), [], new FakeNames())])).match(/mtu 1500(.*)$/m)?.[1] ?? "?";
    assert.equal(flags({}), "");
    assert.equal(flags({ internal: true }), "   internal");
    assert.equal(flags({ internal: true, masquerade: false }), "   internal");
    assert.equal(flags({ masquerade: false }), "   no masquerade");
  });

  test("says of mode routed what is announced, and what else is unusual", () => {
    const line = (more: Parameters<typeof routedNetworkOf>[0]): string =>
      statusText(daemonWith([networkStatus(routedNetworkOf(more), [], new FakeNames())])).split("\n")[3] ?? "";
    const place = "a001a001a001   routed   10.20.1.0/24, fd00:20:1::/64   mtu 1500";
    assert.equal(line({}), `${place}   announces blocks`);
    assert.equal(line({ announce: "address" }), `${place}   announces addresses`);
    assert.equal(line({ announce: "healthy" }), `${place}   announces healthy addresses`);
    assert.equal(line({ announce: "none" }), `${place}   announces nothing`);
    assert.equal(
      line({ internal: true, icc: false, reachable: "all", egressNat: true }),
      `${place}   internal   icc off   all ports reachable   announces blocks   egress NAT`,
    );
  });

  test("shows a reachable port at the container's own address", () => {
    const [own] = planReachable(routedNetworkOf(), routedEndpointOf(), [port("8081:81")]);
    assert.ok(own !== undefined);
    assert.equal(portText(own), "10.20.1.2:8081->81/tcp");
  });

  test("no name of a container or network can act on the terminal or forge a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (network, container) => {
        const names = new FakeNames();
        names.networks.set(networkId(1), network);
        names.containers.set(endpointId(1), container);
        const text = statusText(daemonWith([networkStatus(networkOf(), [endpointOf()], names)]));
        assert.equal(text.split("\n").length, 7);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        assert.doesNotMatch(text.replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      }),
    );
  });
});
