/** Sends a recorded engine session to a plugin socket, and checks answers as strictly as the strictest engine. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { isIPv4, isIPv6 } from "node:net";

/** JSON as it was on the wire. */
export type Wire = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface Exchange {
  /** URL path, such as "/NetworkDriver.Join". */
  readonly method: string;
  readonly request: Wire | null;
  readonly answer: Answer;
}

export interface ReplayHooks {
  /** A "command" line of the recording: what somebody typed. */
  readonly onCommand?: (command: string) => Promise<void>;
  readonly onExchange?: (exchange: Exchange) => Promise<void>;
  /** Calls that the plugin refuses where the recorder did not. */
  readonly isRefused?: (method: string, request: Wire | null) => boolean;
}

/** Sends every recorded call in order over one connection and checks each answer. Returns what was said. */
export async function replay(socketPath: string, fixtureFile: URL, hooks: ReplayHooks = {}): Promise<Exchange[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const exchanges: Exchange[] = [];
  try {
    for (const line of await readLines(fixtureFile)) {
      if ("command" in line) {
        await hooks.onCommand?.(String(line["command"]));
        continue;
      }
      const exchange = await replayLine(socketPath, agent, line);
      if (hooks.isRefused?.(exchange.method, exchange.request) === true) {
        assert.ok("Error" in parseObject(exchange.answer.text, exchange.method), `${exchange.method} was not refused`);
      } else {
        checkAnswer(exchange.method, exchange.request, exchange.answer);
      }
      exchanges.push(exchange);
      await hooks.onExchange?.(exchange);
    }
  } finally {
    agent.destroy();
  }
  return exchanges;
}

async function readLines(fixtureFile: URL): Promise<Wire[]> {
  const text = await readFile(fixtureFile, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

async function replayLine(socketPath: string, agent: Agent, line: Wire): Promise<Exchange> {
  const method = String(line["method"]);
  const request = line["request"] as Wire | null;
  const answer = await post(socketPath, method, request, agent);
  return { method, request, answer };
}

/** One call with the headers and the framing of an engine: no Content-Type, a final newline, an empty body for null. */
export async function post(socketPath: string, path: string, request: Wire | null, agent?: Agent): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const body = request === null ? "" : `${JSON.stringify(request)}\n`;
  const outgoing = httpRequest({
    socketPath,
    path,
    method: "POST",
    ...(agent === undefined ? {} : { agent }),
    headers: {
      Host: "plugin.moby.localhost",
      "User-Agent": "Go-http-client/1.1",
      "Content-Length": Buffer.byteLength(body),
      Accept: "application/vnd.docker.plugins.v1.2+json",
    },
  });
  outgoing.once("error", reject);
  outgoing.once("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("error", reject);
    response.once("end", () => {
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
    });
  });
  outgoing.end(body);
  return await promise;
}

const answerFields: ReadonlyMap<string, readonly string[]> = new Map([
  ["/Plugin.Activate", ["Implements"]],
  ["/NetworkDriver.GetCapabilities", ["Scope", "ConnectivityScope"]],
  ["/NetworkDriver.CreateEndpoint", ["Interface"]],
  ["/NetworkDriver.EndpointOperInfo", ["Value"]],
  ["/NetworkDriver.AllocateNetwork", ["Options"]],
  ["/IpamDriver.GetCapabilities", ["RequiresMACAddress", "RequiresRequestReplay"]],
  ["/IpamDriver.GetDefaultAddressSpaces", ["LocalDefaultAddressSpace", "GlobalDefaultAddressSpace"]],
  ["/IpamDriver.RequestPool", ["PoolID", "Pool", "Data"]],
  ["/IpamDriver.RequestAddress", ["Address", "Data"]],
  ["/NetworkDriver.Join", ["InterfaceName", "Gateway", "GatewayIPv6", "StaticRoutes", "DisableGatewayService"]],
]);

