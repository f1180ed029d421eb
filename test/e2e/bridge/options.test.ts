/** Options as users type them, and what they read when an option is wrong. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { bridgeRig } from "./rig.ts";
import { bridgeOf, linkOf, statusOf } from "./sights.ts";
import { assertVisits } from "./visits.ts";

describe(`options with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  const refusalOf = (...options: readonly string[]) =>
    rig.host.dockerFails(
      "network",
      "create",
      "-d",
      "fairway",
      ...options.flatMap((option) => ["-o", option]),
      "refused",
    );

  test("short and standard names do the same", async () => {
    const { host, client } = rig;
    await rig.network(
      "short",
      "-o",
      "mtu=1400",
      "-o",
      "bridge_name=br-short",
      "-o",
      "ifname_prefix=lan",
      "-o",
      "publish_address=127.0.0.1",
    );
    await rig.network(
      "standard",
      ...["-o", "com.docker.network.driver.mtu=1400", "-o", "com.docker.network.bridge.name=br-standard"],
      ...["-o", "com.docker.network.container_iface_prefix=lan", "-o", "com.docker.network.bridge.enable_icc=true"],
      ...["-o", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1"],
      ...["-o", "com.docker.network.bridge.enable_ip_masquerade=true"],
    );
    for (const [network, port] of [
      ["short", 8080],
      ["standard", 8081],
    ] as const) {
      const box = await rig.run(`in-${network}`, network, { args: ["-p", `${port}:80`] });
      assert.equal(await bridgeOf(host, network), `br-${network}`);
      assert.equal((await linkOf(host, `br-${network}`)).mtu, 1400);
      assert.equal((await linkOf(box, "lan0")).mtu, 1400);
      await assertVisits([
        { from: host, to: "127.0.0.1", port, meets: box.host },
        { from: client, to: rig.ipv4, port },
      ]);
    }
  });

  test("a wrong option is refused in words that help", async () => {
    const { host } = rig;
    assert.match(await refusalOf("mtuu=1400"), /network option "mtuu" is not known; did you mean mtu\?/);
    assert.match(
      await refusalOf("com.docker.network.driver.mtuu=1400"),
      /did you mean com\.docker\.network\.driver\.mtu\?/,
    );
    assert.match(await refusalOf("bridgeName=x"), /did you mean bridge_name\?[\s\S]*FW1001/);
    assert.match(await refusalOf("mode=overlay"), /mode "overlay" is not available in this version[\s\S]*FW1004/);
    assert.match(await refusalOf("mtu=67"), /option mtu: "67" is not a whole number from 68 to 65535/);
    assert.match(await refusalOf("icc=maybe"), /option icc: "maybe" is not true or false/);
    assert.match(
      await refusalOf("mtu=1400", "com.docker.network.driver.mtu=1500"),
      /contradict each other[\s\S]*FW1003/,
    );
    assert.match(await refusalOf("ifname=wan0"), /belongs to a container's connection/);
    const small = ["-o", "mtu=1000", "--ipv6", "--subnet", "fd9c::/64", "refused"];
    assert.match(
      await host.dockerFails("network", "create", "-d", "fairway", ...small),
      /too small for a network with IPv6/,
    );
    await rig.network("right");
    await rig.run("box", "right");
    await rig.network("second");
    const refusal = await host.dockerFails("network", "connect", "--driver-opt", "ifnam=wan0", "second", "box");
    assert.match(refusal, /endpoint option "ifnam" is not known; did you mean ifname\?/);
    assert.deepEqual((await statusOf(host)).networks.map(({ endpoints }) => endpoints.length).sort(), [0, 1]);
  });

  test("a bridge name that somebody has is refused, and the foreign interface stays as it is", async () => {
    const { host } = rig;
    await host.exec(["ip", "link", "add", "br-taken", "mtu", "1234", "type", "veth", "peer", "name", "br-peer"]);
    await host.exec(["ip", "addr", "add", "192.0.2.9/24", "dev", "br-taken"]);
    await host.exec(["ip", "link", "add", "br-other", "type", "bridge"]);
    const sight = async () => await host.exec(["ip", "-d", "addr", "show", "dev", "br-taken"]);
    const before = await sight();
    try {
      for (const name of ["br-taken", "br-other", "docker0", "eth0"]) {
        assert.match(await refusalOf(`bridge_name=${name}`), new RegExp(`${name} (.|\\n)+FW3007`));
      }
      assert.equal(await sight(), before);
      await rig.network("holder", "-o", "bridge_name=br-mine");
      assert.match(await refusalOf("bridge_name=br-mine"), /br-mine[\s\S]*FW3007/);
      assert.equal(await bridgeOf(host, "holder"), "br-mine");
    } finally {
      await host.exec(["ip", "link", "del", "br-taken"]);
      await host.exec(["ip", "link", "del", "br-other"]);
    }
  });

  test("hostile text is refused and does nothing", async () => {
    const { host } = rig;
    const trap = `/tmp/fairway-trap-${host.name}`;
    const values = [
      `$(touch ${trap})`,
      `\`touch ${trap}\``,
      `; touch ${trap} #`,
      `x\ntouch ${trap}\n`,
      `"'\\"; touch ${trap}; '`,
      "\u001b]0;owned\u0007",
      "../../../../etc/passwd",
      "%s%n%x",
      "a".repeat(4096),
    ];
    const keys = ["mtu", "bridge_name", "icc", "snat_ipv4", "publish_address", "ifname_prefix", "mode"];
    for (const [index, value] of values.entries()) {
      const key = keys[index % keys.length];
      const refusal = await refusalOf(`${key}=${value}`);
      assert.match(refusal, /\[FW1\d{3}, docs\/errors\.md#fw1\d{3}\]/);
      assert.ok(refusal.length < 1500, refusal);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
      assert.doesNotMatch(refusal.replaceAll("\n", ""), /[\u0000-\u001f\u007f]/);
      assert.doesNotMatch(refusal, /^touch/m);
    }
    for (const key of [`$(touch ${trap})`, "__proto__", "constructor", "a".repeat(4096)]) {
      assert.match(await refusalOf(`${key}=x`), /FW1001|FW5001/);
    }
    assert.equal(existsSync(trap), false);
    assert.equal(await host.docker("network", "ls", "-q", "--filter", "driver=fairway"), "");
    assert.deepEqual((await statusOf(host)).networks, []);
  });
});
