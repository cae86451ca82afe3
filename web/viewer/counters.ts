import uPlot from "uplot";
import { bytesText, countText, timeText } from "../../src/base/number-text.ts";
import { isBytes, nameText, rateText, valueText } from "../../src/viewer/stat-text.ts";
import type { Tick } from "../../src/viewer/types.ts";
import { colorOf, onScheme } from "../shared/colors.ts";
import { button, el } from "../shared/dom.ts";
import { marksOf, type RoundScale, roundScale } from "./scale.ts";

/** What is kept and shown: so many seconds. */
const KEPT_S = 60;
const MARKS_S = [-60, -45, -30, -15, 0];
const CHART_HEIGHT = 190;
/** Up to 2^30 ns, which is a second. */
const LATENCY_STEPS = 30;
const SPARK = { width: 96, height: 22 };

interface Counter {
  values: number[];
  value: HTMLElement;
  rate: HTMLElement;
  spark: HTMLCanvasElement;
  choose: HTMLButtonElement;
}

/** All counters with their course; the chosen one large. */
export class Counters {
  readonly element: HTMLElement;
  readonly #times: number[] = [];
  readonly #counters = new Map<string, Counter>();
  readonly #body = el("tbody");
  readonly #place = el("div", { class: "live", role: "img" });
  readonly #title = el("h2", {}, "Counters");
  readonly #histograms = el("div", { class: "histograms" });
  #chosen: string | null = null;
  #plot: uPlot | null = null;

  constructor() {
    const titles = ["counter", "now", "a second", "the last minute"];
    const head = titles.map((title, i) =>
      el("th", { scope: "col", class: ["name", "num", "num", "num course"][i] }, title),
    );
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), this.#body);
    const scroll = el(
      "div",
      { class: "counters-scroll", tabindex: 0, role: "region", "aria-label": "All counters" },
      table,
    );
    this.element = el(
      "section",
      { class: "panel counters", "aria-label": "Counters" },
      el("div", { class: "course" }, this.#title, this.#place, this.#histograms),
      scroll,
    );
    new ResizeObserver(() => this.#resize()).observe(this.#place);
    onScheme(() => {
      this.#plot?.destroy();
      this.#plot = null;
      this.#resize();
      for (const counter of this.#counters.values()) drawSpark(counter);
    });
  }

  /** @param pageSize - bytes that a histogram of sizes ends at; 0: not known. */
  show({ at, counters, histograms }: Tick, pageSize: number): void {
    if (at < (this.#times.at(-1) ?? 0)) this.#forget();
    const times = this.#times;
    times.push(at / 1000);
    while (times.length > 1 && times[1] <= at / 1000 - KEPT_S) times.shift();
    for (const [name, value] of Object.entries(counters)) this.#add(name, value);
    this.#chosen ??= "pages" in counters ? "pages" : (Object.keys(counters)[0] ?? null);
    for (const counter of this.#counters.values()) drawSpark(counter);
    this.#mark();
    this.#update();
    this.#histograms.replaceChildren(
      ...Object.entries(histograms).map(([name, counts]) => histogram(name, counts, pageSize)),
    );
  }

  #forget(): void {
    this.#times.length = 0;
    for (const counter of this.#counters.values()) counter.values.length = 0;
  }

  #add(name: string, value: number): void {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = this.#make(name);
      this.#counters.set(name, counter);
    }
    const { values } = counter;
    values.push(value);
    while (values.length > this.#times.length) values.shift();
    counter.value.textContent = valueText(name, value);
    counter.rate.textContent = this.#rateText(name, values);
  }

  /** Over the last five seconds or so. */
  #rateText(name: string, values: readonly number[]): string {
    const times = this.#times;
    const now = times.length - 1;
    const least = times.length - values.length;
    let from = now;
    while (from > least && times[now] - times[from] < 5) from -= 1;
    const [before, after] = [values[from - least], values[values.length - 1]];
    if (from === now || !Number.isInteger(before) || !Number.isInteger(after)) return "";
    return rateText(name, (after - before) / (times[now] - times[from]));
  }

  #make(name: string): Counter {
    const choose = button(nameText(name), () => {
      this.#chosen = name;
      this.#mark();
      this.#update();
    });
    const spark = el("canvas", { width: SPARK.width * 2, height: SPARK.height * 2, "aria-hidden": "true" });
    const [value, rate] = [el("td", { class: "num" }), el("td", { class: "num dim" })];
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, choose),
      value,
      rate,
      el("td", { class: "num course" }, spark),
    );
    this.#body.append(row);
    return { values: [], value, rate, spark, choose };
  }

  #mark(): void {
    for (const [name, { choose }] of this.#counters)
      choose.setAttribute("aria-pressed", String(name === this.#chosen));
  }

  #data(): uPlot.AlignedData {
    const values = this.#counters.get(this.#chosen ?? "")?.values ?? [];
    const now = this.#times.at(-1) ?? 0;
    const ago = this.#times.slice(this.#times.length - values.length).map((time) => time - now);
    return [ago, values.slice()];
  }

  #update(): void {
    const name = this.#chosen;
    if (name === null) return;
    const now = this.#counters.get(name)?.values.at(-1);
    this.#title.textContent = `${nameText(name)}${now === undefined ? "" : `: ${valueText(name, now)}`}`;
    this.#place.setAttribute("aria-label", `The course of ${nameText(name)} in the last minute`);
    this.#plot?.setData(this.#data());
    this.#resize();
  }

  #resize(): void {
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot === null) this.#plot = this.#makePlot(width);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: CHART_HEIGHT });
  }

  /** Round numbers, up to the most that is shown. */
  #scale(): RoundScale {
    const name = this.#chosen ?? "";
    const values = this.#counters.get(name)?.values ?? [];
    const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)];
    return roundScale(least, most, isBytes(name), values.every(Number.isInteger));
  }

  #makePlot(width: number): uPlot {
    const axis: uPlot.Axis = {
      stroke: colorOf("--dim"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colorOf("--line"), width: 1 },
      ticks: { show: false },
    };
    return new uPlot(
      {
        width,
        height: CHART_HEIGHT,
        padding: [10, 28, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [-KEPT_S, 0] },
          y: {
            range: () => {
              const { low, high } = this.#scale();
              return [low, high];
            },
          },
        },
        axes: [
          {
            ...axis,
            size: 26,
            splits: () => MARKS_S,
            values: (_plot, splits) => splits.map((value) => (value === 0 ? "now" : `${-value} s ago`)),
          },
          {
            ...axis,
            size: 72,
            splits: () => marksOf(this.#scale()),
            values: (_plot, splits) => splits.map((value) => markText(this.#chosen ?? "", value)),
          },
        ],
        series: [
          {},
          {
            stroke: () => colorOf("--accent"),
            fill: () => colorOf("--accent", 0.14),
            width: 2,
            points: { show: false },
          },
        ],
      },
      this.#data(),
      this.#place,
    );
  }
}

