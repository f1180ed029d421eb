import { commandSuite, everythingSuite, ownSessionsSuite, restartSuite } from "./settings-suite.ts";

commandSuite("bird");
everythingSuite("bird");
ownSessionsSuite("bird");
restartSuite();
