import type { Fabric } from "../../lab/fabric.ts";
import type { Resident } from "../../lab/matrix.ts";
import {
  createNetwork,
  destinations,
  type FlatBox,
  openRoutedFabric,
  runBox,
  serveInside,
} from "../../lab/routed-fabric.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Progress } from "../progress.ts";
import { type ContainerName, containers, networks, subnetArguments, UNPUBLISHED_PORT } from "./plan.ts";

const ROUTES_DEADLINE_MS = 20_000;

/** Everything that there is, and who can ask whom. */
export interface Scene {
  readonly fabric: Fabric;
  readonly boxes: Readonly<Record<ContainerName, FlatBox>>;
  readonly people: Readonly<Record<ContainerName | "metal" | "vm" | "h1", Resident>>;
}

export async function setScene(progress: Progress): Promise<Scene> {
  const fabric = await progress.step(
    "two hosts with Docker, fairway and BIRD by `fairway bgp config`; a router, bare metal, a virtual machine",
    () => openRoutedFabric({ hosts: 2, tor: "bird", daemon: "bird" }),
  );
  await progress.step(`${networks.length} networks of mode routed`, () => createNetworks(fabric), commands);
  const boxes = await progress.step(`${containers.length} containers, each with -p 80:80`, () =>
    startContainers(fabric),
  );
  await progress.step("the router knows them", () => untilAnnounced(fabric, boxes));
  return { fabric, boxes, people: peopleOf(fabric, boxes) };
}

async function createNetworks(fabric: Fabric): Promise<void> {
  await Promise.all(
    fabric.hosts.map(async (host, index) => {
      for (const plan of networks.filter((network) => network.host === index)) {
        await createNetwork(host, plan.name, ...subnetArguments(plan), ...plan.options);
      }
    }),
  );
}

function commands() {
  const below = networks.map((plan) => {
    const options = [...plan.options, ...subnetArguments(plan)].join(" ");
    return `h${plan.host + 1}: docker network create -d fairway -o mode=routed ${options} ${plan.name}`;
  });
  return { below };
}

async function startContainers(fabric: Fabric): Promise<Scene["boxes"]> {
  const started = await Promise.all(
    containers.map(async ({ host, name, network }) => [name, await runBox(fabric.host(host), name, network)] as const),
  );
  await serveInside(fabric.host(0), "web", [`tcp:${UNPUBLISHED_PORT}`, `udp:${UNPUBLISHED_PORT}`]);
  return Object.fromEntries(started) as Scene["boxes"];
}

/** What routers are to know: subnets, or the addresses in them. */
export function announced(boxes: Scene["boxes"]): string[] {
  return networks.flatMap((network) => {
    const inside = containers.filter(({ host, network: name }) => host === network.host && name === network.name);
    return network.announces === "block"
      ? [network.ipv4, network.ipv6]
      : inside.flatMap(({ name }) => [`${boxes[name].ipv4}/32`, `${boxes[name].ipv6}/128`]);
  });
}

async function untilAnnounced({ tor }: Fabric, boxes: Scene["boxes"]): Promise<void> {
  const wanted = announced(boxes).map((prefix) => prefix.replace(/\/(32|128)$/, ""));
  const isThere = async () => {
    const known = await destinations(tor);
    return wanted.every((prefix) => known.includes(prefix));
  };
  await waitFor(isThere, ROUTES_DEADLINE_MS, `routes to ${wanted.join(", ")}`);
}

function peopleOf({ hosts, bareMetal, vm }: Fabric, boxes: Scene["boxes"]): Scene["people"] {
  const places = { ...boxes, metal: bareMetal, vm, ...(hosts[0] === undefined ? {} : { h1: hosts[0] }) };
  const people = Object.entries(places).map(([name, place]): [string, Resident] => [
    name,
    { name, place, addresses: [place.ipv4, place.ipv6] },
  ]);
  return Object.fromEntries(people) as Scene["people"];
}
