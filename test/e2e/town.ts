/** What the tests of restarts and of scale need: a host with engine and driver on a LAN, and a client beside it. */
import assert from "node:assert/strict";
import { engineUnderTest } from "../lab/engines.ts";
import { type ForeignSnapshot, snapshotForeign } from "../lab/foreign.ts";
import { type LabHost, startHost } from "../lab/host.ts";
import { type Lan, type LanClient, openLan } from "../lab/lan.ts";

export class Town implements AsyncDisposable {
  readonly lan: Lan;
  readonly client: LanClient;
  readonly host: LabHost;
  /** What others had before the first network. */
  readonly foreign: ForeignSnapshot;

  private constructor(parts: { lan: Lan; client: LanClient; host: LabHost; foreign: ForeignSnapshot }) {
    this.lan = parts.lan;
    this.client = parts.client;
    this.host = parts.host;
    this.foreign = parts.foreign;
  }

  static async open(): Promise<Town> {
    const lan = await openLan();
    const client = await lan.client("client");
    const host = await startHost({ engine: engineUnderTest(), lan, images: ["test"] });
    // Forwarding stays on once a network needed it, so it is no difference.
    await host.exec(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
    await host.startDriver();
    return new Town({ lan, client, host, foreign: await snapshotForeign(host) });
  }

  /** IPv4 address of the host on the LAN. */
  get uplink(): string {
    return this.host.uplink?.ipv4 ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop();
    await this.client.stop();
    await this.lan.stop();
  }
}

/**
 * Engines before 28.1 may miscount endpoints when several come or go at once: the network has no container,
 * and yet "has active endpoints" (moby#33156). They correct the count when they start.
 */
export async function removeNetwork(host: LabHost, name: string): Promise<void> {
  const removal = await host.tryDocker(["network", "rm", name]);
  if (removal.code === 0) {
    return;
  }
  assert.match(removal.stderr, /has active endpoints/);
  assert.notEqual(host.engine, "28.5");
  assert.equal(await host.docker("network", "inspect", "-f", "{{len .Containers}}", name), "0");
  await host.killEngine("SIGTERM");
  await host.startEngine();
  await host.docker("network", "rm", name);
}
