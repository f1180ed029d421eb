import type { CallContext, Driver } from "../driver/driver.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { parseNetworkId } from "../model/ids.ts";
import { parseCreateEndpoint, parseEndpointRef, parseJoin, parseProgram } from "./parse-endpoint.ts";
import { parseCreateNetwork } from "./parse-network.ts";
import { textualOptions } from "./parse-options.ts";
import { renderCreateEndpoint, renderJoin } from "./render.ts";
import {
  type ActivateAnswer,
  AllocateNetwork,
  type AllocateNetworkAnswer,
  type CapabilitiesAnswer,
  CreateEndpoint,
  CreateNetwork,
  type EndpointInfoAnswer,
  EndpointOnly,
  Join,
  NetworkOnly,
  Program,
  understand,
} from "./schemas.ts";

/** One call of the plugin protocol. */
export interface Method {
  /** Content is decoded JSON; its result is the answer. A rejection becomes an Err, unless `whateverHappens` is set. */
  call(content: unknown, context: CallContext): Promise<object>;
  /**
   * What a call without content does. An engine repeats a call whose connection broke, and has lost the content by
   * then (moby#39331). Absent: the call needs no content. "refuse": the user has to repeat the command.
   */
  readonly withoutContent?: "refuse" | (() => Promise<void>);
  /** The answer even to a failure, for calls whose errors the engine ignores or must not see. */
  readonly whateverHappens?: object;
}

/** By URL path. Every service of the plugin brings its own table. */
export type MethodTable = ReadonlyMap<string, Method>;

export const pluginKinds = ["NetworkDriver", "IpamDriver"] as const;
export type PluginKind = (typeof pluginKinds)[number];

/** `kinds` tells the engine which other tables there are. */
export function pluginMethods(kinds: readonly PluginKind[]): MethodTable {
  const answer: ActivateAnswer = { Implements: kinds };
  return new Map([["/Plugin.Activate", { call: async () => answer }]]);
}

export function networkMethods(driver: Driver): MethodTable {
  return new Map<string, Method>([
    ["/NetworkDriver.GetCapabilities", { call: async () => capabilities }],
    ...creations(driver),
    ...deletions(driver),
    ["/NetworkDriver.EndpointOperInfo", endpointInfo(driver)],
    ...swarmMethods,
  ]);
}

const capabilities: CapabilitiesAnswer = { Scope: "local", ConnectivityScope: "local" };

/** Sent only to drivers of a wider scope than ours; answered so that a swarm that asks all the same is not blocked. */
const swarmMethods: MethodTable = new Map<string, Method>([
  ["/NetworkDriver.AllocateNetwork", { call: async (content) => allocate(content), withoutContent: "refuse" }],
  ["/NetworkDriver.FreeNetwork", { call: async () => ({}), whateverHappens: {} }],
  ["/NetworkDriver.DiscoverNew", { call: async () => ({}), whateverHappens: {} }],
  ["/NetworkDriver.DiscoverDelete", { call: async () => ({}), whateverHappens: {} }],
]);

function allocate(content: unknown): AllocateNetworkAnswer {
  const { Options } = understand(AllocateNetwork, content);
  return { Options: Object.fromEntries(textualOptions(Options)) };
}

function creations(driver: Driver): MethodTable {
  const creation = (call: Method["call"]): Method => ({ call, withoutContent: "refuse" });
  return new Map([
    [
      "/NetworkDriver.CreateNetwork",
      creation(async (content, context) => {
        await driver.createNetwork(parseCreateNetwork(understand(CreateNetwork, content)), context);
        return {};
      }),
    ],
    [
      "/NetworkDriver.CreateEndpoint",
      creation(async (content, context) => {
        const request = understand(CreateEndpoint, content);
        const reply = await driver.createEndpoint(parseCreateEndpoint(request), context);
        return renderCreateEndpoint(reply, request.Interface);
      }),
    ],
    [
      "/NetworkDriver.Join",
      creation(async (content, context) =>
        renderJoin(await driver.join(parseJoin(understand(Join, content)), context)),
      ),
    ],
    [
      "/NetworkDriver.ProgramExternalConnectivity",
      creation(async (content, context) => {
        await driver.programExternalConnectivity(parseProgram(understand(Program, content)), context);
        return {};
      }),
    ],
  ]);
}

function deletions(driver: Driver): MethodTable {
  const deletion = (call: (content: unknown, context: CallContext) => Promise<void>): Method => ({
    call: async (content, context) => {
      await call(content, context);
      return {};
    },
    withoutContent: () => driver.finishDeletes(),
    whateverHappens: {},
  });
  type EndpointCall = (networkId: NetworkId, endpointId: EndpointId, context: CallContext) => Promise<void>;
  const endpointDeletion = (call: EndpointCall): Method =>
    deletion(async (content, context) => {
      const { networkId, endpointId } = parseEndpointRef(understand(EndpointOnly, content));
      await call(networkId, endpointId, context);
    });
  return new Map([
    [
      "/NetworkDriver.DeleteNetwork",
      deletion(async (content, context) => {
        await driver.deleteNetwork(parseNetworkId(understand(NetworkOnly, content).NetworkID), context);
      }),
    ],
    ["/NetworkDriver.DeleteEndpoint", endpointDeletion((...ids) => driver.deleteEndpoint(...ids))],
    ["/NetworkDriver.Leave", endpointDeletion((...ids) => driver.leave(...ids))],
    [
      "/NetworkDriver.RevokeExternalConnectivity",
      endpointDeletion((...ids) => driver.revokeExternalConnectivity(...ids)),
    ],
  ]);
}

/** Engines before 28 fail the container's start on an error here, at which point nothing is wrong with it any more. */
function endpointInfo(driver: Driver): Method {
  const answer: EndpointInfoAnswer = { Value: {} };
  return {
    call: async (content, context) => {
      const { networkId, endpointId } = parseEndpointRef(understand(EndpointOnly, content));
      await driver.endpointInfo(networkId, endpointId, context);
      return answer;
    },
    withoutContent: async () => undefined,
    whateverHappens: answer,
  };
}
