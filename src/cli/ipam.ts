/** `fairway ipam`: pools, blocks and leases, for people and their tools. */
import type { Command } from "commander";
import { fetchIpam, fetchIpamCheck, releaseAddresses } from "../api/client.ts";
import { FairwayError, printable } from "../errors.ts";
import type { BlockReport, IpamCheck, IpamRelease, IpamReport, PoolReport } from "../model/ipam-report.ts";
import { alignColumns } from "./table.ts";

type Flags = Readonly<Record<string, string>>;

export interface IpamSurroundings {
  readonly print: (text: string) => void;
  readonly exitWith: (code: number) => void;
  readonly withSettings: (command: Command) => Command;
  readonly socketOf: (flags: Flags) => string;
}

export function addIpamCommands(ipam: Command, surroundings: IpamSurroundings): void {
  const { print, exitWith, socketOf } = surroundings;
  const command = (name: string, about: string) =>
    surroundings
      .withSettings(ipam.command(name).description(about))
      .option("--json", "print versioned JSON instead of text");
  const show = (flags: Flags & { json?: true }, data: object, text: string) =>
    print(flags.json === true ? JSON.stringify(data, undefined, 2) : text);
  command("show", "show pools, blocks and leases").action(async (flags) => {
    const report = await fetchIpam(socketOf(flags));
    show(flags, report, reportText(report));
  });
  command("check", "compare leases, containers and the cluster store; exit code 1 if they disagree").action(
    async (flags) => {
      const check = await fetchIpamCheck(socketOf(flags));
      show(flags, check, checkText(check));
      exitWith(check.disagreements.length === 0 ? 0 : 1);
    },
  );
  command("release", "free an address that no container has, or the blocks of a host that is gone")
    .option("--address <address>", "an address of this host")
    .option("--host <name>", "name or id of a host; this one: its empty blocks")
    .option("--force", "even if the host may live; only for one that is certainly switched off")
    .action(async (flags) => {
      const release = await releaseAddresses(socketOf(flags), whatToRelease(flags));
      show(flags, release, releaseText(release));
    });
}

function whatToRelease({ address, host, force }: { address?: string; host?: string; force?: true }) {
  if ((address === undefined) === (host === undefined)) {
    throw new FairwayError({
      code: "FW1003",
      what: "ipam release takes either --address or --host",
      fix: "type one of them: fairway ipam release --host NAME",
    });
  }
  if (address !== undefined && force === true) {
    throw new FairwayError({
      code: "FW1003",
      what: "ipam release takes --force with --host only",
      why: "an address that a container has is not released: two containers would have it",
      fix: "remove the container first (fairway ipam show names it), or leave out --force",
    });
  }
  return address === undefined ? { host: host ?? "", force: force === true } : { address };
}

export function reportText(report: IpamReport): string {
  const head = report.host === undefined ? [] : [`this host: ${report.host.name} (${report.host.id})`];
  const store = report.storeError === undefined ? [] : [`the cluster store was not asked: ${report.storeError}`];
  const hosts = alignColumns(report.hosts.map(({ name, id, alive }) => [name, id, alive ? "alive" : "silent"]));
  const none = report.pools.length === 0 ? ["no network has addresses of fairway's IPAM driver"] : [];
  const lines = [...head, ...store, ...hosts.map((line) => `  ${line}`), ...none, ...report.pools.flatMap(poolLines)];
  return lines.map(printable).join("\n");
}

function poolLines(pool: PoolReport): string[] {
  const words = [pool.subnet, ...divisionWords(pool)];
  const leases = pool.leases.map(({ address, state, holder, borrowedFrom }) => [
    address,
    state,
    [holder, borrowedFrom === undefined ? undefined : `borrowed from ${borrowedFrom}`]
      .filter((word) => word !== undefined)
      .join(", "),
  ]);
  return [
    "",
    words.join("   "),
    ...alignColumns(pool.blocks.map(blockRow)).map((line) => `  ${line}`),
    ...alignColumns(leases).map((line) => `  ${line}`),
  ];
}

function divisionWords({ division, range, blockLength, borrow }: PoolReport): string[] {
  if (division === "cluster") {
    return [`blocks of /${blockLength}`, borrow === true ? "borrowing" : "strict"];
  }
  const rest = range === undefined ? "this host's alone" : `range ${range}`;
  return [division === "fixed" ? "block by configuration" : rest];
}

function blockRow({ block, owner, own, used, size, offered, lent }: BlockReport): string[] {
  const loans = Object.entries(lent).map(([address, name]) => `${address} lent to ${name}`);
  return [
    block,
    own ? `${owner} (this host)` : owner,
    used === undefined ? "" : `${used} of ${size} in use`,
    [...(offered === undefined ? [] : [`offers ${offered}`]), ...loans].join(", "),
  ];
}

export function checkText({ disagreements }: IpamCheck): string {
  return disagreements.length === 0
    ? "leases, containers and the cluster store agree"
    : disagreements.map(printable).join("\n");
}

export function releaseText({ released, kept, addresses }: IpamRelease): string {
  const lines = [
    ...released.map((block) => `released block ${block}`),
    ...kept.map((block) => `kept block ${block}: addresses of it are in use or lent`),
    ...(addresses === 0 ? [] : [`released ${addresses} address${addresses === 1 ? "" : "es"}`]),
  ];
  return lines.length === 0 ? "there was nothing to release" : lines.map(printable).join("\n");
}
