/** Work inside another network namespace. Blocking, and only for worker threads: see libc.ts. */
import { closeSync, constants, openSync } from "node:fs";
import { KernelError } from "../ports.ts";
import { errnoName } from "./errno.ts";
import { ioctl, setns } from "./libc.ts";

const CLONE_NEWNET = 0x4000_0000;
/** NS_GET_NSTYPE of include/uapi/linux/nsfs.h; fails with ENOTTY on anything that is no namespace. */
const NS_GET_NSTYPE = 0xb703;

/**
 * Runs `work` with this thread in the network namespace that `path` leads to. The thread is back before this returns, so
 * `work` must do everything at once: a thread that is born meanwhile stays in that namespace for ever, and the event
 * loop's own threads are shared with everybody.
 *
 * @throws KernelError ENOENT when there is nothing at the path, EINVAL when it is no network namespace.
 */
export function inNetworkNamespace<Result>(path: string, work: () => Result): Result {
  const target = openNamespace(path);
  const home = openNamespace("/proc/thread-self/ns/net");
  try {
    enter(target, path);
    try {
      return work();
    } finally {
      if (setns(home, CLONE_NEWNET) < 0) {
        // Whatever this thread did next would happen to somebody else's network.
        process.abort();
      }
    }
  } finally {
    closeSync(target);
    closeSync(home);
  }
}

function openNamespace(path: string): number {
  try {
    // Not to wait for the other end of a pipe, should there be one.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new KernelError(`open namespace ${path}`, (error as NodeJS.ErrnoException).code ?? "EIO");
  }
}

function enter(fd: number, path: string): void {
  if (ioctl(fd, NS_GET_NSTYPE) !== CLONE_NEWNET) {
    throw new KernelError(`enter ${path}`, "EINVAL", "it is no network namespace");
  }
  const result = setns(fd, CLONE_NEWNET);
  if (result < 0) {
    throw new KernelError(`enter ${path}`, errnoName(-result));
  }
}
