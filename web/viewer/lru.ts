import { countOf } from "../../src/base/number-text.ts";
import { colorOf, onScheme } from "../shared/colors.ts";
import { el } from "../shared/dom.ts";
import type { Model } from "./model.ts";

const HEIGHT = 44;

/** The LRU as one strip: on the left what was just allocated into, on the right what is reclaimed next. */
export class LruStrip {
  readonly element: HTMLElement;
  readonly #canvas = el("canvas", { role: "img", height: HEIGHT });
  readonly #text = el("p", { class: "dim num" });
  #model: Model | null = null;

  constructor() {
    this.element = el(
      "section",
      { class: "panel", "aria-label": "LRU" },
      el("h2", {}, "LRU"),
      this.#canvas,
      el(
        "div",
        { class: "ends dim" },
        el("span", {}, "just allocated into"),
        el("span", {}, "reclaimed next"),
      ),
      this.#text,
    );
    onScheme(() => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
  }

  show(model: Model): void {
    this.#model = model;
    const { lru } = model.frame;
    const next = [...lru.subarray(Math.max(0, lru.length - 3))].reverse();
    const said = lru.length === 0 ? "No page has an order of reclaim." : `Next: page ${next.join(", then ")}`;
    this.#text.textContent = said;
    this.#canvas.setAttribute(
      "aria-label",
      `${countOf(lru.length, "page", "pages")} in order of allocation. ${said}`,
    );
    this.#draw();
  }

  /** For each column how full its pages are on average, in the colour of their age. */
  #draw(): void {
    const model = this.#model;
    const canvas = this.#canvas;
    if (model === null || canvas.clientWidth === 0) return;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(HEIGHT * devicePixelRatio);
    const context = canvas.getContext("2d");
    if (context === null) return;
    const { frame, rowOf } = model;
    const count = frame.lru.length;
    const columns = Math.min(canvas.width, count);
    const gradient = context.createLinearGradient(0, 0, canvas.width, 0);
    for (let i = 0; i < 4; i++) gradient.addColorStop(i / 3, colorOf(`--age${i}`));
    context.fillStyle = colorOf("--track");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = gradient;
    for (let column = 0; column < columns; column++) {
      const first = Math.floor((column * count) / columns);
      const last = Math.max(first + 1, Math.floor(((column + 1) * count) / columns));
      let [used, bytes] = [0, 0];
      for (let i = first; i < last; i++) {
        const row = rowOf[frame.lru[i]];
        for (let object = frame.starts[row]; object < frame.starts[row + 1]; object++)
          used += frame.sizes[object];
        bytes += frame.bytes[row];
      }
      const height = (used / bytes) * canvas.height;
      const left = (column * canvas.width) / columns;
      context.fillRect(
        left,
        canvas.height - height,
        canvas.width / columns + (columns < 200 ? -1 : 0.5),
        height,
      );
    }
  }
}
