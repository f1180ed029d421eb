import assert from "node:assert/strict";
import { test } from "node:test";
import { errnoName } from "../../../../src/kernel/netlink/errno.ts";

test("numbers have the names that callers compare with", () => {
  const names = {
    1: "EPERM",
    11: "EAGAIN",
    17: "EEXIST",
    54: "EXFULL",
    94: "ESOCKTNOSUPPORT",
    95: "EOPNOTSUPP",
    105: "ENOBUFS",
  };
  for (const [number, name] of Object.entries(names)) {
    assert.equal(errnoName(Number(number)), name);
  }
});

test("an unknown number stays readable", () => {
  assert.equal(errnoName(4095), "E4095");
});
