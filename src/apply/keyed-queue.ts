/** Runs tasks with the same key one after another, in order; different keys run at the same time. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>();

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task);
    const tail = result.then(noop, noop);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) {
        this.#tails.delete(key);
      }
    });
    return result;
  }

  /** Resolves when all that was queued until now has run. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}

function noop(): void {
  // A failed task must not stop the ones behind it; its caller has the error.
}
