import type { EngineFirewallPort } from "../../src/kernel/ports.ts";

export class FakeEngineFirewall implements EngineFirewallPort {
  isAdmitted = false;

  async admit(): Promise<void> {
    this.isAdmitted = true;
  }

  async retract(): Promise<void> {
    this.isAdmitted = false;
  }

  transcript(): string[] {
    return this.isAdmitted ? ["DOCKER-USER jumps to FAIRWAY-FORWARD"] : [];
  }
}
