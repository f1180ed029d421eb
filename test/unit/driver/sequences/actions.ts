/** What can happen on a host, as data that fast-check can draw and shrink. */
import fc from "fast-check";

export interface Interference {
  /** The nth call to a port from the start of the action fails. */
  readonly failNth?: { readonly nth: number; readonly errno: string };
  /** The nth call to a port is the last that this process makes. */
  readonly crashNth?: { readonly nth: number; readonly moment: "before" | "after" };
  /** How slow the kernel is from here on, in turns of the microtask queue. */
  readonly delayTurns?: number;
  /** The engine hangs up after so many turns of the event loop. */
  readonly hangUpAfter?: number;
  /** The success cannot be told to the engine. */
  readonly lost?: boolean;
  /** The next action starts while this one is under way. */
  readonly overlapsNext: boolean;
}

export type Call =
  /** What the engine would do next to get this container running and published, from the network on. */
  | {
      readonly do: "advance";
      readonly endpoint: number;
      readonly network: number;
      readonly sandbox: number;
      readonly ports: readonly string[];
    }
  | Rpc;

export type Rpc =
  | {
      readonly do: "createNetwork";
      readonly network: number;
      readonly subnet: number;
      readonly custom: boolean;
      readonly v6: boolean;
      readonly internal: boolean;
      readonly bridge?: string;
      /** Of a network of flat addresses. */
      readonly flat?: FlatChoice;
    }
  | { readonly do: "deleteNetwork"; readonly network: number }
  | { readonly do: "createEndpoint"; readonly endpoint: number; readonly network: number; readonly address: number }
  | {
      readonly do: "join";
      readonly endpoint: number;
      readonly network: number;
      readonly sandbox: number;
      readonly ports: readonly string[];
    }
  | {
      readonly do: "program";
      readonly endpoint: number;
      readonly network: number;
      readonly ports: readonly string[];
    }
  | { readonly do: "revoke"; readonly endpoint: number; readonly network: number }
  | { readonly do: "leave"; readonly endpoint: number; readonly network: number }
  | { readonly do: "deleteEndpoint"; readonly endpoint: number; readonly network: number }
  | { readonly do: "finishDeletes" };

export type Event =
  | { readonly do: "restart" }
  | { readonly do: "reboot" }
  | { readonly do: "endSandbox"; readonly sandbox: number }
  | { readonly do: "flushNft" }
  | { readonly do: "removeBridge"; readonly network: number }
  /** Somebody flushes routes that they did not make. */
  | { readonly do: "flushRoutes" }
  /** The host gets another address. */
  | { readonly do: "renumber"; readonly address: string }
  | { readonly do: "overrun" };

export type Action = { readonly call: Call; readonly with: Interference } | { readonly event: Event };

export interface FlatChoice {
  readonly announce: "block" | "address" | "healthy" | "none";
  readonly icc: boolean;
  readonly reachable: "published" | "all";
  readonly egressNat: boolean;
}

export const networkCount = 6;
/** The one that shares the host's address. */
export const hostNetwork = 4;
/** From here on they have flat addresses. */
export const firstRoutedNetwork = 5;
export const endpointCount = 11;
/** Somebody else listens at 5000, and 203.0.113.9 is no address of the host. */
const portTexts = [
  "8080:80",
  "8081:81",
  "8082:92/udp",
  "7000-7002:70",
  "0:60",
  "6000:6000",
  "6001:6001",
  "6100:600",
  "6101:601",
  "8080:85",
  "127.0.0.1:8080:80",
  "192.0.2.10:9000:90",
  "[2001:db8::10]:9000:90",
  "[::]:8080:80",
  "5000:50",
  "203.0.113.9:8090:90",
] as const;

