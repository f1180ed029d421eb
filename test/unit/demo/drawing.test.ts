import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draw, type HostSpot, type Spot } from "../../demo/routed/drawing.ts";

const spot = (name: string, about = "a machine"): Spot => ({
  name,
  about,
  ipv4: "192.0.2.1",
  ipv6: "2001:db8:1234:5678::1",
});
const host = (name: string, containers: number): HostSpot => ({
  ...spot(name),
  networks: [
    { about: "network app", containers: Array.from({ length: containers }, (_, index) => spot(`box${index}`)) },
  ],
});

describe("the drawing of a data centre", () => {
  test("names everybody, with addresses, and is as wide as a terminal of 100 columns", () => {
    const text = draw({
      metal: spot("metal"),
      vm: spot("vm", "with very many words about itself ".repeat(5)),
      router: spot("tor"),
      hosts: [host("h1", 1), host("h2", 3)],
    });
    const lines = text.split("\n");
    assert.equal(Math.max(...lines.map((line) => line.length)), 100);
    for (const name of ["metal", "vm", "tor", "h1", "h2"]) {
      assert.ok(text.includes(`+- ${name} -`), name);
    }
    assert.deepEqual(text.match(/box\d +192\.0\.2\.1 +2001:db8:1234:5678::1/g)?.length, 4);
  });

  test("lines lead from box to box, whatever is in them", () => {
    const lines = draw({
      metal: spot("a"),
      vm: spot("b"),
      router: spot("c"),
      hosts: [host("d", 1), host("e", 0)],
    }).split("\n");
    const forks = lines.filter((line) => /^ +[|+][-| +]*$/.test(line));
    assert.deepEqual(
      forks.map((line) => line.replaceAll(" ", "")),
      ["||", edge(), "|", box(), "|", edge(), "||"],
    );
  });
});

function edge(): string {
  return `+${"-".repeat(25)}+${"-".repeat(25)}+`;
}

function box(): string {
  return `+${"-".repeat(46)}+`;
}
