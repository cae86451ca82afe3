import uPlot from "uplot";
import { countText } from "../../src/base/number-text.ts";
import { isBytes, nameText, valueText } from "../../src/viewer/stat-text.ts";
import type { Tick } from "../../src/viewer/types.ts";
import { colorOf, onScheme } from "../shared/colors.ts";
import { button, el } from "../shared/dom.ts";

/** Ticks that are kept. */
const KEPT = 600;
const CHART_HEIGHT = 190;
const SPARK = { width: 96, height: 22 };

interface Counter {
  values: number[];
  row: HTMLElement;
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
    const head = ["counter", "now", "a second", "course"].map((title, i) =>
      el("th", { scope: "col", class: i === 0 ? null : "num" }, title),
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

  show({ at, counters, histograms }: Tick): void {
    if (at < (this.#times.at(-1) ?? 0)) this.#forget();
    this.#times.push(at / 1000);
    if (this.#times.length > KEPT) this.#times.shift();
    for (const [name, value] of Object.entries(counters)) this.#add(name, value);
    this.#chosen ??= "pages" in counters ? "pages" : (Object.keys(counters)[0] ?? null);
    for (const counter of this.#counters.values()) drawSpark(counter);
    this.#mark();
    this.#update();
    this.#histograms.replaceChildren(
      ...Object.entries(histograms).map(([name, counts]) => histogram(name, counts)),
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
    if (values.length > KEPT) values.shift();
    counter.value.textContent = valueText(name, value);
    counter.rate.textContent = this.#rateText(name, values);
  }

  /** Over the last five seconds or so. */
  #rateText(name: string, values: readonly number[]): string {
    const times = this.#times;
    const now = times.length - 1;
    let from = now;
    while (from > 0 && times[now] - times[from] < 5 && values.length > values.length - (now - from) - 1)
      from -= 1;
    const before = values[values.length - 1 - (now - from)];
    if (before === undefined || from === now || !Number.isInteger(before)) return "";
    const rate = (values[values.length - 1] - before) / (times[now] - times[from]);
    if (Math.abs(rate) < 0.05) return "";
    return `${rate > 0 ? "+" : "−"}${isBytes(name) ? valueText(name, Math.abs(Math.round(rate))) : countText(Math.abs(rate))}`;
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
      el("td", { class: "num" }, spark),
    );
    this.#body.append(row);
    return { values: [], row, value, rate, spark, choose };
  }

  #mark(): void {
    for (const [name, { choose }] of this.#counters)
      choose.setAttribute("aria-pressed", String(name === this.#chosen));
  }

  #data(): uPlot.AlignedData {
    const values = this.#counters.get(this.#chosen ?? "")?.values ?? [];
    return [this.#times.slice(this.#times.length - values.length), values.slice()];
  }

  #update(): void {
    const name = this.#chosen;
    if (name === null) return;
    const now = this.#counters.get(name)?.values.at(-1);
    this.#title.textContent = `${nameText(name)}${now === undefined ? "" : `: ${valueText(name, now)}`}`;
    this.#place.setAttribute("aria-label", `The course of ${nameText(name)}`);
    this.#plot?.setData(this.#data());
    this.#resize();
  }

  #resize(): void {
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot === null) this.#plot = this.#makePlot(width);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: CHART_HEIGHT });
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
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false },
          y: { range: (_plot, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.1] },
        },
        axes: [
          { ...axis, size: 26, space: 70, values: (_plot, splits) => splits.map((value) => `${value} s`) },
          {
            ...axis,
            size: 64,
            values: (_plot, splits) => splits.map((value) => valueText(this.#chosen ?? "", value)),
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

function histogram(name: string, counts: readonly number[]): HTMLElement {
  const most = Math.max(1, ...counts);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const bars = counts.map((count) => {
    const bar = el("i");
    bar.style.height = `${count === 0 ? 0 : Math.max(4, (count / most) * 100)}%`;
    return bar;
  });
  const label = `${nameText(name)}: ${countText(total)} in ${counts.length} steps`;
  return el(
    "figure",
    {},
    el("div", { class: "bars", role: "img", "aria-label": label }, ...bars),
    el("figcaption", { class: "dim" }, nameText(name)),
  );
}
