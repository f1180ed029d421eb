/** Single addresses of other hosts' blocks. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { coolDownMs } from "../../../../src/ipam/subnet-leases.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";
import { FakeCluster } from "../../../fakes/fake-cluster.ts";
import { ip } from "../../../fakes/requests.ts";
import { Host, ownershipMs, pass } from "./hosts.ts";

const subnet = "10.9.0.0/27";

describe("borrowing", () => {
  let cluster: FakeCluster;
  let owner: Host;
  let guest: Host;
  let poolOwner: string;
  let poolGuest: string;

  /** Two blocks of sixteen, both the owner's; their last quarters are offered. */
  beforeEach(async () => {
    cluster = new FakeCluster();
    [owner, guest] = [new Host(cluster, "owner", parsePrefix(subnet)), new Host(cluster, "guest", parsePrefix(subnet))];
    owner.network(subnet);
    guest.network(subnet);
    poolOwner = await owner.pool(subnet, { block_size: "28", borrow: "true" });
    poolGuest = await guest.pool(subnet, { borrow: "true" });
    await owner.address(poolOwner, { ip: "10.9.0.2" });
    await owner.address(poolOwner, { ip: "10.9.0.16" });
  });

  const lent = (): string[] =>
    cluster.list("/fairway/v1/blocks/").flatMap(({ value }) => Object.keys(JSON.parse(value).lent ?? {}));

  test("a host without a block gets an offered address, and returns it after its rest", async () => {
    const address = await guest.address(poolGuest);
    assert.equal(address, "10.9.0.12");
    assert.deepEqual(lent(), [address]);
    await guest.release(poolGuest, address);
    assert.equal(await guest.address(poolGuest, { ip: address }), address, "it may come back meanwhile");
    await guest.release(poolGuest, address);
    pass(cluster, [owner, guest], coolDownMs);
    await guest.book.returnLoans();
    assert.deepEqual(lent(), []);
    assert.deepEqual(guest.disk.loadPools().leases, []);
  });

  test("--ip in another host's block: offered or refused with the owner's name", async () => {
    assert.equal(await guest.address(poolGuest, { ip: "10.9.0.29" }), "10.9.0.29");
    await assert.rejects(guest.address(poolGuest, { ip: "10.9.0.20" }), { code: "FW3011", message: /host "owner"/ });
  });

  test("the owner takes what is offered and not lent when it needs it", async () => {
    const guests = [await guest.address(poolGuest), await guest.address(poolGuest, { ip: "10.9.0.29" })];
    const own = new Set<string>();
    // 31 usable ones, of which two are lent, one is the gateway and two are taken.
    for (let at = 0; at < 25; at += 1) {
      own.add(await owner.address(poolOwner));
    }
    assert.equal(own.size, 25);
    assert.ok(guests.every((address) => !own.has(address)));
    await assert.rejects(owner.address(poolOwner), { code: "FW3011" });
    await assert.rejects(owner.address(poolOwner, { ip: "10.9.0.29" }), { code: "FW3011" });
    await assert.rejects(guest.address(poolGuest), { code: "FW3011" });
    await guest.release(poolGuest, "10.9.0.29");
    pass(cluster, [owner, guest], coolDownMs);
    await guest.book.returnLoans();
    await owner.blocks.compare();
    assert.equal(await owner.address(poolOwner), "10.9.0.29");
  });

  test("strict is the default: nothing is offered and nothing taken", async () => {
    const other = new Host(cluster, "other", parsePrefix(subnet));
    other.network(subnet);
    const poolId = await other.pool(subnet);
    await assert.rejects(other.address(poolId), { code: "FW3011", message: /every block of it belongs to a host/ });
    await assert.rejects(other.address(poolId, { ip: "10.9.0.13" }), { code: "FW3011" });
  });

  test("a block with a lent address is not released with its owner, a dead guest's addresses are", async () => {
    const address = await guest.address(poolGuest);
    guest.client.unreachable = true;
    pass(cluster, [owner, guest], ownershipMs + 1);
    await owner.blocks.compare();
    assert.equal((await owner.blocks.releaseHost("guest", false)).addresses, 1);
    assert.deepEqual(lent(), []);
    guest.client.unreachable = false;
    await guest.blocks.compare();
    assert.match(guest.log.lines.join("\n"), /error a borrowed address is not lent to this host any more/);
    await guest.release(poolGuest, address);
    assert.notEqual(await guest.address(poolGuest), undefined);
  });

  test("an owner that is gone keeps the block that others have addresses of", async () => {
    await guest.address(poolGuest);
    owner.client.unreachable = true;
    pass(cluster, [owner, guest], ownershipMs + 1);
    await guest.blocks.compare();
    const { released, kept } = await guest.blocks.releaseHost("owner", false);
    assert.deepEqual([released, kept], [["10.9.0.16/28"], ["10.9.0.0/28"]]);
  });

  test("an address that rests here since its block was this host's can be borrowed", async () => {
    const lease = { poolId: poolGuest, use: "container", releasedAtMs: guest.clocks.wall } as const;
    guest.disk.putLease({ ...lease, address: ip("10.9.0.12") });
    guest.restart();
    assert.equal(await guest.address(poolGuest), "10.9.0.12");
    assert.deepEqual(lent(), ["10.9.0.12"]);
  });

  test("a loan that the daemon forgot in a crash goes back at the next comparison", async () => {
    await guest.blocks.compare();
    guest.process.failNext("pools.putLease", "ENOSPC");
    await assert.rejects(guest.address(poolGuest));
    assert.deepEqual(lent(), ["10.9.0.12"]);
    await guest.blocks.compare();
    assert.deepEqual(lent(), []);
  });
});

test("a divided subnet does not become one host's alone because the configuration lost its flat space", async () => {
  const host = new Host(new FakeCluster(), "host", parsePrefix(subnet));
  const poolId = await host.pool(subnet);
  const address = await host.address(poolId);
  host.restartWith(parsePrefix("10.10.0.0/16"));
  host.book.beginReplay();
  await assert.rejects(host.pool(subnet), { code: "FW2005", message: /10\.9\.0\.0\/27 is divided among the hosts/ });
  host.restartWith(parsePrefix(subnet));
  host.book.beginReplay();
  assert.equal(await host.pool(subnet), poolId);
  assert.ok(host.disk.loadPools().leases.some((lease) => lease.address === address));
});
