/** Thread that waits for link events and posts what a LinkMonitor must know. */
import { parentPort, workerData } from "node:worker_threads";
import { NetlinkSocket } from "../netlink/socket.ts";
import { isKernelError } from "../ports.ts";
import type { MonitorEvent, MonitorWorkerData } from "./link-monitor.ts";
import { isAddressEvent, parseCarrier, parseLinkGone } from "./parse.ts";

const RTNLGRP_LINK = 1;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV6_IFADDR = 9;
const groups = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR];
const receiveTimeoutMs = 500;

function watch(post: (event: MonitorEvent) => void, options: MonitorWorkerData): void {
  const stop = new Int32Array(options.stop);
  const { receiveBufferBytes } = options;
  const buffer = receiveBufferBytes === undefined ? {} : { receiveBufferBytes };
  using socket = new NetlinkSocket("route", { groups, receiveTimeoutMs, ...buffer });
  socket.open();
  post({ event: "ready" });
  while (Atomics.load(stop, 0) === 0) {
    try {
      const received = socket.receive(0) ?? [];
      const gone = received.flatMap(({ type, payload }) => parseLinkGone(type, payload) ?? []);
      const up = received.flatMap(({ type, payload }) => parseCarrier(type, payload) ?? []);
      if (gone.length > 0) {
        post({ event: "gone", names: gone });
      }
      if (up.length > 0) {
        post({ event: "up", names: [...new Set(up)] });
      }
      if (received.some(({ type }) => isAddressEvent(type))) {
        post({ event: "addresses" });
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
