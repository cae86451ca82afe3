/** A process that learns a dictionary, and prints what became of it. */
import { CompressedCache } from "../../src/cache/index.ts";
import { fill } from "./dictionary-helpers.ts";

const cache = new CompressedCache<unknown>({ maxBytes: "8MiB" });
console.log(JSON.stringify(await fill(cache)));
