import { isIPv6 } from "node:net";
import path from "node:path";
import { WHO_PATH } from "./image.ts";
import type { Place } from "./space.ts";
import { waitFor } from "./wait.ts";

export { waitFor } from "./wait.ts";

const REQUEST_SCRIPT = path.join(import.meta.dirname, "image-files/request.mjs");
const TIMEOUT_MS = 3000;
/** Over the program's own, for starting it on a busy machine. */
const GRACE_MS = 20_000;

export type Failure = "refused" | "timeout" | "unreachable" | "reset" | "other";

export type Outcome =
  | { readonly ok: true; readonly status: number; readonly body: string }
  | { readonly ok: false; readonly failure: Failure; readonly detail: string };

/** What the servers of the test images answer. */
export interface Who {
  /** Host name of the container that answered: the first 12 characters of its id. */
  readonly host: string;
  /** Where the request came from, as the container saw it. IPv4 addresses are never mapped into IPv6. */
  readonly peer: string;
  readonly peerPort: number;
  /** Only from the node image. */
  readonly localPort?: number;
  /** Only from UDP. */
  readonly data?: string;
}

export interface RequestOptions {
  /** Default 3 s. */
  readonly timeoutMs?: number;
  readonly sourcePort?: number;
  /** Local address, for places that have several. */
  readonly sourceAddress?: string;
}

/** GET with curl, from the place's point of view. Never throws for what the network did. */
export async function http(place: Place, url: string, options: RequestOptions = {}): Promise<Outcome> {
  const { timeoutMs = TIMEOUT_MS, sourcePort, sourceAddress } = options;
  const argv = ["curl", "-sS", "-g", "--noproxy", "*", "--max-time", String(timeoutMs / 1000)];
  argv.push("-w", "\n%{http_code}");
  argv.push(...(sourcePort === undefined ? [] : ["--local-port", String(sourcePort)]));
  argv.push(...(sourceAddress === undefined ? [] : ["--interface", sourceAddress]), url);
  const { code, stdout, stderr } = await place.tryExec(argv, { timeoutMs: timeoutMs + GRACE_MS });
  if (code !== 0) {
    return { ok: false, failure: curlFailure(code, stderr), detail: stderr.trim() };
  }
  const end = stdout.lastIndexOf("\n");
  return { ok: true, status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
}

/** Asks a server of the test images who it is and whom it sees. @throws with the failure's detail. */
export async function who(place: Place, host: string, port: number, options?: RequestOptions): Promise<Who> {
  const url = `http://${inUrl(host)}:${port}${WHO_PATH}`;
  const outcome = await http(place, url, options);
  if (!outcome.ok) {
    throw new Error(`${url} from ${place.name}: ${outcome.failure} (${outcome.detail})`);
  }
  return JSON.parse(outcome.body) as Who;
}

/** Like who, until a server that has only just been started answers. */
export function whoEventually(place: Place, host: string, port: number, deadlineMs = 15_000): Promise<Who> {
  return waitFor(() => who(place, host, port), deadlineMs, `${place.name} to get an answer from ${host} port ${port}`);
}

/** One datagram to the UDP server of the node image, and its answer. Never throws for what the network did. */
export function udp(place: Place, host: string, port: number, data = "?", options?: RequestOptions): Promise<Outcome> {
  return request(place, "udp", host, port, data, options);
}

/** @throws with the failure's detail. */
export async function udpWho(place: Place, host: string, port: number, options?: RequestOptions): Promise<Who> {
  const outcome = await udp(place, host, port, "?", options);
  if (!outcome.ok) {
    throw new Error(`udp ${host} port ${port} from ${place.name}: ${outcome.failure} (${outcome.detail})`);
  }
  return JSON.parse(outcome.body) as Who;
}

/** Opens a connection and closes it. */
export function tcpConnect(place: Place, host: string, port: number, options?: RequestOptions): Promise<Outcome> {
  return request(place, "tcp", host, port, "", options);
}

export function ping(place: Place, host: string): Promise<boolean> {
  const argv = ["ping", "-n", "-c", "1", "-W", "2", host];
  return place.tryExec(argv).then((result) => result.code === 0);
}

export function inUrl(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

async function request(
  place: Place,
  protocol: "udp" | "tcp",
  host: string,
  port: number,
  data: string,
  { timeoutMs = TIMEOUT_MS, sourcePort = 0 }: RequestOptions = {},
): Promise<Outcome> {
  const argv = [process.execPath, REQUEST_SCRIPT, protocol, host, port, timeoutMs, sourcePort, data].map(String);
  const answer = JSON.parse(await place.exec(argv, { timeoutMs: timeoutMs + GRACE_MS })) as Record<string, unknown>;
  return answer["ok"] === true
    ? { ok: true, status: 0, body: String(answer["body"]) }
    : { ok: false, failure: errnoFailure(String(answer["failure"])), detail: String(answer["detail"]) };
}

/** Exit codes of curl(1). */
function curlFailure(code: number, stderr: string): Failure {
  if (code === 28) {
    return "timeout";
  }
  if (code === 52 || code === 56) {
    return "reset";
  }
  if (code !== 7) {
    return "other";
  }
  return /no route|unreachable/i.test(stderr) ? "unreachable" : "refused";
}

function errnoFailure(errno: string): Failure {
  const kinds: Readonly<Record<string, Failure>> = {
    ECONNREFUSED: "refused",
    ETIMEDOUT: "timeout",
    EHOSTUNREACH: "unreachable",
    ENETUNREACH: "unreachable",
    EADDRNOTAVAIL: "unreachable",
    ECONNRESET: "reset",
  };
  return kinds[errno] ?? "other";
}
