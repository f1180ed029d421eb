/** fairway bgp …: speaks with the routing daemon directly, so that it works without a fairway daemon. */
import { type Command, Option } from "commander";
import { renderBird } from "../bgp/bird-text.ts";
import { routingDaemon } from "../bgp/daemons.ts";
import { renderFrr } from "../bgp/frr-text.ts";
import type { RoutingDaemonPort } from "../bgp/port.ts";
import { readPasswords } from "../bgp/secrets.ts";
import {
  type BgpPlan,
  type BgpSettings,
  type DaemonKind,
  daemonKinds,
  defaultControlSockets,
  defaultIncludeFiles,
} from "../bgp/settings.ts";
import { resolveConfig } from "../daemon/config.ts";
import { readConfigFile } from "../daemon/config-file.ts";
import type { Config } from "../daemon/config-schema.ts";
import { FairwayError } from "../errors.ts";
import { bgpStatus, bgpStatusText } from "./bgp-text.ts";

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (text: string) => void;
}

interface Flags {
  readonly config?: string;
  readonly daemon?: DaemonKind;
  readonly standalone?: boolean;
  readonly withPasswords?: boolean;
  readonly file?: string;
  readonly peer?: string;
  readonly json?: boolean;
}

export function addBgpCommands(program: Command, surroundings: Surroundings): void {
  const bgp = program.command("bgp").description("have the routing daemon of this host announce containers");
  const add = (name: string, about: string, action: (flags: Flags, config: Config) => Promise<void>): Command =>
    bgp
      .command(name)
      .description(about)
      .option("--config <path>", "configuration file (default: /etc/fairway/config.json)")
      .addOption(new Option("--daemon <kind>", "instead of bgp.daemon of the configuration").choices(daemonKinds))
      .action(async (flags: Flags) => {
        await action(flags, resolveConfig({ flags: { ...flags }, env: surroundings.env, readFile: readConfigFile }));
      });

  withStandalone(
    add("config", "print the text for the routing daemon", async (flags, config) => {
      surroundings.print(textOf(planOf(flags, config)).trimEnd());
    }),
  ).option("--with-passwords", "print passwords, too");

  withStandalone(
    add("apply", "write the text and have the routing daemon load it", async (flags, config) => {
      const plan = planOf({ ...flags, withPasswords: true }, config);
      const file = flags.file ?? defaultIncludeFiles[plan.daemon];
      await portOf(plan, file).apply(textOf(plan));
      surroundings.print(`${file} is loaded`);
    }),
  ).option(
    "--file <path>",
    `the routing daemon's file (default: ${defaultIncludeFiles.bird}, ${defaultIncludeFiles.frr})`,
  );

  add("status", "show sessions and how many containers they announce", async (flags, config) => {
    const settings = settingsOf(flags, config);
    const status = await bgpStatus(settings, portOf(settings));
    surroundings.print(flags.json === true ? JSON.stringify(status, undefined, 2) : bgpStatusText(status));
  }).option("--json", "print versioned JSON instead of text");

  for (const verb of ["drain", "undrain"] as const) {
    add(
      verb,
      verb === "drain" ? "end sessions, so that neighbors stop sending" : "begin them again",
      async (flags, config) => {
        const settings = settingsOf(flags, config);
        const port = portOf(settings);
        for (const session of await meantSessions(settings, port, flags.peer)) {
          await port[verb](session);
          surroundings.print(`${session} is ${verb}ed`);
        }
      },
    ).option("--peer <name>", "one session (default: the peers of the configuration, or all when it has none)");
  }
}

function withStandalone(command: Command): Command {
  return command
    .option("--standalone", "BIRD: with kernel protocols (default: when there are peers)")
    .option("--no-standalone", "BIRD: without them, because you have your own");
}

function settingsOf({ daemon }: Flags, { bgp }: Config): BgpSettings {
  const kind = daemon ?? bgp?.daemon;
  if (kind === undefined) {
    throw new FairwayError({
      code: "FW2005",
      what: "the configuration does not say which routing daemon this host has",
      fix: 'add --daemon bird or --daemon frr, or "bgp": {"daemon": "bird"} to the configuration file',
    });
  }
  // Another daemon than the configured one has its socket elsewhere.
  const { controlSocket: _, ...rest } = { peers: [], ...bgp };
  return { ...(kind === bgp?.daemon ? bgp : rest), daemon: kind };
}

function planOf(flags: Flags, config: Config): BgpPlan {
  const settings = settingsOf(flags, config);
  return {
    ...settings,
    ...(flags.standalone === undefined ? {} : { standalone: flags.standalone }),
    flatSpace: config.flatSpace,
    passwords: flags.withPasswords === true ? readPasswords(settings.peers) : new Map(),
  };
}

function textOf(plan: BgpPlan): string {
  return plan.daemon === "bird" ? renderBird(plan) : renderFrr(plan);
}

function portOf(
  { daemon, controlSocket }: BgpSettings,
  includeFile: string = defaultIncludeFiles[daemon],
): RoutingDaemonPort {
  return routingDaemon(daemon, { controlSocket: controlSocket ?? defaultControlSockets[daemon], includeFile });
}

async function meantSessions(
  { daemon, peers }: BgpSettings,
  port: RoutingDaemonPort,
  typed: string | undefined,
): Promise<readonly string[]> {
  const ours = new Map<string, string>(peers.map(({ name }) => [name, daemon === "bird" ? `fairway_${name}` : name]));
  if (typed !== undefined) {
    return [ours.get(typed) ?? typed];
  }
  if (ours.size > 0) {
    return [...ours.values()];
  }
  // In FRR a name is a description, which several neighbors may share.
  return (await port.sessions()).map(({ name, neighbor }) => (daemon === "frr" ? neighbor : name));
}
