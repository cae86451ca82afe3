/**
 * A thread stops for ever at a numbered point of the code, between any two statements, and is terminated:
 * at every point, in every operation, also while it repairs what another dead thread left.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Instrumented, instrument } from "./instrument.ts";
import { Playhouse } from "./playhouse.ts";
import type { DriverName } from "./pools.ts";
import { SCENES } from "./scenes.ts";
import { SIZE_CLASSES_SCENES } from "./size-classes-scenes.ts";
import { SLOTS_SCENES } from "./slots-scenes.ts";
import type { Scene } from "./stage.ts";
import { ZSMALLOC_SCENES } from "./zsmalloc-scenes.ts";

/** Whether to stop at every point each time that it is met, not only the first and the last time. */
const EVERY = process.env.ZBUD_POINTS === "every";

/** In scenes that are sampled, every so many-th point that is met. */
const SAMPLE = 24;

stopsAnywhere("zbud", SCENES);
stopsAnywhere("size-classes", SIZE_CLASSES_SCENES);
stopsAnywhere("slots", SLOTS_SCENES);
stopsAnywhere("zsmalloc", ZSMALLOC_SCENES);

function stopsAnywhere(driver: DriverName, scenes: readonly Scene[]): void {
  describe(`a thread that stops for ever at any point of a ${driver} pool`, () => {
    const folder = mkdtempSync(join(tmpdir(), "zbud-points-"));
    const stops = new Map<number, number>();
    let copy: Instrumented;
    let house: Playhouse;

    before(async () => {
      copy = await instrument(folder, driver);
      house = await Playhouse.open(copy);
    });
    after(async () => {
      await house.close();
      rmSync(folder, { recursive: true, force: true });
    });

    for (const scene of scenes) {
      it(scene.name, { timeout: 300_000 }, async () => {
        const trail = await house.rehearse(scene);
        assert.ok(trail.length > 0, "some point is met");
        const times = trail.flatMap((point, i) => {
          const isFirst = trail.indexOf(point) === i;
          const isLast = trail.lastIndexOf(point) === i;
          const isSample = i % SAMPLE === SAMPLE - 1 || (isFirst && !stops.has(point));
          const isWanted = scene.sampled ? isSample : isFirst || isLast;
          return EVERY || isWanted ? [i + 1] : [];
        });
        for (const time of times) {
          const point = trail[time - 1];
          try {
            await house.play(scene, time, point);
          } catch (cause) {
            const { where } = copy.points[point];
            throw new Error(`${scene.name}: a thread died at ${where}, point ${time} of its way`, { cause });
          }
          stops.set(point, (stops.get(point) ?? 0) + 1);
        }
      });
    }

    it("every point was visited", () => {
      let total = 0;
      for (const count of stops.values()) total += count;
      console.log(`${total} threads stopped, at ${stops.size} of ${copy.points.length} points`);
      const missed = copy.points.filter((_, point) => !stops.has(point)).map(({ where }) => where);
      assert.deepEqual(missed, []);
    });
  });
}
