import type { IncomingMessage, ServerResponse } from "node:http";
import { defect, explain, FairwayError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { readBody } from "./body.ts";
import { Call, contentLost, hungUp, tookTooLong, watchDelivery } from "./call.ts";
import { logCall } from "./call-log.ts";
import { decode } from "./decode.ts";
import type { Method } from "./methods.ts";
import { failureReply, send } from "./reply.ts";

export interface ServeOptions {
  readonly logger: Logger;
  /** A call that has no answer by then is answered with an error, and undone if it succeeds later. */
  readonly deadlineMs: number;
}

/** Serves one call from its body to the log line. Never rejects. */
export async function serve(
  path: string,
  method: Method,
  request: IncomingMessage,
  response: ServerResponse,
  options: ServeOptions,
): Promise<void> {
  const name = path.slice(path.indexOf(".") + 1);
  const startedMs = performance.now();
  const call = new Call();
  const delivery = watchDelivery(response, request.socket);
  void delivery.then((delivered) => delivered || call.abort(hungUp(name)));
  const content = await receive(request);
  const work = content.ok ? perform(name, method, content.value, call) : Promise.reject(content.error);
  const hidden = content.ok ? method.whateverHappens : undefined;
  const error = await answer(name, hidden, call, work, response, options.deadlineMs);
  const durationMs = performance.now() - startedMs;
  const delivered = await delivery;
  logCall(options.logger, {
    requestId: call.requestId,
    method: name,
    content: content.ok ? content.value : undefined,
    durationMs,
    delivered,
    hidden: hidden !== undefined,
    ...(error === undefined ? {} : { error }),
  });
  if (error !== undefined || !delivered) {
    await takeBack(call, work, options.logger);
  }
}

type Received = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

async function receive(request: IncomingMessage): Promise<Received> {
  try {
    return { ok: true, value: decode(await readBody(request)) };
  } catch (error) {
    return { ok: false, error };
  }
}

async function perform(name: string, method: Method, content: unknown, call: Call): Promise<object> {
  if (content !== undefined || method.withoutContent === undefined) {
    return await method.call(content, call);
  }
  if (method.withoutContent === "refuse") {
    throw contentLost(name);
  }
  await method.withoutContent();
  return method.whateverHappens ?? {};
}

/** Returns the error that the answer was made of, or that was hidden behind `whateverHappens`. */
async function answer(
  name: string,
  whateverHappens: object | undefined,
  call: Call,
  work: Promise<object>,
  response: ServerResponse,
  deadlineMs: number,
): Promise<unknown> {
  const deadline = setTimeout(() => call.abort(tookTooLong(name, deadlineMs)), deadlineMs);
  try {
    send(response, { status: 200, answer: await call.untilAborted(work) });
    return undefined;
  } catch (error) {
    send(response, whateverHappens === undefined ? failureReply(error) : { status: 200, answer: whateverHappens });
    return error;
  } finally {
    clearTimeout(deadline);
  }
}

/** The engine believes that the call failed, so what it did in the end must not stay. */
async function takeBack(call: Call, work: Promise<unknown>, logger: Logger): Promise<void> {
  const { requestId } = call;
  try {
    await work;
  } catch (error) {
    logger.debug("driver call rejected", { requestId, text: explain(error) });
    return;
  }
  const { ran, errors } = await call.undo();
  if (ran > 0) {
    logger.info("driver call undone", { requestId, undos: ran, failed: errors.length });
  }
  for (const error of errors) {
    const { code } = error instanceof FairwayError ? error : defect(error);
    logger.error("undo failed", { requestId, code, text: explain(error) });
  }
}
