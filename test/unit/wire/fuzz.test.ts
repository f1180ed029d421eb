import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { z } from "zod";
import { explain, FairwayError } from "../../../src/errors.ts";
import { parseCreateEndpoint, parseEndpointRef, parseJoin, parseProgram } from "../../../src/wire/parse-endpoint.ts";
import { parseCreateNetwork } from "../../../src/wire/parse-network.ts";
import { CreateEndpoint, CreateNetwork, EndpointOnly, Join, Program, understand } from "../../../src/wire/schemas.ts";

function parser<Schema extends z.ZodType>(schema: Schema, parse: (request: z.output<Schema>) => unknown) {
  return (content: unknown) => parse(understand(schema, content));
}

const parsers = {
  CreateNetwork: parser(CreateNetwork, parseCreateNetwork),
  CreateEndpoint: parser(CreateEndpoint, parseCreateEndpoint),
  Join: parser(Join, parseJoin),
  Program: parser(Program, parseProgram),
  EndpointOnly: parser(EndpointOnly, parseEndpointRef),
};

const hostileText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "",
    "__proto__",
    "$(id)",
    "../../x",
    "\u0000",
    "10.0.0.1/24",
    "fd00::1/64",
    "::ffff:1.2.3.4/96",
    "0.0.0.0/0",
  ),
  fc.ipV4().map((address) => `${address}/24`),
  fc.ipV6().map((address) => `${address}/64`),
);
const scalar = fc.oneof(hostileText, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const anything = fc.oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: fc.jsonValue() });
const id = fc.oneof({ weight: 4, arbitrary: fc.constant("a".repeat(64)) }, { weight: 1, arbitrary: anything });
const binding = fc.record(
  {
    Proto: fc.oneof(fc.constantFrom(6, 17, 132), anything),
    Port: fc.oneof(fc.nat(70_000), anything),
    HostIP: anything,
    HostPort: anything,
    HostPortEnd: anything,
  },
  { requiredKeys: [] },
);
const pool = fc.record(
  { Pool: anything, Gateway: anything, AuxAddresses: fc.oneof(anything, fc.dictionary(hostileText, hostileText)) },
  { requiredKeys: [] },
);
const listOf = (element: fc.Arbitrary<unknown>) =>
  fc.oneof(fc.array(fc.oneof(element, anything), { maxLength: 3 }), anything);
const options = fc.oneof(
  anything,
  fc.dictionary(hostileText, anything),
  fc.record(
    {
      "com.docker.network.generic": fc.oneof(anything, fc.dictionary(hostileText, fc.oneof(hostileText, anything))),
      "com.docker.network.enable_ipv4": anything,
      "com.docker.network.portmap": listOf(binding),
    },
    { requiredKeys: [] },
  ),
);
const request = fc.record(
  {
    NetworkID: id,
    EndpointID: id,
    SandboxKey: anything,
    Interface: fc.oneof(anything, fc.record({ Address: anything, AddressIPv6: anything, MacAddress: anything })),
    Options: options,
    IPv4Data: listOf(pool),
    IPv6Data: listOf(pool),
  },
  { requiredKeys: [] },
);

for (const [name, parse] of Object.entries(parsers)) {
  test(`${name}: any JSON is parsed or refused with a printable text`, () => {
    let parsed = 0;
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: request }, { weight: 1, arbitrary: fc.jsonValue() }), (content) => {
        try {
          parse(content);
          parsed += 1;
        } catch (error) {
          assert.ok(error instanceof FairwayError && error.code !== "FW9002", String(error));
          assert.match(explain(error), /^[^\p{Cc}]+(\n {2}[^\p{Cc}]+)+$/u);
        }
        assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
      }),
      { numRuns: 2000 },
    );
    assert.ok(parsed > 0, "some requests are good");
  });
}

test("a prototype key that slipped through changes no prototype", () => {
  const evil = JSON.parse('{"Options":{"__proto__":{"polluted":"1"},"com.docker.network.generic":{"__proto__":"x"}}}');
  const content = { ...evil, NetworkID: "a".repeat(64), EndpointID: "b".repeat(64) };
  for (const parse of Object.values(parsers)) {
    parse(content);
  }
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});
