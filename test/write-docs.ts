/** Writes the generated pages: node test/write-docs.ts */
import { writeFileSync } from "node:fs";
import { configJsonSchema, configurationMarkdown } from "../src/daemon/config-docs.ts";
import { optionsMarkdown } from "../src/options/markdown.ts";

writeFileSync("docs/options.md", optionsMarkdown());
writeFileSync("docs/configuration.md", configurationMarkdown());
writeFileSync("docs/config.schema.json", configJsonSchema());
