import { FairwayError } from "../errors.ts";

declare const brand: unique symbol;

/** The engine's network id: 64 hex digits, or a 25-character base-36 id for a swarm network (moby libnetwork). */
export type NetworkId = string & { readonly [brand]: "NetworkId" };
/** The engine's endpoint id: 64 hex digits, new on each container start. */
export type EndpointId = string & { readonly [brand]: "EndpointId" };
/** A Linux interface name, 1 to 15 bytes, safe in a path below /proc/sys. */
export type IfName = string & { readonly [brand]: "IfName" };
/** A unicast MAC address as six lower-case hex pairs. */
export type Mac = string & { readonly [brand]: "Mac" };

const idPattern = /^[a-z0-9]{12,64}$/;
// Excludes "%" (template in the kernel), "/", ":" and a leading dot; see dev_valid_name() in net/core/dev.c.
const ifNamePattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;
// Directories of /proc/sys/net/ipv4/conf that are no interfaces; the kernel refuses devices with these names
// (devinet_sysctl_register() in net/ipv4/devinet.c), and writing below them would change every interface.
const sysctlWords: readonly string[] = ["all", "default"];
const macPattern = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;

export function parseNetworkId(text: string): NetworkId {
  return parseId(text, "network") as NetworkId;
}

export function parseEndpointId(text: string): EndpointId {
  return parseId(text, "endpoint") as EndpointId;
}

export function isEndpointId(text: string): text is EndpointId {
  return idPattern.test(text);
}

function parseId(text: string, noun: string): string {
  if (idPattern.test(text)) {
    return text;
  }
  throw new FairwayError({
    code: "FW5001",
    what: `${noun} id ${JSON.stringify(text.slice(0, 70))} is not an engine id`,
    why: "an id has 12 to 64 lower-case letters and digits",
  });
}

export function isIfName(text: string): text is IfName {
  return ifNamePattern.test(text) && !sysctlWords.includes(text);
}

/** @throws FairwayError FW1002 naming `what` the name is for. */
export function parseIfName(text: string, what: string): IfName {
  if (isIfName(text)) {
    return text;
  }
  throw new FairwayError({
    code: "FW1002",
    what: `${what} ${JSON.stringify(text.slice(0, 40))} is not an interface name`,
    why: "Linux takes 1 to 15 letters, digits, dots, dashes and underscores, not beginning with a dot or dash",
    fix: "choose a shorter or simpler name",
  });
}

/** @throws FairwayError FW1002 unless `text` is a unicast, non-zero MAC address. */
export function parseMac(text: string): Mac {
  const mac = text.toLowerCase().replaceAll("-", ":");
  const firstByte = Number.parseInt(mac.slice(0, 2), 16);
  if (!macPattern.test(text) || (firstByte & 1) === 1 || mac === "00:00:00:00:00:00") {
    throw new FairwayError({
      code: "FW1002",
      what: `MAC address ${JSON.stringify(text.slice(0, 40))} is not a unicast address`,
      why: "an interface needs six hex pairs, an even first byte and not all zero",
      fix: "use one like 02:42:ac:11:00:02",
    });
  }
  return mac as Mac;
}
