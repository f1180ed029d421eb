import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type ConfigSources, resolveConfig } from "../../../src/daemon/config.ts";
import { configJsonSchema, configurationMarkdown } from "../../../src/daemon/config-docs.ts";
import { readConfigFile } from "../../../src/daemon/config-file.ts";
import { configFileSchema, environmentNameOf, flagOf, settingNames } from "../../../src/daemon/config-schema.ts";
import { sectionNames } from "../../../src/daemon/config-sections.ts";
import { FairwayError } from "../../../src/errors.ts";

const defaults = {
  pluginSocket: "/run/docker/plugins/fairway.sock",
  stateDir: "/var/lib/fairway",
  runDir: "/run/fairway",
  logLevel: "info",
  logFormat: "auto",
  dockerHost: "unix:///var/run/docker.sock",
  flatSpace: [],
};

/** Resolves with some sources; `files` by path. */
function resolve(
  { flags = {}, env = {} }: Partial<ConfigSources>,
  files: Readonly<Record<string, string>> = {},
): ReturnType<typeof resolveConfig> {
  return resolveConfig({ flags, env, readFile: (path) => files[path] });
}

function inFile(content: unknown): Readonly<Record<string, string>> {
  return { "/etc/fairway/config.json": typeof content === "string" ? content : JSON.stringify(content) };
}

function refused(what: RegExp | string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof FairwayError, String(error));
    assert.equal(error.code, "FW2005");
    if (typeof what === "string") {
      assert.equal(error.message, what);
    } else {
      assert.match(error.message, what);
    }
    return true;
  };
}

describe("precedence", () => {
  test("without anything there are the defaults", () => {
    assert.deepEqual(resolve({}), defaults);
  });

  test("flag before environment before file before default, per setting", () => {
    const paths = ["/flag", "/env", "/file"];
    fc.assert(
      fc.property(fc.subarray(paths), fc.constantFrom("stateDir" as const, "runDir" as const), (present, name) => {
        const given = (path: string): string | undefined => (present.includes(path) ? path : undefined);
        const config = resolve(
          { flags: { [name]: given("/flag") }, env: { [environmentNameOf(name)]: given("/env") } },
          inFile({ [name]: given("/file") }),
        );
        assert.deepEqual(config, { ...defaults, [name]: present[0] ?? defaults[name] });
      }),
    );
  });

  test("an empty variable is none, an empty flag is wrong", () => {
    assert.deepEqual(resolve({ env: { FAIRWAY_LOG_LEVEL: "", FAIRWAY_CONFIG: "" } }), defaults);
    assert.throws(() => resolve({ flags: { logLevel: "" } }), refused(/^flag --log-level: "" is not one of/));
  });

  test("flags that are no settings are somebody else's", () => {
    assert.deepEqual(resolve({ flags: { json: true, verbose: "x" } }), defaults);
  });
});

