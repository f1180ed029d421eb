import type { ClaimConflict, HostPortPort, PortClaim } from "../../src/kernel/ports.ts";
import type { Protocol } from "../../src/model/endpoint.ts";
import { familyOf, type IpAddress, isLoopback, isUnspecified } from "../../src/model/ip.ts";

export interface FakeSocket {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
  /** The owner of a claim; undefined for a process that is not ours. */
  readonly owner?: string;
  /** "nginx (pid 812)", when the kernel says. */
  readonly holder?: string;
}

/** net.ipv4.ip_local_port_range of a fresh host. */
const ephemeral = { first: 32_768, last: 60_999 } as const;

/** The bound ports of one host. */
export class FakeHostPorts implements HostPortPort {
  /** Besides loopback and the unspecified ones. */
  readonly hostAddresses = new Set<string>(["192.0.2.10", "2001:db8::10"]);
  readonly #sockets = new Map<string, FakeSocket[]>();
  #nextEphemeral: number = ephemeral.first;

  addForeign(socket: Omit<FakeSocket, "owner">): void {
    this.#bind(socket);
  }

  async claim(owner: string, claims: readonly PortClaim[]): Promise<readonly number[] | ClaimConflict> {
    const bound: FakeSocket[] = [];
    const ports: number[] = [];
    for (const claim of claims) {
      checkClaim(claim);
      const port = this.#choose(claim);
      if (typeof port !== "number") {
        this.#unbind((socket) => bound.includes(socket));
        return port;
      }
      for (const address of claim.addresses) {
        const socket = { protocol: claim.protocol, address, port, owner };
        this.#bind(socket);
        bound.push(socket);
      }
      ports.push(port);
    }
    return ports;
  }

  async release(owner: string): Promise<void> {
    this.#unbind((socket) => socket.owner === owner);
  }

  /** The process ends, and its sockets with it. */
  releaseOurs(): void {
    this.#unbind((socket) => socket.owner !== undefined);
  }

  releaseAll(): void {
    this.#sockets.clear();
  }

  sockets(): FakeSocket[] {
    return [...this.#sockets.values()].flat();
  }

  transcript(): string[] {
    return this.sockets().map(socketText).sort();
  }

  #choose(claim: PortClaim): number | ClaimConflict {
    const absent = claim.addresses.find((address) => !this.#isOfHost(address));
    if (absent !== undefined) {
      return { claim, address: absent, port: claim.first, errno: "EADDRNOTAVAIL" };
    }
    let refusal: ClaimConflict | undefined;
    for (const port of this.#candidates(claim)) {
      const conflict = this.#conflict(claim, port);
      if (conflict === undefined) {
        return port;
      }
      refusal = conflict;
    }
    return refusal ?? { claim, address: claim.addresses[0] as IpAddress, port: 0, errno: "EADDRINUSE" };
  }

  *#candidates(claim: PortClaim): Generator<number> {
    if (claim.first !== 0) {
      const size = claim.last - claim.first + 1;
      const start = (claim.start ?? claim.first) - claim.first;
      for (let step = 0; step < size; step += 1) {
        yield claim.first + ((start + step) % size);
      }
      return;
    }
    const count = ephemeral.last - ephemeral.first + 1;
    for (let tried = 0; tried < count; tried += 1) {
      yield this.#nextEphemeral;
      this.#nextEphemeral = this.#nextEphemeral === ephemeral.last ? ephemeral.first : this.#nextEphemeral + 1;
    }
  }

  #conflict(claim: PortClaim, port: number): ClaimConflict | undefined {
    const present = this.#sockets.get(`${claim.protocol} ${port}`) ?? [];
    for (const address of claim.addresses) {
      const other = present.find((socket) => clash(socket.address, address));
      if (other !== undefined) {
        const holder = other.holder === undefined ? {} : { holder: other.holder };
        return { claim, address, port, errno: "EADDRINUSE", ...holder };
      }
    }
    return undefined;
  }

  #isOfHost(address: IpAddress): boolean {
    return isUnspecified(address) || isLoopback(address) || this.hostAddresses.has(address);
  }

  #bind(socket: FakeSocket): void {
    const key = `${socket.protocol} ${socket.port}`;
    this.#sockets.set(key, [...(this.#sockets.get(key) ?? []), socket]);
  }

  #unbind(matches: (socket: FakeSocket) => boolean): void {
    for (const [key, sockets] of this.#sockets) {
      const left = sockets.filter((socket) => !matches(socket));
      if (left.length === 0) {
        this.#sockets.delete(key);
      } else {
        this.#sockets.set(key, left);
      }
    }
  }
}

export function socketText({ protocol, address, port, owner, holder }: FakeSocket): string {
  return `socket ${protocol} ${address.includes(":") ? `[${address}]` : address}:${port} ${owner ?? holder ?? "foreign"}`;
}

/** An IPv6 socket takes IPv6 only (IPV6_V6ONLY), so the families never meet. */
function clash(a: IpAddress, b: IpAddress): boolean {
  return familyOf(a) === familyOf(b) && (a === b || isUnspecified(a) || isUnspecified(b));
}

function checkClaim({ addresses, first, last, start = first }: PortClaim): void {
  const isRange =
    first >= 0 && first <= last && last <= 65_535 && (first > 0 || last === 0) && first <= start && start <= last;
  if (!isRange || addresses.length === 0 || new Set(addresses).size < addresses.length) {
    throw new Error(`no claim: ${addresses.join(" ")} ${first}-${last}`);
  }
}
