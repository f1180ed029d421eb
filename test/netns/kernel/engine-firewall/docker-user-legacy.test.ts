import { testEngineFirewall } from "./suite.ts";

testEngineFirewall("legacy");
