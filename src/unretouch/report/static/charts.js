"use strict";
// Curves, drawn by uPlot and redrawn when colours, words or the scale change.
const Charts = (() => {
  const HEIGHT = 230;
  const plots = new Map();
  const toggle = document.getElementById("log-scale");
  // Until the reader has chosen, as the page has it.
  let logarithmic = (Page.remember.get("log") ?? (toggle.defaultChecked ? "on" : "off")) === "on";
  // By the figure's name, a function that returns what to draw, or null before there is anything:
  // {x, xLabel, xText?, sync?, help, series: [{label, values, colour, dash?, points?, reference?}]}
  let builders = {};

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const hasValues = (values) => values.some((value) => value !== null && value !== 0);

  // A logarithmic scale has no place for zero and below; gaps in a column are spanned.
  function drawable(values) {
    return values.map((value) => (value === undefined || value === null ||
      (logarithmic && value <= 0) ? null : value));
  }

  function shorten(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size < 0.001 || size >= 1e6 ? value.toExponential(0) : String(Number(value.toPrecision(3)));
  }

  function axis(extra) {
    return {
      stroke: colour("--muted"), font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1, size: 4 },
      ...extra,
    };
  }

  function options(chart, width) {
    return {
      width, height: HEIGHT, padding: [10, 26, 0, 0],
      cursor: {
        drag: { x: false, y: false }, points: { size: 7 }, sync: { key: chart.sync || "steps" },
      },
      scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
      hooks: { setCursor: [(plot) => { if (plot.cursor.idx === null) showNewest(plot); }] },
      axes: [
        axis({ size: 34, space: chart.xText ? 80 : 50, values: (_, ticks) => ticks.map(chart.xText || wholeNumber) }),
        axis({ size: 54, values: (_, ticks) => ticks.map((t) => (t === null ? "" : shorten(t))) }),
      ],
      series: [
        { label: chart.xLabel, value: (_, v) => (v === null ? "–" : (chart.xText || wholeNumber)(v)) },
        ...chart.series.map((line) => ({
          label: line.label, stroke: colour(line.colour), width: 2, spanGaps: true,
          dash: line.reference ? [6, 5] : line.dash,
          points: { show: Boolean(line.points), size: 6, fill: colour(line.colour) },
          value: (plot, v, series, at) => told(plot.data[series], v, at),
        })),
      ],
    };
  }

  function wholeNumber(value) {
    return Number.isInteger(value) ? Page.number(value, 0) : "";
  }

  // A curve without a point right here tells its point before, but nothing past its end.
  function told(values, value, at) {
    if (value !== null && value !== undefined) return Page.level(value);
    const later = at !== null && values.findLastIndex((v) => v !== null && v !== undefined) > at;
    const before = later ? newest(values.slice(0, at)) : undefined;
    return Page.level(before);
  }

  function newest(values) {
    return values.findLast((value) => value !== null && value !== undefined);
  }

  // Without a pointer over the curves the legend tells the newest values.
  function showNewest(plot) {
    const idxs = plot.data.map((values) => values.findLastIndex((v) => v !== null && v !== undefined));
    plot.setLegend({ idxs: idxs.map((index) => (index < 0 ? null : index)) }, false);
  }

  function draw(key, fresh) {
    const figure = document.getElementById(`chart-${key}`);
    const chart = builders[key]();
    if (!chart) return;
    chart.series = chart.series.filter((line) => line.reference || hasValues(line.values));
    const empty = !chart.series.some((line) => !line.reference);
    figure.hidden = empty && chart.x.length > 1;
    figure.classList.toggle("waiting", empty || chart.x.length < 2);
    figure.querySelector(".help").textContent = chart.help;
    if (figure.hidden || figure.classList.contains("waiting")) return;

    const box = figure.querySelector(".plot");
    const data = [chart.x, ...chart.series.map((line) => drawable(line.values))];
    let plot = plots.get(key);
    if (plot && (fresh || plot.series.length !== data.length)) {
      plot.destroy();
      plot = null;
    }
    if (plot) {
      plot.setData(data);
    } else {
      plot = new uPlot(options(chart, box.clientWidth), data, box);
      plots.set(key, plot);
    }
    if (plot.cursor.idx === null || plot.cursor.idx === undefined) showNewest(plot);
    const title = figure.querySelector("h3").textContent;
    const values = chart.series.map((line) => `${line.label} ${Page.level(newest(line.values))}`);
    const canvas = box.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}: ${values.join(", ")}`);
  }

  function redraw(fresh) {
    for (const key of Object.keys(builders)) draw(key, fresh);
  }

  toggle.checked = logarithmic;
  toggle.addEventListener("change", () => {
    logarithmic = toggle.checked;
    Page.remember.set("log", logarithmic ? "on" : "off");
    redraw(true);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(true));
  Page.onLanguage(() => redraw(true));
  const resized = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const plot = plots.get(entry.target.parentElement.id.replace("chart-", ""));
      const width = Math.floor(entry.contentRect.width);
      if (plot && width > 0 && plot.width !== width) plot.setSize({ width, height: HEIGHT });
    }
  });
  for (const box of document.querySelectorAll(".plot")) resized.observe(box);

  return {
    // Draw these figures; call `show` when what they return has changed.
    define(newBuilders) {
      builders = newBuilders;
      redraw(true);
    },
    show() { redraw(false); },
  };
})();
