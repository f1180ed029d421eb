import type { IncomingMessage } from "node:http";
import { FairwayError } from "../errors.ts";

/** Engines send 80 to 600 bytes; each published port takes about 110 bytes, so that all 65 535 of a container fit. */
export const bodyLimitBytes = 8 * 1024 * 1024;

/** A body over the limit: the connection is of no further use, since its rest is not read. */
export class BodyTooLargeError extends FairwayError {
  constructor() {
    super({
      code: "FW5001",
      what: `the request is larger than ${bodyLimitBytes} bytes`,
      why: "every port of a published range counts by itself",
      fix: "publish fewer ports on one container",
    });
  }
}

/** Reads whatever the content type says, because engines send none. @throws BodyTooLargeError. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > bodyLimitBytes) {
    throw new BodyTooLargeError();
  }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  request.on("data", (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > bodyLimitBytes) {
      request.pause();
      reject(new BodyTooLargeError());
    } else {
      chunks.push(chunk);
    }
  });
  request.once("end", () => resolve(Buffer.concat(chunks)));
  request.once("error", (cause) => {
    reject(new FairwayError({ code: "FW5001", what: "the request broke off in its body", cause }));
  });
  return await promise;
}
