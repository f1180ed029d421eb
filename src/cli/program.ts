import { Command } from "commander";
import { fetchStatus } from "../api/client.ts";
import type { DaemonStatus } from "../api/status.ts";
import { type ConfigSources, resolveConfig } from "../daemon/config.ts";
import { readConfigFile } from "../daemon/config-file.ts";
import { type Config, environmentNameOf, flagOf, settingNames, settings } from "../daemon/config-schema.ts";
import { addBgpCommands } from "./bgp.ts";
import { addIpamCommands } from "./ipam.ts";
import { portList, portsText } from "./ports.ts";
import { statusText } from "./status-text.ts";

export interface Surroundings {
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (text: string) => void;
  /** When nothing is thrown: what the program ends with, 0 otherwise. */
  readonly exitWith: (code: number) => void;
  readonly runDaemon: (config: Config) => Promise<void>;
}

/** The command line. Data goes to standard output; what goes wrong is thrown. */
export function createProgram(surroundings: Surroundings): Command {
  const program = new Command("fairway").description("A Docker network driver: docker network create -d fairway …");
  program.version(surroundings.version, "--version", "print the version");
  withSettings(program.command("daemon").description("run the driver in the foreground")).action(async (flags) => {
    await surroundings.runDaemon(configOf(surroundings, flags));
  });
  const show = (
    name: string,
    about: string,
    data: (status: DaemonStatus) => object,
    text: (status: DaemonStatus) => string,
  ) =>
    withSettings(program.command(name).description(about))
      .option("--json", "print versioned JSON instead of text")
      .action(async (flags) => {
        const status = await fetchStatus(controlSocket(configOf(surroundings, flags).runDir));
        surroundings.print(flags.json === true ? JSON.stringify(data(status), undefined, 2) : text(status));
      });
  show("status", "show networks, containers and published ports", (status) => status, statusText);
  show("ports", "show which ports of this host lead to which container", portList, portsText);
  addBgpCommands(program, surroundings);
  addIpamCommands(program.command("ipam").description("addresses: pools, blocks, leases"), {
    ...surroundings,
    withSettings,
    socketOf: (flags) => controlSocket(configOf(surroundings, flags).runDir),
  });
  program
    .command("version")
    .description("print the version")
    .action(() => surroundings.print(surroundings.version));
  return program;
}

/** Where the daemon answers people. */
export function controlSocket(runDir: string): string {
  return `${runDir}/api.sock`;
}

function withSettings(command: Command): Command {
  command.option("--config <path>", "configuration file (default: /etc/fairway/config.json)");
  for (const name of settingNames) {
    const { doc, placeholder, fallback } = settings[name];
    command.option(`${flagOf(name)} <${placeholder}>`, `${doc} (${environmentNameOf(name)}; default: ${fallback})`);
  }
  return command;
}

function configOf(surroundings: Surroundings, flags: ConfigSources["flags"]): Config {
  return resolveConfig({ flags, env: surroundings.env, readFile: readConfigFile });
}
