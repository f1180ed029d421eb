import { hostOf } from "../../model/ip.ts";
import type { HostAddress } from "../ports.ts";
import { IFA_F_DEPRECATED, IFA_F_TENTATIVE, RT_SCOPE_UNIVERSE } from "./constants.ts";
import type { Rtnetlink } from "./rtnetlink.ts";

/** Addresses that others can reach this host by. Privacy addresses (RFC 8981) come last, as they change by themselves. */
export async function listHostAddresses(rtnetlink: Rtnetlink, device?: string): Promise<readonly HostAddress[]> {
  const names = new Map((await rtnetlink.listLinks()).map(({ index, name }) => [index, name]));
  const infos = await rtnetlink.listAllAddresses();
  const usable = infos.filter(
    ({ scope, flags }) => scope === RT_SCOPE_UNIVERSE && (flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE)) === 0,
  );
  return usable
    .toSorted((a, b) => Number(a.isSecondary) - Number(b.isSecondary))
    .flatMap(({ linkIndex, address }) => {
      const name = names.get(linkIndex);
      const isAsked = device === undefined ? name !== "lo" : name === device;
      return name === undefined || !isAsked ? [] : [{ address: hostOf(address), device: name }];
    });
}
