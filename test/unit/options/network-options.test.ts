import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type ErrorCode, FairwayError } from "../../../src/errors.ts";
import { networkCatalog } from "../../../src/options/catalog.ts";
import {
  type BridgeOptions,
  checkMtuForIpv6,
  type HostOptions,
  type NetworkOptions,
  parseNetworkOptions,
  type RoutedOptions,
} from "../../../src/options/network-options.ts";
import { standardKeys } from "../../../src/options/standard-keys.ts";

const defaults: NetworkOptions = {
  mode: "bridge",
  icc: true,
  masquerade: true,
  publishAddresses: [],
  ifNamePrefix: "eth",
};

function parse(options: Readonly<Record<string, string>>): NetworkOptions {
  return parseNetworkOptions(new Map(Object.entries(options)));
}

function parseBridge(options: Readonly<Record<string, string>>): BridgeOptions {
  const parsed = parse(options);
  assert.ok(parsed.mode === "bridge");
  return parsed;
}

function assertRefused(options: Readonly<Record<string, string>>, code: ErrorCode, what: RegExp | string): void {
  assert.throws(
    () => parse(options),
    (error) => {
      assert.ok(error instanceof FairwayError, String(error));
      assert.equal(error.code, code);
      if (typeof what === "string") {
        assert.equal(error.message, what);
      } else {
        assert.match(error.message, what);
      }
      return true;
    },
  );
}

test("without options a network has the defaults", () => {
  assert.deepEqual(parse({}), defaults);
});

const accepted: readonly (readonly [string, string, Partial<NetworkOptions> | Record<string, unknown>])[] = [
  ["mode", "bridge", {}],
  ["mtu", "68", { mtu: 68 }],
  ["mtu", "65535", { mtu: 65535 }],
  ["bridge_name", "br-shop.10", { bridgeName: "br-shop.10" }],
  ["icc", "F", { icc: false }],
  ["masquerade", "0", { masquerade: false }],
  ["snat_ipv4", "192.0.2.10", { snatIpv4: "192.0.2.10" }],
  ["snat_ipv6", "2001:DB8:0::10", { snatIpv6: "2001:db8::10" }],
  ["publish_address", "192.0.2.10", { publishAddresses: ["192.0.2.10"] }],
  ["publish_address", " 127.0.0.1 , ::1,127.0.0.1", { publishAddresses: ["127.0.0.1", "::1"] }],
  ["publish_address", "0.0.0.0,2001:db8::10", { publishAddresses: ["0.0.0.0", "2001:db8::10"] }],
  ["publish_address", "::ffff:192.0.2.10", { publishAddresses: ["192.0.2.10"] }],
  ["ifname_prefix", "lan", { ifNamePrefix: "lan" }],
];
for (const [key, value, expected] of accepted) {
  const aliases: readonly string[] = networkCatalog[key as keyof typeof networkCatalog].aliases;
  for (const name of [key, ...aliases]) {
    test(`${name}=${value}`, () => {
      assert.deepEqual(parse({ [name]: value }), { ...defaults, ...expected });
    });
  }
}

