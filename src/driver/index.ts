import { reconcile } from "../apply/reconcile.ts";
import { inWords } from "../apply/refusal.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { DriverContext } from "./context.ts";
import type { CallContext, Driver } from "./driver.ts";
import { createEndpoint, deleteEndpoint } from "./endpoints.ts";
import { programExternalConnectivity, revokeExternalConnectivity } from "./external.ts";
import { createNetwork, deleteNetwork } from "./networks.ts";
import { join, leave } from "./sandboxes.ts";

/**
 * The driver: each verb waits for the first reconciliation, then for its turn. Calls about one network or one endpoint
 * run one after another; all others run at the same time.
 *
 * @param ready resolves when the kernel agrees with the records
 */
export function createDriver(context: DriverContext, ready: Promise<void>): Driver {
  const { queue } = context.workshop;
  async function inTurn<T>(id: NetworkId | EndpointId, task: () => Promise<T>): Promise<T> {
    await ready;
    try {
      return await queue.run(id, task);
    } catch (error) {
      throw inWords(error);
    }
  }
  const guarded = <T>(id: NetworkId | EndpointId, call: CallContext, task: () => Promise<T>): Promise<T> =>
    inTurn(id, () => {
      // A caller that hung up while waiting gets nothing done that nobody would take back.
      call.signal.throwIfAborted();
      return task();
    });
  return {
    createNetwork: (request, call) => guarded(request.networkId, call, () => createNetwork(context, request, call)),
    deleteNetwork: (id) => inTurn(id, () => deleteNetwork(context, id)),
    createEndpoint: (request, call) => guarded(request.endpointId, call, () => createEndpoint(context, request, call)),
    endpointInfo: async (_networkId, id) => {
      await ready;
      // On engines from 28 on, the interface has been moved by now, and the container waits for this answer.
      await context.workshop.furnisher.furnish(id);
    },
    deleteEndpoint: (_networkId, id) => inTurn(id, () => deleteEndpoint(context, id)),
    join: (request, call) => guarded(request.endpointId, call, () => join(context, request, call)),
    leave: (networkId, id) => inTurn(id, () => leave(context, networkId, id)),
    programExternalConnectivity: (request, call) =>
      guarded(request.endpointId, call, () => programExternalConnectivity(context, request, call)),
    revokeExternalConnectivity: (networkId, id) => inTurn(id, () => revokeExternalConnectivity(context, networkId, id)),
    finishDeletes: async () => {
      await ready;
      await reconcile(context.workshop);
    },
  };
}
