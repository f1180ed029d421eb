import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { HostPorts } from "../../../../src/kernel/host-port/host-ports.ts";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import type { ClaimConflict, PortClaim } from "../../../../src/kernel/ports.ts";
import { parseIpAddress } from "../../../../src/model/ip.ts";
import { Holder } from "./holder.ts";

const worker = new WorkerTransport();
const hostPorts = new HostPorts(worker);
// Starts the thread, whose own descriptors must not look like forgotten ones.
before(() => hostPorts.claim("a", []));
after(() => worker[Symbol.asyncDispose]());

const everywhere = ["0.0.0.0", "::"];

function claim(protocol: PortClaim["protocol"], addresses: readonly string[], first: number, last = first): PortClaim {
  return { protocol, addresses: addresses.map((text) => parseIpAddress(text)), first, last };
}

async function claimed(owner: string, ...claims: readonly PortClaim[]): Promise<readonly number[]> {
  const result = await hostPorts.claim(owner, claims);
  assert.ok(Array.isArray(result), `expected ports, got ${JSON.stringify(result)}`);
  return result as readonly number[];
}

async function refused(...claims: readonly PortClaim[]): Promise<ClaimConflict> {
  const before = readdirSync("/proc/self/fd").length;
  const result = await hostPorts.claim("refused", claims);
  assert.ok("errno" in result, `expected a conflict, got ${JSON.stringify(result)}`);
  assert.equal(readdirSync("/proc/self/fd").length, before, "descriptors left open");
  return result;
}

for (const protocol of ["tcp", "udp"] as const) {
  for (const address of ["0.0.0.0", "127.0.0.1", "::"]) {
    test(`${protocol} on ${address} that a process has is refused with its name`, async () => {
      await using holder = await Holder.listen(protocol, 8080, address);
      const wanted = claim(protocol, everywhere, 8080);
      const conflict = await refused(wanted);
      assert.deepEqual(conflict, {
        claim: wanted,
        address: address === "::" ? "::" : "0.0.0.0",
        port: 8080,
        errno: "EADDRINUSE",
        holder: holder.described,
      });
    });
  }

  test(`${protocol}: our claim keeps others out until it is released`, async () => {
    await claimed("a", claim(protocol, everywhere, 8081));
    for (const address of ["0.0.0.0", "127.0.0.1", "::", "::1"]) {
      assert.equal((await refused(claim(protocol, [address], 8081))).errno, "EADDRINUSE");
    }
    await hostPorts.release("a");
    await claimed("a", claim(protocol, everywhere, 8081));
    await hostPorts.release("a");
  });
}

test("a process cannot listen where we have a claim", async () => {
  await claimed("a", claim("tcp", everywhere, 8082));
  const listen = (host: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const server = createServer();
    server.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
    server.listen(8082, host, () => server.close(() => resolve("listening")));
    return promise;
  };
  assert.equal(await listen("127.0.0.1"), "EADDRINUSE");
  assert.equal(await listen("::1"), "EADDRINUSE");
  await hostPorts.release("a");
  assert.equal(await listen("127.0.0.1"), "listening");
});

test("one address does not take the others", async () => {
  await claimed("a", claim("tcp", ["127.0.0.1"], 8083), claim("tcp", ["127.0.0.2"], 8083), claim("tcp", ["::"], 8083));
  await hostPorts.release("a");
});

test("protocols do not take each other's ports", async () => {
  await claimed("a", claim("tcp", everywhere, 8084), claim("udp", everywhere, 8084), claim("sctp", everywhere, 8084));
  await hostPorts.release("a");
});

test("IPv6 alone lets IPv4 in, and the other way round", async () => {
  await using holder = await Holder.listen("tcp", 8085, "::", "v6only");
  await claimed("a", claim("tcp", ["0.0.0.0"], 8085));
  await hostPorts.release("a");
  const conflict = await refused(claim("tcp", ["::"], 8085));
  assert.equal(conflict.holder, holder.described);
  assert.equal((await refused(claim("tcp", everywhere, 8085))).address, "::");
});

test("all or nothing: a conflict gives back what was claimed before it", async () => {
  await using _holder = await Holder.listen("udp", 8087, "0.0.0.0");
  const bad = claim("udp", ["127.0.0.1"], 8087);
  const conflict = await refused(claim("tcp", everywhere, 8086), bad);
  assert.deepEqual(conflict.claim, bad);
  await claimed("a", claim("tcp", everywhere, 8086));
  await hostPorts.release("a");
});

