import { FairwayError } from "../errors.ts";

/** First descriptor that systemd passes: SD_LISTEN_FDS_START in sd-daemon.h. */
const firstPassedFd = 3;

/**
 * The listening socket that systemd passed to this process, see sd_listen_fds(3), or undefined.
 *
 * @throws FairwayError FW2008 if systemd passed more than one.
 */
export function passedSocket(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { LISTEN_PID: listenPid, LISTEN_FDS: listenFds } = environment;
  if (listenPid !== String(pid) || listenFds === undefined || listenFds === "0") {
    return undefined;
  }
  if (listenFds !== "1") {
    throw new FairwayError({
      code: "FW2008",
      what: `systemd passed ${JSON.stringify(listenFds.slice(0, 20))} sockets, and fairway serves one`,
      fix: "keep a single ListenStream= in the socket unit",
    });
  }
  return firstPassedFd;
}
