/** Containers with the host's address: attached, with the ports that they expose and publish. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { JoinReply } from "../../../src/driver/driver.ts";
import type { ContainerPort } from "../../../src/model/endpoint.ts";
import { standInSeed } from "../../../src/plan/stand-in.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  hostEndpointRequest,
  hostNetworkRequest,
  ip,
  joinRequest,
  networkId,
  networkRequest,
  port,
  programRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

let host: FakeHost;

const create = (number = 1, options: Readonly<Record<string, string>> = {}): Promise<void> =>
  host.driver.createNetwork(hostNetworkRequest(number, options), fakeCall());

const exposed = (...numbers: number[]): ContainerPort[] => numbers.map((number) => ({ protocol: "tcp", port: number }));

/** Endpoint n, in a sandbox of the same number, with what its image exposes and what `-p` says. */
async function attach(
  number: number,
  { exposes = [], ports = [], network = 1, sandbox = number }: Partial<Attachment> = {},
): Promise<JoinReply> {
  await host.driver.createEndpoint(hostEndpointRequest(number, network), fakeCall());
  const more = { exposed: exposed(...exposes), ports: ports.map(port) };
  const reply = await host.driver.join(joinRequest(number, network, sandbox, more), fakeCall());
  host.kernel.links.moveToSandbox(reply.interface?.srcName ?? "", sandboxKey(sandbox));
  return reply;
}

interface Attachment {
  readonly exposes: readonly number[];
  readonly ports: readonly string[];
  readonly network: number;
  readonly sandbox: number;
}

const publish = (texts: readonly string[], number = 1, network = 1): Promise<void> =>
  host.driver.programExternalConnectivity(programRequest(texts.map(port), number, network), fakeCall());
const leave = (number = 1, network = 1): Promise<void> =>
  host.driver.leave(networkId(network), endpointId(number), fakeCall());
const sockets = (): string[] => host.kernel.hostPorts.transcript().map((line) => line.split(" ").slice(1, 3).join(" "));
const endpoint = (number = 1) => host.workshop.registry.endpoint(endpointId(number));
const elements = (set: RegExp): string[] => host.kernel.nft.transcript().filter((line) => set.test(line));
const everywhere = (number: number, protocol = "tcp"): string[] => [
  `${protocol} 127.0.0.1:${number}`,
  `${protocol} 192.0.2.10:${number}`,
  `${protocol} [2001:db8::10]:${number}`,
  `${protocol} [::1]:${number}`,
];

beforeEach(async () => {
  host = new FakeHost();
  await host.start();
});
afterEach(() => host.checkNothingLeaks());

test("a container that wants one port twice is told so", async () => {
  await create();
  await attach(1);
  await assert.rejects(publish(["8080:80", "8080:81"]), {
    code: "FW3004",
    message: /:8080\/tcp: it is in use by this container itself$/,
  });
});

describe("what a container left that ended while we were down", () => {
  beforeEach(async () => {
    await create();
    await attach(1, { exposes: [80] });
  });

  test("does not keep its ports from the next one", async () => {
    host.kill();
    host.kernel.links.moveBack(endpoint(1)?.sandboxIf ?? "");
    await host.start();
    await attach(2, { exposes: [80] });
    assert.deepEqual(sockets(), everywhere(80));
    assert.equal(endpoint(1), undefined);
    assert.match(host.log.lines.join("\n"), /removed an endpoint that the engine has forgotten/);
  });

  test("one whose container runs keeps them, and so one that was joined since", async () => {
    await host.restart();
    await assert.rejects(attach(2, { exposes: [80] }), { code: "FW3004" });
    await host.driver.deleteEndpoint(networkId(1), endpointId(2), fakeCall());
    await host.driver.createEndpoint(hostEndpointRequest(3), fakeCall());
    await host.driver.join(joinRequest(3, 1, 3, { exposed: exposed(81) }), fakeCall());
    await assert.rejects(attach(4, { exposes: [81] }), { code: "FW3004" });
  });
});

