/** Where hosts find each other's words. The number is the layout's version. */
import { hostOf, type Prefix, parsePrefix, prefixLengthOf } from "../model/ip.ts";

const root = "/fairway/v1";

export const poolsPrefix = `${root}/pools/`;
export const hostsPrefix = `${root}/hosts/`;
export const alivePrefix = `${root}/alive/`;
export const allBlocksPrefix = `${root}/blocks/`;

export function poolKey(subnet: Prefix): string {
  return `${poolsPrefix}${segment(subnet)}`;
}

export function blocksPrefix(subnet: Prefix): string {
  return `${allBlocksPrefix}${segment(subnet)}/`;
}

export function blockKey(subnet: Prefix, block: Prefix): string {
  return `${blocksPrefix(subnet)}${segment(block)}`;
}

export function hostKey(hostId: string): string {
  return `${hostsPrefix}${hostId}`;
}

export function aliveKey(hostId: string): string {
  return `${alivePrefix}${hostId}`;
}

/** Undefined: the key is none of a block. */
export function blockOfKey(key: string): { readonly subnet: Prefix; readonly block: Prefix } | undefined {
  const [subnet, block, ...rest] = key.slice(allBlocksPrefix.length).split("/");
  if (!key.startsWith(allBlocksPrefix) || subnet === undefined || block === undefined || rest.length > 0) {
    return undefined;
  }
  try {
    return { subnet: parsePrefix(subnet.replace("-", "/")), block: parsePrefix(block.replace("-", "/")) };
  } catch {
    return undefined;
  }
}

/** A slash separates parts of a key. */
function segment(prefix: Prefix): string {
  return `${hostOf(prefix)}-${prefixLengthOf(prefix)}`;
}
