import { builtin } from "../../src/base/index.ts";

/** Whether the platform has memory that threads share: a browser's page that is not isolated has none. */
export const CAN_SHARE: boolean = typeof SharedArrayBuffer !== "undefined";

/** The values of `shared` to test with. */
export const SHARING: readonly boolean[] = CAN_SHARE ? [false, true] : [false];

/** Whether there are zstd and deflate, which Node has and browsers do not. */
export const HAS_NODE_CODECS: boolean = builtin("node:zlib") !== undefined;
