/**
 * A page that shows a pool, a store or a cache live.
 *
 * @module
 */
export { type Viewable, type Viewer, type ViewerOptions, viewer } from "../viewer/index.ts";
