/** Thread that waits for link events and posts what a LinkMonitor must know. */
import { parentPort, workerData } from "node:worker_threads";
import { NetlinkSocket } from "../netlink/socket.ts";
import { isKernelError } from "../ports.ts";
import type { MonitorEvent, MonitorWorkerData } from "./link-monitor.ts";
import { parseLinkGone } from "./parse.ts";

const RTNLGRP_LINK = 1;
const receiveTimeoutMs = 500;

function watch(post: (event: MonitorEvent) => void, options: MonitorWorkerData): void {
  const stop = new Int32Array(options.stop);
  const { receiveBufferBytes } = options;
  const buffer = receiveBufferBytes === undefined ? {} : { receiveBufferBytes };
  using socket = new NetlinkSocket("route", { group: RTNLGRP_LINK, receiveTimeoutMs, ...buffer });
  socket.open();
  post({ event: "ready" });
  while (Atomics.load(stop, 0) === 0) {
    try {
      const names = (socket.receive(0) ?? []).flatMap(({ type, payload }) => parseLinkGone(type, payload) ?? []);
      if (names.length > 0) {
        post({ event: "gone", names });
      }
    } catch (error) {
      if (!isKernelError(error, "ENOBUFS")) {
        throw error;
      }
      // The socket was dropped. Listen again before the listener compares, or it would miss what comes between.
      socket.open();
      post({ event: "overrun" });
    }
  }
}

if (parentPort !== null) {
  const port = parentPort;
  watch((event) => port.postMessage(event), workerData as MonitorWorkerData);
}