test("a range gives its first free number", async () => {
  await using _holder = await Holder.listen("tcp", 8090, "127.0.0.1");
  const range = claim("tcp", everywhere, 8090, 8092);
  assert.deepEqual(await claimed("a", range, range), [8091, 8092]);
  const conflict = await refused(range);
  assert.deepEqual([conflict.port, conflict.errno], [8090, "EADDRINUSE"]);
  await hostPorts.release("a");
});

test("the kernel picks one number for all addresses", async () => {
  for (const protocol of ["tcp", "udp", "sctp"] as const) {
    const [port = 0] = await claimed("a", claim(protocol, ["127.0.0.1", "127.0.0.2", "::1"], 0));
    assert.ok(port >= 1024, `${protocol} ${port}`);
    if (protocol !== "sctp") {
      for (const address of ["127.0.0.1", "127.0.0.2", "::1"]) {
        assert.equal((await refused(claim(protocol, [address], port))).errno, "EADDRINUSE");
      }
    }
  }
  await hostPorts.release("a");
});

test("kernel-picked numbers differ from each other", async () => {
  const many = Array.from({ length: 50 }, (_, index) => claim(index % 2 === 0 ? "tcp" : "sctp", everywhere, 0));
  const ports = await claimed("a", ...many);
  assert.equal(new Set(ports).size, 50);
  await hostPorts.release("a");
});

test("a picked number that is taken at another address is not the answer", async () => {
  const range = "/proc/sys/net/ipv4/ip_local_port_range";
  writeFileSync(range, "40000 40003");
  try {
    await using _a = await Holder.listen("tcp", 40000, "127.0.0.2");
    await using _b = await Holder.listen("tcp", 40002, "127.0.0.2");
    await using _c = await Holder.listen("tcp", 40003, "127.0.0.2");
    const [port] = await claimed("a", claim("tcp", ["127.0.0.1", "127.0.0.2"], 0));
    assert.equal(port, 40001);
    assert.equal((await refused(claim("tcp", ["127.0.0.1", "127.0.0.2"], 0))).errno, "EADDRINUSE");
  } finally {
    writeFileSync(range, "32768 60999");
    await hostPorts.release("a");
  }
});

test("an address that the host does not have is refused", async () => {
  for (const address of ["192.0.2.1", "2001:db8::1"]) {
    const wanted = claim("tcp", [address], 8088);
    assert.deepEqual(await refused(wanted), { claim: wanted, address, port: 8088, errno: "EADDRNOTAVAIL" });
  }
});

test("a port of our own process has no holder to name", async () => {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(8089, "127.0.0.1", () => resolve());
  await promise;
  const conflict = await refused(claim("tcp", everywhere, 8089));
  assert.deepEqual([conflict.errno, conflict.holder], ["EADDRINUSE", undefined]);
  server.close();
});

test("the host's default for IPv6 sockets does not matter", async () => {
  const knob = "/proc/sys/net/ipv6/bindv6only";
  for (const value of ["1", "0"]) {
    writeFileSync(knob, value);
    await claimed("a", claim("tcp", everywhere, 8093));
    assert.equal((await refused(claim("tcp", ["127.0.0.1"], 8093))).errno, "EADDRINUSE");
    await hostPorts.release("a");
  }
});

test("with IPv6 switched off, IPv4 is claimed all the same", async () => {
  const knob = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
  writeFileSync(knob, "1");
  await claimed("a", claim("tcp", everywhere, 8094));
  assert.equal((await refused(claim("tcp", ["127.0.0.1"], 8094))).errno, "EADDRINUSE");
  await hostPorts.release("a");
  writeFileSync(knob, "0");
});

test("claims outlive the thread that made them", async () => {
  const first = new WorkerTransport();
  const own = new HostPorts(first);
  await own.claim("a", [claim("tcp", everywhere, 8095)]);
  await first[Symbol.asyncDispose]();
  assert.equal((await refused(claim("tcp", ["127.0.0.1"], 8095))).errno, "EADDRINUSE");
  await own.release("a");
  await claimed("a", claim("tcp", everywhere, 8095));
  await hostPorts.release("a");
});

test("a thousand claims, and their release, leave nothing behind", async () => {
  const before = readdirSync("/proc/self/fd").length;
  const claims = Array.from({ length: 1000 }, (_, index) => claim("tcp", everywhere, 20_000 + index));
  assert.equal((await claimed("a", ...claims)).length, 1000);
  await hostPorts.release("a");
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("children do not inherit the sockets", async () => {
  await claimed("a", claim("tcp", everywhere, 8096));
  const inChild = execFileSync("sh", ["-c", "ls -l /proc/self/fd"], { encoding: "utf8" });
  // Its standard streams may be sockets.
  assert.doesNotMatch(inChild, / ([3-9]|\d\d+) -> socket:/);
  await hostPorts.release("a");
});
