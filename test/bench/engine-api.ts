import { Agent, request } from "node:http";

/** Adding 1000 ports takes the built-in driver minutes. */
const answerTimeoutMs = 20 * 60_000;
const parallelCalls = 64;

/** Container port/protocol → host ports, as in `PortBindings` of the Engine API. */
export type Ports = readonly { readonly hostPort: number; readonly containerPort: number }[];

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  /** A network's name, or "none". */
  readonly network: string;
  /** Its address on the network, instead of the engine's choice. */
  readonly ipv4?: string;
  readonly ports?: Ports;
}

export interface NetworkSpec {
  readonly name: string;
  readonly driver: string;
  readonly internal?: boolean;
  readonly ipamDriver?: string;
  readonly subnet?: string;
  readonly options?: Readonly<Record<string, string>>;
}

/** The Engine API without the command line, whose start alone costs more than what is measured here. */
export class EngineApi {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: parallelCalls });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async createNetwork({
    name,
    driver,
    internal = false,
    ipamDriver,
    subnet,
    options = {},
  }: NetworkSpec): Promise<void> {
    await this.#call("POST", "/networks/create", {
      Name: name,
      Driver: driver,
      Internal: internal,
      Options: options,
      IPAM: {
        Driver: ipamDriver ?? "default",
        ...(subnet === undefined ? {} : { Config: [{ Subnet: subnet }] }),
      },
    });
  }

  async removeNetwork(name: string): Promise<void> {
    await this.#call("DELETE", `/networks/${name}`);
  }

  async connect(network: string, container: string): Promise<void> {
    await this.#call("POST", `/networks/${network}/connect`, { Container: container });
  }

  async disconnect(network: string, container: string): Promise<void> {
    await this.#call("POST", `/networks/${network}/disconnect`, { Container: container });
  }

  async createContainer({ name, image, command, network, ipv4, ports = [] }: ContainerSpec): Promise<void> {
    const keyed = ports.map(({ hostPort, containerPort }) => [`${containerPort}/tcp`, hostPort] as const);
    await this.#call("POST", `/containers/create?name=${name}`, {
      Image: image,
      Cmd: command,
      ExposedPorts: Object.fromEntries(keyed.map(([key]) => [key, {}])),
      ...(ipv4 === undefined
        ? {}
        : { NetworkingConfig: { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: ipv4 } } } } }),
      HostConfig: {
        NetworkMode: network,
        PortBindings: Object.fromEntries(keyed.map(([key, hostPort]) => [key, [{ HostPort: String(hostPort) }]])),
      },
    });
  }

  async startContainer(name: string): Promise<void> {
    await this.#call("POST", `/containers/${name}/start`);
  }

  /** Kills and removes. */
  async removeContainer(name: string): Promise<void> {
    await this.#call("DELETE", `/containers/${name}?force=1`);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @throws with the engine's message unless it says yes. */
  async #call(method: string, path: string, body?: object): Promise<void> {
    const { status, text } = await this.#exchange(method, path, body === undefined ? "" : JSON.stringify(body));
    if (status >= 300) {
      throw new Error(`${method} ${path}: ${status} ${text.trim()}`);
    }
  }

  #exchange(method: string, path: string, body: string): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const options = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
    const call = request({ ...options, timeout: answerTimeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    call.once("timeout", () => call.destroy(new Error(`${method} ${path}: no answer`)));
    call.once("error", reject);
    call.end(body);
    return promise;
  }
}
