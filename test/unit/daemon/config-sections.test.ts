import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { resolveConfig } from "../../../src/daemon/config.ts";
import { sectionExample } from "../../../src/daemon/config-docs.ts";
import { configFileSchema } from "../../../src/daemon/config-schema.ts";
import { keysOf, sectionDocs } from "../../../src/daemon/config-section-docs.ts";
import { sectionNames } from "../../../src/daemon/config-sections.ts";

function resolve(file: object): ReturnType<typeof resolveConfig> {
  return resolveConfig({ flags: {}, env: {}, readFile: () => JSON.stringify(file) });
}

const peer = { name: "tor", address: "10.99.0.1", as: 65000 };
const bgp = (change: object = {}, onPeer: object = {}): object => ({
  bgp: { daemon: "bird", localAs: 65011, peers: [{ ...peer, ...onPeer }], ...change },
});
const etcd = (change: object, on: object = {}): object => ({
  cluster: { etcd: { endpoints: ["https://10.0.0.1:2379"], ...change }, ...on },
});

describe("sections", () => {
  test("are there with their defaults, and only when they are written", () => {
    const { flatSpace, bgp: got, cluster } = resolve({ ...bgp(), ...etcd({}), flatSpace: ["10.244.1.7/16"] });
    assert.deepEqual(flatSpace, ["10.244.0.0/16"]);
    assert.deepEqual(got?.peers, [
      {
        ...peer,
        bfd: false,
        gracefulRestart: true,
        communities: [],
        exportPrefixes: [],
        importDefaultOnly: false,
      },
    ]);
    assert.deepEqual(cluster, { etcd: { endpoints: ["https://10.0.0.1:2379"] }, ownershipHours: 24 });
    assert.deepEqual(
      Object.keys(resolve({})).filter((name) => sectionNames.includes(name as never)),
      ["flatSpace"],
    );
  });

  test("the example of the reference is accepted, by the parser and by the schema", () => {
    assert.equal(resolve(sectionExample).bgp?.peers.length, 2);
    assert.ok(configFileSchema.safeParse(sectionExample).success);
  });

  test("every key is documented, and nothing else", () => {
    const paths = sectionNames.flatMap((name) => keysOf(name).map(({ path }) => path));
    assert.deepEqual(paths.toSorted(), Object.keys(sectionDocs).toSorted());
    const vague = sectionNames.flatMap((name) => keysOf(name)).filter(({ value }) => value === "accepted");
    assert.deepEqual(vague, []);
  });

  const refusals: readonly (readonly [object, string])[] = [
    [{ flatspace: [] }, 'setting "flatspace" in FILE is not known; did you mean flatSpace?'],
    [{ flatSpace: "10.0.0.0/8" }, 'flatSpace in FILE: "10.0.0.0/8" is not a list of at most 1000 prefixes'],
    [
      { flatSpace: ["10.0.0.0"] },
      'flatSpace[0] in FILE: "10.0.0.0" is not a prefix like "10.244.0.0/16" or "fd00:244::/48"',
    ],
    [{ bgp: null }, "bgp in FILE: null is not an object"],
    [{ bgp: {} }, "bgp.daemon in FILE is missing; it is one of bird, frr"],
    [bgp({ daemon: "gobgp" }), 'bgp.daemon in FILE: "gobgp" is not one of bird, frr'],
    [bgp({ demon: "bird" }), 'setting "demon" of bgp in FILE is not known; did you mean daemon?'],
    [bgp({}, { adress: "x" }), 'setting "adress" of bgp.peers[0] in FILE is not known; did you mean address?'],
    [bgp({}, { password: "x" }), 'setting "password" of bgp.peers[0] in FILE is not known'],
    [bgp({}, { as: 4_294_967_296 }), "bgp.peers[0].as in FILE: 4294967296 is not a whole number from 1 to 4294967295"],
    [bgp({}, { as: undefined }), "bgp.peers[0].as in FILE is missing; it is a whole number from 1 to 4294967295"],
    [bgp({ localAs: undefined }), "bgp.localAs in FILE is missing: sessions need it"],
    [
      bgp({}, { address: "fe80::1" }),
      "bgp.peers[0].interface in FILE is missing: a link-local address means nothing without it",
    ],
    [
      bgp({}, { interface: "eth0", multihop: 2 }),
      "bgp.peers[0].multihop in FILE contradicts interface: a peer on an interface is one hop away",
    ],
    [
      bgp({}, { exportPrefixes: ["fd00::/8"] }),
      "bgp.peers[0].exportPrefixes in FILE has a prefix of another family than address, and the session does not carry it",
    ],
    [
      bgp({ peers: [peer, { ...peer, address: "10.99.0.2" }] }),
      "bgp.peers[1].name in FILE is that of another peer, too",
    ],
    [
      bgp({
        daemon: "frr",
        peers: ["eth0", "eth1"].map((one) => ({ ...peer, name: one, address: "fe80::1", interface: one })),
      }),
      "bgp.peers[1].address in FILE is that of another peer, too, and FRR tells neighbors by their address alone",
    ],
    [bgp({ peers: [peer, { ...peer, name: "b" }] }), "bgp.peers[1].address in FILE is that of another peer, too"],
    [
      bgp({ controlSocket: "run/bird.ctl" }),
      'bgp.controlSocket in FILE: "run/bird.ctl" is not an absolute path of at most 95 printable ASCII characters',
    ],
    [{ cluster: {} }, "cluster.etcd in FILE is missing; it is an object"],
    [etcd({ endpoints: [] }), "cluster.etcd.endpoints in FILE: a JSON array is not a list of 1 to 9 URLs"],
    [etcd({ certFile: "/a" }), "cluster.etcd.keyFile in FILE is missing: certFile needs it"],
    [etcd({ keyFile: "/a" }), "cluster.etcd.certFile in FILE is missing: keyFile needs it"],
    [etcd({ user: "a" }), "cluster.etcd.passwordFile in FILE is missing: user needs it"],
    [etcd({ passwordFile: "/a" }), "cluster.etcd.user in FILE is missing: passwordFile needs it"],
    [
      etcd({ endpoints: ["http://10.0.0.1:2379"], caFile: "/a" }),
      "cluster.etcd.caFile in FILE needs endpoints that begin with https:",
    ],
    [etcd({}, { ownershipHours: 8761 }), "cluster.ownershipHours in FILE: 8761 is not a whole number from 1 to 8760"],
    [
      etcd({}, { hostName: "a b" }),
      'cluster.hostName in FILE: "a b" is not a host name of at most 63 letters, digits, dots, dashes and underscores',
    ],
  ];
  for (const [file, what] of refusals) {
    test(what, () => {
      assert.throws(() => resolve(file), { code: "FW2005", message: what.replace("FILE", "/etc/fairway/config.json") });
    });
  }

  for (const url of [
    "ftp://a",
    "https://",
    "https://a/v3",
    "https://u:p@a",
    "https://a?x",
    "https://a#x",
    "a:2379",
    "https://a b",
  ]) {
    test(`${url} is no endpoint`, () => {
      assert.throws(() => resolve(etcd({ endpoints: [url] })), {
        message: /^cluster\.etcd\.endpoints\[0\] in .* is not a URL/,
      });
    });
  }

  test("endpoints by name and IPv6 address", () => {
    const endpoints = ["http://etcd-1.example:2379", "http://[fd00::1]:2379", "http://10.0.0.1"];
    assert.deepEqual(resolve(etcd({ endpoints })).cluster?.etcd.endpoints, endpoints);
  });

  test("a flag or a variable does not stand for a section", () => {
    const config = resolveConfig({ flags: { bgp: {} }, env: { FAIRWAY_BGP: "{}" }, readFile: () => undefined });
    assert.equal(config.bgp, undefined);
  });
});
