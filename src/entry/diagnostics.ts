/**
 * What looks into pools, page stores and caches: checks of every invariant, and pictures of what lies where. Functions
 * apart, so that a bundler leaves them out of programs that do not call them.
 *
 * @module
 */
export { snapshot, snapshotColumns, verify } from "../diagnostics/index.ts";
