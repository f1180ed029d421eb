/** Routing daemons in spaces; they end with their space. */
export { type BirdOptions, startBird } from "./routing-bird.ts";
export type { Routing, SessionsUp } from "./routing-daemon.ts";
export { type FrrOptions, startFrr } from "./routing-frr.ts";
