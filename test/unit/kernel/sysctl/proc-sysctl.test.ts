import assert from "node:assert/strict";
import { test } from "node:test";
import { isKernelError } from "../../../../src/kernel/ports.ts";
import { ProcSysctl } from "../../../../src/kernel/sysctl/proc-sysctl.ts";

const sysctls = new ProcSysctl();

test("a value comes without its newline", () => {
  assert.equal(sysctls.read(["kernel", "ostype"]), "Linux");
});

test("a missing knob reads as undefined, and refuses to be written", () => {
  const path = ["net", "ipv4", "conf", "no-such-link", "forwarding"];
  assert.equal(sysctls.read(path), undefined);
  assert.throws(
    () => sysctls.write(path, "1"),
    (error) => isKernelError(error, "ENOENT") && error.message.includes("net/ipv4/conf/no-such-link/forwarding"),
  );
});

for (const bad of ["..", ".", "", "a/b", "a\0b", "a b"]) {
  test(`${JSON.stringify(bad)} leads nowhere`, () => {
    assert.throws(() => sysctls.read(["net", bad, "x"]), /not a path below/);
    assert.throws(() => sysctls.write(["net", bad, "x"], "1"), /not a path below/);
  });
}

test("an empty path leads nowhere", () => {
  assert.throws(() => sysctls.read([]), /not a path below/);
});