describe("configuration file", () => {
  test("takes comments, the schema and nothing unknown", () => {
    const content = { $schema: "./config.schema.json", "//": ["any", { thing: 1 }], logLevel: "debug" };
    assert.deepEqual(resolve({}, inFile(content)), { ...defaults, logLevel: "debug" });
    assert.throws(
      () => resolve({}, inFile({ loglevel: "debug" })),
      refused('setting "loglevel" in /etc/fairway/config.json is not known; did you mean logLevel?'),
    );
    assert.throws(() => resolve({}, inFile('{"__proto__": {}}')), refused(/^setting "__proto__" in .* is not known$/));
    assert.throws(() => resolve({}, inFile({ config: "/x" })), refused(/^setting "config"/));
  });

  test("may be elsewhere, the flag first", () => {
    const files = { "/a": '{"logLevel":"error"}', "/b": '{"logLevel":"debug"}', ...inFile({ logLevel: "warn" }) };
    assert.equal(resolve({}, files).logLevel, "warn");
    assert.equal(resolve({ env: { FAIRWAY_CONFIG: "/a" } }, files).logLevel, "error");
    assert.equal(resolve({ env: { FAIRWAY_CONFIG: "/a" }, flags: { config: "/b" } }, files).logLevel, "debug");
  });

  test("must be there when it was asked for, even at the default place", () => {
    assert.throws(
      () => resolve({ flags: { config: "/absent" } }),
      refused('configuration file "/absent" does not exist'),
    );
    assert.throws(() => resolve({ env: { FAIRWAY_CONFIG: "/absent" } }), refused(/does not exist$/));
    assert.throws(() => resolve({ flags: { config: "/etc/fairway/config.json" } }), refused(/does not exist$/));
    assert.throws(() => resolve({ flags: { config: "" } }), refused(/does not exist$/));
  });

  for (const text of ["", "{", "[]", "null", '"text"', "3", "{'logLevel': 'info'}", "{} {}", "\u0000"]) {
    test(`${JSON.stringify(text)} is refused with the path`, () => {
      assert.throws(
        () => resolve({}, inFile(text)),
        refused(/^configuration file \/etc\/fairway\/config\.json is not /),
      );
    });
  }

  test("a value of another JSON type is refused", () => {
    for (const [value, shown] of [
      [3, "a JSON number"],
      [null, "a JSON object"],
      [["info"], "a JSON array"],
      [true, "a JSON boolean"],
    ] as const) {
      assert.throws(
        () => resolve({}, inFile({ logLevel: value })),
        refused(`logLevel in /etc/fairway/config.json: ${shown} is not one of error, warn, info, debug`),
      );
    }
  });

  test("is judged where another source overrides it, too", () => {
    assert.throws(
      () => resolve({ flags: { logLevel: "info" } }, inFile({ logLevel: "loud" })),
      refused(/^logLevel in \/etc\/fairway\/config\.json: "loud" is not one of/),
    );
  });

  test("that cannot be read is an error with the reason", () => {
    const readFile = (): never => {
      throw new Error("EACCES: permission denied");
    };
    assert.throws(
      () => resolveConfig({ flags: {}, env: {}, readFile }),
      refused('configuration file "/etc/fairway/config.json" cannot be read: EACCES: permission denied'),
    );
  });

  test("is read from disk; only absence is no error", () => {
    const directory = mkdtempSync(join(tmpdir(), "fairway-config-"));
    try {
      const path = join(directory, "config.json");
      assert.equal(readConfigFile(path), undefined);
      writeFileSync(path, "{}");
      assert.equal(readConfigFile(path), "{}");
      assert.throws(() => readConfigFile(directory), /EISDIR/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("values", () => {
  const wrong: Readonly<Record<string, readonly string[]>> = {
    pluginSocket: [
      "",
      "fairway.sock",
      "/",
      "/run/",
      "//run/x",
      "/run/a b.sock",
      "/run/é.sock",
      `/${"x".repeat(107)}`,
      "/a\n",
    ],
    stateDir: ["", ".", "var", "/", "/var//x", "/var/", "/va\u0000r", "/va\nr", `/${"x".repeat(255)}`],
    runDir: ["run"],
    logLevel: ["INFO", "trace", "info ", "__proto__"],
    logFormat: ["text"],
    dockerHost: ["", "/var/run/docker.sock", "unix://", "unix:///", "unix://run", "tcp://127.0.0.1:2375", "None"],
  };
  for (const name of settingNames) {
    for (const value of wrong[name] ?? []) {
      test(`${name} cannot be ${JSON.stringify(value.slice(0, 30))}, from any source`, () => {
        assert.throws(() => resolve({ flags: { [name]: value } }), refused(new RegExp(`^flag ${flagOf(name)}: "`)));
        assert.throws(() => resolve({}, inFile({ [name]: value })), refused(new RegExp(`^${name} in `)));
        if (value !== "" && !value.includes("\u0000")) {
          const variable = environmentNameOf(name);
          assert.throws(() => resolve({ env: { [variable]: value } }), refused(new RegExp(`variable ${variable}: "`)));
        }
      });
    }
  }

  test("the longest socket path fits sun_path", () => {
    const path = `/${"x".repeat(106)}`;
    assert.equal(resolve({ flags: { pluginSocket: path, dockerHost: `unix://${path}` } }).pluginSocket, path);
  });

  test("the engine can be left alone", () => {
    assert.equal(resolve({ env: { FAIRWAY_DOCKER_HOST: "none" } }).dockerHost, "none");
  });
});

describe("environment", () => {
  test("a misspelled name is an error, a foreign one is not", () => {
    for (const name of [
      "FAIRWAY_LOGLEVEL",
      "FAIRWAY_LOG_LEVELS",
      "FAIRWAY_CONFG",
      "FAIRWAY_RUNDIR",
      "FAIRWAY_log_level",
    ]) {
      assert.throws(() => resolve({ env: { [name]: "x" } }), refused(/is not known; did you mean FAIRWAY_[A-Z_]+\?$/));
    }
    assert.deepEqual(
      resolve({
        env: {
          FAIRWAY_LAB_DIR: "/x",
          FAIRWAY_ENGINE: "x",
          FAIRWAY_NODE: "x",
          FAIRWAY_: "x",
          LOG_LEVEL: "x",
          PATH: "/bin",
        },
      }),
      defaults,
    );
  });

  test("names follow the settings", () => {
    assert.equal(environmentNameOf("pluginSocket"), "FAIRWAY_PLUGIN_SOCKET");
    assert.equal(flagOf("pluginSocket"), "--plugin-socket");
  });
});

describe("reference", () => {
  const committed = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

  test("docs/config.schema.json and docs/configuration.md are what the settings say", () => {
    assert.equal(committed("config.schema.json"), configJsonSchema(), "run npm run docs");
    assert.equal(committed("configuration.md"), configurationMarkdown(), "run npm run docs");
  });

  test("the schema has every setting with its default, and no others", () => {
    const schema = JSON.parse(configJsonSchema());
    assert.equal(schema.additionalProperties, false);
    assert.deepEqual(Object.keys(schema.properties).sort(), ["$schema", "//", ...settingNames, ...sectionNames].sort());
    for (const name of settingNames) {
      assert.equal(schema.properties[name].default, defaults[name]);
    }
  });

  test("schema and parser agree", () => {
    assert.ok(configFileSchema.safeParse({ ...defaults, "//": 1, $schema: "x" }).success);
    assert.ok(!configFileSchema.safeParse({ loglevel: "info" }).success);
    assert.ok(!configFileSchema.safeParse({ logLevel: "loud" }).success);
  });
});
