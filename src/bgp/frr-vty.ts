/**
 * FRR's vty sockets, as vtysh uses them: a command ends in NUL, an answer in three NULs and a byte of status
 * (lib/vty.c, vtysh_read() and vtysh_client_run() in vtysh/vtysh.c).
 */
import { Dialogue } from "./dialogue.ts";
import { daemonRefused, notUnderstood } from "./refusals.ts";

const endBytes = 4;
/** CMD_SUCCESS of lib/command.h; a warning is what FRR calls most refusals. */
const success = 0;

export interface VtyOptions {
  readonly directory: string;
  readonly daemon: "bgpd" | "zebra";
  readonly timeoutMs: number;
}

export async function openVty({ directory, daemon, timeoutMs }: VtyOptions): Promise<Dialogue> {
  const vty = await Dialogue.open({
    who: `FRR (${daemon})`,
    socketPath: `${directory}/${daemon}.vty`,
    timeoutMs,
    tailBytes: endBytes,
    isWhole: (tail) => tail.length === endBytes && tail[0] === 0 && tail[1] === 0 && tail[2] === 0,
  });
  try {
    await vtyCommand(vty, "enable");
  } catch (error) {
    vty[Symbol.dispose]();
    throw error;
  }
  return vty;
}

/** @throws FairwayError FW4102 with FRR's words when it refuses. */
export async function vtyCommand(vty: Dialogue, command: string): Promise<string> {
  const answer = await vty.ask(`${command}\0`);
  const text = answer.slice(0, -endBytes);
  const status = answer.charCodeAt(answer.length - 1);
  if (status !== success) {
    throw daemonRefused(`command "${command}" refused by FRR`, text === "" ? `status ${status}` : text);
  }
  return text;
}

/** An empty answer is what FRR says when there is no BGP instance. */
export async function vtyJson(vty: Dialogue, command: string): Promise<Readonly<Record<string, unknown>>> {
  const text = (await vtyCommand(vty, command)).trim();
  try {
    const value: unknown = JSON.parse(text === "" ? "{}" : text);
    return asObject(value);
  } catch {
    throw notUnderstood(`FRR to "${command}"`, text);
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("not an object");
  }
  return { ...value };
}
