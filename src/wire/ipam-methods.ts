import type { Ipam } from "../ipam/ipam.ts";
import { hostOf } from "../model/ip.ts";
import type { Method, MethodTable } from "./methods.ts";
import { parseAddressRelease, parseAddressRequest, parsePoolRequest } from "./parse-ipam.ts";
import { renderPool } from "./render.ts";
import {
  type AddressAnswer,
  AddressOnly,
  type AddressSpacesAnswer,
  type IpamCapabilitiesAnswer,
  PoolOnly,
  RequestAddress,
  RequestPool,
  understand,
} from "./schemas.ts";

/** The methods of an IPAM driver: moby libnetwork ipams/remote/api/api.go. */
export function ipamMethods(ipam: Ipam, spaces: AddressSpacesAnswer): MethodTable {
  return new Map<string, Method>([
    [
      "/IpamDriver.GetCapabilities",
      {
        call: async () => {
          ipam.beginReplay();
          return capabilities;
        },
      },
    ],
    ["/IpamDriver.GetDefaultAddressSpaces", { call: async () => spaces }],
    [
      "/IpamDriver.RequestPool",
      {
        call: async (content, context) => {
          const reply = await ipam.requestPool(parsePoolRequest(understand(RequestPool, content)));
          context.onUndelivered(() => ipam.releasePool(reply.poolId));
          return renderPool(reply);
        },
        withoutContent: "refuse",
      },
    ],
    [
      "/IpamDriver.RequestAddress",
      {
        call: async (content, context): Promise<AddressAnswer> => {
          const request = parseAddressRequest(understand(RequestAddress, content));
          const address = await ipam.requestAddress(request);
          context.onUndelivered(() => ipam.releaseAddress(request.poolId, hostOf(address)));
          return { Address: address, Data: {} };
        },
        withoutContent: "refuse",
      },
    ],
    ["/IpamDriver.ReleasePool", release((content) => ipam.releasePool(understand(PoolOnly, content).PoolID))],
    [
      "/IpamDriver.ReleaseAddress",
      release(async (content) => {
        const { poolId, address } = parseAddressRelease(understand(AddressOnly, content));
        await ipam.releaseAddress(poolId, address);
      }),
    ],
  ]);
}

/** Replay tells after a restart of the engine which addresses it still believes in; the others would be lost for ever. */
const capabilities: IpamCapabilitiesAnswer = { RequiresMACAddress: false, RequiresRequestReplay: true };

/** A release that arrives without its content is lost; the engine's next replay settles what it was about. */
function release(call: (content: unknown) => Promise<void>): Method {
  return {
    call: async (content) => {
      await call(content);
      return {};
    },
    withoutContent: async () => undefined,
    whateverHappens: {},
  };
}
