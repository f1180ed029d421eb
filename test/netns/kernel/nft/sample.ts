import type { NftElement, Ruleset } from "../../../../src/plan/ruleset.ts";

/** One container 10.88.0.2, fd00:88::2 on bridge br0, with all that a network can have, and one with flat addresses; at most one key per hash set. */
export const sampleElements: readonly NftElement[] = [
  { set: "uplinks", key: ["up0"] },
  { set: "intra", key: ["br0", "br0"], data: "accept" },
  { set: "publish_address4", key: ["192.0.2.1", "tcp", 8080], data: ["10.88.0.2", 80] },
  { set: "publish_any4", key: ["udp", 8080], data: ["10.88.0.2", 80] },
  { set: "range_address4", key: ["192.0.2.1", "tcp", { from: 9000, to: 9999 }], data: ["10.88.0.2"] },
  { set: "range_any4", key: ["udp", { from: 9000, to: 9999 }], data: ["10.88.0.2"] },
  { set: "gateways4", key: ["10.88.0.1"] },
  { set: "own_gateway4", key: ["br0", "10.88.0.1"] },
  { set: "hairpin4", key: [{ from: "10.88.0.0", to: "10.88.0.255" }, "10.88.0.2"] },
  { set: "masquerade4", key: ["br0"] },
  { set: "publish_address6", key: ["2001:db8::1", "tcp", 8080], data: ["fd00:88::2", 80] },
  { set: "publish_any6", key: ["udp", 8080], data: ["fd00:88::2", 80] },
  { set: "range_address6", key: ["2001:db8::1", "tcp", { from: 9000, to: 9999 }], data: ["fd00:88::2"] },
  { set: "range_any6", key: ["udp", { from: 9000, to: 9999 }], data: ["fd00:88::2"] },
  { set: "gateways6", key: ["fd00:88::1"] },
  { set: "own_gateway6", key: ["br0", "fd00:88::1"] },
  { set: "hairpin6", key: [{ from: "fd00:88::", to: "fd00:88::ffff:ffff:ffff:ffff" }, "fd00:88::2"] },
  { set: "snat6", key: ["br0"], data: ["2001:db8::77"] },
  { set: "source4", key: ["fwv0", "10.20.1.2"] },
  { set: "local4", key: ["10.20.1.2"] },
  {
    set: "peers4",
    key: [
      { from: "10.20.1.0", to: "10.20.1.255" },
      { from: "10.20.1.0", to: "10.20.1.255" },
    ],
  },
  { set: "open4", key: ["10.20.1.2"] },
  { set: "reachable4", key: ["10.20.1.2", "tcp", 80] },
  { set: "reachable_range4", key: ["10.20.1.2", "udp", { from: 7000, to: 7009 }] },
  { set: "renumbered4", key: ["10.20.1.2", "tcp", 8081], data: ["10.20.1.2", 81] },
  {
    set: "egress4",
    key: [
      { from: "10.20.1.0", to: "10.20.1.255" },
      { from: "0.0.0.0", to: "255.255.255.255" },
    ],
  },
  {
    set: "flat4",
    key: [
      { from: "10.20.1.0", to: "10.20.1.255" },
      { from: "10.0.0.0", to: "10.255.255.255" },
    ],
  },
  { set: "source6", key: ["fwv0", "fd00:20:1::2"] },
  { set: "local6", key: ["fd00:20:1::2"] },
  {
    set: "peers6",
    key: [
      { from: "fd00:20:1::", to: "fd00:20:1:0:ffff:ffff:ffff:ffff" },
      { from: "fd00:20:1::", to: "fd00:20:1:0:ffff:ffff:ffff:ffff" },
    ],
  },
  { set: "open6", key: ["fd00:20:1::2"] },
  { set: "reachable6", key: ["fd00:20:1::2", "tcp", 80] },
  { set: "reachable_range6", key: ["fd00:20:1::2", "udp", { from: 7000, to: 7009 }] },
  { set: "renumbered6", key: ["fd00:20:1::2", "tcp", 8081], data: ["fd00:20:1::2", 81] },
  {
    set: "egress6",
    key: [
      { from: "fd00:20:1::", to: "fd00:20:1:0:ffff:ffff:ffff:ffff" },
      { from: "::", to: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    ],
  },
  {
    set: "flat6",
    key: [
      { from: "fd00:20:1::", to: "fd00:20:1:0:ffff:ffff:ffff:ffff" },
      { from: "fc00::", to: "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    ],
  },
];

/** What the firewall does not use (yet) and the codec can do. */
export const codecRuleset: Ruleset = {
  tables: [
    {
      family: "inet",
      name: "codec_inet",
      sets: [
        { name: "names", key: ["ifname"] },
        { name: "wide", key: ["ifname", "ipv6_addr", "inet_proto", "inet_service"] },
        { name: "ports", key: ["inet_service"] },
        { name: "protocols", key: ["inet_proto"], data: ["inet_service"] },
        { name: "mixed", key: ["ifname", "inet_service"], interval: true },
        { name: "verdicts", key: ["ifname"], data: "verdict" },
      ],
      chains: [
        { name: "plain", rules: [{ match: [], action: { verdict: "return" }, counter: true }] },
        {
          name: "route_output",
          hook: { type: "route", hook: "output", priority: 7 },
          rules: [{ match: [{ ctState: ["invalid", "new"] }], action: { verdict: { jump: "plain" } } }],
        },
        {
          name: "filter_input",
          hook: { type: "filter", hook: "input", priority: -10 },
          rules: [
            { match: [{ select: ["iifname"], in: "names", negate: true }], action: { verdict: "accept" } },
            { match: [{ select: "ip saddr", prefix: "172.16.0.0/12" }], action: { verdict: "drop" } },
            { match: [{ select: "ip daddr", prefix: "192.0.2.1/32" }], action: { verdict: "drop" } },
            { match: [{ select: "ip6 saddr", prefix: "fe80::/10" }], action: { verdict: { goto: "plain" } } },
            {
              match: [{ select: ["iifname", "ip6 daddr", "l4proto", "th dport"], in: "wide" }],
              action: { vmap: "verdicts", select: ["iifname"] },
              counter: true,
            },
            { match: [{ select: ["oifname", "th dport"], in: "mixed" }], action: { verdict: "accept" } },
          ],
        },
      ],
    },
    {
      family: "bridge",
      name: "codec_bridge",
      sets: [{ name: "senders", key: ["ifname", "ipv4_addr"] }],
      chains: [
        {
          name: "frames",
          hook: { type: "filter", hook: "prerouting", priority: -300 },
          rules: [
            { match: [{ select: ["iifname", "ip saddr"], in: "senders" }], action: { verdict: "accept" } },
            { match: [{ family: "ipv6" }], action: { verdict: "drop" } },
          ],
        },
      ],
    },
  ],
};

export const codecElements: readonly NftElement[] = [
  { set: "names", key: ["a-name.15-bytes"] },
  { set: "wide", key: ["br0", "fd00::1", "sctp", 65535] },
  { set: "ports", key: [53] },
  { set: "protocols", key: ["udp"], data: [8080] },
  { set: "mixed", key: ["br0", { from: 1024, to: 65535 }] },
  { set: "verdicts", key: ["br0"], data: { jump: "plain" } },
  { set: "senders", key: ["v1", "10.88.0.2"] },
];
