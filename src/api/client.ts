import { request } from "node:http";
import { FairwayError } from "../errors.ts";
import type { DaemonStatus } from "./status.ts";

const timeoutMs = 5000;

/** @throws FairwayError FW2007 when no daemon answers at this socket. */
export async function fetchStatus(socketPath: string): Promise<DaemonStatus> {
  try {
    return JSON.parse(await get(socketPath, "/v1/status")) as DaemonStatus;
  } catch (error) {
    throw unreachable(socketPath, error);
  }
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: timeoutMs }, (response) => {
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
