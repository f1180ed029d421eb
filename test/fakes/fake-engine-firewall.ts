import type { EngineFirewallPort } from "../../src/kernel/ports.ts";

export class FakeEngineFirewall implements EngineFirewallPort {
  admitted = false;

  async isAdmitted(): Promise<boolean> {
    return this.admitted;
  }

  async admit(): Promise<void> {
    this.admitted = true;
  }

  async retract(): Promise<void> {
    this.admitted = false;
  }

  transcript(): string[] {
    return this.admitted ? ["DOCKER-USER jumps to FAIRWAY-FORWARD"] : [];
  }
}
