import { nextCacheHandler } from "zbud/next";
import { cache } from "./cache.mjs";

export default nextCacheHandler(cache);
