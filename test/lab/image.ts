import { createHash } from "node:crypto";
import { copyFileSync, cpSync, createReadStream, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { buildOnce } from "./cache.ts";
import { run } from "./exec.ts";

/** busybox, all applets, and `serve`. A few megabytes. */
export const TEST_IMAGE = "fairway-test:1";
/** The same plus node and a server for very many TCP and UDP ports. */
export const NODE_IMAGE = "fairway-test-node:1";

/** HTTP servers; GET WHO_PATH answers {host, peer, peerPort}. Ports are "80" or "8000-8009". In TEST_IMAGE. */
export function serveCommand(...ports: readonly string[]): string[] {
  return ["serve", ...ports];
}

/** HTTP on "tcp:80", "tcp:8000-8999", UDP echo on "udp:53"; every answer is {host, peer, peerPort, …}. In NODE_IMAGE. */
export function nodeServerCommand(...ports: readonly string[]): string[] {
  return ["node", "/srv/server.mjs", ...ports];
}

/** Answered by both servers. */
export const WHO_PATH = "/cgi-bin/who";

const FILES = path.join(import.meta.dirname, "image-files");
const BUSYBOX = "/bin/busybox";

/** A tar file for `docker load`, built from files of this machine when it is not in the cache. */
export function testImageFile(): Promise<string> {
  return buildOnce("image-busybox.tar", contentStamp(), async (target) => {
    await buildImage(TEST_IMAGE, ["serve", "80"], target, makeBusyboxRoot);
  });
}

export function nodeImageFile(): Promise<string> {
  return buildOnce("image-node.tar", `${contentStamp()} ${process.version}`, async (target) => {
    await buildImage(NODE_IMAGE, ["node", "/srv/server.mjs", "tcp:80", "udp:80"], target, async (root) => {
      await makeBusyboxRoot(root);
      await addNode(root);
    });
  });
}

function contentStamp(): string {
  const hash = createHash("sha256");
  for (const file of ["serve", "who", "server.mjs"]) {
    hash.update(readFileSync(path.join(FILES, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

async function makeBusyboxRoot(root: string): Promise<void> {
  for (const directory of ["bin", "etc", "proc", "sys", "dev", "tmp", "www/cgi-bin", "srv", "root"]) {
    mkdirSync(path.join(root, directory), { recursive: true });
  }
  copyFileSync(BUSYBOX, path.join(root, "bin/busybox"));
  for (const applet of (await run([BUSYBOX, "--list"])).trim().split("\n")) {
    if (applet !== "busybox") {
      symlinkSync("busybox", path.join(root, "bin", applet));
    }
  }
  cpSync(path.join(FILES, "serve"), path.join(root, "bin/serve"));
  cpSync(path.join(FILES, "who"), path.join(root, "www/cgi-bin/who"));
  await run(["chmod", "755", path.join(root, "bin/serve"), path.join(root, "www/cgi-bin/who")]);
  writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(path.join(root, "etc/group"), "root:x:0:\n");
}

async function addNode(root: string): Promise<void> {
  const libraries = (await run(["ldd", process.execPath])).matchAll(/(?:=> )?(\/\S+) \(0x/g);
  for (const [, library = ""] of libraries) {
    mkdirSync(path.join(root, path.dirname(library)), { recursive: true });
    copyFileSync(library, path.join(root, library));
  }
  copyFileSync(process.execPath, path.join(root, "bin/node"));
  cpSync(path.join(FILES, "server.mjs"), path.join(root, "srv/server.mjs"));
}

/** One layer and its description, in the format of `docker save` (moby image/spec/v1.2). */
async function buildImage(
  tag: string,
  command: readonly string[],
  target: string,
  makeRoot: (root: string) => Promise<void>,
): Promise<void> {
  const work = `${target}.d`;
  const root = path.join(work, "root");
  await run(["rm", "-rf", work]);
  mkdirSync(root, { recursive: true });
  await makeRoot(root);
  const layer = path.join(work, "layer.tar");
  await run(["tar", "-C", root, "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "-cf", layer, "."]);
  const config = {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    created: "2000-01-01T00:00:00Z",
    config: { Cmd: command, Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${await sha256(layer)}`] },
    history: [{ created: "2000-01-01T00:00:00Z" }],
  };
  writeFileSync(path.join(work, "config.json"), JSON.stringify(config));
  const manifest = [{ Config: "config.json", RepoTags: [tag], Layers: ["layer.tar"] }];
  writeFileSync(path.join(work, "manifest.json"), JSON.stringify(manifest));
  await run(["tar", "-C", work, "-cf", target, "manifest.json", "config.json", "layer.tar"]);
  await run(["rm", "-rf", work]);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