const network = fc.integer({ min: 1, max: networkCount });
const endpoint = fc.integer({ min: 1, max: endpointCount });
const sandbox = fc.integer({ min: 1, max: 3 });
/** True once in `weight` times. */
const seldom = (weight: number): fc.Arbitrary<boolean> =>
  fc.oneof({ weight: weight - 1, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const place = fc.record({ endpoint, network });
const flat: fc.Arbitrary<FlatChoice> = fc.record({
  announce: fc.constantFrom("block", "address", "healthy", "none"),
  icc: fc.boolean(),
  reachable: fc.constantFrom("published", "all"),
  egressNat: fc.boolean(),
});

const createNetwork: fc.Arbitrary<Call> = fc
  .tuple(network, seldom(4), network, seldom(6), fc.boolean(), seldom(6), seldom(8), flat)
  .map(([own, moved, elsewhere, custom, v6, internal, named, choice]) => ({
    do: "createNetwork",
    network: own,
    subnet: moved ? elsewhere : own,
    custom,
    v6,
    internal,
    ...(named && own < firstRoutedNetwork ? { bridge: "br-shop" } : {}),
    ...(own < firstRoutedNetwork ? {} : { flat: choice }),
  }));
const ports = fc.subarray([...portTexts], { maxLength: 3 });

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.tuple(endpoint, sandbox, ports).map(
      ([own, where, wanted]): Call => ({
        do: "advance",
        endpoint: own,
        network: (own % networkCount) + 1,
        sandbox: where,
        ports: wanted,
      }),
    ),
  },
  { weight: 4, arbitrary: createNetwork },
  { weight: 1, arbitrary: network.map((own): Call => ({ do: "deleteNetwork", network: own })) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(place, fc.integer({ min: 1, max: 4 }))
      .map(([where, address]): Call => ({ do: "createEndpoint", ...where, address })),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(place, sandbox, ports)
      .map(([where, own, wanted]): Call => ({ do: "join", ...where, sandbox: own, ports: wanted })),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(place, ports).map(([where, own]): Call => ({ do: "program", ...where, ports: own })),
  },
  { weight: 2, arbitrary: place.map((where): Call => ({ do: "revoke", ...where })) },
  { weight: 3, arbitrary: place.map((where): Call => ({ do: "leave", ...where })) },
  { weight: 3, arbitrary: place.map((where): Call => ({ do: "deleteEndpoint", ...where })) },
  { weight: 1, arbitrary: fc.constant<Call>({ do: "finishDeletes" }) },
);

const calm: fc.Arbitrary<Interference> = fc.record(
  { overlapsNext: seldom(3), delayTurns: fc.integer({ min: 0, max: 20 }) },
  { requiredKeys: ["overlapsNext"] },
);
const disturbed: fc.Arbitrary<Interference> = fc.oneof(
  fc.record({
    failNth: fc.record({
      nth: fc.integer({ min: 1, max: 10 }),
      errno: fc.constantFrom("ENOENT", "EEXIST", "ENOMEM", "EPERM", "ENODEV"),
    }),
    overlapsNext: seldom(4),
  }),
  fc.record({
    crashNth: fc.record({
      nth: fc.integer({ min: 1, max: 10 }),
      moment: fc.constantFrom("before" as const, "after" as const),
    }),
    overlapsNext: seldom(4),
  }),
  fc.record({ hangUpAfter: fc.integer({ min: 0, max: 60 }), overlapsNext: seldom(4) }),
  fc.record({ lost: fc.constant(true), overlapsNext: seldom(4) }),
);

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Event>({ do: "restart" }) },
  { weight: 1, arbitrary: fc.constant<Event>({ do: "reboot" }) },
  { weight: 2, arbitrary: sandbox.map((own): Event => ({ do: "endSandbox", sandbox: own })) },
  { weight: 1, arbitrary: fc.constant<Event>({ do: "flushNft" }) },
  { weight: 1, arbitrary: network.map((own): Event => ({ do: "removeBridge", network: own })) },
  { weight: 1, arbitrary: fc.constant<Event>({ do: "flushRoutes" }) },
  { weight: 1, arbitrary: fc.constant<Event>({ do: "overrun" }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("192.0.2.10", "192.0.2.11").map((address): Event => ({ do: "renumber", address })),
  },
);

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 16, arbitrary: fc.record({ call, with: calm }) },
  { weight: 4, arbitrary: fc.record({ call, with: disturbed }) },
  { weight: 2, arbitrary: fc.record({ event }) },
);

export const actions: fc.Arbitrary<Action[]> = fc.array(action, { minLength: 10, maxLength: 45, size: "max" });
