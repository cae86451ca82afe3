import uPlot from "uplot";
import { colorOf, onScheme } from "./colors.ts";
import { el } from "./dom.ts";

/** One chart of the page. */
export interface ChartOptions {
  /** What the chart shows and says, for those who do not see it. */
  label: string;
  height: number;
  data: uPlot.AlignedData;
  series: uPlot.Series[];
  xRange?: [number, number];
  yRange?: uPlot.Range.MinMax | uPlot.Range.Function;
  xText: (value: number) => string;
  yText?: (value: number) => string;
  /** Whole powers of two between the marks along x, as suits sizes in bytes. */
  xBinary?: boolean;
  /** The place under the cursor in words; null: nothing is there. */
  readout: (index: number) => string | null;
  draw?: (plot: uPlot) => void;
  /** Charts with the same key move their cursors together. */
  syncKey?: string;
}

/**
 * A chart that is as wide as its place, follows the colour scheme, says in words what lies under the cursor,
 * and is read by keyboard: arrow keys move the cursor.
 */
export function chart(options: ChartOptions): HTMLElement {
  const readout = el("output", { class: "readout num" });
  const place = el("div", {
    class: "plot",
    tabindex: 0,
    role: "img",
    "aria-label": `${options.label} Arrow keys read it.`,
  });
  const figure = el("div", { class: "chart" }, place, readout);
  let plot: uPlot | null = null;
  let index: number | null = null;

  const show = (next: number | null): void => {
    index = next;
    readout.textContent = (next === null ? null : options.readout(next)) ?? "";
  };
  const make = (): void => {
    if (place.clientWidth === 0) return;
    plot?.destroy();
    plot = new uPlot(plotOptions(options, place.clientWidth, show), options.data, place);
  };
  const move = (by: number): void => {
    const last = options.data[0].length - 1;
    const next = Math.min(last, Math.max(0, index === null ? (by > 0 ? 0 : last) : index + by));
    if (plot === null) return;
    plot.setCursor({ left: plot.valToPos(options.data[0][next], "x"), top: plot.over.clientHeight / 2 });
    show(next);
  };
  place.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(by);
  });
  new ResizeObserver(() => {
    if (place.clientWidth === 0) return;
    if (plot === null) make();
    else if (plot.width !== place.clientWidth)
      plot.setSize({ width: place.clientWidth, height: options.height });
  }).observe(place);
  onScheme(make);
  return figure;
}

const POWERS_OF_TWO = Array.from({ length: 40 }, (_, i) => 2 ** i);

function plotOptions(
  options: ChartOptions,
  width: number,
  show: (index: number | null) => void,
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colorOf("--dim"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colorOf("--line"), width: 1 },
    ticks: { show: false },
  };
  const { xBinary = false, yText } = options;
  return {
    width,
    height: options.height,
    padding: [12, 30, 0, yText === undefined ? 30 : 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { show: options.series.length === 1 },
      ...(options.syncKey === undefined ? {} : { sync: { key: options.syncKey, setSeries: false } }),
    },
    scales: {
      x: { time: false, ...(options.xRange === undefined ? {} : { range: options.xRange }) },
      y: options.yRange === undefined ? {} : { range: options.yRange },
    },
    axes: [
      {
        ...axis,
        size: 26,
        gap: 4,
        space: 64,
        values: (_plot, splits) => splits.map(options.xText),
        ...(xBinary ? { incrs: POWERS_OF_TWO } : {}),
      },
      yText === undefined
        ? { show: false }
        : { ...axis, size: 52, gap: 6, values: (_plot, splits) => splits.map(yText) },
    ],
    series: [{}, ...options.series],
    hooks: {
      setCursor: [(plot) => show(plot.cursor.idx ?? null)],
      draw: options.draw === undefined ? [] : [options.draw],
    },
  };
}
