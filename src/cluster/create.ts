import { readFileSync } from "node:fs";
import { FairwayError } from "../errors.ts";
import { EtcdStore } from "./etcd.ts";
import type { ClusterStore } from "./port.ts";

/** As in the configuration file, below `cluster.etcd`. */
export interface EtcdSettings {
  readonly endpoints: readonly string[];
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly user?: string;
  readonly passwordFile?: string;
}

/** @throws FairwayError FW2005 when a file cannot be read or an endpoint is none. Nothing is connected yet. */
export function createClusterStore(settings: EtcdSettings): ClusterStore {
  const { caFile, certFile, keyFile, user, passwordFile } = settings;
  return new EtcdStore({
    endpoints: settings.endpoints.map(checkEndpoint),
    tls: {
      ...(caFile === undefined ? {} : { ca: readText(caFile, "caFile") }),
      ...(certFile === undefined ? {} : { cert: readText(certFile, "certFile") }),
      ...(keyFile === undefined ? {} : { key: readText(keyFile, "keyFile") }),
    },
    ...(user === undefined ? {} : { user }),
    // Editors end a file with a newline; a password ends before it.
    ...(passwordFile === undefined ? {} : { password: readText(passwordFile, "passwordFile").replace(/\r?\n$/, "") }),
  });
}

function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (url === undefined || !/^https?:$/.test(url.protocol) || !isPlain) {
    throw new FairwayError({
      code: "FW2005",
      what: `cluster.etcd.endpoints: ${JSON.stringify(text.slice(0, 80))} is not the address of an etcd member`,
      fix: 'write it like "https://192.0.2.1:2379"',
    });
  }
  return url.origin;
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new FairwayError({
      code: "FW2005",
      what: `cluster.etcd.${name}: cannot read ${path} (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`,
      fix: "name a file that root can read, or leave it out",
      cause,
    });
  }
}
