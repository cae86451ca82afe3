import { colorOf, onScheme } from "../shared/colors.ts";
import { button, el } from "../shared/dom.ts";
import type { Arrangement, Model } from "./model.ts";
import { type Colors, type Flash, mapColors, Painter } from "./paint.ts";

/** Cells from large to small: width, height and the gap that they include, in CSS pixels. */
const CELLS = [
  [168, 22, 4],
  [120, 18, 3],
  [84, 14, 3],
  [60, 11, 2],
  [42, 9, 2],
  [30, 8, 2],
  [22, 6, 1],
  [16, 5, 1],
  [12, 4, 1],
  [8, 4, 1],
  [6, 3, 1],
  [4, 3, 1],
  [3, 2, 0],
] as const;

/** How long it is marked what became of a page. */
const FLASH_MS = 900;
/** So many changes at once are another place in a trace, or a beginning: nothing to be marked. */
const FLASHES_MAX = 2000;

/** What the map tells the rest of the page. */
export interface MapEvents {
  select(page: number | null): void;
  /** Something is marked so. */
  flashed(flash: Flash): void;
}

/**
 * The pool: a cell for each page, its objects where they lie. Drawn pixel by pixel into an image, and only the
 * rows that can be seen: 100,000 pages take a few milliseconds.
 */
