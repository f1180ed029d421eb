import type { FurnishSpec, SandboxPort } from "../../src/kernel/ports.ts";
import type { FakeLinks } from "./fake-links.ts";

/** What has been set up inside sandboxes, by sandbox and link-layer address. It ends with the sandbox. */
export class FakeSandboxes implements SandboxPort {
  readonly furnished = new Map<string, FurnishSpec>();
  readonly #links: FakeLinks;

  constructor(links: FakeLinks) {
    this.#links = links;
  }

  async furnish(spec: FurnishSpec): Promise<boolean> {
    if (spec.sandboxKey === "" || spec.routes.length === 0) {
      throw new Error("a sandbox without a name, or nothing to furnish");
    }
    if (!this.#links.isInside(spec.sandboxKey, spec.mac)) {
      return false;
    }
    this.furnished.set(`${spec.sandboxKey} ${spec.mac}`, spec);
    return true;
  }
}
