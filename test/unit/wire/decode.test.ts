import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FairwayError } from "../../../src/errors.ts";
import { decode } from "../../../src/wire/decode.ts";

const refused = { name: "FairwayError", code: "FW5001" };
const nested = (depth: number) => Buffer.from(`${'{"a":'.repeat(depth)}{}${"}".repeat(depth)}`);

test("JSON is decoded, and nothing but white space is no content", () => {
  assert.deepEqual(decode(Buffer.from('{"a":[1,"ü",null]}\n')), { a: [1, "ü", null] });
  assert.equal(decode(Buffer.from(" \r\n")), undefined);
  assert.equal(decode(Buffer.alloc(0)), undefined);
  assert.equal(decode(Buffer.from("null")), null);
});

test("nesting ends at 32 levels", () => {
  assert.ok(decode(nested(31)));
  assert.throws(() => decode(nested(32)), refused);
  assert.throws(() => decode(Buffer.from(`${"[".repeat(500_000)}${"]".repeat(500_000)}`)), refused);
});

test("keys that reach a prototype are refused at each level, written in any way", () => {
  for (const key of ["__proto__", "constructor", "prototype", "\\u005f_proto__"]) {
    for (const text of [`{"${key}":1}`, `[{"a":{"${key}":null}}]`]) {
      assert.throws(() => decode(Buffer.from(text)), refused);
    }
  }
  assert.deepEqual(decode(Buffer.from('{"a":"__proto__"}')), { a: "__proto__" });
});

test("any bytes are decoded or refused", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.json().map((text) => Buffer.from(text)),
    fc.tuple(fc.json(), fc.nat(), fc.nat(255)).map(([text, index, byte]) => {
      const mutated = Buffer.from(text);
      mutated[index % mutated.length] = byte;
      return mutated;
    }),
  );
  fc.assert(
    fc.property(bytes, (body) => {
      try {
        decode(body);
      } catch (error) {
        assert.ok(error instanceof FairwayError && error.code === "FW5001");
      }
    }),
    { numRuns: 2000 },
  );
});
