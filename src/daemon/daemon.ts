import { once } from "node:events";
import { createApi } from "../api/app.ts";
import { type DaemonStatus, networkStatus, settingsInForce } from "../api/status.ts";
import { followReadiness } from "../apply/readiness.ts";
import { recover } from "../apply/reconcile.ts";
import { inWords } from "../apply/refusal.ts";
import { followBlocks } from "../apply/routes.ts";
import { watchLinks } from "../apply/watch.ts";
import { Workshop } from "../apply/workshop.ts";
import { createDriver } from "../driver/index.ts";
import { DockerodeEngine } from "../engine/dockerode-engine.ts";
import { EngineNames } from "../engine/name-book.ts";
import type { EnginePort, Readiness } from "../engine/port.ts";
import { ReadinessWatch } from "../engine/readiness-watch.ts";
import { createLogger } from "../log.ts";
import { Registry } from "../store/registry.ts";
import { SqliteStore } from "../store/sqlite-store.ts";
import { passedSocket } from "../wire/activation.ts";
import { createApp, createServer } from "../wire/server.ts";
import { type Listener, listenOnFd, listenOnPath } from "../wire/socket.ts";
import { openAddresses } from "./addresses.ts";
import type { Config } from "./config-schema.ts";
import { openKernel } from "./kernel.ts";
import { lockNetwork } from "./lock.ts";

export interface DaemonSurroundings {
  readonly version: string;
  readonly terminal: boolean;
  /** For the socket that systemd may have passed. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Daemon extends AsyncDisposable {
  /** Rejects when the daemon cannot go on. */
  readonly failed: Promise<never>;
}

/** How long calls under way may take to end, below what a service manager waits. */
const graceMs = 3500;

/**
 * Puts the driver together and serves. The socket is open before the kernel has been brought in line, because an engine
 * that finds no socket at its start gives its containers up; calls wait until then.
 */
export async function startDaemon(config: Config, surroundings: DaemonSurroundings): Promise<Daemon> {
  const log = createLogger({ level: config.logLevel, format: logFormat(config, surroundings) });
  await using stack = new AsyncDisposableStack();
  stack.use(await lockNetwork());
  const store = stack.adopt(new SqliteStore(config.stateDir), (opened) => opened.close());
  const registry = new Registry(store);
  const { kernel, monitor } = stack.use(openKernel(log));
  const addresses = stack.use(openAddresses(config, { store, registry, log }));
  const ipam = addresses.book;
  const workshop = new Workshop({ registry, kernel, log, addresses: ipam });
  addresses.begin((subnet) => followBlocks(workshop, subnet));
  stack.use(workshop.keeper);
  const engine = engineOf(config);
  const names = stack.adopt(new EngineNames(engine), (book) => book.close());
  const health = stack.adopt(createReadinessWatch(workshop, engine, config.dockerHost === "none"), (watch) =>
    watch.close(),
  );
  const state = { ready: false };
  const ready = recover(workshop).then(() => {
    state.ready = true;
    workshop.keeper.nudge();
    for (const network of registry.networks()) {
      names.refresh(network.id);
      if (network.mode === "routed" && network.announce === "healthy") {
        health.begin();
      }
    }
  });
  watchLinks(workshop, monitor, ready);
  const failed = ready.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => Promise.reject(inWords(error)),
  );
  failed.catch(() => undefined);

  const driver = createDriver({ workshop, names, health }, ready);
  const plugin = await listenForEngine(config, surroundings, createServer(createApp({ driver, ipam, logger: log })));
  stack.defer(() => plugin.close(graceMs));
  const startedAtMs = Date.now();
  const status = (): DaemonStatus => ({
    apiVersion: "v1",
    version: surroundings.version,
    pid: process.pid,
    startedAt: new Date(startedAtMs).toISOString(),
    uptimeSeconds: Math.floor((Date.now() - startedAtMs) / 1000),
    pluginSocket: config.pluginSocket,
    stateDir: config.stateDir,
    ready: state.ready,
    settings: settingsInForce(registry.settings(), (path) => kernel.sysctls.read(path)),
    networks: registry.networks().map((network) => networkStatus(network, registry.endpointsOf(network.id), names)),
  });
  const api = await listenOnPath(createServer(createApi(status, addresses.service)), `${config.runDir}/api.sock`);
  stack.defer(() => api.close(graceMs));
  log.info("listening", { socket: config.pluginSocket, version: surroundings.version, pid: process.pid });
  const running = stack.move();
  return {
    failed,
    [Symbol.asyncDispose]: async () => {
      log.info("stopping");
      await running.disposeAsync();
    },
  };
}

function createReadinessWatch(workshop: Workshop, engine: EnginePort, isOff: boolean): ReadinessWatch {
  const { log } = workshop;
  const listener = ({ endpoints, isReady }: Readiness) => {
    for (const id of endpoints) {
      followReadiness(workshop, id, isReady).catch((error: unknown) => {
        log.error("could not follow a health check", { endpointId: id, error: String(error) });
      });
    }
  };
  return new ReadinessWatch({ engine, listener, log, isOff });
}

function listenForEngine(
  config: Config,
  surroundings: DaemonSurroundings,
  server: ReturnType<typeof createServer>,
): Promise<Listener> {
  const fd = passedSocket(surroundings.env, process.pid);
  return fd === undefined ? listenOnPath(server, config.pluginSocket) : listenOnFd(server, fd);
}

function logFormat(config: Config, { terminal }: DaemonSurroundings): "json" | "pretty" {
  return config.logFormat === "auto" ? (terminal ? "pretty" : "json") : config.logFormat;
}

function engineOf(config: Config): EnginePort {
  return config.dockerHost === "none"
    ? {
        namesOf: async () => undefined,
        followReadiness: (_listener, signal) => once(signal, "abort").then(() => undefined),
      }
    : new DockerodeEngine(config.dockerHost.replace("unix://", ""));
}
