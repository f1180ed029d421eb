/** First byte of a connection: what the client wants of the server. */
export const modes = {
  /** One byte back, then the server closes. */
  connect: 1,
  /** Every message comes back. */
  echo: 2,
  /** Everything is read; one byte back after the end. */
  stream: 3,
} as const;
export type Mode = keyof typeof modes;

export function isMode(text: string): text is Mode {
  return Object.hasOwn(modes, text);
}
