import { defect, FairwayError, printable } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What became of a call, for its one line in the log. */
export interface CallRecord {
  readonly requestId: string;
  /** Last part of the URL, such as "Join". */
  readonly method: string;
  readonly content: unknown;
  readonly durationMs: number;
  readonly delivered: boolean;
  readonly error?: unknown;
  /** The engine was told "done" in spite of the error. */
  readonly hidden: boolean;
}

/** Deletes of things that are gone are an engine's daily business. */
const expectedOfDeletes: ReadonlySet<string> = new Set(["FW5001", "FW5002", "FW5003", "FW5004"]);

/** Option values and error texts, which may quote them, are left to the levels debug and silly. */
export function logCall(logger: Logger, record: CallRecord): void {
  const { requestId, method, content, durationMs } = record;
  const { level, ...verdict } = judge(record);
  logger.log(level, "driver call", {
    method,
    requestId,
    ...idsOf(content),
    ...verdict,
    durationMs: Math.round(durationMs * 10) / 10,
  });
  logger.silly("driver call content", { requestId, content });
}

function judge(record: CallRecord): { level: string; outcome: string; code?: string; stack?: string } {
  if (record.error === undefined) {
    return { level: "info", outcome: record.delivered ? "ok" : "undelivered" };
  }
  const error = record.error instanceof FairwayError ? record.error : defect(record.error);
  const { code } = error;
  if (code === "FW9002") {
    return { level: "error", outcome: "failed", code, ...stackOf(record.error) };
  }
  if (!record.delivered) {
    return { level: "info", outcome: "undelivered", code };
  }
  if (!record.hidden) {
    return { level: "info", outcome: "refused", code };
  }
  return expectedOfDeletes.has(code)
    ? { level: "info", outcome: "ignored", code }
    : { level: "error", outcome: "failed", code };
}

function stackOf(error: unknown): { stack?: string } {
  return error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
}

function idsOf(content: unknown): { networkId?: string; endpointId?: string } {
  if (typeof content !== "object" || content === null) {
    return {};
  }
  const { NetworkID, EndpointID } = content as { NetworkID?: unknown; EndpointID?: unknown };
  return {
    ...(typeof NetworkID === "string" ? { networkId: shorten(NetworkID) } : {}),
    ...(typeof EndpointID === "string" ? { endpointId: shorten(EndpointID) } : {}),
  };
}

function shorten(id: string): string {
  return printable(id.slice(0, 64));
}
