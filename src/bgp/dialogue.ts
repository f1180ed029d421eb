import { connect, type Socket } from "node:net";
import { unreachable } from "./refusals.ts";

const maxAnswerBytes = 256 * 1024 * 1024;

export interface DialogueOptions {
  /** Who is expected there, for errors. */
  readonly who: string;
  readonly socketPath: string;
  /** For the connection and for each answer. */
  readonly timeoutMs: number;
  /** Whether these bytes are a whole answer. Sees the last few bytes first come, first served: keep it cheap. */
  readonly isWhole: (tail: Buffer) => boolean;
  /** How many of the last bytes isWhole wants. */
  readonly tailBytes: number;
}

/** Questions and answers over a unix socket, one after the other. @throws FairwayError FW4101 from every method. */
export class Dialogue implements Disposable {
  readonly #options: DialogueOptions;
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #settle: ((error?: Error) => void) | undefined;
  #broken: Error | undefined;

  private constructor(options: DialogueOptions) {
    this.#options = options;
    this.#socket = connect(options.socketPath);
    this.#socket.on("data", (chunk) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("it hung up")));
  }

  static async open(options: DialogueOptions): Promise<Dialogue> {
    const dialogue = new Dialogue(options);
    await dialogue.#within((settle) => dialogue.#socket.once("connect", () => settle()));
    return dialogue;
  }

  /** Waits for an answer that nobody asked for, such as a greeting. */
  async receive(): Promise<string> {
    await this.#within((settle) => {
      if (this.#isWhole()) {
        settle();
      }
    });
    const answer = Buffer.concat(this.#chunks).toString("utf8");
    this.#chunks = [];
    this.#bytes = 0;
    return answer;
  }

  async ask(question: string): Promise<string> {
    this.#socket.write(question);
    return await this.receive();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #within(begin: (settle: (error?: Error) => void) => void): Promise<void> {
    const { who, socketPath, timeoutMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    begin(this.#settle);
    if (this.#broken !== undefined) {
      this.#settle(this.#broken);
    }
    try {
      await promise;
    } catch (error) {
      this.#socket.destroy();
      throw unreachable(who, socketPath, error);
    } finally {
      clearTimeout(timer);
      this.#settle = undefined;
    }
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > maxAnswerBytes) {
      this.#fail(new Error("its answer does not end"));
    } else if (this.#isWhole()) {
      this.#settle?.();
    }
  }

  #isWhole(): boolean {
    const { tailBytes, isWhole } = this.#options;
    if (this.#bytes === 0) {
      return false;
    }
    let tail = Buffer.alloc(0);
    for (const chunk of this.#chunks.toReversed()) {
      tail = Buffer.concat([chunk.subarray(-tailBytes), tail]);
      if (tail.length >= tailBytes) {
        break;
      }
    }
    return isWhole(tail.subarray(-tailBytes));
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#settle?.(error);
  }
}
