import { constants } from "node:os";

/** Linux numbers that node:os does not list (include/uapi/asm-generic/errno.h; ENOTSUPP is kernel-internal). */
const unlisted: readonly [number, string][] = [
  [54, "EXFULL"],
  [94, "ESOCKTNOSUPPORT"],
  [96, "EPFNOSUPPORT"],
  [524, "ENOTSUPP"],
];
/** Second names of numbers that have a more usual first one. */
const synonyms = new Set(["EWOULDBLOCK", "ENOTSUP"]);

const nameByNumber = new Map<number, string>([
  ...unlisted,
  ...Object.entries(constants.errno)
    .filter(([name]) => !synonyms.has(name))
    .map(([name, value]): [number, string] => [value, name]),
]);

/** Symbolic name of a positive errno; "E<number>" for one that we do not know. */
export function errnoName(errno: number): string {
  return nameByNumber.get(errno) ?? `E${errno}`;
}
