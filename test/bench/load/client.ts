/**
 * client.ts connect|echo|stream ADDRESS PORT DURATION_MS: prints one number.
 * connect: new connections per second, one at a time, each with one byte there and back: one by the median time, so
 * that moments in which other programs had the processor do not count.
 * echo: median round trip of one byte over one connection, in microseconds. stream: Gbit/s of one connection.
 */
import { isMode, type Mode, modes } from "./modes.ts";
import { check, close, connectTo, endSending, recv, send, targetOf } from "./sockets.ts";

const one = Buffer.alloc(1);
const bulk = Buffer.alloc(256 * 1024);
const bitsPerGigabit = 1e9;

const measures: Readonly<Record<Mode, (target: Uint8Array, durationMs: number) => number>> = {
  connect: newConnections,
  echo: roundTrip,
  stream: throughput,
};

function newConnections(target: Uint8Array, durationMs: number): number {
  const once = (): void => {
    const fd = open(target, modes.connect);
    receiveOne(fd);
    close(fd);
  };
  return 1000 / medianMs(once, durationMs);
}

function roundTrip(target: Uint8Array, durationMs: number): number {
  const fd = open(target, modes.echo);
  const once = (): void => {
    check("send", send(fd, one, 0));
    receiveOne(fd);
  };
  const ms = medianMs(once, durationMs);
  close(fd);
  return ms * 1000;
}

function medianMs(action: () => void, durationMs: number): number {
  const samples: number[] = [];
  const startMs = performance.now();
  for (let nowMs = startMs; nowMs - startMs < durationMs; ) {
    action();
    const endMs = performance.now();
    samples.push(endMs - nowMs);
    nowMs = endMs;
  }
  return samples.sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

function throughput(target: Uint8Array, durationMs: number): number {
  const fd = open(target, modes.stream);
  let bytes = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < durationMs) {
    bytes += check("send", send(fd, bulk, 0));
  }
  endSending(fd);
  receiveOne(fd);
  const seconds = (performance.now() - startMs) / 1000;
  close(fd);
  return (bytes * 8) / bitsPerGigabit / seconds;
}

function open(target: Uint8Array, mode: number): number {
  const fd = connectTo(target);
  check("send", send(fd, Uint8Array.of(mode), 0));
  return fd;
}

function receiveOne(fd: number): void {
  if (check("recv", recv(fd, one, 0)) !== 1) {
    throw new Error("the server hung up");
  }
}

const [mode = "", address = "", port, durationMs] = process.argv.slice(2);
if (!isMode(mode)) {
  throw new Error(`no mode ${mode}`);
}
process.stdout.write(`${measures[mode](targetOf(address, Number(port)), Number(durationMs))}\n`);
