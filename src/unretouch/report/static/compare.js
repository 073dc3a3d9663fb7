"use strict";
// The page of a comparison: its words, the same place of every run, and the curves overlaid.
(() => {
  const comparison = JSON.parse(document.getElementById("comparison").textContent);
  const kinds = document.getElementById("kinds");
  const COLOURS = ["--one", "--two", "--three", "--four", "--five", "--six"];
  const DASHES = [undefined, [8, 4], [2, 3]];
  const FIRST_ZOOM = 200;
  let kind = "pictures";

  // Durations, which the page carries in English.
  function showDurations() {
    for (const element of document.querySelectorAll("[data-seconds]")) {
      element.textContent = Page.duration(Number(element.dataset.seconds));
    }
  }

  function shots() {
    return comparison.pairs.map((pair) => {
      const pictures = { real_A: pair.source };
      const notes = {};
      for (const run of pair.runs) {
        pictures[run.run] = kind === "errors" ? run.error_map : run.prediction;
        notes[run.run] = `${Page.levels(run.level_error)} · ${Page.percent(Page.share({ ...run, identity_error: pair.identity_error }))}`;
      }
      pictures.real_B = pair.target;
      return {
        name: pair.name, pictures, notes,
        sides: [pair.runs[0].run, pair.runs.length > 1 ? pair.runs[1].run : "real_B"],
        at: { x: pair.x, y: pair.y, zoom: FIRST_ZOOM },
        aside: pair.crop && _("A part of {w} × {h} pixels of {W} × {H}, where the retouch took the " +
          "most away.", {
          w: pair.crop[2], h: pair.crop[3], W: pair.size[0], H: pair.size[1],
        }),
      };
    });
  }

  function showPairs() {
    Pairs.show(document.getElementById("pairs"), shots());
    for (const button of kinds.children) {
      button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    }
    document.getElementById("scale").hidden = kind !== "errors";
  }

  // One column of all x, and for each run its values where it has them.
  function overlaid(name) {
    const [x, ...columns] = uPlot.join(
      comparison.curves.map((curve) => [rising(curve[name]), curve.level_error]),
    );
    return {
      x,
      series: [
        ...comparison.curves.map((curve, index) => ({
          label: Page.shortened(curve.run, 20), values: columns[index],
          colour: COLOURS[index % comparison.colours],
          dash: DASHES[Math.min(2, Math.floor(index / comparison.colours))],
        })),
        {
          label: _("doing nothing"), values: x.map(() => comparison.identity),
          colour: "--muted", reference: true,
        },
      ],
    };
  }

  // uPlot takes no x twice; records of a run that went on after a crash may repeat one.
  function rising(values) {
    let last = -Infinity;
    return values.map((value) => {
      last = value > last ? value : last + 1e-6;
      return last;
    });
  }

  const charts = {
    by_step: () => ({
      ...overlaid("steps"), xLabel: _("Step"),
      help: _("Error while training, in grey levels. What one step does depends on the settings."),
    }),
    by_time: () => ({
      ...overlaid("elapsed_s"), xLabel: _("Time"), sync: "time",
      xText: (seconds) => (seconds === null ? "" : Page.duration(seconds)),
      help: _("The same error over time: how far each run gets in the time that you have."),
    }),
  };

  for (const button of kinds.children) {
    button.addEventListener("click", () => {
      kind = button.dataset.kind;
      showPairs();
    });
  }
  document.querySelector("#scale .ticks").append(...Page.errorScale.map((level) => {
    const tick = document.createElement("span");
    tick.textContent = String(level);
    return tick;
  }));
  Page.onLanguage(() => {
    showDurations();
    showPairs();
  });
  Page.start();
  Charts.define(charts);
})();
