/** Serves descriptor 3 until standard input ends. Run by socket.test.ts. */
import { once } from "node:events";
import { passedSocket } from "../../src/wire/activation.ts";
import { createApp, createServer } from "../../src/wire/server.ts";
import { listenOnFd } from "../../src/wire/socket.ts";
import { FakeDriver } from "../fakes/fake-driver.ts";
import { FakeIpam } from "../fakes/fake-ipam.ts";
import { recordingLogger } from "./room.ts";

const fd = passedSocket({ LISTEN_PID: String(process.pid), LISTEN_FDS: "1" }, process.pid) ?? -1;
const { logger } = recordingLogger("info");
const listener = await listenOnFd(
  createServer(createApp({ driver: new FakeDriver(), ipam: new FakeIpam(), logger })),
  fd,
);
process.stdout.write("listening\n");
await once(process.stdin.resume(), "end");
await listener.close(0);
