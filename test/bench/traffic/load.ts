import path from "node:path";
import type { Place } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Mode } from "../load/modes.ts";
import type { Stage } from "../stage.ts";

const serverProgram = path.join(import.meta.dirname, "../load/server.ts");
const clientProgram = path.join(import.meta.dirname, "../load/client.ts");
const readyDeadlineMs = 20_000;
const sliceMs = 400;
/** Client and server on one processor: what is left is the cost of the path, not of waking another processor. */
const pinned = ["taskset", "-c", "1", process.execPath];

/** What the server listens on inside its container. */
export const serverPort = 80;

/** A server in the network of a running container. It ends with the host. */
export async function startServer(stage: Stage, container: string, port = serverPort): Promise<void> {
  const pid = await stage.host.docker("inspect", "--format", "{{.State.Pid}}", container);
  await startServerIn(stage, ["nsenter", "-t", pid, "-n", "--"], container, port);
}

/** The same wherever `enter` leads in the host. */
export async function startServerIn(
  { host }: Pick<Stage, "host">,
  enter: readonly string[],
  name: string,
  port = serverPort,
): Promise<void> {
  await host.spawn([...enter, ...pinned, serverProgram, String(port)], `server-${name}.log`);
  const probe: Pick<Place, "exec"> = { exec: (argv, options) => host.exec([...enter, ...argv], options) };
  await waitFor(async () => (await slice(probe, "connect", "127.0.0.1", port, 1)) > 0, readyDeadlineMs, name);
}

/** One slice of load from the place: connections per second, microseconds or Gbit/s, by mode. */
export async function slice(
  place: Pick<Place, "exec">,
  mode: Mode,
  address: string,
  port: number,
  durationMs = sliceMs,
): Promise<number> {
  const output = await place.exec([...pinned, clientProgram, mode, address, String(port), String(durationMs)]);
  return Number(output);
}
