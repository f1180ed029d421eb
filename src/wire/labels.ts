/** Keys of the option maps that engines send, from moby libnetwork netlabel/labels.go. */
export const labels = {
  generic: "com.docker.network.generic",
  enableIpv4: "com.docker.network.enable_ipv4",
  enableIpv6: "com.docker.network.enable_ipv6",
  internal: "com.docker.network.internal",
  portMap: "com.docker.network.portmap",
  exposedPorts: "com.docker.network.endpoint.exposedports",
  macAddress: "com.docker.network.endpoint.macaddress",
  endpointName: "com.docker.network.endpoint.name",
  requestAddressType: "RequestAddressType",
  gateway: "com.docker.network.gateway",
  dnsServers: "com.docker.network.endpoint.dnsservers",
} as const;
