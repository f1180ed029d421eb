/** The sections of the configuration file as tables, made from their schemas. */
import { z } from "zod";
import { descriptionOf } from "./config-refusal.ts";
import { type SectionName, sectionNames, sections } from "./config-sections.ts";

/** One line for each key, by its path. A test asks that none is missing and none is left over. */
export const sectionDocs: Readonly<Record<string, string>> = {
  flatSpace:
    "The organisation's flat address space. When given, no other address is ever announced. Empty: no such limit.",
  cluster: "A store that several hosts share.",
  "cluster.etcd": "An etcd cluster, version 3.4 or later.",
  "cluster.etcd.endpoints": "Its members. Any that answers will do.",
  "cluster.etcd.caFile": "Certificates (PEM) that sign those of the members; absent: those of the system.",
  "cluster.etcd.certFile": "This host's certificate (PEM). Needs `keyFile`.",
  "cluster.etcd.keyFile": "Its private key (PEM).",
  "cluster.etcd.user": "User name. Needs `passwordFile`.",
  "cluster.etcd.passwordFile": "File that holds nothing but the password.",
  "cluster.hostName": "This host's name in the store; absent: the machine's.",
  "cluster.ownershipHours": "How long a host that is not heard of keeps its addresses.",
  bgp: "Routes of containers announced by the routing daemon of this host: [BGP](bgp.md).",
  "bgp.daemon": "Which routing daemon this host has.",
  "bgp.controlSocket":
    "BIRD: its control socket (default `/run/bird/bird.ctl`). FRR: the directory of its vty sockets (default `/run/frr`).",
  "bgp.routerId": "Router id of the host; absent: the daemon's own choice.",
  "bgp.localAs": "AS number of the host. Sessions need it.",
  "bgp.standalone":
    "BIRD only: whether fairway's file has the kernel protocols. Absent: when there are peers. BIRD allows one per table and family, so say `false` when you have your own.",
  "bgp.peers": "Sessions that fairway's file has. Empty: filters only, the sessions are yours.",
  "bgp.peers[].name": "Name of the session.",
  "bgp.peers[].address":
    "The peer. The session carries the routes of this address's family: two peers for two families.",
  "bgp.peers[].as": "AS number of the peer.",
  "bgp.peers[].interface": "Where a link-local address is.",
  "bgp.peers[].multihop": "Hops to a peer that is not directly connected.",
  "bgp.peers[].passwordFile": "File that holds nothing but the password (TCP MD5, RFC 2385).",
  "bgp.peers[].bfd": "Whether BFD watches the peer, 3 × 300 ms.",
  "bgp.peers[].gracefulRestart":
    "Whether the peer keeps the routes for 15 s when the routing daemon dies. Say `false` where addresses move between hosts.",
  "bgp.peers[].holdSeconds": "Hold time; absent: the daemon's default.",
  "bgp.peers[].communities": "Communities (RFC 1997, RFC 8092) on what goes to this peer.",
  "bgp.peers[].exportPrefixes": "What goes to this peer lies in one of these. Empty: no further limit.",
  "bgp.peers[].importDefaultOnly": "Take the default route from this peer and nothing else.",
};

export interface SectionKey {
  readonly path: string;
  readonly value: string;
  readonly fallback: string;
}

/** Every key below a section, itself included, parents first. */
export function keysOf(name: SectionName): readonly SectionKey[] {
  return walk(name, sections[name]);
}

function walk(path: string, schema: z.core.$ZodType): SectionKey[] {
  const fallback = schema instanceof z.ZodDefault ? JSON.stringify(schema.def.defaultValue) : "";
  const inner = schema instanceof z.ZodDefault || schema instanceof z.ZodExactOptional ? schema.unwrap() : schema;
  const own = { path, value: descriptionOf(inner), fallback };
  const element = inner instanceof z.ZodArray ? inner.element : inner;
  const below = element === inner ? path : `${path}[]`;
  const fields = element instanceof z.ZodObject ? Object.entries(element.shape) : [];
  return [own, ...fields.flatMap(([key, field]) => walk(`${below}.${key}`, field as z.core.$ZodType))];
}

export function sectionsMarkdown(): string {
  return sectionNames.map(sectionMarkdown).join("\n");
}

function sectionMarkdown(name: SectionName): string {
  const rows = keysOf(name)
    .filter(({ path }) => path !== name)
    .map(({ path, value, fallback }) => {
      const shown = fallback === "" ? "" : `\`${fallback}\``;
      return `| \`${path.slice(name.length + 1)}\` | ${shown} | ${value} | ${sectionDocs[path]} |`;
    });
  const table =
    rows.length === 0 ? [] : ["", "| Key | Default | Value | Meaning |", "| --- | --- | --- | --- |", ...rows];
  const value = keysOf(name)[0]?.value;
  return [`### ${name}`, "", `${sectionDocs[name]} Value: ${value}.`, ...table, ""].join("\n");
}
