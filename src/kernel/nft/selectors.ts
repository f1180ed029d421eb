import type { NftSelector } from "../../plan/ruleset.ts";
import { MAX_KEY_BYTES } from "./constants.ts";
import { loadMeta, loadPayload, type PayloadSlice } from "./expressions.ts";

interface SelectorTerms {
  /** Bytes that are loaded. */
  readonly bytes: number;
  /** The header only exists in this family. */
  readonly family?: "ipv4" | "ipv6";
  readonly load: (register: number) => Buffer;
}

const registerBytes = 4;
const registersPerOldRegister = 4;
/** NFT_REG32_00; registers 1 to 4 are the older names of each fourth one. */
const firstShortRegister = 8;

/** Offsets: RFC 791 section 3.1, RFC 8200 section 3; ports come first in all transport headers that have them. */
const slices = {
  "ip saddr": { base: "network", offset: 12, bytes: 4 },
  "ip daddr": { base: "network", offset: 16, bytes: 4 },
  "ip6 saddr": { base: "network", offset: 8, bytes: 16 },
  "ip6 daddr": { base: "network", offset: 24, bytes: 16 },
  "th dport": { base: "transport", offset: 2, bytes: 2 },
} as const satisfies Partial<Record<NftSelector, PayloadSlice>>;

const selectors: Readonly<Record<NftSelector, SelectorTerms>> = {
  iifname: { bytes: 16, load: (register) => loadMeta("iifname", register) },
  oifname: { bytes: 16, load: (register) => loadMeta("oifname", register) },
  l4proto: { bytes: 1, load: (register) => loadMeta("l4proto", register) },
  nfproto: { bytes: 1, load: (register) => loadMeta("nfproto", register) },
  "ip saddr": packet("ip saddr", "ipv4"),
  "ip daddr": packet("ip daddr", "ipv4"),
  "ip6 saddr": packet("ip6 saddr", "ipv6"),
  "ip6 daddr": packet("ip6 daddr", "ipv6"),
  "th dport": packet("th dport"),
};

function packet(name: keyof typeof slices, family?: "ipv4" | "ipv6"): SelectorTerms {
  const slice = slices[name];
  const load = (register: number): Buffer => loadPayload(slice, register);
  return family === undefined ? { bytes: slice.bytes, load } : { bytes: slice.bytes, load, family };
}

/** Families whose headers the selectors read. */
export function familiesOf(list: readonly NftSelector[]): ("ipv4" | "ipv6")[] {
  return list.flatMap((selector) => selectors[selector].family ?? []);
}

/** Loads the fields side by side, the first one into the first register. */
export function loadKey(list: readonly NftSelector[]): Buffer[] {
  let at = 0;
  return list.map((selector) => {
    const { bytes, load } = selectors[selector];
    const register = registerAt(at);
    at += bytes + (-bytes & (registerBytes - 1));
    if (at > MAX_KEY_BYTES) {
      throw new Error(`key ${list.join(" . ")} is longer than ${MAX_KEY_BYTES} bytes`);
    }
    return load(register);
  });
}

/** Number of the register that starts `offset` bytes into the register file, as the kernel itself names it. */
export function registerAt(offset: number): number {
  const index = offset / registerBytes;
  return index % registersPerOldRegister === 0 ? index / registersPerOldRegister + 1 : firstShortRegister + index;
}
