import { testEngineFirewall } from "./suite.ts";

testEngineFirewall("nft");
