import { testEngineFirewallTraffic } from "./traffic.ts";

testEngineFirewallTraffic("nft");
