import { WHO_PATH } from "../lab/image.ts";
import { http, inUrl, type Who } from "../lab/probe.ts";
import type { Place } from "../lab/space.ts";
import type { Container } from "./scene.ts";

/** Long enough for a reply within one machine, short enough to wait for one that must not come. */
const PATIENCE_SECONDS = 1;

export interface Reply {
  readonly answered: boolean;
  /** Host name of the container that answered; "" for everything else. */
  readonly host: string;
  /** Where the request came from, as the server saw it. */
  readonly peer: string;
  /** For people: the address that was asked and what became of it. */
  readonly text: string;
}

/** With curl of this machine, from a machine. */
export async function ask(from: Place, address: string, port: number): Promise<Reply> {
  const outcome = await http(from, urlOf(address, port), { timeoutMs: PATIENCE_SECONDS * 1000 });
  return outcome.ok ? answered(address, outcome.body) : silent(address, outcome.failure);
}

/** With the container's own wget and its own resolver: `name` may be a name. */
export async function askFromContainer(from: Container, name: string, port: number): Promise<Reply> {
  const argv = ["wget", "-q", "-O", "-", "-T", String(PATIENCE_SECONDS), urlOf(name, port)];
  const { code, stdout, stderr } = await from.tryExec(argv);
  return code === 0 ? answered(name, stdout) : silent(name, stderr.trim().replace(/^wget: /, ""));
}

function urlOf(host: string, port: number): string {
  return `http://${inUrl(host)}:${port}${WHO_PATH}`;
}

function answered(address: string, body: string): Reply {
  const { host, peer } = JSON.parse(body) as Who;
  return { answered: true, host, peer, text: `${address} answered` };
}

function silent(address: string, why: string): Reply {
  return { answered: false, host: "", peer: "", text: `${address}: ${why}` };
}
