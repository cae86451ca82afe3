/**
 * A page that shows a pool, a store or a cache live.
 *
 * @module
 */
export { figuresOf } from "./figures.ts";
export { decodeFrame, encodeFrame, type Frame } from "./frame.ts";
export { TracePlayer } from "./player.ts";
export type {
  Hello,
  ListenOptions,
  PlayerCommand,
  PlayerControls,
  PlayerState,
  Tick,
  Viewable,
  ViewedPage,
  ViewedSnapshot,
} from "./types.ts";
export { type Viewer, type ViewerAddress, type ViewerOptions, viewer } from "./viewer.ts";
export { isBytes, nameText, valueText } from "./words.ts";
