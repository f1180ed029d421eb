/** Certificates of an authority that exists for one test. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./exec.ts";

export interface Certificates {
  readonly ca: string;
  readonly memberCert: string;
  readonly memberKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

const keyArgs = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** @param addresses that the members' certificate is for */
export async function makeCertificates(directory: string, addresses: readonly string[]): Promise<Certificates> {
  const at = (name: string) => join(directory, name);
  const [ca, caKey] = [at("ca.crt"), at("ca.key")];
  await run(["openssl", "req", "-x509", ...keyArgs, "-keyout", caKey, "-out", ca, "-subj", "/CN=lab", "-days", "2"]);
  // Without a common name: etcd's gateway refuses client certificates that have one.
  const names = addresses.map((address) => `IP:${address}`).join(",");
  await writeFile(at("member.ext"), `subjectAltName=${names}\n`);
  await writeFile(at("client.ext"), "subjectAltName=DNS:fairway\n");
  for (const name of ["member", "client"]) {
    const [key, request] = [at(`${name}.key`), at(`${name}.csr`)];
    await run(["openssl", "req", ...keyArgs, "-keyout", key, "-out", request, "-subj", "/O=lab"]);
    const signed = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-days", "2", "-extfile", at(`${name}.ext`)];
    await run(["openssl", "x509", "-req", "-in", request, "-out", at(`${name}.crt`), ...signed]);
  }
  return {
    ca,
    memberCert: at("member.crt"),
    memberKey: at("member.key"),
    clientCert: at("client.crt"),
    clientKey: at("client.key"),
  };
}