const refusedValues: Readonly<Record<string, readonly string[]>> = {
  mtu: ["", "0", "67", "65536", "1500 ", "+1500", "1e3", "0x5dc", "01500", "1500.0", "１５００", "9".repeat(4096)],
  bridge_name: ["", "lo", "all", "default", "a/b", "..", "eth%d", "a b", "x\n", "x".repeat(16), "brücke"],
  icc: ["", "yes", "no", "on", "tRUE", " true", "2"],
  masquerade: ["", "off"],
  snat_ipv4: ["", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "2001:db8::1", "192.0.2.010", "192.0.2.1/24"],
  snat_ipv6: ["", "::", "::1", "ff02::1", "fe80::1", "192.0.2.10", "::ffff:192.0.2.10", "fe80::1%eth0"],
  publish_address: [
    "",
    ",",
    "192.0.2.1,",
    "192.0.2.1;192.0.2.2",
    "fe80::1",
    "224.0.0.1",
    "host",
    "10.0.0.1,".repeat(400),
  ],
  ifname_prefix: ["", "x".repeat(13), "a/b", "-x", ".x", "e%d", "eth 0"],
};
describe("values not accepted", () => {
  for (const [key, values] of Object.entries(refusedValues)) {
    const aliases: readonly string[] = networkCatalog[key as keyof typeof networkCatalog].aliases;
    for (const [value, name] of values.flatMap((text) =>
      [key, ...aliases].map((spelling) => [text, spelling] as const),
    )) {
      test(`${name}=${JSON.stringify(value.slice(0, 30))}`, () => {
        const start = `option ${name}: `;
        assertRefused({ [name]: value }, "FW1002", new RegExp(`^${RegExp.escape(start)}"`));
      });
    }
  }

  test("sixteen publish addresses are fine, one more is not", () => {
    const list = (count: number): string =>
      Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}`).join(",");
    assert.equal(parseBridge({ publish_address: list(16) }).publishAddresses.length, 16);
    assertRefused({ publish_address: list(17) }, "FW1002", /^option publish_address: /);
  });

  test("the reason of a wrong list names the address", () => {
    assert.throws(
      () => parseBridge({ publish_address: "10.0.0.1,fe80::1%eth0" }),
      (error) => error instanceof FairwayError && error.why === 'address "fe80::1%eth0" is not an IPv4 or IPv6 address',
    );
  });
});

describe("mode host", () => {
  const hostDefaults: HostOptions = {
    mode: "host",
    hostAddresses: [],
    claim: "exposed",
    dynamicPorts: { first: 20_000, last: 32_000 },
    ifNamePrefix: "eth",
  };
  const acceptedByHost: readonly (readonly [string, string, Partial<HostOptions> | Record<string, unknown>])[] = [
    ["mtu", "1400", { mtu: 1400 }],
    ["parent", "eth1", { parent: "eth1" }],
    ["host_ip", "192.0.2.10", { hostAddresses: ["192.0.2.10"] }],
    ["host_ip", "2001:DB8::10, 192.0.2.10", { hostAddresses: ["2001:db8::10", "192.0.2.10"] }],
    ["claim", "published", { claim: "published" }],
    ["dynamic_ports", "40000-40000", { dynamicPorts: { first: 40_000, last: 40_000 } }],
    ["ifname_prefix", "lan", { ifNamePrefix: "lan" }],
  ];

  test("has defaults of its own", () => {
    assert.deepEqual(parse({ mode: "host" }), hostDefaults);
  });
  for (const [key, value, expected] of acceptedByHost) {
    test(`takes ${key}=${value}`, () => {
      assert.deepEqual(parse({ mode: "host", [key]: value }), { ...hostDefaults, ...expected });
    });
  }
  const refusedByHost: readonly (readonly [string, string])[] = [
    ["parent", "lo"],
    ["parent", "eth0/../../x"],
    ["host_ip", ""],
    ["host_ip", "192.0.2.10,192.0.2.11"],
    ["host_ip", "127.0.0.1"],
    ["host_ip", "0.0.0.0"],
    ["host_ip", "169.254.1.1"],
    ["host_ip", "fe80::1"],
    ["host_ip", "224.0.0.1"],
    ["claim", "all"],
    ["claim", "Exposed"],
    ["dynamic_ports", "0-100"],
    ["dynamic_ports", "200-100"],
    ["dynamic_ports", "1-65536"],
    ["dynamic_ports", "80"],
    ["dynamic_ports", "1-2-3"],
  ];
  for (const [key, value] of refusedByHost) {
    test(`refuses ${key}=${JSON.stringify(value)}`, () => {
      assertRefused({ mode: "host", [key]: value }, "FW1002", new RegExp(`^option ${key}: `));
    });
  }

  test("options of another mode are refused, in both directions", () => {
    assertRefused({ mode: "host", icc: "false" }, "FW1003", "option icc has no meaning with mode=host");
    assertRefused({ claim: "published" }, "FW1003", "option claim has no meaning with mode=bridge");
    const alias = "com.docker.network.bridge.name";
    assertRefused({ mode: "host", [alias]: "br0" }, "FW1003", `option ${alias} has no meaning with mode=host`);
  });
});

describe("mode routed", () => {
  const routedDefaults: RoutedOptions = {
    mode: "routed",
    icc: true,
    reachable: "published",
    announce: "block",
    egressNat: false,
    flatSpace: [],
    ifNamePrefix: "eth",
  };
  const privateSpace = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
  const acceptedByRouted: readonly (readonly [Readonly<Record<string, string>>, object])[] = [
    [{}, {}],
    [{ mtu: "1400" }, { mtu: 1400 }],
    [{ icc: "false" }, { icc: false }],
    [{ "com.docker.network.bridge.enable_icc": "false" }, { icc: false }],
    [{ reachable: "all" }, { reachable: "all" }],
    [{ reachable: "published" }, {}],
    ...(["block", "address", "healthy", "none"] as const).map((announce) => [{ announce }, { announce }] as const),
    [{ egress_nat: "true" }, { egressNat: true, flatSpace: privateSpace }],
    [{ egress_nat: "0" }, {}],
    [
      { egress_nat: "1", flat_space: "10.0.0.7/8, FD00:0::/8" },
      { egressNat: true, flatSpace: ["10.0.0.0/8", "fd00::/8"] },
    ],
    [
      { egress_nat: "true", flat_space: "0.0.0.0/0,::/0" },
      { egressNat: true, flatSpace: ["0.0.0.0/0", "::/0"] },
    ],
    [{ ifname_prefix: "lan" }, { ifNamePrefix: "lan" }],
  ];
  for (const [options, expected] of acceptedByRouted) {
    test(`takes ${JSON.stringify(options)}`, () => {
      assert.deepEqual(parse({ mode: "routed", ...options }), { ...routedDefaults, ...expected });
    });
  }

  const many = Array.from({ length: 65 }, (_unused, index) => `10.0.${index}.0/24`);
  const refusedByRouted: readonly (readonly [string, string])[] = [
    ...["", "none", "ALL", "published,all"].map((value) => ["reachable", value] as const),
    ...["", "blocks", "Block", "block,address", "true"].map((value) => ["announce", value] as const),
    ...["", "yes", "10.0.0.0/8"].map((value) => ["egress_nat", value] as const),
    ...["", ",", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/8,", "10.0.0.0/8;fd00::/8", "any", "10.0.0.0/8,10.1.0.0/16"].map(
      (value) => ["flat_space", value] as const,
    ),
    ["flat_space", "fd00::/8,fd00::/8"],
    ["flat_space", "fe80::1%eth0/64"],
    ["flat_space", many.join(",")],
  ];
  for (const [key, value] of refusedByRouted) {
    test(`refuses ${key}=${JSON.stringify(value.slice(0, 40))}`, () => {
      assertRefused({ mode: "routed", egress_nat: "true", [key]: value }, "FW1002", new RegExp(`^option ${key}: `));
    });
  }

  test("64 subnets are still a flat space", () => {
    const flat_space = many.slice(1).join(",");
    const parsed = parse({ mode: "routed", egress_nat: "true", flat_space });
    assert.ok(parsed.mode === "routed");
    assert.equal(parsed.flatSpace.length, 64);
  });

  test("a flat space without egress_nat is a contradiction", () => {
    for (const more of [{}, { egress_nat: "false" }]) {
      const what = "option flat_space has no meaning without egress_nat=true";
      assertRefused({ mode: "routed", flat_space: "10.0.0.0/8", ...more }, "FW1003", what);
    }
  });

  for (const mode of ["bridge", "host"]) {
    for (const [key, value] of Object.entries({
      reachable: "all",
      announce: "block",
      egress_nat: "true",
      flat_space: "10.0.0.0/8",
    })) {
      test(`mode ${mode} has no ${key}`, () => {
        assertRefused({ mode, [key]: value }, "FW1003", `option ${key} has no meaning with mode=${mode}`);
      });
    }
  }

  for (const [key, value] of Object.entries({
    bridge_name: "br0",
    masquerade: "false",
    snat_ipv4: "192.0.2.1",
    snat_ipv6: "2001:db8::1",
    publish_address: "192.0.2.1",
    parent: "eth1",
    host_ip: "192.0.2.1",
    claim: "published",
    dynamic_ports: "1-2",
  })) {
    test(`has no ${key}`, () => {
      assertRefused({ mode: "routed", [key]: value }, "FW1003", `option ${key} has no meaning with mode=routed`);
    });
  }
});

describe("modes", () => {
  for (const mode of ["overlay"]) {
    test(`${mode} is known and not available`, () => {
      assertRefused({ mode }, "FW1004", `mode "${mode}" is not available in this version`);
    });
  }

  test("the mode is judged before the options that it decides about", () => {
    assertRefused({ anything: "x", mode: "overlay" }, "FW1004", /^mode/);
  });

  test("other words are no modes", () => {
    assertRefused({ mode: "brigde" }, "FW1002", 'option mode: "brigde" is not a mode; did you mean bridge?');
    assertRefused({ mode: "" }, "FW1002", 'option mode: "" is not a mode');
    assertRefused({ mode: "__proto__" }, "FW1002", 'option mode: "__proto__" is not a mode');
  });
});

describe("contradictions", () => {
  test("one option under two names", () => {
    const alias = "com.docker.network.driver.mtu";
    assertRefused(
      { mtu: "1400", [alias]: "1500" },
      "FW1003",
      `options mtu="1400" and ${alias}="1500" contradict each other`,
    );
    assert.equal(parse({ mtu: "1400", [alias]: "1400" }).mtu, 1400);
    assert.equal(parseBridge({ icc: "0", "com.docker.network.bridge.enable_icc": "False" }).icc, false);
  });

  test("a source address without masquerading", () => {
    assertRefused(
      { snat_ipv4: "192.0.2.10", masquerade: "false" },
      "FW1003",
      /^options masquerade=false and snat_ipv4=/,
    );
    assertRefused({ snat_ipv6: "2001:db8::1", masquerade: "f" }, "FW1003", /^options masquerade=false and snat_ipv6=/);
  });

  test("all addresses and one of them", () => {
    assertRefused({ publish_address: "10.0.0.1,0.0.0.0" }, "FW1003", /both 0\.0\.0\.0 and 10\.0\.0\.1$/);
    assertRefused({ publish_address: "::,0.0.0.0,::1" }, "FW1003", /both :: and ::1$/);
    assert.equal(parseBridge({ publish_address: "::,0.0.0.0" }).publishAddresses.length, 2);
  });

  test("an MTU that IPv6 does not fit through", () => {
    const refused = (error: unknown): boolean => error instanceof FairwayError && error.code === "FW1003";
    assert.throws(() => checkMtuForIpv6(1279, true), refused);
    checkMtuForIpv6(1280, true);
    checkMtuForIpv6(1279, false);
    checkMtuForIpv6(undefined, true);
  });
});

describe("unknown options", () => {
  const meant: readonly (readonly [string, string | undefined])[] = [
    ["bridge-name", "bridge_name"],
    ["bridgeName", "bridge_name"],
    ["BRIDGE_NAME", "bridge_name"],
    ["bridge.name", "bridge_name"],
    ["MTU", "mtu"],
    ["mut", "mtu"],
    ["enable_icc", "icc"],
    ["enable_ip_masquerade", "masquerade"],
    ["enableIpMasquerade", "masquerade"],
    ["masquarade", "masquerade"],
    ["host_ipv4", "snat_ipv4"],
    ["host_binding_ipv4", "publish_address"],
    ["publish-addresses", "publish_address"],
    ["container_iface_prefix", "ifname_prefix"],
    ["com.docker.network.mtu", "mtu"],
    ["com.docker.network.bridge.nmae", "com.docker.network.bridge.name"],
    ["com.docker.network.bridge.enable-icc", "com.docker.network.bridge.enable_icc"],
    ["com.docker.network.bridge.gateway_mode_ipv5", "com.docker.network.bridge.gateway_mode_ipv4"],
    ["uplink", undefined],
    ["encrypted", undefined],
    ["__proto__", undefined],
    ["constructor", undefined],
    ["", undefined],
    ["com.docker.network.", undefined],
    ["com.docker.network.driver.overlay.vxlanid_list", undefined],
  ];
  for (const [key, word] of meant) {
    test(`${JSON.stringify(key)} ${word === undefined ? "resembles nothing" : `means ${word}`}`, () => {
      const question = word === undefined ? "" : `; did you mean ${word}?`;
      const given = new Map([[key, "1"]]);
      assert.throws(
        () => parseNetworkOptions(given),
        (error) => {
          assert.ok(error instanceof FairwayError);
          assert.equal(error.message, `network option ${JSON.stringify(key)} is not known${question}`);
          return error.code === "FW1001";
        },
      );
    });
  }

  test("an endpoint option is sent to the right command", () => {
    assertRefused({ ifname: "wan0" }, "FW1001", /belongs to a container's connection/);
    assertRefused({ "com.docker.network.endpoint.sysctls": "x" }, "FW1001", /belongs to a container's connection/);
  });
});

describe("Docker's other keys", () => {
  const prefix = "com.docker.network.";
  for (const name of ["enable_ipv4", "enable_ipv6", "internal", "advertise_addr_nmsgs", "advertise_addr_ms"]) {
    test(`${name} is the engine's business`, () => {
      assert.deepEqual(parse({ [prefix + name]: "whatever" }), defaults);
    });
  }

  for (const name of ["bridge.gateway_mode_ipv4", "bridge.gateway_mode_ipv6"]) {
    test(`${name} is nat`, () => {
      assert.deepEqual(parse({ [prefix + name]: "nat" }), defaults);
      for (const mode of ["nat-unprotected", "routed", "isolated"]) {
        assertRefused({ [prefix + name]: mode }, "FW1004", new RegExp(`^gateway mode "${mode}" is not available`));
      }
      assertRefused({ [prefix + name]: "NAT" }, "FW1002", /"NAT" is not a gateway mode$/);
    });
  }

  for (const name of ["bridge.inhibit_ipv4", "bridge.default_bridge"]) {
    test(`${name} may be false`, () => {
      assert.deepEqual(parse({ [prefix + name]: "false" }), defaults);
      assertRefused({ [prefix + name]: "true" }, "FW1002", `option ${prefix}${name} cannot be "true"`);
      assertRefused({ [prefix + name]: "x" }, "FW1002", `option ${prefix}${name} cannot be "x"`);
    });
  }

  for (const name of ["bridge.trusted_host_interfaces", "bridge.firewalld_zone"]) {
    test(`${name} is refused`, () => {
      assertRefused({ [prefix + name]: "eth1" }, "FW1002", `option ${prefix}${name} cannot be "eth1"`);
    });
  }

  test("none of them is an option of ours as well", () => {
    const aliases: readonly string[] = Object.values(networkCatalog).flatMap((entry) => [...entry.aliases]);
    assert.deepEqual(
      standardKeys.filter((entry) => aliases.includes(entry.key)),
      [],
    );
  });
});

describe("hostile text", () => {
  const keys = [...Object.keys(networkCatalog), ...standardKeys.map((entry) => entry.key), "__proto__", "toString"];
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 4096 }),
    fc.string({ unit: fc.constantFrom("\n", '"', "'", "\\", "\u202e", "\u001b", "é", "0", ",", ":"), maxLength: 200 }),
    fc.constantFrom("true", "1500", "10.0.0.1", "::1"),
  );

  test("is either read or refused in one line of quoted ASCII", () => {
    const pairs = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...keys), text), text), { maxLength: 4 });
    fc.assert(
      fc.property(pairs, (given) => {
        try {
          parseNetworkOptions(new Map(given));
        } catch (error) {
          assert.ok(error instanceof FairwayError, String(error));
          assert.match(error.message, /^[a-z][ -~…]*$/);
          assert.ok(error.message.length < 1000, error.message);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("is quoted up to 60 characters", () => {
    assertRefused({ mtu: "x".repeat(4096) }, "FW1002", /^option mtu: "x{60}"… \(4096 characters\) is not/);
    assertRefused({ mtu: 'a"\n\u202e' }, "FW1002", /^option mtu: "a\\"\\n\\u202e" is not/);
  });
});
