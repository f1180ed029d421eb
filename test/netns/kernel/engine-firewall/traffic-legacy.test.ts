import { testEngineFirewallTraffic } from "./traffic.ts";

testEngineFirewallTraffic("legacy");
