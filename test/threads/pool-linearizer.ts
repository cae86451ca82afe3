/** Finds an order in which calls that overlapped could have been made one after the other. */

import type { AllocRefusal } from "../../src/pool/index.ts";
import { type ModelObject, type ModelPage, ZbudModel } from "../drivers/zbud/zbud-model.ts";

/** One call, as its thread saw it. Stamps come from one counter: it happened between `called` and `returned`. */
export interface Call {
  thread: number;
  called: number;
  returned: number;
  op: { alloc: number; object: number } | { free: number };
  /** Of an alloc: where the object lies, or why there is none. Of a free: whether the handle was good. */
  result: { page: number; offset: number } | AllocRefusal | "freed" | "EBADF";
}

/** The shape of the pools whose histories are looked at. */
export interface HistoryShape {
  pageSize: number;
  chunkOrder: number;
  maxPages: number;
}

/** The sequential pool after some calls, and which of its pages is which. */
interface State {
  model: ZbudModel;
  objects: Map<number, ModelObject>;
  pages: Map<ModelPage, number>;
}

/**
 * Searches for a sequence of all calls in which each happens between its call and its return, and gives in
 * the sequential model exactly what it gave (Wing and Gong 1993; states seen before are not tried again,
 * after Lowe 2017).
 *
 * @returns indices into `calls` in that order, or null if there is none.
 */
export function linearize(shape: HistoryShape, calls: readonly Call[]): number[] | null {
  const seen = new Set<string>();
  const order: number[] = [];
  const done = new Array<boolean>(calls.length).fill(false);

  const search = (): boolean => {
    if (order.length === calls.length) return true;
    // A call can come next only if none of the others returned before it was made.
    let firstReturn = Number.POSITIVE_INFINITY;
    for (const [i, call] of calls.entries()) if (!done[i]) firstReturn = Math.min(firstReturn, call.returned);
    for (const [i, call] of calls.entries()) {
      if (done[i] || call.called > firstReturn) continue;
      order.push(i);
      done[i] = true;
      const state = stateAfter(
        shape,
        order.map((at) => calls[at]),
      );
      if (state !== null) {
        const key = `${done.map(Number).join("")} ${keyOf(state)}`;
        if (!seen.has(key)) {
          seen.add(key);
          if (search()) return true;
        }
      }
      order.pop();
      done[i] = false;
    }
    return false;
  };
  return search() ? order : null;
}

/** The model after these calls, made anew: histories are short. Null if a call gave what it could not. */
function stateAfter(shape: HistoryShape, calls: readonly Call[]): State | null {
  const state: State = {
    model: new ZbudModel({ ...shape, evicts: false }),
    objects: new Map(),
    pages: new Map(),
  };
  for (const call of calls) if (!agrees(state, call)) return null;
  return state;
}

/** Makes one call on the model. Whether it gives the same. */
function agrees({ model, objects, pages }: State, { op, result }: Call): boolean {
  if ("free" in op) {
    const object = objects.get(op.free);
    if (object === undefined) return result === "EBADF";
    if (result !== "freed") return false;
    objects.delete(op.free);
    model.free(object);
    if (object.page.first === null && object.page.last === null) pages.delete(object.page);
    return true;
  }
  const expected = model.alloc(op.alloc);
  if (typeof expected === "string") return result === expected;
  if (typeof result === "string") return false;
  const known = pages.get(expected.page);
  if (known === undefined) {
    // Any page that is free will do; one in use will not.
    if ([...pages.values()].includes(result.page)) return false;
    pages.set(expected.page, result.page);
  }
  objects.set(op.object, expected);
  return (known === undefined || known === result.page) && result.offset === expected.offset;
}

/** All that later calls can depend on: each list and the LRU in their order, and who lies where. */
function keyOf({ model, objects, pages }: State): string {
  const nameOf = new Map<ModelObject, number>();
  for (const [name, object] of objects) nameOf.set(object, name);
  const nameOfPage = (page: ModelPage): string =>
    [pages.get(page), page.first && nameOf.get(page.first), page.last && nameOf.get(page.last)].join(".");
  const lists = model.unbuddied.map((list) => list.map((page) => pages.get(page)).join(","));
  return `${model.lru.map(nameOfPage).join(" ")} / ${lists.join(";")}`;
}
