import { createHash } from "node:crypto";
import { Agent } from "node:http";
import type { LabHost } from "../../lab/host.ts";
import { accepts } from "../../lab/sockets.ts";
import { waitFor } from "../../lab/wait.ts";
import { post, type Wire } from "../../wire/replay.ts";

const PLUGIN_SOCKET = "/run/docker/plugins/fairway.sock";
/** As many calls as an engine makes at once when it restarts with its containers. */
const parallelCalls = 8;
const silentDeadlineMs = 10_000;

/** One endpoint of a network, as an engine would ask for it. */
export interface Guest {
  readonly networkId: string;
  readonly endpointId: string;
  /** With the length of the subnet. */
  readonly address: string;
}

export const calls = ["CreateEndpoint", "Join", "Leave", "DeleteEndpoint"] as const;
export type Call = (typeof calls)[number];

/** Speaks to a driver as an engine does, without containers: thousands of endpoints in a minute. */
export class Plugin {
  readonly #socketPath: string;
  // Not kept alive: a connection on which nothing was said for a while may be closed just when it is used again.
  readonly #agent = new Agent({ maxSockets: parallelCalls });

  constructor(host: LabHost) {
    this.#socketPath = host.space.pathFromOutside(PLUGIN_SOCKET);
  }

  /** @returns the interface to be moved into a sandbox */
  async attach(guest: Guest): Promise<string> {
    await this.call("CreateEndpoint", guest);
    const { InterfaceName } = await this.call("Join", guest);
    return (InterfaceName as { readonly SrcName: string }).SrcName;
  }

  /** @throws with the driver's message unless it says yes. */
  async call(method: Call | "EndpointOperInfo", guest: Guest): Promise<Wire> {
    const { status, text } = await post(
      this.#socketPath,
      `/NetworkDriver.${method}`,
      requestOf(method, guest),
      this.#agent,
    );
    const answer = status === 200 ? (JSON.parse(text) as Wire) : { Err: text };
    if ("Err" in answer) {
      throw new Error(`${method}: ${String(answer["Err"])}`);
    }
    return answer;
  }

  /** A killed driver is gone from the list of processes before the last of its threads has let go of the socket. */
  async untilSilent(): Promise<void> {
    await waitFor(async () => !(await accepts(this.#socketPath)), silentDeadlineMs, "the socket to be closed");
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Guest n has address n of the network's subnet, of which `prefix` is the beginning: "10.32" of 10.32.0.0/16. */
export function guestOf(networkId: string, prefix: string, number: number): Guest {
  return {
    networkId,
    endpointId: createHash("sha256").update(`guest ${number}`).digest("hex"),
    address: `${prefix}.${number >> 8}.${number & 255}/16`,
  };
}

/** So many at a time as an engine would. */
export async function forAll<Item>(items: readonly Item[], task: (item: Item) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: parallelCalls }, async () => {
      for (const item of queue) {
        await task(item);
      }
    }),
  );
}

function requestOf(method: string, { networkId, endpointId, address }: Guest): Wire {
  const ids = { NetworkID: networkId, EndpointID: endpointId };
  const port = { Proto: 6, IP: "", Port: 80, HostIP: "", HostPort: 80, HostPortEnd: 80 };
  const options = { Options: { "com.docker.network.portmap": [port] } };
  switch (method) {
    case "CreateEndpoint":
      return { ...ids, ...options, Interface: { Address: address, AddressIPv6: "", MacAddress: "" } };
    case "Join":
      return { ...ids, ...options, SandboxKey: `/var/run/docker/netns/${endpointId.slice(0, 12)}` };
    default:
      return ids;
  }
}
