import type { FabricHost } from "../../lab/fabric-host.ts";
import type { HostSpot, Topology } from "./drawing.ts";
import { containers, networks } from "./plan.ts";
import type { Scene } from "./scene.ts";

export function topologyOf(scene: Scene): Topology {
  const { bareMetal, vm, tor } = scene.fabric;
  const as = scene.fabric.host(0).peering.remote.asn;
  return {
    metal: { name: "metal", ipv4: bareMetal.ipv4, ipv6: bareMetal.ipv6, about: "bare metal" },
    vm: { name: "vm", ipv4: vm.ipv4, ipv6: vm.ipv6, about: "virtual machine, on a hypervisor's bridge" },
    router: { name: "tor", ipv4: tor.ipv4, ipv6: tor.ipv6, about: `top-of-rack router, BIRD, AS ${as}` },
    hosts: [hostSpot(scene, 0), hostSpot(scene, 1)],
  };
}

function hostSpot({ fabric, boxes }: Scene, index: number): HostSpot {
  const host: FabricHost = fabric.host(index);
  return {
    name: `h${index + 1}`,
    ipv4: host.ipv4,
    ipv6: host.ipv6,
    about: `Docker ${host.lab.engine}, fairway, BIRD, AS ${host.peering.local.asn}`,
    networks: networks
      .filter((network) => network.host === index)
      .map(({ name, options }) => ({
        about: [`network ${name}`, ...options.filter((option) => option !== "-o")].join("  "),
        containers: containers
          .filter((container) => container.host === index && container.network === name)
          .map((container) => ({ ...boxes[container.name], about: "" })),
      })),
  };
}
