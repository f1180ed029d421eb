import { commandSuite, ownSessionsSuite } from "./settings-suite.ts";

commandSuite("bird");
ownSessionsSuite("bird");
