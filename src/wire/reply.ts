import type { ServerResponse } from "node:http";
import { explain, FairwayError } from "../errors.ts";
import { BodyTooLargeError } from "./body.ts";
import type { FailureAnswer } from "./schemas.ts";

/** What go-plugins-helpers and engines call the protocol; engines do not check it in answers. */
const contentType = "application/vnd.docker.plugins.v1.2+json";
const longestErrorText = 2000;

export interface Reply {
  readonly status: number;
  readonly answer: object;
  /** The connection cannot serve another request. */
  readonly closes?: boolean;
}

/**
 * A refusal is a 200, of which the engine shows the user "remote: " and our text. Other statuses are shown with the
 * method's name in front, which helps whoever made a request that we do not understand, and marks our own defects.
 */
export function failureReply(error: unknown): Reply {
  const text = explain(error).slice(0, longestErrorText).toWellFormed();
  const answer: FailureAnswer = { Err: text, Error: text };
  return { status: statusOf(error), answer, ...(error instanceof BodyTooLargeError ? { closes: true } : {}) };
}

function statusOf(error: unknown): number {
  if (error instanceof BodyTooLargeError) {
    return 413;
  }
  if (!(error instanceof FairwayError) || error.code === "FW9002") {
    return 500;
  }
  if (error.code === "FW5001") {
    return 400;
  }
  return error.code === "FW5007" ? 404 : 200;
}

export function send(response: ServerResponse, reply: Reply): void {
  const text = JSON.stringify(reply.answer);
  response.statusCode = reply.status;
  response.setHeader("Content-Type", contentType);
  response.setHeader("Content-Length", Buffer.byteLength(text));
  if (reply.closes === true) {
    response.setHeader("Connection", "close");
  }
  response.end(text);
}
