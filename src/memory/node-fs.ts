import { builtin } from "../base/index.ts";

/** The module of Node, in a file that no public declaration names: these must compile without Node's types. */
export function fs(): typeof import("node:fs") {
  return builtin<typeof import("node:fs")>("node:fs") as typeof import("node:fs");
}
