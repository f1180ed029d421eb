/** What the lab can start, and where it comes from. */
export const engineVersions = ["20.10", "26.1", "28.5"] as const;
export type EngineVersion = (typeof engineVersions)[number];

/** Debian releases whose docker.io package is the wanted version. */
export const debianReleases: Readonly<Record<EngineVersion, string>> = {
  "20.10": "bookworm",
  "26.1": "trixie",
  "28.5": "forky",
};

export function isEngineVersion(text: string): text is EngineVersion {
  return (engineVersions as readonly string[]).includes(text);
}

/** The engine that this run of the tests is about: environment variable FAIRWAY_ENGINE, by default the oldest. */
export function engineUnderTest(): EngineVersion {
  const wanted = process.env["FAIRWAY_ENGINE"] ?? "20.10";
  if (!isEngineVersion(wanted)) {
    throw new Error(`FAIRWAY_ENGINE: expected one of ${engineVersions.join(", ")}, got ${JSON.stringify(wanted)}`);
  }
  return wanted;
}
