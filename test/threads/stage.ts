/** What the scenes of all drivers are made of: a pool in a known state, and who does what in it. */

import assert from "node:assert/strict";
import type { Handle } from "../../src/base/index.ts";
import type { Pool, SharedPool } from "../../src/pool/index.ts";
import type { Act } from "./points-worker.ts";

/** The pool of a scene, and who does what in it. */
export interface Stage {
  pool: Pool;
  /** The byte that fills each object. */
  fills: Map<Handle, number>;
  /** Freed by a thread that lives. */
  bystander: Handle;
  /** Acts of the thread that stops at each point in turn. */
  acts: Act[];
  /** A thread that dies before: where its last point is, by function; or in its handler. */
  before?: { acts: Act[]; lastIn: string | null };
  /** Whether a living thread has the page at the tail under reclaim meanwhile. */
  holds?: boolean;
  /** Other users of the pool, closed in the end. */
  others?: Pool[];
}

export interface Scene {
  name: string;
  stage(): Stage;
  /** Only points that no scene before has stopped at, and a sample; else the first and last time at each. */
  sampled?: boolean;
}

/** Objects put into a pool, each filled with a byte of its own. */
export interface Props {
  fills: Map<Handle, number>;
  take(size: number): Handle;
  drop(handle: Handle): void;
}

export function propsOf(pool: Pool): Props {
  const fills = new Map<Handle, number>();
  return {
    fills,
    take: (size) => {
      const handle = pool.alloc(size);
      if (typeof handle === "string") assert.fail(`alloc(${size}) gave ${handle}`);
      const fill = 1 + (fills.size % 250);
      fills.set(handle, fill);
      pool.write(handle, new Uint8Array(size).fill(fill));
      return handle;
    },
    drop: (handle) => {
      pool.free(handle);
      fills.delete(handle);
    },
  };
}

export const alloc = (size: number): Act => ({ do: "alloc", size });
export const free = (handle: Handle): Act => ({ do: "free", handle });

/** Makes a scene of what changes in a stage. */
export type SceneMaker<Cast, Options> = (
  name: string,
  set: (cast: Cast) => Partial<Stage>,
  options?: Options,
) => Scene;

/** @param cast - sets a stage anew for each run of a scene. */
export function scenesWith<Cast extends { stage: Stage }, Options>(
  cast: (options?: Options) => Cast,
): SceneMaker<Cast, Options> {
  return (name, set, options) => ({
    name,
    stage: () => {
      const all = cast(options);
      return { ...all.stage, ...set(all) };
    },
  });
}

/** Coming, going and looking, which are the same in every pool. */
export function visits<Cast extends { stage: Stage }, Options>(
  scene: SceneMaker<Cast, Options>,
  attach: (shared: SharedPool) => Pool,
): Scene[] {
  return [
    scene("attach", () => ({ acts: [{ do: "attach" }] })),
    scene("attach: no member left", ({ stage }) => ({
      acts: [{ do: "attach" }],
      // With the thread that made the pool and the one that goes on, 127.
      others: Array.from({ length: 125 }, () => attach(stage.pool.share() as SharedPool)),
    })),
    scene("attach: to the place of a thread that died in its handler", ({ stage }) => ({
      before: { acts: [{ do: "reclaim", frees: [], stops: true }], lastIn: null },
      acts: [{ do: "attach" }],
      others: Array.from({ length: 124 }, () => attach(stage.pool.share() as SharedPool)),
    })),
    scene("close", () => ({ acts: [{ do: "close" }] })),
  ];
}
