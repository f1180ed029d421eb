import type { Target } from "./figure.ts";

/** Ratios fairway/built-in, from measurements with a driver that did nothing but the necessary. */
export const targets = {
  connect: { id: "P1", atMost: 0.7 },
  disconnect: { id: "P2", atMost: 0.45 },
  createNetwork: { id: "P3", atMost: 0.35 },
  removeNetwork: { id: "P3", atMost: 0.08 },
  start: { id: "P4", atMost: 0.75 },
  remove: { id: "P5", atMost: 0.3 },
  start32: { id: "P6", atMost: 0.25 },
  remove32: { id: "P6", atMost: 0.4 },
  start200: { id: "P7", atMost: 0.06 },
  remove200: { id: "P7", atMost: 0.2 },
  growth: { id: "P8", atMost: 1.05 },
  parallel: { id: "P9", atMost: 0.35 },
  memory: { id: "P12", atMost: 0.02 },
  ownRules: { id: "D1", atLeast: 0.95 },
  manyRules: { id: "D2", atLeast: 2 },
  roundTrip: { id: "D3", atMost: 1.02 },
  roundTripProxy: { id: "D3", atMost: 0.55 },
  loopback: { id: "D7", atLeast: 3 },
  shareRoundTrip: { id: "H1", atMost: 1.11 },
  shareConnections: { id: "H2", atLeast: 0.9 },
  shareStream: { id: "H3", atLeast: 0.95 },
  fasterRoundTrip: { id: "H4", atMost: 1 },
  fasterConnections: { id: "H5", atLeast: 1 },
  fasterStream: { id: "H6", atLeast: 1 },
} as const satisfies Readonly<Record<string, Target>>;
