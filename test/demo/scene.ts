import { RunError, type RunOptions, type RunResult } from "../lab/exec.ts";
import { TEST_IMAGE, WHO_PATH } from "../lab/image.ts";
import { waitFor } from "../lab/wait.ts";
import type { Running, Stage } from "./stage.ts";

const LABEL = "fairway.demo";
const SERVERS_DEADLINE_MS = 15_000;

export const PUBLISHED_PORT = 18080;
/** In the container. */
export const WEB_PORT = 80;
export const UNPUBLISHED_PORT = 9000;
/** Of a server on the other host. */
export const OUTSIDE_PORT = 8081;
/** Of mode host. */
export const SHARED_PORT = 18090;
export const RANGE = { first: 19000, middle: 19050, last: 19099 };

export const NETWORKS: Readonly<Record<string, readonly string[]>> = {
  "demo-shop": ["--ipv6", "--subnet", "fd00:fa17:de:1::/64"],
  "demo-plain": [],
  "demo-other": ["--ipv6", "--subnet", "fd00:fa17:de:2::/64"],
  "demo-vault": ["--internal"],
  "demo-host": ["--ipam-driver", "fairway", "-o", "mode=host", "-o", "claim=published"],
};

interface Role {
  readonly network: string;
  readonly publish?: string;
  readonly serves: readonly string[];
}

const ROLES = {
  web: {
    network: "demo-shop",
    publish: `${PUBLISHED_PORT}:${WEB_PORT}`,
    serves: [`${WEB_PORT}`, `${UNPUBLISHED_PORT}`],
  },
  customer: { network: "demo-shop", serves: ["80"] },
  range: {
    network: "demo-plain",
    publish: `${RANGE.first}-${RANGE.last}:${RANGE.first}-${RANGE.last}`,
    serves: [`${RANGE.first}`, `${RANGE.middle}`, `${RANGE.last}`],
  },
  peer: { network: "demo-plain", serves: ["80"] },
  stranger: { network: "demo-other", serves: ["80"] },
  safe: { network: "demo-vault", serves: ["80"] },
  shared: { network: "demo-host", publish: `${SHARED_PORT}:${SHARED_PORT}`, serves: [`${SHARED_PORT}`] },
  teller: { network: "demo-vault", serves: ["80"] },
} as const satisfies Record<string, Role>;

export type RoleName = keyof typeof ROLES;

export interface Container {
  readonly name: string;
  /** First 12 characters of its id; its host name, too. */
  readonly id: string;
  readonly ipv4: string;
  /** Empty on a network without IPv6. */
  readonly ipv6: string;
  /** Programs of its image, in its network, with its resolver. */
  exec(argv: readonly string[], options?: RunOptions): Promise<string>;
  tryExec(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  spawn(argv: readonly string[]): Promise<Running>;
}

/** Everything that a row may look at. */
export interface Scene {
  readonly stage: Stage;
  readonly containers: Readonly<Record<RoleName, Container>>;
  /** Subnets by network. */
  readonly subnets: Readonly<Record<string, readonly string[]>>;
}

export async function docker(stage: Stage, ...args: readonly string[]): Promise<string> {
  const result = await stage.tryDocker(args);
  if (result.code !== 0) {
    throw new RunError({ ...result, argv: ["docker", ...args] });
  }
  return result.stdout.trimEnd();
}

/** As it is typed, for people to read. */
export function networkCommand(network: string): string[] {
  return ["network", "create", "-d", "fairway", ...(NETWORKS[network] ?? []), network];
}

export async function createNetworks(stage: Stage): Promise<void> {
  for (const network of Object.keys(NETWORKS)) {
    const [group = "", create = "", ...rest] = networkCommand(network);
    await docker(stage, group, create, "--label", LABEL, ...rest);
  }
}

export async function startContainers(stage: Stage): Promise<void> {
  const roles = Object.entries<Role>(ROLES);
  await Promise.all(
    roles.map(([name, { network, publish, serves }]) => {
      const ports = publish === undefined ? [] : ["-p", publish];
      return docker(stage, ...runCommand(`demo-${name}`, network), "-d", ...ports, TEST_IMAGE, "serve", ...serves);
    }),
  );
}

/** Beginning of a `docker run` that removeAll finds. */
export function runCommand(name: string, network: string): string[] {
  return ["run", "--name", name, "--label", LABEL, "--network", network];
}

export async function readScene(stage: Stage): Promise<Scene> {
  const names = Object.keys(ROLES) as RoleName[];
  const inspected = JSON.parse(await docker(stage, "inspect", ...names.map((name) => `demo-${name}`))) as Inspected[];
  const networks = JSON.parse(await docker(stage, "network", "inspect", ...Object.keys(NETWORKS))) as NetworkJson[];
  const containers = names.map((name, index) => [name, containerOf(stage, inspected[index])]);
  const scene: Scene = {
    stage,
    containers: Object.fromEntries(containers) as Scene["containers"],
    subnets: Object.fromEntries(networks.map(({ Name, IPAM }) => [Name, IPAM.Config.map((pool) => pool.Subnet)])),
  };
  await untilServersAnswer(scene);
  return scene;
}

/** Also what an earlier run left that was killed: everything has the label. */
export async function removeAll(stage: Stage): Promise<void> {
  const containers = await docker(stage, "ps", "-aq", "--filter", `label=${LABEL}`);
  if (containers !== "") {
    await docker(stage, "rm", "-f", "-v", ...containers.split("\n"));
  }
  const networks = await docker(stage, "network", "ls", "-q", "--filter", `label=${LABEL}`);
  if (networks !== "") {
    await docker(stage, "network", "rm", ...networks.split("\n"));
  }
}

interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Pid: number };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string; readonly GlobalIPv6Address: string }>>;
  };
}

interface NetworkJson {
  readonly Name: string;
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string }[] };
}

function containerOf({ host }: Stage, json: Inspected | undefined): Container {
  if (json === undefined) {
    throw new Error("the engine shows fewer containers than were started");
  }
  const [attachment] = Object.values(json.NetworkSettings.Networks);
  const enter = (argv: readonly string[]) => ["nsenter", "-t", `${json.State.Pid}`, "-n", "-r", "-w", "--", ...argv];
  return {
    name: json.Name.replace(/^\//, ""),
    id: json.Id.slice(0, 12),
    ipv4: attachment?.IPAddress ?? "",
    ipv6: attachment?.GlobalIPv6Address ?? "",
    exec: (argv, options) => host.exec(enter(argv), options),
    tryExec: (argv, options) => host.tryExec(enter(argv), options),
    spawn: (argv) => host.spawn(enter(argv)),
  };
}

async function untilServersAnswer({ containers }: Scene): Promise<void> {
  await Promise.all(
    Object.entries<Role>(ROLES).map(async ([name, { serves }]) => {
      const container = containers[name as RoleName];
      for (const port of serves) {
        const get = ["wget", "-q", "-O", "/dev/null", `http://127.0.0.1:${port}${WHO_PATH}`];
        const knock = async () => (await container.tryExec(get)).code === 0;
        await waitFor(knock, SERVERS_DEADLINE_MS, `${container.name} to listen on port ${port}`);
      }
    }),
  );
}
