/** Schemas of single values in the sections of the configuration file. The description is what an error says is wanted. */
import { z } from "zod";
import { descriptions, parseAsNumber, parseCommunity, parsePeerName, parseRouterId } from "../bgp/values.ts";
import { parseIfName } from "../model/ids.ts";
import { parseIpAddress, parsePrefix } from "../model/ip.ts";

const maxTextCharacters = 300;

/** Text that a parser turns into a type which only it can make. */
function parsed<T>(description: string, parse: (text: string) => T) {
  return z
    .string()
    .max(maxTextCharacters)
    .transform((text, context): T => {
      try {
        return parse(text);
      } catch {
        context.addIssue({ code: "custom", message: "not accepted" });
        return z.NEVER;
      }
    })
    .describe(description);
}

export const prefix = parsed('a prefix like "10.244.0.0/16" or "fd00:244::/48"', (text) => parsePrefix(text));
export const address = parsed('an address like "10.0.0.1" or "fe80::1"', (text) => parseIpAddress(text));
export const routerId = parsed(descriptions.routerId, parseRouterId);
export const peerName = parsed(descriptions.peerName, parsePeerName);
export const community = parsed(descriptions.community, parseCommunity);
export const ifName = parsed("an interface name", (text) => parseIfName(text, "interface"));

export const asNumber = z
  .int()
  .min(1)
  .max(0xffff_ffff)
  .transform((value) => parseAsNumber(value))
  .describe(descriptions.asNumber);

export function wholeNumber(min: number, max: number): z.ZodInt {
  return z.int().min(min).max(max).describe(`a whole number from ${min} to ${max}`);
}

export const flag = z.boolean().describe("true or false");

export const filePath = z
  .string()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must not be there
  .regex(/^(\/[^/\u0000-\u001f\u007f]+)+$/)
  .max(255)
  .describe("an absolute path");

/** sun_path holds 108 bytes with its NUL; FRR's sockets have names of up to 10 characters in this directory. */
export const controlSocketPath = z
  .string()
  .regex(/^(\/[!-.0-~]+)+$/)
  .max(95)
  .describe("an absolute path of at most 95 printable ASCII characters");

export const word = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/)
  .describe("a host name of at most 63 letters, digits, dots, dashes and underscores");

export const userName = z
  .string()
  .regex(/^[!-~]{1,64}$/)
  .describe("a user name of at most 64 printable ASCII characters");

export const endpoint = z
  .string()
  .max(maxTextCharacters)
  .refine(isEndpoint)
  .describe('a URL like "https://10.0.0.1:2379", without a path');

function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  const plain = /^https?:\/\/[A-Za-z0-9.:[\]_-]+\/?$/.test(text);
  return plain && url !== null && url.pathname === "/" && url.username === "";
}
