import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import { networkId, networkRequest } from "../../fakes/requests.ts";

describe("networks", () => {
  let host: FakeHost;
  const create = (...args: Parameters<typeof networkRequest>): Promise<void> =>
    host.driver.createNetwork(networkRequest(...args), fakeCall());
  const remove = (number: number): Promise<void> => host.driver.deleteNetwork(networkId(number), fakeCall());

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  test("the whole life of a network leaves nothing", async () => {
    const before = host.kernel.transcript();
    await create(1, { internal: true });
    assert.match(host.kernel.transcript(), /link fwba001a001a001 bridge .* addresses 10\.88\.1\.1\/24/);
    await remove(1);
    await host.quiet();
    assert.equal(host.kernel.transcript(), before);
  });

  test("the same request twice changes nothing; a changed one is FW5005", async () => {
    await create(1);
    const once = host.kernel.transcript();
    const { length } = host.kernel.nft.transactions;
    await create(1);
    assert.equal(host.kernel.transcript(), once);
    assert.equal(host.kernel.nft.transactions.length, length);
    await assert.rejects(create(1, { internal: true }), { code: "FW5005" });
  });
});
