/** etcd clusters for tests: real members on loopback or in namespaces, each with its own data. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdSettings } from "../../src/cluster/create.ts";
import { run, start } from "./exec.ts";
import { identify, type ProcessId, signal, waitUntilGone } from "./processes.ts";
import { makeCertificates } from "./tls.ts";
import { waitFor } from "./wait.ts";

export interface MemberPlace {
  /** Absent: the caller's. */
  readonly netns?: string;
  readonly address: string;
}

export interface EtcdOptions {
  /** Default: one on 127.0.0.1. */
  readonly places?: readonly MemberPlace[];
  readonly tls?: boolean;
  /** Members want a certificate of every client. */
  readonly clientCertificates?: boolean;
  readonly auth?: { readonly user: string; readonly password: string };
  readonly gateway?: boolean;
  readonly firstPort?: number;
}

const startMs = 20_000;
const rootPassword = "lab-root";

export class EtcdMember implements AsyncDisposable {
  readonly url: string;
  readonly #argv: readonly string[];
  readonly #logFile: string;
  #process: ProcessId | undefined;

  constructor(url: string, argv: readonly string[], logFile: string) {
    this.url = url;
    this.#argv = argv;
    this.#logFile = logFile;
  }

  start(): void {
    const child = start(this.#argv, this.#logFile);
    this.#process = identify(child.pid ?? 0);
  }

  /** SIGKILL: no good-bye, as with a power cut. */
  async kill(): Promise<void> {
    if (this.#process !== undefined) {
      signal(this.#process, "SIGKILL");
      await waitUntilGone(this.#process, 5000);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[];
  /** As a host's configuration has them. */
  readonly settings: EtcdSettings;
  readonly directory: string;
  readonly #options: EtcdOptions;
  readonly #flags: readonly string[];

  constructor(directory: string, members: readonly EtcdMember[], settings: EtcdSettings, options: EtcdOptions) {
    this.directory = directory;
    this.members = members;
    this.settings = settings;
    this.#options = options;
    this.#flags = [
      ...(settings.caFile === undefined ? [] : ["--cacert", settings.caFile]),
      ...(settings.certFile === undefined ? [] : ["--cert", settings.certFile, "--key", settings.keyFile ?? ""]),
    ];
  }

  /** Runs where the first member does. */
  async etcdctl(...args: readonly string[]): Promise<string> {
    return await this.#ctl(this.#options.auth === undefined ? [] : ["--user", `root:${rootPassword}`], args);
  }

  async leader(): Promise<EtcdMember> {
    const text = await this.etcdctl("endpoint", "status", "-w", "json");
    const statuses = JSON.parse(text) as {
      Endpoint: string;
      Status: { leader: number; header: { member_id: number } };
    }[];
    const found = statuses.find(({ Status }) => Status.leader === Status.header.member_id);
    const member = this.members.find(({ url }) => url === found?.Endpoint);
    if (member === undefined) {
      throw new Error(`there is no leader: ${text}`);
    }
    return member;
  }

  async open(): Promise<void> {
    for (const member of this.members) {
      member.start();
    }
    await waitFor(
      async () => (await this.#ctl([], ["endpoint", "health"])) !== undefined,
      startMs,
      "etcd to be healthy",
    );
    await this.#enableAuth();
  }

  async #ctl(credentials: readonly string[], args: readonly string[]): Promise<string> {
    const endpoints = this.members.map(({ url }) => url).join(",");
    const netns = this.#options.places?.[0]?.netns;
    const argv = ["etcdctl", "--endpoints", endpoints, ...this.#flags, ...credentials, ...args];
    return await run([...(netns === undefined ? [] : ["ip", "netns", "exec", netns]), ...argv], {
      env: { ETCDCTL_API: "3" },
      timeoutMs: 10_000,
    });
  }

  /** As docs/ipam.md tells the operator to do it. */
  async #enableAuth(): Promise<void> {
    const { auth } = this.#options;
    if (auth === undefined) {
      return;
    }
    await this.#ctl([], ["user", "add", `root:${rootPassword}`]);
    await this.#ctl([], ["user", "grant-role", "root", "root"]);
    await this.#ctl([], ["role", "add", "fairway"]);
    await this.#ctl([], ["role", "grant-permission", "fairway", "readwrite", "/fairway/", "--prefix=true"]);
    await this.#ctl([], ["user", "add", `${auth.user}:${auth.password}`]);
    await this.#ctl([], ["user", "grant-role", auth.user, "fairway"]);
    await this.#ctl([], ["auth", "enable"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await rm(this.directory, { recursive: true, force: true });
  }
}

export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdCluster> {
  const directory = await mkdtemp(join(tmpdir(), "fairway-etcd-"));
  const places = options.places ?? [{ address: "127.0.0.1" }];
  const scheme = options.tls === true ? "https" : "http";
  const certificates =
    options.tls === true
      ? await makeCertificates(
          directory,
          places.map(({ address }) => address),
        )
      : undefined;
  const ports = places.map((_, at) => (options.firstPort ?? 23_790) + 10 * at);
  const peer = (at: number) => `http://${places[at]?.address}:${(ports[at] ?? 0) + 1}`;
  const initial = places.map((_, at) => `m${at}=${peer(at)}`).join(",");
  const members = places.map(({ netns, address }, at) => {
    const url = `${scheme}://${address}:${ports[at]}`;
    const argv = [
      ...(netns === undefined ? [] : ["ip", "netns", "exec", netns]),
      ...["etcd", "--name", `m${at}`, "--data-dir", join(directory, `m${at}`), "--log-level", "warn"],
      ...["--listen-client-urls", url, "--advertise-client-urls", url],
      ...["--listen-peer-urls", peer(at), "--initial-advertise-peer-urls", peer(at)],
      ...["--initial-cluster", initial, "--initial-cluster-state", "new", "--initial-cluster-token", directory],
      ...(options.gateway === false ? ["--enable-grpc-gateway=false"] : []),
      ...(certificates === undefined
        ? []
        : ["--cert-file", certificates.memberCert, "--key-file", certificates.memberKey]),
      ...(certificates === undefined || options.clientCertificates !== true
        ? []
        : ["--client-cert-auth", "--trusted-ca-file", certificates.ca]),
    ];
    return new EtcdMember(url, argv, join(directory, `m${at}.log`));
  });
  const settings: EtcdSettings = {
    endpoints: members.map(({ url }) => url),
    ...(certificates === undefined ? {} : { caFile: certificates.ca }),
    ...(certificates === undefined || options.clientCertificates !== true
      ? {}
      : { certFile: certificates.clientCert, keyFile: certificates.clientKey }),
  };
  const cluster = new EtcdCluster(directory, members, settings, options);
  try {
    await cluster.open();
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

/** Three members on one machine. */
export const threeOnLoopback: readonly MemberPlace[] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((address) => ({
  address,
}));
