/** Thread that waits for link events and posts what a LinkMonitor must know. */
import { parentPort, workerData } from "node:worker_threads";
import { NetlinkSocket } from "../netlink/socket.ts";
import { KernelError } from "../ports.ts";
import type { MonitorEvent, MonitorWorkerData } from "./link-monitor.ts";
import { parseLinkGone } from "./parse.ts";

const RTNLGRP_LINK = 1;
const receiveTimeoutMs = 500;

function watch(post: (event: MonitorEvent) => void, stop: Int32Array): void {
  using socket = new NetlinkSocket("route", { group: RTNLGRP_LINK, receiveTimeoutMs });
  socket.open();
  post({ event: "ready" });
  while (Atomics.load(stop, 0) === 0) {
    try {
      const names = (socket.receive(0) ?? []).flatMap(({ type, payload }) => parseLinkGone(type, payload) ?? []);
      if (names.length > 0) {
        post({ event: "gone", names });
      }
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== "ENOBUFS") {
        throw error;
      }
      // The socket was dropped; listen again before the listener compares, or it would miss what comes between.
      socket.open();
      post({ event: "overrun" });
    }
  }
}

if (parentPort !== null) {
  const port = parentPort;
  watch((event) => port.postMessage(event), new Int32Array((workerData as MonitorWorkerData).stop));
}