export class PoolMap {
  readonly element: HTMLElement;
  readonly #canvas = el("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "map of pages",
    "aria-label": "Pages of the pool. Arrow keys choose a page, Escape chooses none, plus and minus zoom.",
  });
  readonly #space = el("div", { class: "space" });
  readonly #scroller: HTMLElement;
  readonly #events: MapEvents;
  readonly #flashes = new Map<number, { flash: Flash; until: number }>();
  #model: Model | null = null;
  #arrangement: Arrangement = "memory";
  #zoom = 0;
  /** Of {@link CELLS}: with which all were to be seen last. */
  #fitted = 0;
  #selected: number | null = null;
  #marked: ReadonlySet<number> | null = null;
  #colors: Colors | null = null;
  #image: ImageData | null = null;
  #planned = false;

  constructor(events: MapEvents) {
    this.#events = events;
    this.#scroller = el("div", { class: "scroller" }, this.#space, this.#canvas);
    const zoom = (by: number, label: string): HTMLButtonElement =>
      button(by > 0 ? "+" : "−", () => this.zoom(by), { "aria-label": label, class: "square" });
    this.element = el(
      "div",
      { class: "map" },
      this.#scroller,
      el(
        "div",
        { class: "zoom", role: "group", "aria-label": "Zoom" },
        zoom(1, "Larger"),
        zoom(-1, "Smaller"),
      ),
    );
    this.#scroller.addEventListener("scroll", () => this.#plan());
    this.#canvas.addEventListener("click", (event) => this.#click(event));
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#plan()).observe(this.#scroller);
    onScheme(() => {
      this.#colors = null;
      this.#plan();
    });
  }

  show(model: Model): void {
    const before = this.#model;
    this.#model = model;
    if (before !== null) this.#flashChanges(before, model);
    this.#plan();
  }

  /** Pages that came and pages that went since the last frame. */
  #flashChanges(before: Model, after: Model): void {
    const came = missing(after, before);
    const gone = missing(before, after);
    if (came.length + gone.length > Math.min(FLASHES_MAX, after.frame.pages.length / 2)) return;
    this.flash(came, "came");
    this.flash(gone, "gone");
  }

  arrange(arrangement: Arrangement): void {
    this.#arrangement = arrangement;
    this.#scroller.scrollTop = 0;
    this.#plan();
  }

  select(page: number | null): void {
    this.#selected = page;
    if (page !== null) this.#reveal(page);
    this.#plan();
  }

  /** Shows these pages, and all others faintly; null: all alike. */
  mark(pages: ReadonlySet<number> | null): void {
    this.#marked = pages;
    this.#plan();
  }

  /** Marks what just became of pages. */
  flash(pages: readonly number[], flash: Flash): void {
    if (pages.length === 0) return;
    const until = performance.now() + FLASH_MS;
    for (const page of pages) this.#flashes.set(page, { flash, until });
    this.#events.flashed(flash);
    this.#plan();
  }

  zoom(by: number): void {
    const fit = this.#fit();
    this.#zoom = Math.min(fit, Math.max(fit - CELLS.length + 1, this.#zoom + by));
    this.#plan();
    if (this.#selected !== null) this.#reveal(this.#selected);
  }

  #cells(): Int32Array {
    return this.#model?.order(this.#arrangement) ?? new Int32Array(0);
  }

  /**
   * The largest cells with which all can be seen at once. Once they had to be small they stay so, until half of the room
   * would do: a pool that grows and shrinks by a page does not make all cells jump.
   */
  #fit(): number {
    const count = this.#cells().length;
    if (this.#fitFor(count) > this.#fitted) this.#fitted = this.#fitFor(count);
    else this.#fitted = Math.min(this.#fitted, this.#fitFor(2 * count));
    return this.#fitted;
  }

  #fitFor(count: number): number {
    const { clientWidth, clientHeight } = this.#scroller;
    const at = CELLS.findIndex(
      ([w, h]) => Math.ceil(count / Math.max(1, Math.floor(clientWidth / w))) * h <= clientHeight,
    );
    return at < 0 ? CELLS.length - 1 : at;
  }

  #layout(): { w: number; h: number; gap: number; columns: number; rows: number } {
    const at = Math.min(CELLS.length - 1, Math.max(0, this.#fit() - this.#zoom));
    const [w, h, gap] = CELLS[at];
    const columns = Math.max(1, Math.floor(this.#scroller.clientWidth / w));
    return { w, h, gap, columns, rows: Math.ceil(this.#cells().length / columns) };
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw();
      if (this.#flashes.size > 0) this.#plan();
    });
  }

  #draw(): void {
    const model = this.#model;
    const { clientWidth, clientHeight, scrollTop } = this.#scroller;
    if (model === null || clientWidth === 0) return;
    const scale = devicePixelRatio;
    const { w, h, gap, columns, rows } = this.#layout();
    this.#space.style.height = `${rows * h}px`;
    const canvas = this.#canvas;
    const [width, height] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = `${clientWidth}px`;
      canvas.style.height = `${clientHeight}px`;
      this.#image = null;
    }
    const context = canvas.getContext("2d");
    if (context === null) return;
    this.#image ??= context.createImageData(width, height);
    this.#colors ??= mapColors();
    const pixels = new Uint32Array(this.#image.data.buffer);
    pixels.fill(0);
    const first = Math.floor(scrollTop / h);
    const last = Math.min(rows, Math.ceil((scrollTop + clientHeight) / h));
    const cells = this.#cells();
    const now = performance.now();
    for (const [page, { until }] of this.#flashes) if (until < now) this.#flashes.delete(page);
    const painter = new Painter(pixels, width, height, model, this.#colors);
    const isInPlace = this.#arrangement === "memory";
    for (let line = first; line < last; line++) {
      const top = Math.round((line * h - scrollTop) * scale);
      const bottom = Math.round(((line + 1) * h - gap - scrollTop) * scale);
      for (let column = 0; column < columns; column++) {
        const cell = line * columns + column;
        const row = cells[cell] ?? -1;
        const page = row < 0 ? (isInPlace ? cell : -1) : model.frame.pages[row];
        const flash = this.#flashes.get(page)?.flash ?? null;
        const left = Math.round(column * w * scale);
        const right = Math.round((column + 1) * w * scale - gap * scale);
        if (row >= 0) {
          const faint = this.#marked !== null && !this.#marked.has(page);
          painter.cell(row, left, top, right, bottom, flash, faint);
        } else if (flash !== null) {
          painter.mark(left, top, Math.max(right, left + 1), bottom, flash);
        }
      }
    }
    context.putImageData(this.#image, 0, 0);
    this.#outline(context, scale);
  }

  #outline(context: CanvasRenderingContext2D, scale: number): void {
    const box = this.#selected === null ? null : this.#boxOf(this.#selected);
    if (box === null) return;
    const { left, top, width, height } = box;
    context.strokeStyle = colorOf("--ink");
    context.lineWidth = 2 * scale;
    context.strokeRect(
      (left - 1) * scale,
      (top - 1 - this.#scroller.scrollTop) * scale,
      (width + 2) * scale,
      (height + 2) * scale,
    );
  }

  /** Where a page's cell is, in CSS pixels from the top of the map. */
  #boxOf(page: number): { left: number; top: number; width: number; height: number } | null {
    const cell = this.#cellOf(page);
    if (cell < 0) return null;
    const { w, h, gap, columns } = this.#layout();
    return {
      left: (cell % columns) * w,
      top: Math.floor(cell / columns) * h,
      width: w - gap,
      height: h - gap,
    };
  }

  #cellOf(page: number): number {
    const row = this.#model?.rowOf[page] ?? -1;
    return row < 0 ? -1 : this.#cells().indexOf(row);
  }

  #reveal(page: number): void {
    const box = this.#boxOf(page);
    if (box === null) return;
    const { scrollTop, clientHeight } = this.#scroller;
    if (box.top < scrollTop) this.#scroller.scrollTop = box.top;
    else if (box.top + box.height > scrollTop + clientHeight) {
      this.#scroller.scrollTop = box.top + box.height - clientHeight;
    }
  }

  #pageIn(cell: number): number | null {
    const row = this.#cells()[cell] ?? -1;
    return row < 0 ? null : (this.#model?.frame.pages[row] ?? null);
  }

  #choose(page: number | null): void {
    this.select(page);
    this.#events.select(page);
  }

  #click(event: MouseEvent): void {
    const { w, h, columns } = this.#layout();
    const column = Math.floor(event.offsetX / w);
    if (column >= columns) return;
    this.#choose(this.#pageIn(Math.floor((event.offsetY + this.#scroller.scrollTop) / h) * columns + column));
  }

  #key(event: KeyboardEvent): void {
    const { columns } = this.#layout();
    const cells = this.#cells();
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -cells.length,
      End: cells.length,
    };
    if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? 1 : -1);
    else if (event.key === "Escape") this.#choose(null);
    else if (event.key in steps && cells.length > 0) this.#step(steps[event.key]);
    else return;
    event.preventDefault();
  }

  /** To the next page that is in use that way; at the end, to the last there is. */
  #step(by: number): void {
    const cells = this.#cells();
    const last = cells.length - 1;
    const from = this.#selected === null ? -1 : this.#cellOf(this.#selected);
    const to = from < 0 ? (by > last ? last : 0) : Math.min(last, Math.max(0, from + by));
    const onward = from < 0 ? by <= last : by > 0 && by <= last;
    const page = this.#nextPage(to, onward ? 1 : -1) ?? this.#nextPage(to, onward ? -1 : 1);
    if (page !== null) this.#choose(page);
  }

  #nextPage(cell: number, way: 1 | -1): number | null {
    for (let at = cell; at >= 0 && at < this.#cells().length; at += way) {
      const page = this.#pageIn(at);
      if (page !== null) return page;
    }
    return null;
  }
}

/** Pages that one has in use and another has not. */
function missing({ frame: { pages } }: Model, { rowOf }: Model): number[] {
  const found: number[] = [];
  for (const page of pages) if ((rowOf[page] ?? -1) < 0) found.push(page);
  return found;
}
