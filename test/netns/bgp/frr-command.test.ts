import { commandSuite, ownSessionsSuite } from "./settings-suite.ts";

commandSuite("frr");
ownSessionsSuite("frr");
