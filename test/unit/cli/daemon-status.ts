import type { DaemonStatus, NetworkStatus } from "../../../src/api/status.ts";

/** What a daemon with these networks says. */
export function daemonWith(networks: readonly NetworkStatus[], more: Partial<DaemonStatus> = {}): DaemonStatus {
  return {
    apiVersion: "v1",
    version: "0.1.0",
    pid: 812,
    startedAt: "2026-01-01T00:00:00.000Z",
    uptimeSeconds: 59,
    pluginSocket: "/run/docker/plugins/fairway.sock",
    stateDir: "/var/lib/fairway",
    ready: true,
    settings: [],
    networks,
    ...more,
  };
}
