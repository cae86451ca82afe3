import assert from "node:assert/strict";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import {
  ColdPass,
  Engine,
  type EngineOptions,
  entryAttributes,
  type FoundEntry,
  Recompressor,
  shrinkBytes,
} from "../../src/engine/index.ts";
import { RowPacker } from "../../src/engine/shrinking.ts";
import { HAS_NODE_CODECS } from "../contracts/sharing.ts";

const LZ4 = 2;
/** Codecs to compress idle entries with: zstd and deflate in Node, lz4 in browsers, which have neither. */
const STRONG_IDS = HAS_NODE_CODECS ? [3, 4] : [LZ4, LZ4];

/** One step of a run: what is done is in the number, so a failing run is a seed and a count. */
export interface RunOptions {
  seed: number;
  steps: number;
  engine: EngineOptions;
  /** Names in use; few, so that most steps meet an entry. */
  names: number;
  /** The longest value. */
  maxBytes: number;
  /** Bytes of prefix; 0: names are words only. */
  prefixBytes?: number;
}

/** A value that tells its name and version in every part, of one of several kinds. */
export function drawValue(prng: Prng, maxBytes: number): Uint8Array {
  const lengths = [0, 1, 7, 8, 9, 511, 512, 4095, 4096, maxBytes];
  const length = prng.chance(0.3) ? lengths[prng.below(lengths.length)] : prng.below(maxBytes + 1);
  const value = new Uint8Array(Math.min(length, maxBytes));
  const kind = prng.below(4);
  if (kind === 0) return value.fill(prng.below(256));
  if (kind === 1) for (let i = 0; i < value.length; i++) value[i] = prng.below(256);
  if (kind === 2)
    for (let i = 0; i < value.length; i++) value[i] = prng.chance(0.1) ? prng.below(256) : i >> 4;
  if (kind === 3) {
    const word = [prng.below(256), prng.below(256), 1, 2, 3, 4, 5, prng.below(256)];
    for (let i = 0; i < value.length; i++) value[i] = word[i & 7];
  }
  return value;
}

interface ModelEntry {
  value: Uint8Array;
  expiresAt: number;
}

function idOfWords(k0: number, k1: number): number {
  return k0 + k1 * 1000;
}

/**
 * Runs an engine and a Map side by side: whatever was evicted is a miss, and nothing else differs. The books are
 * walked every few steps.
 */
export function runModel(run: RunOptions): { hits: number; evicted: number } {
  const { seed, steps, engine: options, names, maxBytes, prefixBytes = 0 } = run;
  const prng = new Prng(seed);
  const model = new Map<number, ModelEntry>();
  let now = 1;
  let evicted = 0;
  const attributes = entryAttributes();
  const nameOf = (entry: FoundEntry): number =>
    prefixBytes > 0 ? entry.bytes[0] - 1 : idOfWords(entry.k0, entry.k1);
  const engine = new Engine({
    ...options,
    onRemoved: (reason, entry) => {
      const id = nameOf(entry);
      checkRemoved(reason, entry, model.get(id), now);
      if (reason === "evicted") evicted++;
      model.delete(id);
    },
  });
  const target = new Uint8Array(maxBytes);
  const packer = new RowPacker(engine.parts().shards);
  let hits = 0;
  for (let step = 0; step < steps; step++) {
    const k0 = prng.below(names);
    const k1 = prefixBytes > 0 ? 0 : prng.below(2);
    const id = idOfWords(k0, k1);
    const prefix = new Uint8Array(prefixBytes).fill(k0 + 1);
    // With prefixes, names share two words, so that only the prefix tells them apart.
    const word = prefixBytes > 0 ? id & 1 : k0;
    const action = prng.below(20);
    now += prng.below(3);
    if (action < 9) {
      const value = drawValue(prng, maxBytes);
      attributes.prefix = prefix;
      attributes.prefixLength = prefixBytes;
      attributes.expiresAt = options.expiry === true && prng.chance(0.5) ? now + prng.below(200) : 0;
      attributes.aux = step;
      const had = model.has(id);
      const result = engine.put(word, k1, value, value.length, attributes, now);
      assert.ok(
        !model.has(id),
        "neither the value before nor, where a put is refused, anything else is left",
      );
      if (result === "stored" || result === "replaced") {
        if (!had) assert.equal(result, "stored");
        model.set(id, { value, expiresAt: attributes.expiresAt });
      }
    } else if (action < 16) {
      const known = model.get(id);
      const found = engine.lookup(word, k1, prefix, prefixBytes, now, prng.chance(0.8));
      const isDue = known !== undefined && known.expiresAt !== 0 && known.expiresAt <= now;
      assert.equal(found, known !== undefined && !isDue, `step ${step}: lookup of ${id}`);
      if (found && known !== undefined) {
        hits++;
        assert.equal(engine.decode(target), known.value.length);
        assert.ok(Buffer.compare(target.subarray(0, known.value.length), known.value) === 0, `step ${step}`);
      }
    } else if (action < 17) {
      const had = model.has(id);
      assert.equal(engine.remove(word, k1, prefix, prefixBytes), had);
      assert.ok(!model.has(id));
    } else {
      changeMany(engine, packer, prng, action, now);
    }
    assert.equal(engine.size, model.size);
    if (step % 16 === 0) checkMemory(engine);
  }
  closeEmptied(engine);
  assert.equal(model.size, 0);
  return { hits, evicted };
}

/** What concerns more than one entry. */
function changeMany(engine: Engine, packer: RowPacker, prng: Prng, action: number, now: number): void {
  if (action === 17) {
    engine.expire(now, 1 + prng.below(5));
  } else if (action === 18 && prng.chance(0.05)) {
    if (prng.chance(0.1)) engine.clear();
    else shrinkBytes(engine, prng.below(20_000), now);
  } else if (action === 18 && prng.chance(0.2)) {
    // Cut short at any row: others go on in between.
    let looks = prng.below(4);
    packer.step(() => looks-- <= 0);
  } else if (action === 19 && prng.chance(0.3)) {
    const number = prng.chance(0.5) ? STRONG_IDS[0] : STRONG_IDS[1];
    const clock = (): number => now;
    if (prng.chance(0.5)) {
      new Recompressor(engine, prng.chance(0.5) ? { evictsBy: clock } : {}).recompress(number, 8);
    } else {
      const pass = new ColdPass(
        engine,
        { cold: number, warm: LZ4, isCold: (codec) => codec === number },
        2 ** 20,
        clock,
      );
      for (let step = prng.below(20); step > 0 && pass.step(2); step--);
    }
  }
}

function checkRemoved(reason: string, entry: FoundEntry, known: ModelEntry | undefined, now: number): void {
  assert.ok(known, `${reason}: an entry that the model does not have`);
  assert.equal(entry.length, known.value.length);
  if (reason === "expired") assert.ok(known.expiresAt !== 0 && known.expiresAt <= now);
}

function checkMemory(engine: Engine): void {
  verify(engine);
  const { bytesUsed, bytesReserved } = engine.stats();
  assert.ok(bytesUsed <= bytesReserved, `${bytesUsed} of ${bytesReserved} bytes`);
}

function closeEmptied(engine: Engine): void {
  verify(engine);
  engine.clear();
  const { poolBytes, storedBytes } = engine.stats();
  assert.deepEqual({ poolBytes, storedBytes }, { poolBytes: 0, storedBytes: 0 }, "nothing is left");
  engine.close();
}