function drawSpark({ values, spark }: Counter): void {
  const context = spark.getContext("2d");
  if (context === null || values.length < 2) return;
  const { width, height } = spark;
  const shown = values.slice(-120);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  context.clearRect(0, 0, width, height);
  context.strokeStyle = colorOf(low === high ? "--line" : "--accent");
  context.lineWidth = 2;
  context.beginPath();
  shown.forEach((value, i) => {
    const y = low === high ? height / 2 : height - 3 - ((value - low) / (high - low)) * (height - 6);
    context.lineTo((i / (shown.length - 1)) * width, y);
  });
  context.stroke();
}

/** A mark beside an axis, with its unit. */
function markText(name: string, value: number): string {
  if (isBytes(name)) return bytesText(value);
  if (/Ns\b|Ns[.A-Z]|latency/.test(name)) return timeText(value);
  return Number.isInteger(value) ? countText(value) : String(value);
}

/** Marks below a histogram, evenly, from its lower end to its upper, with units; of one that is not known none. */
function marksText(name: string, pageSize: number): string[] {
  if (name === "sizeHistogram" && pageSize > 0)
    return [0, pageSize / 2, pageSize].map((bytes) => bytesText(bytes));
  // 2^10 ns is a microsecond to within 2.4 %, and so on.
  return isLatency(name) ? ["1 ns", "1 µs", "1 ms", "1 s"] : [];
}

function isLatency(name: string): boolean {
  return /LatencyNs$/.test(name);
}

function histogram(name: string, counts: readonly number[], pageSize: number): HTMLElement {
  const shown = isLatency(name) ? Array.from({ length: LATENCY_STEPS }, (_, i) => counts[i] ?? 0) : counts;
  const most = Math.max(0, ...shown);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const bars = shown.map((count) => {
    const bar = el("i");
    bar.style.height = `${count === 0 ? 0 : Math.max(4, (count / most) * 100)}%`;
    return bar;
  });
  const marks = marksText(name, pageSize);
  const label = `${nameText(name)}: ${countText(total)} in ${shown.length} steps${marks.length === 0 ? "" : ` from ${marks[0]} to ${marks.at(-1)}`}`;
  const axis = el(
    "div",
    { class: "axis ends dim num", "aria-hidden": "true" },
    ...marks.map((mark) => el("span", {}, mark)),
  );
  return el(
    "figure",
    {},
    el("figcaption", { class: "dim" }, `${nameText(name)}, at most ${countText(most)} a bar`),
    el("div", { class: "bars", role: "img", "aria-label": label }, ...bars),
    axis,
  );
}
