/** Reads an answer of a member. Pure. */
import type { FairwayError } from "../../errors.ts";
import { codes, ErrorAnswer, StreamErrorAnswer } from "./codec.ts";
import type { Outcome } from "./exchange.ts";
import { noGateway, untrusted } from "./refusals.ts";

export type Reading =
  | { readonly kind: "value"; readonly json: unknown }
  /** etcd's own no to this request, which is an answer: no such lease, a revision that is gone. */
  | { readonly kind: "no"; readonly code: number }
  /** The token is not known any more. */
  | { readonly kind: "token" }
  /** Another member may do better. `maybeDone`: this one may have done what was asked. */
  | { readonly kind: "next"; readonly maybeDone: boolean; readonly reason: string; readonly refusal?: FairwayError }
  /** No member will do better. */
  | { readonly kind: "refused"; readonly code: number; readonly message: string };

export function readOutcome(outcome: Outcome, endpoint: string): Reading {
  if (outcome.kind === "silence") {
    return { kind: "next", maybeDone: outcome.sent, reason: outcome.reason };
  }
  if (outcome.kind === "untrusted") {
    const refusal = untrusted(endpoint, outcome.code, outcome.reason);
    return { kind: "next", maybeDone: false, reason: outcome.code, refusal };
  }
  return readAnswer(outcome.status, outcome.text, endpoint);
}

function readAnswer(status: number, text: string, endpoint: string): Reading {
  const json = firstJson(text);
  const error = errorIn(json);
  if (error !== undefined) {
    return readError(error.code, error.message, endpoint);
  }
  if (status === 200 && json !== undefined) {
    return { kind: "value", json };
  }
  if (status >= 500) {
    return { kind: "next", maybeDone: true, reason: `HTTP status ${status}` };
  }
  const reason = status === 200 ? "its answer is not JSON" : `HTTP status ${status}`;
  return { kind: "next", maybeDone: false, reason, refusal: noGateway(endpoint, status) };
}

/** A stream has one object a line. */
function firstJson(text: string): unknown {
  try {
    return JSON.parse(text.trim().split("\n")[0] ?? "");
  } catch {
    return undefined;
  }
}

function errorIn(json: unknown): { readonly code: number; readonly message: string } | undefined {
  const plain = ErrorAnswer.safeParse(json);
  if (plain.success) {
    return plain.data;
  }
  const inStream = StreamErrorAnswer.safeParse(json);
  if (!inStream.success) {
    return undefined;
  }
  const { grpc_code, code, message } = inStream.data.error;
  return { code: grpc_code ?? code ?? 2, message };
}

function readError(code: number, message: string, endpoint: string): Reading {
  if (code === codes.unauthenticated || /revision of auth store is old|invalid auth token/.test(message)) {
    return { kind: "token" };
  }
  if (code === codes.notFound || code === codes.outOfRange) {
    return { kind: "no", code };
  }
  if (code === codes.unimplemented) {
    return { kind: "next", maybeDone: false, reason: message, refusal: noGateway(endpoint, 501) };
  }
  if (isFinal(code, message)) {
    return { kind: "refused", code, message };
  }
  return { kind: "next", maybeDone: true, reason: message.slice(0, 100) };
}

/** Overload passes (8), and so do time-outs and elections (2, 4, 13, 14); the rest is meant. */
function isFinal(code: number, message: string): boolean {
  return (code === codes.exhausted && /space exceeded/.test(message)) || [3, 7, 9].includes(code);
}
