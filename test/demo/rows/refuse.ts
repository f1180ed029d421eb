import { TEST_IMAGE } from "../../lab/image.ts";
import type { Finding, Row } from "../row.ts";
import { PUBLISHED_PORT, runCommand, WEB_PORT } from "../scene.ts";
import type { Stage } from "../stage.ts";

const CLIENT_HINT = /^(See|Run) 'docker/;

export const portConflict: Row = {
  title: "A second container wants the same host port",
  expected: "refused at once; the message names the holder",
  run: ({ stage, containers: { web } }) =>
    refusal(
      stage,
      [...runCommand("demo-rival", "demo-plain"), "-d", "-p", `${PUBLISHED_PORT}:${WEB_PORT}`, TEST_IMAGE],
      "FW3004",
      web.name,
    ),
};

export const typo: Row = {
  title: "A typing error in an option: -o masqerade=false",
  expected: "refused; the message suggests masquerade",
  run: ({ stage }) =>
    refusal(
      stage,
      ["network", "create", "-d", "fairway", "--label", "fairway.demo", "-o", "masqerade=false", "demo-typo"],
      "FW1001",
      "did you mean masquerade?",
    ),
};

/** The code says that it is refused for the right reason. */
async function refusal(stage: Stage, args: readonly string[], code: string, words: string): Promise<Finding> {
  const result = await stage.tryDocker(args);
  const message = result.stderr.trim();
  const ok = result.code !== 0 && message.includes(`[${code},`) && message.includes(words);
  return {
    ok,
    got: result.code === 0 ? "accepted" : firstLine(message),
    evidence: message
      .split("\n")
      .slice(1)
      .filter((line) => line !== "" && !CLIENT_HINT.test(line)),
  };
}

/** The engine puts its own words before the driver's. */
function firstLine(message: string): string {
  const [line = ""] = message.split("\n");
  return line.replace(/^.*?(?:NetworkDriver\.\w+|remote): /, "");
}
