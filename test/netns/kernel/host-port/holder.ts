/** Another process that has ports: a child that listens and says so. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

const program = `
  const [protocol, port, address, extra] = process.argv.slice(1);
  const ipv6Only = extra === "v6only";
  const ready = () => console.log("ready");
  if (protocol === "tcp") {
    require("node:net").createServer().listen({ port: Number(port), host: address, ipv6Only }, ready);
  } else {
    require("node:dgram").createSocket({ type: address.includes(":") ? "udp6" : "udp4", ipv6Only })
      .bind(Number(port), address, ready);
  }
`;

export class Holder implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async listen(
    protocol: "tcp" | "udp",
    port: number,
    address: string,
    ...extra: readonly "v6only"[]
  ): Promise<Holder> {
    const argv = ["-e", program, protocol, String(port), address, ...extra];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    return new Holder(child);
  }

  /** "nginx (pid 812)" */
  get described(): string {
    const { pid } = this.#child;
    return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
