/**
 * A lab for people: real engines on pretended machines.
 *
 *   node test/lab/main.ts start [--engine V] [--name N] [--driver]
 *   node test/lab/main.ts use NAME -- docker ps
 *   node test/lab/main.ts stop NAME | --all
 *   node test/lab/main.ts list
 *   node test/lab/main.ts clean
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { engineVersions, isEngineVersion } from "./engines.ts";
import { environment } from "./exec.ts";
import { findHost, startHost } from "./host.ts";
import { findLan, type Lan, openLan } from "./lan.ts";
import { isInUse, listRecords, readRecord, removeSpace, type SpaceRecord, sweep } from "./record.ts";
import { Space } from "./space.ts";

const LAN = "fwlab-lan";
const CLIENT = "fwlab-client";
const USAGE = `usage: start [--engine ${engineVersions.join("|")}] [--name NAME] [--driver]
       use NAME -- COMMAND ...
       stop NAME | --all
       list
       clean`;

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case "start":
      return await start(rest);
    case "use":
      return await use(rest);
    case "stop":
      return await stop(rest);
    case "list":
      return list();
    case "clean":
      return report("removed", await sweep());
    default:
      console.error(USAGE);
      return 2;
  }
}

async function start(argv: readonly string[]): Promise<number> {
  const options = { engine: { type: "string" }, name: { type: "string" }, driver: { type: "boolean" } } as const;
  const { values } = parseArgs({ args: [...argv], options });
  const engine = values.engine ?? engineVersions[0];
  if (!isEngineVersion(engine)) {
    console.error(`--engine: expected one of ${engineVersions.join(", ")}, got ${JSON.stringify(engine)}`);
    return 2;
  }
  await sweep();
  const lan = await sharedLan();
  const name = values.name === undefined ? {} : { name: `fwlab-${values.name.replace(/^fwlab-/, "")}` };
  const driver = values.driver === true ? { driver: {} } : {};
  const host = await startHost({ engine, lan, keep: true, images: ["test", "node"], ...name, ...driver });
  const command = "node test/lab/main.ts";
  console.log(`${host.name}: engine ${engine}, ${host.uplink?.ipv4}, ${host.uplink?.ipv6}`);
  console.log(`  ${command} use ${host.name} -- docker run -d -p 8080:80 fairway-test:1`);
  console.log(`  ${command} use ${CLIENT} -- curl http://${host.uplink?.ipv4}:8080/cgi-bin/who`);
  console.log(`  ${command} stop ${host.name}`);
  return 0;
}

/** The LAN and the client are there with the first host. */
async function sharedLan(): Promise<Lan> {
  const lan = findLan(LAN) ?? (await openLan({ name: LAN, keep: true }));
  if (readRecord(CLIENT) === undefined) {
    await lan.client("client", { name: CLIENT, keep: true });
  }
  return lan;
}

async function use(argv: readonly string[]): Promise<number> {
  const [name = "", separator, ...command] = argv;
  const record = readRecord(name);
  if (separator !== "--" || command.length === 0 || record === undefined) {
    console.error(record === undefined ? `no space ${JSON.stringify(name)}; "list" shows them` : USAGE);
    return 2;
  }
  const host = command[0] === "docker" ? await findHost(name) : undefined;
  const space = new Space(name, true, record.init);
  const [program = "", ...args] = space.enter(
    // Entering a mount namespace leads to its root; relative paths shall mean what they meant outside.
    host === undefined ? ["env", "-C", process.cwd(), ...command] : host.dockerCommand(command.slice(1)),
  );
  const child = spawn(program, args, { stdio: "inherit", env: environment() });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

async function stop(argv: readonly string[]): Promise<number> {
  const [name] = argv;
  const kept = listRecords().filter((record) => record.owner === undefined);
  const chosen = name === "--all" ? kept : kept.filter((record) => record.name === name);
  if (chosen.length === 0 && name !== "--all") {
    console.error(`no kept space ${JSON.stringify(name ?? "")}; "list" shows them`);
    return 2;
  }
  await Promise.all(chosen.map((record) => removeSpace(record.name)));
  return report(
    "stopped",
    chosen.map((record) => record.name),
  );
}

function list(): number {
  for (const record of listRecords()) {
    console.log([record.name, record.kind, record.about, addresses(record), state(record)].join("\t"));
  }
  return 0;
}

function addresses(record: SpaceRecord): string {
  return (record.attachments ?? []).map(({ ipv4, ipv6 }) => `${ipv4} ${ipv6}`).join(" ") || "-";
}

function state(record: SpaceRecord): string {
  if (!isInUse(record)) {
    return "left over";
  }
  return record.owner === undefined ? "kept" : `of process ${record.owner.pid}`;
}

function report(verb: string, names: readonly string[]): number {
  console.log(names.length === 0 ? "nothing to do" : `${verb} ${names.join(" ")}`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
