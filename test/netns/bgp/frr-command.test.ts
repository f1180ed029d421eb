import { commandSuite, everythingSuite, ownSessionsSuite } from "./settings-suite.ts";

commandSuite("frr");
everythingSuite("frr");
ownSessionsSuite("frr");
