import type { FileBacking, FileInside, OpfsBacking } from "../backing/index.ts";
import { show, ZbudError } from "../base/index.ts";
import type { Cache } from "../cache/index.ts";
import type { EngineInside } from "../engine/index.ts";
import type { Pool, PoolInside } from "../pool/index.ts";
import type { PageStore } from "../store/index.ts";

/** What has pages to be looked at. A Zpool has a `pool`. */
export type HasPages = Pool | PageStore | Cache<unknown>;

/** What can be checked. */
export type Verifiable = HasPages | FileBacking | OpfsBacking;

/** What lets diagnostics look into it. */
export interface Inspectable {
  inside(): PoolInside | EngineInside | FileInside;
}

export function isInspectable(thing: unknown): thing is Inspectable {
  return typeof (thing as Partial<Inspectable> | null | undefined)?.inside === "function";
}

/** Throws `EINVAL` for what is nothing to look into, `ECLOSED` if it is closed. */
export function insideOf(name: string, thing: unknown): PoolInside | EngineInside | FileInside {
  if (isInspectable(thing)) return thing.inside();
  throw noneOf(name, thing);
}

export function noneOf(name: string, thing: unknown): ZbudError {
  return new ZbudError("EINVAL", `${name} takes a pool, a page store or a cache, not ${show(thing)}`);
}
