/** Settings that only the configuration file can have, because they are lists and objects. */
import { z } from "zod";
import { daemonKinds } from "../bgp/settings.ts";
import { familyOf, isLinkLocal, type Prefix } from "../model/ip.ts";
import * as v from "./config-values.ts";

const peer = z
  .strictObject({
    name: v.peerName,
    address: v.address,
    as: v.asNumber,
    interface: v.ifName.exactOptional(),
    multihop: v.wholeNumber(1, 255).exactOptional(),
    passwordFile: v.filePath.exactOptional(),
    bfd: v.flag.default(false),
    gracefulRestart: v.flag.default(true),
    holdSeconds: v.wholeNumber(3, 65_535).exactOptional(),
    communities: z.array(v.community).max(32).describe("a list of at most 32 communities").default([]),
    exportPrefixes: z.array(v.prefix).max(1000).describe("a list of at most 1000 prefixes").default([]),
    importDefaultOnly: v.flag.default(false),
  })
  .superRefine((one, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
    if (isLinkLocal(one.address) && one.interface === undefined) {
      refuse("interface", "is missing: a link-local address means nothing without it");
    }
    if (one.interface !== undefined && one.multihop !== undefined) {
      refuse("multihop", "contradicts interface: a peer on an interface is one hop away");
    }
    const foreign = one.exportPrefixes.findIndex((prefix) => familyOf(prefix) !== familyOf(one.address));
    if (foreign >= 0) {
      refuse("exportPrefixes", "has a prefix of another family than address, and the session does not carry it");
    }
  })
  .describe("an object");

const bgp = z
  .strictObject({
    daemon: z.enum(daemonKinds).describe(`one of ${daemonKinds.join(", ")}`),
    controlSocket: v.controlSocketPath.exactOptional(),
    routerId: v.routerId.exactOptional(),
    localAs: v.asNumber.exactOptional(),
    standalone: v.flag.exactOptional(),
    peers: z.array(peer).max(100).describe("a list of at most 100 peers").default([]),
  })
  .superRefine((one, context) => {
    const refuse = (path: PropertyKey[], message: string): void => context.addIssue({ code: "custom", path, message });
    if (one.peers.length > 0 && one.localAs === undefined) {
      refuse(["localAs"], "is missing: sessions need it");
    }
    for (const key of ["name", "address"] as const) {
      const index = firstRepeated(one.peers.map((each) => `${each[key]} ${key === "address" ? each.interface : ""}`));
      if (index !== undefined) {
        refuse(["peers", index, key], "is that of another peer, too");
      }
    }
    const twice = firstRepeated(one.peers.map(({ address }) => address));
    if (one.daemon === "frr" && twice !== undefined) {
      refuse(
        ["peers", twice, "address"],
        "is that of another peer, too, and FRR tells neighbors by their address alone",
      );
    }
  })
  .describe("an object");

const etcd = z
  .strictObject({
    endpoints: z.array(v.endpoint).min(1).max(9).describe("a list of 1 to 9 URLs"),
    caFile: v.filePath.exactOptional(),
    certFile: v.filePath.exactOptional(),
    keyFile: v.filePath.exactOptional(),
    user: v.userName.exactOptional(),
    passwordFile: v.filePath.exactOptional(),
  })
  .superRefine((one, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
    for (const [has, needs] of [
      ["certFile", "keyFile"],
      ["keyFile", "certFile"],
      ["user", "passwordFile"],
      ["passwordFile", "user"],
    ] as const) {
      if (one[has] !== undefined && one[needs] === undefined) {
        refuse(needs, `is missing: ${has} needs it`);
      }
    }
    const tls = (["caFile", "certFile", "keyFile"] as const).find((name) => one[name] !== undefined);
    if (tls !== undefined && one.endpoints.some((url) => !url.startsWith("https:"))) {
      refuse(tls, "needs endpoints that begin with https:");
    }
  })
  .describe("an object");

const cluster = z
  .strictObject({
    etcd,
    hostName: v.word.exactOptional(),
    ownershipHours: v.wholeNumber(1, 8760).default(24),
  })
  .describe("an object");

const flatSpace = z.array(v.prefix).max(1000).describe("a list of at most 1000 prefixes");

export const sections = { flatSpace, cluster, bgp } as const;

export type ClusterConfig = z.output<typeof cluster>;
export type SectionName = keyof typeof sections;

export interface Sections {
  /** The organisation's flat address space; empty when nobody said. */
  readonly flatSpace: readonly Prefix[];
  readonly cluster?: ClusterConfig;
  readonly bgp?: z.output<typeof bgp>;
}

export const sectionNames = Object.keys(sections) as readonly SectionName[];

function firstRepeated(texts: readonly string[]): number | undefined {
  const index = texts.findIndex((text, position) => texts.indexOf(text) < position);
  return index < 0 ? undefined : index;
}
