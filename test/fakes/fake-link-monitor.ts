import type { LinkMonitorPort } from "../../src/kernel/ports.ts";

export class FakeLinkMonitor implements LinkMonitorPort {
  readonly #gone: ((name: string) => void)[] = [];
  readonly #up: ((name: string) => void)[] = [];
  readonly #addresses: (() => void)[] = [];
  readonly #overrun: (() => void)[] = [];

  onLinkGone(listener: (name: string) => void): void {
    this.#gone.push(listener);
  }

  onLinkUp(listener: (name: string) => void): void {
    this.#up.push(listener);
  }

  onAddressChange(listener: () => void): void {
    this.#addresses.push(listener);
  }

  onOverrun(listener: () => void): void {
    this.#overrun.push(listener);
  }

  async close(): Promise<void> {
    this.#gone.length = 0;
    this.#up.length = 0;
    this.#addresses.length = 0;
    this.#overrun.length = 0;
  }

  emitGone(name: string): void {
    for (const listener of this.#gone) {
      listener(name);
    }
  }

  emitUp(name: string): void {
    for (const listener of this.#up) {
      listener(name);
    }
  }

  emitAddressChange(): void {
    for (const listener of this.#addresses) {
      listener();
    }
  }

  overrun(): void {
    for (const listener of this.#overrun) {
      listener();
    }
  }
}