describe("join", () => {
  test("the answer leads by the link-local gateways, which are on the link", async () => {
    await create();
    assert.deepEqual(await attach(1), {
      interface: { srcName: "fwce001e001e001", dstPrefix: "eth" },
      gateway: "169.254.80.1",
      gatewayIpv6: "fe80::fa17:0:1",
      staticRoutes: [{ destination: "169.254.80.1/32" }, { destination: "fe80::fa17:0:1/128" }],
      disableGatewayService: true,
    });
  });

  test("without IPv6 there is no word of it", async () => {
    await create(1, { host_ip: "192.0.2.10" });
    const { gatewayIpv6, staticRoutes } = await attach(1);
    assert.equal(gatewayIpv6, undefined);
    assert.deepEqual(staticRoutes, [{ destination: "169.254.80.1/32" }]);
  });

  test("an exposed port is the host's, on the shared addresses and on loopback", async () => {
    await create();
    await attach(1, { exposes: [80] });
    assert.deepEqual(sockets(), everywhere(80));
    assert.deepEqual(endpoint()?.publications, []);
    assert.equal(elements(/publish_address/).length, 4);
  });

  test("with claim=published only -p counts", async () => {
    await create(1, { claim: "published" });
    await attach(1, { exposes: [80], ports: ["8080:80"] });
    assert.deepEqual(sockets(), []);
    await publish(["8080:80"]);
    assert.deepEqual(sockets(), everywhere(8080));
  });

  test("loopback is taken where nobody has the port there, and left where somebody has", async () => {
    host.kernel.hostPorts.addForeign({ protocol: "tcp", address: ip("127.0.0.1"), port: 80 });
    await create();
    await attach(1, { exposes: [80, 81] });
    const expected = ["tcp 127.0.0.1:80", ...everywhere(80).slice(1), ...everywhere(81)].sort();
    assert.deepEqual(sockets().sort(), expected);
    assert.equal(elements(/publish_address4 \{ 127\.0\.0\.1 . tcp . 80 /).length, 0);
    assert.equal(elements(/publish_address4 \{ 127\.0\.0\.1 . tcp . 81 /).length, 1);
  });

  test("a port that another has: FW3004 names it, and the container gets nothing", async () => {
    await create();
    await attach(1, { exposes: [80] });
    host.names.containers.set(endpointId(1), "web");
    host.names.networks.set(networkId(1), "shop");
    const before = sockets();
    await assert.rejects(attach(2, { exposes: [79, 80] }), {
      code: "FW3004",
      message: 'cannot publish 192.0.2.10:80/tcp: it is in use by container "web" on network shop',
    });
    assert.deepEqual(sockets(), before);
    assert.equal(endpoint(2)?.state, "created");
    assert.equal(endpoint(2)?.standIn, undefined);
    await leave();
    await host.driver.join(joinRequest(2, 1, 2, { exposed: exposed(79, 80) }), fakeCall());
    assert.deepEqual(sockets().sort(), [...everywhere(79), ...everywhere(80)].sort());
  });

  test("a process of the host that has it is named as well", async () => {
    const nginx = { protocol: "tcp", address: ip("0.0.0.0"), port: 80, holder: "nginx (pid 812)" } as const;
    host.kernel.hostPorts.addForeign(nginx);
    await create();
    await assert.rejects(attach(1, { exposes: [80] }), { message: /it is in use by nginx \(pid 812\)$/ });
  });

  for (const [step, method] of [
    ["disk", "store.putEndpoint"],
    ["packet filter", "nft.change"],
    ["pair", "links.addNextHopLink"],
  ] as const) {
    test(`one that fails at the ${step} gives ports and stand-in back, and can be repeated`, async () => {
      await create();
      await host.driver.createEndpoint(hostEndpointRequest(1), fakeCall());
      const join = () => host.driver.join(joinRequest(1, 1, 1, { exposed: exposed(80) }), fakeCall());
      host.run.process.failNext(method, "EIO");
      await assert.rejects(join());
      await host.quiet();
      assert.deepEqual(sockets(), []);
      assert.deepEqual(elements(/stand_in|publish/), []);
      assert.equal(endpoint()?.standIn, undefined);
      await join();
      assert.deepEqual(sockets(), everywhere(80));
      assert.equal(endpoint()?.standIn, standInSeed(endpointId(1)), "no other one is in its place");
    });
  }

  test("the pair's stand-in address stays through leave and join, and goes with the endpoint", async () => {
    await create();
    await attach(1, { exposes: [80] });
    const { standIn } = endpoint() ?? {};
    await leave();
    assert.deepEqual(sockets(), []);
    assert.equal(elements(/stand_in4/).length, 1, "a pair that is about to go is no stranger");
    await host.driver.join(joinRequest(1, 1, 2, { exposed: exposed(80) }), fakeCall());
    assert.equal(endpoint()?.standIn, standIn);
    assert.doesNotMatch(host.log.lines.join("\n"), /packet filter had been changed/);
    await leave();
    await host.driver.deleteEndpoint(networkId(1), endpointId(1), fakeCall());
    assert.deepEqual(elements(/stand_in|real|shared|own_gateway/), []);
  });

  test("the sandbox is furnished once the interface is in it, and again after a restart", async () => {
    await create();
    await attach(1);
    const key = `${sandboxKey(1)} ${endpoint()?.mac}`;
    assert.equal(host.kernel.sandboxes.furnished.get(key)?.table, 0xfa_5001);
    host.kernel.sandboxes.furnished.clear();
    await host.restart();
    assert.ok(host.kernel.sandboxes.furnished.has(key));
  });

  test("after a restart of the daemon everything is held as before", async () => {
    await create();
    await attach(1, { exposes: [80], ports: ["8080:80"] });
    await publish(["8080:80"]);
    const before = host.kernel.transcript();
    await host.restart();
    assert.equal(host.kernel.transcript(), before);
  });
});

describe("published ports", () => {
  beforeEach(() => create(1, { dynamic_ports: "40000-40001" }));

  test("any free number is one of the network's, and the container can read which", async () => {
    await attach(1, { exposes: [80], ports: ["0:80"] });
    assert.deepEqual(sockets(), [], "not port 80 of the host");
    await publish(["0:80"]);
    const { hostPortFirst = 0 } = endpoint()?.publications[0] ?? {};
    assert.ok([40_000, 40_001].includes(hostPortFirst));
    assert.deepEqual(sockets(), everywhere(hostPortFirst));
    const spec = host.kernel.sandboxes.furnished.get(`${sandboxKey(1)} ${endpoint()?.mac}`);
    assert.equal(spec?.note, `80/tcp=${hostPortFirst}`);
  });

  test("when none of them is free: FW3005", async () => {
    for (const number of [1, 2, 3]) {
      await attach(number);
    }
    await publish(["0:80"], 1);
    await publish(["0:80"], 2);
    await assert.rejects(publish(["0:80"], 3), {
      code: "FW3005",
      message: "cannot publish ports 40000-40001/tcp on 192.0.2.10: no port of it is free",
    });
  });

  test("another number is besides the same one; the same number is not asked for twice", async () => {
    await attach(1, { exposes: [80], ports: ["8080:80", "80:80"] });
    await publish(["8080:80", "80:80"]);
    assert.deepEqual(sockets().sort(), [...everywhere(80), ...everywhere(8080)].sort());
    assert.ok(endpoint()?.publications.every(({ hostPortFirst }) => hostPortFirst === 8080));
  });

  test("one address is that address only", async () => {
    await attach(1, { exposes: [80], ports: ["127.0.0.1:8080:80"] });
    await publish(["127.0.0.1:8080:80"]);
    assert.deepEqual(sockets(), ["tcp 127.0.0.1:8080"]);
  });

  test("::1 is no trouble while bridged IPv6 visits the packet filter: there is no bridge", async () => {
    host.kernel.sysctls.values.set("net/bridge/bridge-nf-call-ip6tables", "1");
    await attach(1);
    await publish(["[::1]:8080:80"]);
    assert.deepEqual(sockets(), ["tcp [::1]:8080"]);
    host.kernel.sysctls.values.delete("net/bridge/bridge-nf-call-ip6tables");
  });

  test("what the container claims with this network is not published again with its bridge", async () => {
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await attach(1, { exposes: [80], sandbox: 5 });
    await host.driver.createEndpoint(endpointRequest(2, 2), fakeCall());
    await host.driver.join(joinRequest(2, 2, 5), fakeCall());
    await assert.rejects(publish(["192.0.2.10:80:80"], 3, 2), { code: "FW5004" });
    await publish(["192.0.2.10:80:80"], 2, 2);
    assert.deepEqual(sockets(), everywhere(80));
  });
});
