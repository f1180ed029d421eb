import { FairwayError } from "../errors.ts";
import { isKernelError, type KernelError } from "../kernel/ports.ts";

const missing = new Set(["EOPNOTSUPP", "EPROTONOSUPPORT", "EAFNOSUPPORT", "ENOSYS", "EPFNOSUPPORT"]);

/** A kernel refusal in words that say what can be done about it; everything else as it is. */
export function inWords(error: unknown): unknown {
  if (!isKernelError(error)) {
    return error;
  }
  if (error.errno === "EPERM" || error.errno === "EACCES") {
    return notAllowed(error);
  }
  return missing.has(error.errno) ? notSupported(error) : refused(error);
}

function notAllowed(cause: KernelError): FairwayError {
  return new FairwayError({
    code: "FW2002",
    what: `not allowed to change the network: ${cause.message}`,
    why: "interfaces and packet filters need the capability CAP_NET_ADMIN in the host's network namespace",
    fix: "run the daemon as root, or with the service unit in plugin/systemd",
    cause,
  });
}

function notSupported(cause: KernelError): FairwayError {
  return new FairwayError({
    code: "FW2001",
    what: `this kernel lacks something that fairway needs: ${cause.message}`,
    why: "bridges, veth pairs, nftables and connection tracking must be built in or loadable",
    fix: "run `modprobe bridge veth nf_tables nft_chain_nat nft_fib_inet nf_conntrack_netlink`, or use Linux 5.10 or later",
    cause,
  });
}

function refused(cause: KernelError): FairwayError {
  return new FairwayError({
    code: "FW9001",
    what: `the kernel refused a change: ${cause.message}`,
    why: "nothing of this request was kept",
    fix: "try again; if it happens again, report it with the log lines around this request",
    cause,
  });
}
