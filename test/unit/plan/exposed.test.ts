import assert from "node:assert/strict";
import { test } from "node:test";
import { planExposed } from "../../../src/plan/exposed.ts";
import { port } from "../../fakes/requests.ts";

/** "80/tcp" */
const exposedPort = (text: string) => {
  const [number, protocol] = text.split("/");
  return { protocol: protocol as "tcp" | "udp" | "sctp", port: Number(number) };
};

const cases: [string, string[], string[], string[]][] = [
  ["an exposed port is the host's of the same number", ["80/tcp", "53/udp"], [], ["80/tcp", "53/udp"]],
  ["a published one as well, though no image exposes it", [], ["8080:80"], ["80/tcp"]],
  ["one that is exposed and published is one", ["80/tcp"], ["8080:80", "80:80"], ["80/tcp"]],
  ["any free number is instead of the same one", ["80/tcp"], ["0:80"], []],
  ["of that port only", ["80/tcp", "81/tcp"], ["0:80"], ["81/tcp"]],
  ["of that protocol only", ["80/tcp", "80/udp"], ["0:80/udp"], ["80/tcp"]],
  ["one address is instead of all", ["80/tcp"], ["127.0.0.1:8080:80"], []],
  ["one IPv6 address, too", ["80/tcp"], ["[::1]:8080:80"], []],
  ["one family is instead of both", ["80/tcp"], ["0.0.0.0:8080:80"], []],
  ["IPv6 alone, too", ["80/tcp"], ["[::]:8080:80"], []],
  ["a number that leads elsewhere is taken", ["80/tcp", "8080/tcp"], ["80:8080"], ["8080/tcp"]],
  ["a range that begins with the number takes it", ["80/tcp"], ["80-90:8080"], ["8080/tcp"]],
  ["a range that ends with the number takes it", ["90/tcp"], ["80-90:8080"], ["8080/tcp"]],
  ["one beside the range is left", ["79/tcp", "91/tcp"], ["80-90:8080"], ["79/tcp", "91/tcp", "8080/tcp"]],
  ["the number of another protocol is not taken", ["80/udp"], ["80:8080"], ["80/udp", "8080/tcp"]],
  ["one of a range that leads to the port itself is besides", ["80/tcp"], ["80-90:80"], ["80/tcp"]],
  ["nothing of nothing", [], [], []],
];
for (const [name, exposed, published, wanted] of cases) {
  test(name, () => {
    const planned = planExposed(exposed.map(exposedPort), published.map(port));
    assert.deepEqual(
      planned,
      wanted.map(exposedPort).map(({ protocol, port: number }) => ({
        protocol,
        containerPort: number,
        hostPortFirst: number,
        hostPortLast: number,
      })),
    );
  });
}