/** @throws AssertionError for an answer that some engine from 20.10 to 29 would refuse or misread. */
export function checkAnswer(method: string, request: Wire | null, answer: Answer): void {
  assert.equal(answer.status, 200, `${method}: status ${answer.status}: ${answer.text}`);
  const body = parseObject(answer.text, method);
  assert.ok(!("Err" in body), `${method} was refused: ${String(body["Err"])}`);
  onlyFields(body, answerFields.get(method) ?? [], method);
  if (method === "/Plugin.Activate") {
    assert.ok((body["Implements"] as string[]).includes("NetworkDriver"));
  } else if (method === "/NetworkDriver.GetCapabilities") {
    assert.deepEqual(body, { Scope: "local", ConnectivityScope: "local" });
  } else if (method === "/NetworkDriver.CreateEndpoint") {
    checkInterface(asWire(body["Interface"] ?? {}), asWire(request?.["Interface"] ?? {}));
  } else if (method === "/NetworkDriver.EndpointOperInfo") {
    assert.deepEqual(body, { Value: {} });
  } else if (method === "/NetworkDriver.Join") {
    checkJoin(body);
  } else if (method === "/IpamDriver.RequestPool") {
    assert.notEqual(body["PoolID"], "");
    assert.match(String(body["Pool"]), cidr);
    for (const gateway of Object.values(asWire(body["Data"]))) {
      assert.match(String(gateway), cidr);
    }
  } else if (method === "/IpamDriver.RequestAddress") {
    assert.match(String(body["Address"]), cidr);
  }
}

const cidr = /^[0-9a-f.:]+\/\d+$/;

function checkInterface(answered: Wire, sent: Wire): void {
  onlyFields(answered, ["Address", "AddressIPv6", "MacAddress"], "CreateEndpoint Interface");
  for (const [field, value] of Object.entries(answered)) {
    assert.equal(sent[field] ?? "", "", `${field} was supplied, answering it makes the engine refuse the endpoint`);
    const pattern = field === "MacAddress" ? /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/ : /^[0-9a-f.:]+\/\d+$/;
    assert.match(String(value), pattern, field);
  }
}

function checkJoin(body: Wire): void {
  // Otherwise the engine adds a second interface on docker_gwbridge, with a way out.
  assert.ok(
    "Gateway" in body || body["DisableGatewayService"] === true,
    "neither gateway nor gateway service disabled",
  );
  assert.ok(
    !("Gateway" in body) || isIPv4(String(body["Gateway"])),
    `Gateway ${String(body["Gateway"])} is no address`,
  );
  const gatewayIpv6 = body["GatewayIPv6"];
  assert.ok(
    gatewayIpv6 === undefined || isIPv6(String(gatewayIpv6)),
    `GatewayIPv6 ${String(gatewayIpv6)} is no address`,
  );
  if ("InterfaceName" in body) {
    checkInterfaceName(asWire(body["InterfaceName"]));
  }
  for (const route of (body["StaticRoutes"] ?? []) as Wire[]) {
    checkRoute(route);
  }
}

function checkInterfaceName(name: Wire): void {
  onlyFields(name, ["SrcName", "DstPrefix", "DstName"], "InterfaceName");
  assert.match(String(name["SrcName"]), /^[A-Za-z0-9_.-]{1,15}$/);
  // The engine appends a number to the prefix.
  assert.match(String(name["DstPrefix"]), /^[A-Za-z0-9_.-]{1,13}$/);
}

function checkRoute(route: Wire): void {
  onlyFields(route, ["Destination", "RouteType", "NextHop"], "StaticRoutes");
  const destination = String(route["Destination"]);
  assert.match(destination, /^[0-9a-f.:]+\/\d+$/);
  // Engines from 28 on fail the container's start on a default route here.
  assert.doesNotMatch(destination, /\/0$/);
  const nextHop = String(route["NextHop"]);
  assert.ok(route["RouteType"] === 1 ? nextHop === "" : isIPv4(nextHop) || isIPv6(nextHop), `next hop ${nextHop}`);
}

function onlyFields(body: Wire, known: readonly string[], what: string): void {
  const unknown = Object.keys(body).filter((key) => !known.includes(key));
  assert.deepEqual(unknown, [], `${what}: unexpected fields`);
}

function parseObject(text: string, what: string): Wire {
  const body: unknown = JSON.parse(text);
  assert.ok(typeof body === "object" && body !== null && !Array.isArray(body), `${what}: answer is not an object`);
  return body as Wire;
}

function asWire(value: unknown): Wire {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value));
  return value as Wire;
}
