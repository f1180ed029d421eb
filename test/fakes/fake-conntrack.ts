import type { ConntrackPort, FlowFilter } from "../../src/kernel/ports.ts";

/** Remembers what it was asked to forget. */
export class FakeConntrack implements ConntrackPort {
  readonly forgotten: FlowFilter[] = [];

  forgetLater(filters: readonly FlowFilter[]): void {
    for (const filter of filters) {
      if (filter.kind === "hostPort" && !(filter.first >= 1 && filter.first <= filter.last && filter.last <= 65_535)) {
        throw new Error(`no range of ports: ${filter.first}-${filter.last}`);
      }
    }
    this.forgotten.push(...filters);
  }

  async settled(): Promise<void> {
    // Nothing waits: forgetting is done when it is asked for.
  }
}
