import { WHO_PATH } from "../lab/image.ts";
import { http, inUrl, type Who } from "../lab/probe.ts";
import type { Place } from "../lab/space.ts";
import type { Container } from "./scene.ts";

/** Long enough for an answer within one machine, short enough to wait for one that must not come. */
const PATIENCE_SECONDS = 1;

export interface Reply {
  readonly answered: boolean;
  /** Host name of the container that answered; "" for everything else. */
  readonly host: string;
  /** Where the request came from, as the server saw it. */
  readonly peer: string;
  /** For people: what was asked and what became of it. */
  readonly text: string;
}

/** With curl of this machine, from a machine. */
export async function ask(from: Place, address: string, port: number): Promise<Reply> {
  const outcome = await http(from, urlOf(address, port), { timeoutMs: PATIENCE_SECONDS * 1000 });
  return outcome.ok ? answered(address, port, outcome.body) : silent(address, port, outcome.failure);
}

/**
 * With the container's own wget and resolver: `name` may be a name. Its option for a timeout makes the static busybox
 * of Debian 12 crash.
 */
export async function askFromContainer(from: Container, name: string, port: number): Promise<Reply> {
  const argv = ["timeout", String(PATIENCE_SECONDS), "wget", "-q", "-O", "-", urlOf(name, port)];
  const { code, stdout, stderr } = await from.tryExec(argv);
  const said = stderr.trim().replace(/^wget: /, "");
  return code === 0
    ? answered(name, port, stdout)
    : silent(name, port, said === "Terminated" || said === "" ? "timeout" : said);
}

function urlOf(host: string, port: number): string {
  return `http://${inUrl(host)}:${port}${WHO_PATH}`;
}

function answered(address: string, port: number, body: string): Reply {
  const { host, peer } = JSON.parse(body) as Who;
  return { answered: true, host, peer, text: `${inUrl(address)}:${port} answered` };
}

function silent(address: string, port: number, why: string): Reply {
  return { answered: false, host: "", peer: "", text: `${inUrl(address)}:${port}: ${why}` };
}
