import uPlot from "uplot";
import { bytesText, countText, percentText } from "../../src/base/number-text.ts";
import type { CodecEstimate } from "../../src/estimate/types.ts";
import { chart } from "../shared/chart.ts";
import { colorOf, seriesName } from "../shared/colors.ts";
import { el } from "../shared/dom.ts";

const HEIGHT = 132;

/** What of a codec a chart shows. */
export type Shown = Pick<
  CodecEstimate,
  "codec" | "sizes" | "histogram" | "compressible" | "incompressible"
> & {
  /** Which colour it has; default: by its place. */
  series?: number;
};

/** For each unit a chart for each codec, one below the other over one axis. */
export function histograms(
  units: readonly { unit: number; codecs: readonly Shown[] }[],
  noun: "Units" | "Pages" = "Units",
): HTMLElement[] {
  return units.map(({ unit, codecs }, u) => {
    const charts = codecs.map((codec, i) =>
      histogram(codec, unit, codec.series ?? i, { noun, syncKey: `sizes-${u}` }),
    );
    return el("div", { class: "card charts" }, el("h3", {}, `${noun} of ${bytesText(unit)}`), ...charts);
  });
}

function histogram(
  codec: Shown,
  unit: number,
  i: number,
  { noun, syncKey }: { noun: string; syncKey: string },
): HTMLElement {
  const { sizes, histogram: counts } = codec;
  const all = codec.compressible + codec.incompressible;
  const title = el(
    "p",
    { class: "series" },
    el("span", { class: "dot", style: `--dot: var(${seriesName(i)})` }),
    el("b", {}, codec.codec),
    el("span", { class: "dim num" }, all === 0 ? "nothing to compress" : factsOf(codec)),
  );
  if (sizes === null) return el("figure", {}, title);
  const step = unit / counts.length;
  const middles = counts.map((_, at) => (at + 0.5) * step);
  const shown = chart({
    label: `Histogram of the compressed sizes with ${codec.codec}: ${factsOf(codec)}.`,
    height: HEIGHT,
    data: [middles, counts],
    series: [
      {
        stroke: colorFn(i, 1),
        fill: colorFn(i, 0.55),
        width: 1,
        paths: uPlot.paths.bars?.({ size: [0.92, 64], align: 0 }) as uPlot.Series.PathBuilder,
        points: { show: false },
      },
    ],
    xRange: [0, unit],
    yRange: (_plot, _low, high) => [0, high * 1.08],
    xBinary: true,
    xText: bytesText,
    // Units are whole.
    yText: (value) => (Number.isInteger(value) ? countText(value) : ""),
    readout: (at) =>
      `${countText(Math.floor(at * step) + 1)} to ${countText((at + 1) * step)} B: ${countText(counts[at])} ${noun.toLowerCase()} (${percentText(counts[at] / codec.compressible)})`,
    draw: (plot) => drawMarks(plot, sizes),
    syncKey,
  });
  return el("figure", {}, title, shown);
}

function colorFn(i: number, alpha: number): uPlot.Series.Stroke {
  return () => colorOf(seriesName(i), alpha);
}

function factsOf({ sizes, compressible, incompressible }: Shown): string {
  const rest = `${percentText(incompressible / (compressible + incompressible))} not smaller`;
  if (sizes === null) return rest;
  return `p10 ${countText(sizes.p10)}, median ${countText(sizes.p50)}, p90 ${countText(sizes.p90)} B; ${rest}`;
}

/** Lines where 10, 50 and 90 % of the units are passed. */
function drawMarks(plot: uPlot, sizes: NonNullable<CodecEstimate["sizes"]>): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeStyle = colorOf("--ink");
  for (const [name, at] of [
    ["p10", sizes.p10],
    ["p50", sizes.p50],
    ["p90", sizes.p90],
  ] as const) {
    const x = Math.round(plot.valToPos(at, "x", true)) + 0.5;
    ctx.setLineDash(name === "p50" ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
