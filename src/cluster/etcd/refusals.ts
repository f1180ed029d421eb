/** Why the cluster store cannot be used, in words for the operator. */
import { FairwayError } from "../../errors.ts";
import { codes } from "./codec.ts";

/** @param faults "endpoint: reason", one for each member that was tried. */
export function noAnswer(faults: readonly string[], isWrite: boolean): FairwayError {
  const first = "the cluster store does not answer";
  return new FairwayError({
    code: "FW4001",
    what: `${first}: ${faults.join("; ").slice(0, 300)}`,
    why: isWrite
      ? "no member is reachable or most members are down; the change may or may not have been made"
      : "no member is reachable, or most members are down",
    fix: "look at the members with `etcdctl endpoint health --cluster`; running containers need none of them",
  });
}

export function untrusted(endpoint: string, code: string, reason: string): FairwayError {
  return refused(`${endpoint}: ${reason.split("\n")[0]?.slice(0, 160)} (${code})`, ...tlsAdvice(code));
}

function tlsAdvice(code: string): [string, string] {
  if (/ALTNAME|HOSTNAME/.test(code)) {
    return ["its certificate is for other names", "use a name or address of the certificate in cluster.etcd.endpoints"];
  }
  if (/EXPIRED|NOT_YET_VALID/.test(code)) {
    return ["its certificate is not valid at this time", "renew the certificate, or set this host's clock"];
  }
  if (/^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|INVALID_CA|CERT_)/.test(code)) {
    return [
      "its certificate was not signed by an authority that this host trusts (unknown CA)",
      "set cluster.etcd.caFile to the certificate of the authority that signed the members' certificates",
    ];
  }
  if (/ALERT|CERTIFICATE_REQUIRED/.test(code)) {
    return [
      "it does not accept this host's certificate, or wants one",
      "set cluster.etcd.certFile and keyFile to a certificate without a common name that the members trust",
    ];
  }
  return [
    "it does not speak TLS as this host does",
    "write http:// or https:// as the member's --listen-client-urls do",
  ];
}

/** No JSON from where the gateway should be. */
export function noGateway(endpoint: string, status: number): FairwayError {
  return status === 400
    ? refused(`${endpoint}: HTTP status 400`, "it speaks TLS", "write https:// in cluster.etcd.endpoints")
    : refused(
        `${endpoint}: HTTP status ${status}`,
        "its JSON gateway is off, or this is no etcd from version 3.4 on",
        "start etcd with --enable-grpc-gateway, or `enable-grpc-gateway: true` in its configuration file",
      );
}

/** An answer in etcd's own words: code of gRPC and text. */
export function refusedByEtcd(code: number, message: string, hasUser = true): FairwayError {
  const [why, fix] = adviceFor(code, message, hasUser);
  return refused(message.replace(/^etcdserver: /, "").slice(0, 200), why, fix);
}

function adviceFor(code: number, message: string, hasUser: boolean): [string, string] {
  if (/user name is empty/.test(message) || (code === codes.permissionDenied && !hasUser)) {
    return ["etcd wants a user and a password", "set cluster.etcd.user and passwordFile"];
  }
  if (/invalid user ID or password/.test(message)) {
    return ["the user or the password is wrong", "check cluster.etcd.user and the content of passwordFile"];
  }
  if (/authentication is not enabled/.test(message)) {
    return [
      "a user is configured here, and etcd asks nobody for one",
      "run `etcdctl auth enable`, or leave out cluster.etcd.user",
    ];
  }
  if (code === codes.permissionDenied) {
    return [
      "the user may not read and write the keys below /fairway/",
      "grant it: etcdctl role grant-permission fairway readwrite /fairway/ --prefix=true",
    ];
  }
  if (/space exceeded/.test(message)) {
    return ["etcd's database is full", "compact and defragment it, then `etcdctl alarm disarm`"];
  }
  return ["etcd did not accept the request", "look into the log of the etcd member"];
}

function refused(what: string, why: string, fix: string): FairwayError {
  return new FairwayError({ code: "FW4002", what: `the cluster store refused this host: ${what}`, why, fix });
}
