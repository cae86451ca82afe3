import { colorOf } from "../shared/colors.ts";
import type { Model } from "./model.ts";

/** What just became of a page: it was evicted from, it came into use, it went out of use. */
export type Flash = "evicted" | "came" | "gone";

/** Steps of the colours of age. */
const AGES = 64;
/** Cells of fewer pixels have no room for patterns. */
const SMALL = 12;

/** Colours as pixels. */
export interface Colors {
  track: number;
  ages: Uint32Array;
  ageless: number;
  faint: number;
  flashes: Record<Flash, number>;
  reclaim: number;
}

/** The theme's colours now. */
export function mapColors(): Colors {
  const stops = ["--age0", "--age1", "--age2", "--age3"].map((name) => channels(colorOf(name)));
  const ages = new Uint32Array(AGES);
  for (let i = 0; i < AGES; i++) {
    const at = (i / (AGES - 1)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    const mixed = stops[low].map((value, c) => value + (stops[low + 1][c] - value) * (at - low));
    ages[i] = pixel(mixed);
  }
  const solid = (name: string): number => pixel(channels(colorOf(name)));
  return {
    track: solid("--track"),
    ages,
    ageless: solid("--age1"),
    faint: solid("--line"),
    flashes: { evicted: solid("--flash"), came: solid("--came"), gone: solid("--gone") },
    reclaim: solid("--warn"),
  };
}

function channels(color: string): number[] {
  const numbers = (color.match(/[\d.]+/g) ?? []).map(Number);
  return color.startsWith("color(") ? numbers.slice(0, 3).map((value) => value * 255) : numbers.slice(0, 3);
}

/** As it lies in an image on a little-endian machine, which all are that browsers run on. */
function pixel([r, g, b]: readonly number[]): number {
  return ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}

/** Paints cells into the pixels of an image. */
export class Painter {
  readonly #pixels: Uint32Array;
  readonly #width: number;
  readonly #height: number;
  readonly #model: Model;
  readonly #colors: Colors;

  constructor(pixels: Uint32Array, width: number, height: number, model: Model, colors: Colors) {
    this.#pixels = pixels;
    this.#width = width;
    this.#height = height;
    this.#model = model;
    this.#colors = colors;
  }

  cell(
    row: number,
    left: number,
    top: number,
    right: number,
    bottom: number,
    flash: Flash | null,
    faint: boolean,
  ): void {
    const { frame } = this.#model;
    const { offsets, sizes, starts, bytes, underReclaim } = frame;
    const width = Math.max(1, right - left);
    this.#rect(left, top, left + width, bottom, this.#colors.track);
    const color = faint
      ? this.#colors.faint
      : underReclaim[row] === 1
        ? this.#colors.reclaim
        : this.#color(row);
    const scale = width / bytes[row];
    for (let i = starts[row]; i < starts[row + 1]; i++) {
      const from = left + Math.floor(offsets[i] * scale);
      const to = Math.min(
        left + width,
        Math.max(from + 1, Math.ceil(left + (offsets[i] + sizes[i]) * scale)),
      );
      // Neighbours are told apart where there is room for a line between them.
      this.#rect(from, top, to - from > 4 ? to - 1 : to, bottom, color);
    }
    if (flash !== null) this.mark(left, top, left + width, bottom, flash);
  }

  /** Evicted from: slanted stripes. Came: a frame. Gone: upright bars. In a cell too small for these, a part of it. */
  mark(left: number, top: number, right: number, bottom: number, flash: Flash): void {
    const color = this.#colors.flashes[flash];
    const line = bottom - top >= 10 ? 2 : 1;
    if (right - left < SMALL) {
      const [x, y] = [Math.ceil((left + right) / 2), Math.ceil((top + bottom) / 2)];
      if (flash === "evicted") this.#rect(left, top, right, bottom, color);
      else this.#rect(left, top, flash === "came" ? right : x, flash === "came" ? y : bottom, color);
    } else if (flash === "came") {
      this.#rect(left, top, right, top + line, color);
      this.#rect(left, bottom - line, right, bottom, color);
      this.#rect(left, top, left + line, bottom, color);
      this.#rect(right - line, top, right, bottom, color);
    } else if (flash === "gone") {
      for (let x = left; x < right; x += 3 * line + 2)
        this.#rect(x, top, Math.min(right, x + line), bottom, color);
    } else {
      const period = 4 * line + 2;
      for (let y = Math.max(0, top); y < bottom; y++) {
        for (let x = left - (y % period); x < right; x += period)
          this.#rect(Math.max(left, x), y, Math.min(right, x + 2 * line), y + 1, color);
      }
    }
  }

  #color(row: number): number {
    const age = this.#model.age(row);
    return age === null ? this.#colors.ageless : this.#colors.ages[Math.round(age * (AGES - 1))];
  }

  #rect(left: number, top: number, right: number, bottom: number, color: number): void {
    const end = Math.min(right, this.#width);
    const stop = Math.min(bottom, this.#height);
    for (let y = Math.max(0, top); y < stop; y++)
      this.#pixels.fill(color, y * this.#width + left, y * this.#width + end);
  }
}
