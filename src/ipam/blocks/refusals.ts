/** Why a host cannot have an address, a block or a pool that several hosts share. */
import { FairwayError } from "../../errors.ts";
import type { IpAddress, Prefix } from "../../model/ip.ts";

export function fenced(hostName: string, subnet: Prefix, silenceMs: number, ownershipMs: number): FairwayError {
  const silence = Number.isFinite(silenceMs) ? `for ${hours(silenceMs)}` : "as far as its clock tells";
  return new FairwayError({
    code: "FW4003",
    what: `host ${hostName} hands out no new addresses of ${subnet}: no contact with the cluster store ${silence}`,
    why: `after ${hours(ownershipMs)} without contact its blocks may have been given to other hosts`,
    fix: "make the store reachable (etcdctl endpoint health --cluster); fairway then checks its blocks and goes on",
  });
}

function hours(ms: number): string {
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1).replace(/\.0$/, "")} h`;
}

export function twin(hostName: string, other: string): FairwayError {
  return new FairwayError({
    code: "FW4003",
    what: `host ${hostName} hands out no new addresses: host ${other} runs with the same identity`,
    why: "a state directory was copied, so that both believe that the same blocks are theirs",
    fix: "stop fairway on the copy, remove its state directory with its networks, and start again",
  });
}

export function ownedByOther(address: IpAddress, block: Prefix, owner: string): FairwayError {
  return new FairwayError({
    code: "FW3011",
    what: `address ${address} belongs to host ${JSON.stringify(owner.slice(0, 64))}, which has block ${block}`,
    why: "each host hands out addresses of its own blocks only",
    fix: "start the container on that host, choose another --ip, or leave it out",
  });
}

export function notOfThisBlock(address: IpAddress, block: Prefix): FairwayError {
  return new FairwayError({
    code: "FW3011",
    what: `address ${address} is not of ${block}, the block of this host`,
    why: "the network was created with --ipam-opt block=…, and the rest of its subnet is other hosts'",
    fix: `choose an --ip inside ${block}, or leave it out`,
  });
}

export function noBlockLeft(subnet: Prefix): FairwayError {
  return new FairwayError({
    code: "FW3011",
    what: `no address of ${subnet} is free: every block of it belongs to a host`,
    why: "this host's own blocks are full, and there is no free one to claim",
    fix: "release the blocks of hosts that are gone (fairway ipam show, fairway ipam release --host NAME)",
  });
}

export function otherPool(subnet: Prefix, other: Prefix): FairwayError {
  return new FairwayError({
    code: "FW3010",
    what: `subnet ${subnet} overlaps with ${other}, which the hosts of the cluster divide`,
    why: "all hosts must name a divided subnet by the same text",
    fix: `type --subnet ${other}, choose a subnet apart from it, or remove ${other} from the store if it was given up for good (docs/ipam.md)`,
  });
}

export function otherBlockSize(subnet: Prefix, wanted: number, found: number): FairwayError {
  return new FairwayError({
    code: "FW3010",
    what: `subnet ${subnet} is divided into blocks of /${found}, not /${wanted}`,
    why: "the first host that created the network chose it for all",
    fix: `leave out --ipam-opt block_size, or type block_size=${found}`,
  });
}

export function strangePool(subnet: Prefix): FairwayError {
  return new FairwayError({
    code: "FW4002",
    what: `what the cluster store has about ${subnet} cannot be read`,
    why: "a newer version of fairway wrote it, or somebody else did",
    fix: "use one version of fairway on all hosts",
  });
}

export function unsettled(what: string): FairwayError {
  return new FairwayError({
    code: "FW4001",
    what: `${what} changes in the cluster store faster than it can be read`,
    why: "other hosts write it at the same time",
    fix: "run the command again",
  });
}
