/** What the host's own settings mean for our packet filter. */
import type { NftElement } from "./ruleset.ts";

export interface HostFacts {
  /** net.bridge.bridge-nf-call-iptables: bridged IPv4 packets visit the IP-level packet filter. */
  readonly bridgedIpv4Filtered: boolean;
  /** net.bridge.bridge-nf-call-ip6tables: the same for IPv6. */
  readonly bridgedIpv6Filtered: boolean;
  /** Device of the best default route; it may be a bridge of the administrator. */
  readonly uplink?: string | undefined;
}

/**
 * An answer to the host's ::1 is translated back on the bridge. With bridge-nf-call-ip6tables that happens before the
 * kernel's IPv6 input, which drops any packet for ::1 that did not come from lo (net/ipv6/ip6_input.c, RFC 4291 section
 * 2.5.3). Untranslated, a call to ::1 is refused at once and programs go on to 127.0.0.1.
 */
export function planHostElements(facts: HostFacts): NftElement[] {
  return [
    ...(facts.bridgedIpv6Filtered ? [{ set: "unpublished6", key: ["::1"] }] : []),
    ...(facts.uplink === undefined ? [] : [{ set: "uplinks", key: [facts.uplink] }]),
  ];
}
