const EXIT_CODES: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Somebody has had enough. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}; cleaning up`);
    this.exitCode = EXIT_CODES[signal] ?? 1;
  }
}

/** The first signal ends the play; later ones do not disturb the cleaning up. */
export function onSignal(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of Object.keys(EXIT_CODES) as NodeJS.Signals[]) {
      process.on(signal, () => reject(new Interrupted(signal)));
    }
  });
}
