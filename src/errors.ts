/**
 * Every error that a user can meet, as data.
 *
 * A code is stable: scripts and search engines rely on it. docs/errors.md documents each one, and a test ties both.
 * FW1xxx options, FW2xxx this host, FW3xxx addresses and ports, FW4xxx several hosts,
 * FW5xxx protocol, FW9xxx ours or the kernel's fault.
 */
export const errorCatalogue = {
  FW1001: "unknown option",
  FW1002: "option value not accepted",
  FW1003: "options contradict each other",
  FW1004: "mode not available",
  FW2001: "kernel feature missing",
  FW2002: "privilege missing",
  FW2003: "another instance is running",
  FW2004: "state directory not usable",
  FW2005: "configuration not accepted",
  FW2006: "state written by another version",
  FW2007: "daemon not reachable",
  FW2008: "plugin socket not usable",
  FW3001: "network without a usable subnet",
  FW3002: "subnet overlaps",
  FW3003: "address not usable",
  FW3004: "host port in use",
  FW3005: "no free host port",
  FW3006: "publish address not usable",
  FW3007: "interface name taken",
  FW3008: "bridge is full",
  FW3009: "host address cannot be shared",
  FW3010: "address pool not usable",
  FW3011: "no free address",
  FW4001: "cluster store not reachable",
  FW4002: "cluster store refused this host",
  FW4003: "no new addresses without contact",
  FW4004: "addresses cannot be released",
  FW4101: "routing daemon not reachable",
  FW4102: "routing daemon refused a change",
  FW4103: "routing daemon not understood",
  FW4104: "BGP session not known",
  FW5001: "request not understood",
  FW5002: "request arrived without its content",
  FW5003: "network not known",
  FW5004: "endpoint not known",
  FW5005: "request contradicts an earlier one",
  FW5006: "request took too long",
  FW5007: "method not known",
  FW9001: "kernel refused a change",
  FW9002: "defect in fairway",
} as const;

export type ErrorCode = keyof typeof errorCatalogue;

export interface ErrorParts {
  readonly code: ErrorCode;
  /** Lower-case, one line, sufficient alone: what failed and which value. */
  readonly what: string;
  readonly why?: string;
  /** What the user can type or change. */
  readonly fix?: string;
  readonly cause?: unknown;
}

/** An error whose text is written for the person who typed the command. */
export class FairwayError extends Error {
  readonly code: ErrorCode;
  readonly why: string | undefined;
  readonly fix: string | undefined;

  constructor(parts: ErrorParts) {
    super(printable(parts.what), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = "FairwayError";
    this.code = parts.code;
    this.why = parts.why === undefined ? undefined : printable(parts.why);
    this.fix = parts.fix === undefined ? undefined : printable(parts.fix);
  }
}

/** Renders an error for a terminal: what, why, fix, code. Foreign errors become FW9002 without their stack. */
export function explain(error: unknown): string {
  if (!(error instanceof FairwayError)) {
    return explain(defect(error));
  }
  const lines = [error.message];
  if (error.why !== undefined) {
    lines.push(`  why: ${error.why}`);
  }
  const reference = `[${error.code}, docs/errors.md#${error.code.toLowerCase()}]`;
  lines.push(error.fix === undefined ? `  ${reference}` : `  fix: ${error.fix}  ${reference}`);
  return lines.join("\n");
}

/** Wraps an unexpected error so that it can be told from a refusal. */
export function defect(error: unknown): FairwayError {
  const text = error instanceof Error ? error.message : String(error);
  return new FairwayError({
    code: "FW9002",
    what: `internal error: ${text.slice(0, 200)}`,
    why: "this is a defect in fairway, not in your command",
    fix: "report it with the log lines around this request",
    cause: error,
  });
}

/** Replaces control characters, so that user text can forge neither log lines nor terminal sequences. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must go
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "\ufffd");
}
