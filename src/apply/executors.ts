import type { Kernel } from "../kernel/ports.ts";
import type { Family } from "../model/ip.ts";
import { type HostSetting, settingChange } from "../model/setting.ts";
import type { Step, StepOf, Verb } from "../plan/steps.ts";
import type { Firewall } from "./firewall.ts";

/** One function per verb; a verb without its executor does not compile. */
export type Executors = { readonly [V in Verb]: (step: StepOf<V>) => Promise<void> };

/** @param onSetting is told of a change to the host before it is made, and can prevent it by throwing. */
export function createExecutors(
  kernel: Kernel,
  firewall: Firewall,
  onSetting: (setting: HostSetting) => void,
): Executors {
  const change = (path: readonly string[], was: string, now: string) => {
    onSetting(settingChange(path, was, now));
    kernel.sysctls.write(path, now);
  };
  return {
    enableForwarding: async (step) => {
      for (const family of step.families) {
        await enableForwarding(kernel, family, change);
      }
    },
    admitForwarding: async () => {
      if (!(await kernel.engineFirewall.isAdmitted())) {
        await kernel.engineFirewall.admit();
      }
    },
    ensureBridge: async (step) => {
      await kernel.links.ensureBridge(step.spec);
    },
    addVeth: (step) => kernel.links.addVeth(step.spec),
    addNextHopLink: (step) => kernel.links.addNextHopLink(step.spec),
    setLinksDown: (step) => kernel.links.setDown(step.names),
    addRoutes: (step) => kernel.routes.add(step.routes),
    deleteRoutes: (step) => kernel.routes.remove(step.routes),
    deleteLinks: async (step) => kernel.links.deleteLater(step.names),
    changeElements: (step) => firewall.change(step),
    forgetFlows: async (step) => kernel.conntrack.forgetLater(step.filters),
  };
}

const forwardingKnob: Readonly<Record<Family, readonly string[]>> = {
  ipv4: ["net", "ipv4", "ip_forward"],
  ipv6: ["net", "ipv6", "conf", "all", "forwarding"],
};

type Change = (path: readonly string[], was: string, now: string) => void;

/** Never switched off again: the engine and others rely on it too. */
async function enableForwarding(kernel: Kernel, family: Family, change: Change): Promise<void> {
  const knob = forwardingKnob[family];
  const value = kernel.sysctls.read(knob);
  // IPv6 has further values (2: on, and router advertisements still taken) that must stay.
  if (value === "0") {
    if (family === "ipv6") {
      await keepRouterAdvertisements(kernel, change);
    }
    change(knob, value, "1");
  }
}

/**
 * A router ignores advertisements unless it is told otherwise, and drops the default route that it has from one as soon
 * as it begins to forward (ip-sysctl.rst of the kernel, accept_ra; rt6_purge_dflt_routers() in net/ipv6/route.c).
 */
async function keepRouterAdvertisements(kernel: Kernel, change: Change): Promise<void> {
  const routes = await kernel.links.listRoutes();
  const defaults = routes.filter(({ family, destination }) => family === "ipv6" && destination === undefined);
  for (const device of new Set(defaults.map((route) => route.device))) {
    const knob = ["net", "ipv6", "conf", device, "accept_ra"];
    const value = kernel.sysctls.read(knob);
    if (value === "1") {
      change(knob, value, "2");
    }
  }
}

export async function execute(executors: Executors, step: Step): Promise<void> {
  const run = executors[step.do] as (step: Step) => Promise<void>;
  await run(step);
}
