import { wrap } from "../lab/wrap.ts";

const WIDTH = 100;
const INDENT = " ".repeat(12);
const RED = 31;
const GREEN = 32;

export interface Screen {
  /** Characters per line, for what stays. */
  readonly width: number;
  /** Longest line that can be written over when the step is finished; 0 where nothing can. */
  readonly liveWidth: number;
  readonly color: boolean;
  write(text: string): void;
}

/** Colour only for people (https://no-color.org), never for files and pipes. */
export function screenOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown },
  env: Readonly<Record<string, string | undefined>>,
): Screen {
  const live = stream.isTTY === true;
  const color = live && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  const liveWidth = live ? Math.min(WIDTH, stream.columns ?? WIDTH) : 0;
  return { width: WIDTH, liveWidth, color, write: (text) => void stream.write(text) };
}

/** One line per step, with the time since the start and the time that the step took. */
export class Progress {
  readonly screen: Screen;
  readonly #startMs = performance.now();
  #hushed = false;

  constructor(screen: Screen) {
    this.screen = screen;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Shows `text` while the action runs; what it returns says how the line ends, and what is shown below it. */
  async step<T>(text: string, action: () => Promise<T>, conclude: (value: T) => Conclusion = () => ({})): Promise<T> {
    if (this.#hushed) {
      throw new Error(`not begun any more: ${text}`);
    }
    const startMs = performance.now();
    this.#begin(text);
    try {
      const value = await action();
      this.#end(text, performance.now() - startMs, conclude(value));
      return value;
    } catch (error) {
      this.#end(text, performance.now() - startMs, { verdict: "FAILED" });
      throw error;
    }
  }

  /** No step begins any more, and what becomes of the one that is interrupted is of no interest. Only say() is heard. */
  hush(): void {
    this.#hushed = true;
  }

  say(text = ""): void {
    this.screen.write(`${text}\n`);
  }

  good(text: string): string {
    return this.#paint(text, GREEN);
  }

  bad(text: string): string {
    return this.#paint(text, RED);
  }

  #begin(text: string): void {
    this.screen.write(`${this.#clock()}    ... ${text}`.slice(0, this.screen.liveWidth));
  }

  #end(text: string, tookMs: number, { verdict = "ok", below = [] }: Conclusion): void {
    if (this.#hushed) {
      return;
    }
    const clear = this.screen.liveWidth > 0 ? "\r\u001b[K" : "";
    const word = verdict.padEnd(6);
    const painted = verdict === "ok" ? this.good(word) : this.bad(word);
    this.say(`${clear}${this.#clock()} ${painted} ${text} (${seconds(tookMs)})`);
    for (const line of below.flatMap((whole) => wrap(whole, this.screen.width - INDENT.length))) {
      this.say(`${INDENT}${line}`);
    }
  }

  #clock(): string {
    return seconds(this.elapsedMs).padStart(7);
  }

  #paint(text: string, code: number): string {
    return this.screen.color ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

export interface Conclusion {
  readonly verdict?: "ok" | "FAILED";
  /** What was seen, for those who want to see it. */
  readonly below?: readonly string[];
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
