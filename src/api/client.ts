import { request } from "node:http";
import { type ErrorCode, errorCatalogue, FairwayError } from "../errors.ts";
import type { IpamCheck, IpamRelease, IpamReport } from "../model/ipam-report.ts";
import type { RemoteError } from "./ipam.ts";
import type { DaemonStatus } from "./status.ts";

/** Above the time that the cluster store has. */
const timeoutMs = 20_000;

/** @throws FairwayError FW2007 when no daemon answers at this socket. */
export async function fetchStatus(socketPath: string): Promise<DaemonStatus> {
  return (await ask(socketPath, "GET", "/v1/status")) as DaemonStatus;
}

export async function fetchIpam(socketPath: string): Promise<IpamReport> {
  return (await ask(socketPath, "GET", "/v1/ipam")) as IpamReport;
}

export async function fetchIpamCheck(socketPath: string): Promise<IpamCheck> {
  return (await ask(socketPath, "GET", "/v1/ipam/check")) as IpamCheck;
}

/** @throws FairwayError what the daemon says against it, too. */
export async function releaseAddresses(
  socketPath: string,
  what: { readonly address: string } | { readonly host: string; readonly force: boolean },
): Promise<IpamRelease> {
  const query = new URLSearchParams(Object.entries(what).map(([key, value]): [string, string] => [key, String(value)]));
  return (await ask(socketPath, "POST", `/v1/ipam/release?${query}`)) as IpamRelease;
}

async function ask(socketPath: string, method: string, path: string): Promise<unknown> {
  let json: unknown;
  try {
    json = JSON.parse(await exchange(socketPath, method, path));
  } catch (error) {
    throw unreachable(socketPath, error);
  }
  const { error, code, why, fix } = json as Partial<RemoteError>;
  if (error !== undefined) {
    throw new FairwayError({
      code: code !== undefined && code in errorCatalogue ? (code as ErrorCode) : "FW9002",
      what: error,
      ...(why === undefined ? {} : { why }),
      ...(fix === undefined ? {} : { fix }),
    });
  }
  return json;
}

function exchange(socketPath: string, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
      response.on("error", reject);
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on("error", reject);
    call.end();
  });
}

function unreachable(socketPath: string, error: unknown): FairwayError {
  const errno = (error as NodeJS.ErrnoException).code;
  const denied = errno === "EACCES";
  return new FairwayError({
    code: denied ? "FW2002" : "FW2007",
    what: denied
      ? `not allowed to talk to the fairway daemon at ${socketPath}`
      : `no fairway daemon answers at ${socketPath}`,
    why: denied ? "its socket belongs to root" : `the socket could not be used (${errno ?? String(error)})`,
    fix: denied ? "use sudo" : "start it with `fairway daemon` or `systemctl start fairway`, or name its --run-dir",
    cause: error,
  });
}
