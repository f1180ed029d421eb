import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId } from "../model/ids.ts";
import type { Workshop } from "./workshop.ts";

/** Far longer than any engine takes from one call to the next. */
const patienceMs = 5 * 60_000;
/** Longer than an engine takes from our answer to moving the interface, which is what it does next. */
const patienceWithJoinedMs = 4000;
/**
 * Longer than an engine waits from one attempt of a call that found nobody to the next: 1, 2, 4 and 8 s (moby
 * pkg/plugins/client.go, `backoff` and `abort`).
 */
const patienceWithCreatedMs = 12_000;

/**
 * Endpoints that are in no sandbox, and for so long that no call about them can be under way: the engine died between
 * two of its calls, or its delete was lost. Their ports and addresses must not stay taken.
 *
 * What the last process left is known sooner. Joined: the container ended while we were away and the engine has put the
 * interface back, or it would be in its sandbox by now; until it goes, its address is announced. Created: our answer was
 * lost, and the engine, which repeats such a call without its body, has given up.
 *
 * @param suspects since when each endpoint has looked so; kept from look to look
 */
export async function removeForgotten(
  workshop: Workshop,
  suspects: Map<EndpointId, number>,
  nowMs: number,
): Promise<void> {
  const links = await workshop.kernel.links.listOwned();
  const atHome = new Set(links.filter(({ peerIsHome }) => peerIsHome).map(({ name }) => name));
  const idle = workshop.registry.endpoints().filter(({ state, hostIf }) => state === "created" || atHome.has(hostIf));
  dropOthers(suspects, idle);
  for (const endpoint of idle) {
    const { id } = endpoint;
    const sinceMs = suspects.get(id) ?? nowMs;
    suspects.set(id, sinceMs);
    if (nowMs - sinceMs >= patienceWith(workshop, endpoint)) {
      workshop.log.warn("removed an endpoint that no container uses", { endpointId: id });
      await workshop.queue.run(id, async () => {
        // Another record by now: a call was under way after all.
        if (workshop.registry.endpoint(id) === endpoint) {
          await workshop.removeEndpoint(id);
        }
      });
      suspects.delete(id);
    }
  }
}

function patienceWith({ calledHere }: Workshop, { id, state }: Endpoint): number {
  if (calledHere.has(id)) {
    return patienceMs;
  }
  return state === "joined" ? patienceWithJoinedMs : patienceWithCreatedMs;
}

function dropOthers(suspects: Map<EndpointId, number>, idle: readonly Endpoint[]): void {
  const ids = new Set(idle.map(({ id }) => id));
  for (const id of suspects.keys()) {
    if (!ids.has(id)) {
      suspects.delete(id);
    }
  }
}
