/**
 * The file of a worker thread beside the calling module, as source and as compiled output: the compiler rewrites the
 * extension of imports, but not the one in a URL.
 */
export function threadFile(name: string, callerUrl: string): URL {
  return new URL(`./${name}${callerUrl.endsWith(".ts") ? ".ts" : ".js"}`, callerUrl);
}
