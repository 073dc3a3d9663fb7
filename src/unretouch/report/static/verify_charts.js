"use strict";
// Plots of the verification page, drawn by uPlot and drawn again when colours or words change.
const VerifyCharts = (() => {
  const drawn = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function axis(extra) {
    return {
      stroke: colour("--muted"), font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1, size: 4 },
      ...extra,
    };
  }

  const shown = (values) => values.map((value) => (value === undefined ? null : value));

  // chart: {x, xLabel, xText, xLog, xTicks, yText, yRange, series: [{label, values, colour, dash}]}
  function draw(id, chart) {
    const figure = document.getElementById(`chart-${id}`);
    const box = figure.querySelector(".plot");
    drawn.get(id)?.destroy();
    drawn.delete(id);
    const text = (format) => (_, value) => (value === null ? "–" : format(value));
    const options = {
      width: Math.max(box.clientWidth, 100), height: id === "spectrum" || id === "beside" ? 240 : 190,
      padding: [10, 18, 0, 0], cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, distr: chart.xLog ? 3 : 1, log: 2 },
        y: chart.yRange ? { range: chart.yRange } : {},
      },
      axes: [
        axis({
          size: 32, splits: chart.xTicks && (() => chart.xTicks),
          filter: chart.xTicks && ((_, splits) => splits),
          values: (_, ticks) => ticks.map((tick) => chart.xText(tick)),
        }),
        axis({ size: 54, values: (_, ticks) => ticks.map((tick) => chart.yText(tick, true)) }),
      ],
      series: [
        { label: chart.xLabel, value: text(chart.xText) },
        ...chart.series.map((line) => ({
          label: line.label, stroke: colour(line.colour), width: 2, dash: line.dash,
          points: { show: Boolean(line.points), size: 7, fill: colour(line.colour) },
          value: text((value) => chart.yText(value, false)),
        })),
      ],
    };
    const plot = new uPlot(options, [chart.x, ...chart.series.map((l) => shown(l.values))], box);
    drawn.set(id, plot);
    const canvas = box.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", figure.querySelector("h3").textContent);
  }

  const resized = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const plot = drawn.get(entry.target.parentElement.id.replace("chart-", ""));
      const width = Math.floor(entry.contentRect.width);
      if (plot && width > 0 && plot.width !== width) plot.setSize({ width, height: plot.height });
    }
  });
  for (const box of document.querySelectorAll(".plot")) resized.observe(box);

  return { draw };
})();
