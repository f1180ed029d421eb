import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { run, tryRun } from "../lab/exec.ts";

const OUR_NAME = /^fw[bvc][0-9a-z]{12}$/;

interface LinkJson {
  readonly ifname: string;
  readonly ifalias?: string;
}

export async function linkNames(): Promise<string[]> {
  return (await links()).map((link) => link.ifname);
}

export async function driverLinks(): Promise<string[]> {
  return (await links())
    .filter((link) => OUR_NAME.test(link.ifname) || (link.ifalias ?? "").startsWith("fairway:"))
    .map((link) => link.ifname);
}

export async function hasDriverTable(): Promise<boolean> {
  return (await tryRun(["nft", "list", "tables", "inet"])).stdout.split("\n").includes("table inet fairway");
}

/**
 * Where the driver leaves its own table. The rest of a machine in use changes by itself, so that nothing can be said
 * about who changed it.
 */
export async function engineRules(): Promise<string[]> {
  const found: string[] = [];
  for (const program of ["iptables", "ip6tables"]) {
    const { stdout } = await tryRun([program, "-w", "-S"]);
    const lines = stdout.split("\n").filter((line) => /DOCKER-USER|FAIRWAY/.test(line));
    found.push(...lines.map((line) => `${program} ${line}`));
  }
  return found;
}

const IPV6_CONF = "/proc/sys/net/ipv6/conf";
const FORWARDING = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/** Settings that the driver changes and leaves so; returns how to take that back. */
export function rememberForwarding(): () => void {
  const interfaces = readdirSync(IPV6_CONF).map((name) => `${IPV6_CONF}/${name}/accept_ra`);
  const before = [...FORWARDING, ...interfaces].map((file) => ({ file, value: readFileSync(file, "utf8").trim() }));
  return () => {
    // The kernel resets some when forwarding is switched: in the order in which they were read.
    for (const { file, value } of before) {
      if (existsSync(file) && readFileSync(file, "utf8").trim() !== value) {
        writeFileSync(file, value);
      }
    }
  };
}

async function links(): Promise<LinkJson[]> {
  return JSON.parse(await run(["ip", "-j", "-d", "link"])) as LinkJson[];
}
