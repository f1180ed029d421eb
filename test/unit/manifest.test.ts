/** The managed plugin's manifest and the service units agree with the program. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { environmentNameOf, settingNames, settings } from "../../src/daemon/config-schema.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

interface Manifest {
  readonly interface: { readonly types: readonly string[]; readonly socket: string };
  readonly network: { readonly type: string };
  readonly mounts: readonly { readonly destination: string }[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly linux: { readonly capabilities: readonly string[] };
}

const manifest = JSON.parse(read("config.json")) as Manifest;

test("the manifest asks for the host's network, two capabilities and the sandboxes, and keeps the state outside", () => {
  assert.deepEqual(manifest.interface.types, ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"]);
  assert.equal(manifest.network.type, "host");
  assert.deepEqual(manifest.linux.capabilities, ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
  const destinations = manifest.mounts.map(({ destination }) => destination);
  assert.deepEqual(destinations, [settings.stateDir.fallback, "/var/run/docker"]);
});

test("the socket's path fits into sun_path below the engine's directory for plugins", () => {
  const directoryBytes = "/run/docker/plugins/".length + 64 + 1;
  assert.ok(directoryBytes + manifest.interface.socket.length <= 107);
  assert.ok(settings.pluginSocket.fallback.endsWith(`/${manifest.interface.socket}`));
});

test("every variable of the manifest is a setting, with a value that it accepts", () => {
  for (const { name, value } of manifest.env) {
    const setting = settingNames.find((candidate) => environmentNameOf(candidate) === name);
    assert.ok(setting !== undefined, name);
    assert.ok(settings[setting].value.safeParse(value).success, `${name}=${value}`);
  }
});

test("the service may enter network namespaces, and no others", () => {
  const unit = read("plugin/systemd/fairway.service");
  assert.match(unit, /^CapabilityBoundingSet=.*\bCAP_SYS_ADMIN$/m);
  assert.match(unit, /^RestrictNamespaces=net$/m);
});

test("the service units use the default socket and start before the engine", () => {
  const socketUnit = read("plugin/systemd/fairway.socket");
  const serviceUnit = read("plugin/systemd/fairway.service");
  assert.match(socketUnit, new RegExp(`^ListenStream=${settings.pluginSocket.fallback}$`, "m"));
  assert.match(socketUnit, /^SocketMode=0600$/m);
  for (const unit of [socketUnit, serviceUnit]) {
    assert.match(unit, /^Before=docker\.service$/m);
  }
  assert.match(serviceUnit, /^ExecStart=\/opt\/fairway\/bin\/fairway daemon$/m);
});
