import type uPlot from "uplot";
import { bytesText, countText, ratioText } from "../../src/base/number-text.ts";
import type { CodecEstimate, Estimate, UnitEstimate } from "../../src/estimate/types.ts";
import { chart } from "../shared/chart.ts";
import { colorOf, seriesName } from "../shared/colors.ts";
import { el } from "../shared/dom.ts";

/** For each unit and codec, how zbud's effective ratio depends on its page size. */
export function curveCharts({ units }: Estimate): HTMLElement[] {
  return units.flatMap((unit) => {
    const curves = unit.codecs.flatMap((codec, i) =>
      codec.fit === null ? [] : [curve(codec, codec.fit, unit, i)],
    );
    if (curves.length === 0) return [];
    return [el("div", { class: "card charts" }, el("h3", {}, `Units of ${bytesText(unit.unit)}`), ...curves)];
  });
}

function curve(
  { codec }: CodecEstimate,
  fit: NonNullable<CodecEstimate["fit"]>,
  { unit }: UnitEstimate,
  i: number,
): HTMLElement {
  const inputBytes = fit.objects * unit;
  const pageSizes = fit.curve.map(({ pageSize }) => pageSize);
  // Of a large sample the curve is of fewer objects than were chosen from: its own scale is what it shows.
  const least = Math.min(...fit.curve.map(({ bytes }) => bytes));
  const ratios = fit.curve.map(({ bytes }) => inputBytes / bytes);
  const best = fit.curve.findIndex(({ bytes }) => bytes === least);
  const bestText = `best of zbud, just filled: pages of ${countText(fit.pageSize)} B`;
  const name = seriesName(i);
  const draw = (plot: uPlot): void => {
    const { ctx, bbox } = plot;
    const [x, y] = [plot.valToPos(pageSizes[best], "x", true), plot.valToPos(ratios[best], "y", true)];
    const dpr = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = colorOf("--line");
    ctx.setLineDash([4 * dpr, 4 * dpr]);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = colorOf("--card");
    ctx.strokeStyle = colorOf(name);
    ctx.lineWidth = 2.5 * dpr;
    ctx.beginPath();
    ctx.arc(x, y, 5 * dpr, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
    ctx.fillStyle = colorOf("--ink");
    ctx.font = `600 ${12 * dpr}px system-ui, sans-serif`;
    const right = x > bbox.left + bbox.width * 0.6;
    ctx.textAlign = right ? "right" : "left";
    ctx.fillText(
      `${countText(fit.pageSize)} B`,
      x + (right ? -10 : 10) * dpr,
      Math.max(y - 8 * dpr, bbox.top + 12 * dpr),
    );
    ctx.restore();
  };
  const shown = chart({
    label: `Effective ratio of zbud by page size with ${codec}; ${bestText}.`,
    height: 190,
    data: [pageSizes, ratios],
    series: [
      { stroke: () => colorOf(name), fill: () => colorOf(name, 0.12), width: 2, points: { show: false } },
    ],
    yRange: (_plot, _low, high) => [0, high * 1.15],
    xText: bytesText,
    xBinary: true,
    yText: (value) => ratioText(value),
    readout: (at) => `pages of ${countText(pageSizes[at])} B: ${ratioText(ratios[at])}`,
    draw,
  });
  const dot = el("span", { class: "dot", style: `--dot: var(${name})` });
  const title = el(
    "p",
    { class: "series" },
    dot,
    el("b", {}, codec),
    el("span", { class: "dim num" }, bestText),
  );
  return el("figure", {}, title, shown);
}
