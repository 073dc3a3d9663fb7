"use strict";
// The page of a verification: verdicts, and everything about the pair that is chosen.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const missing = (value) => value === null || value === undefined;
  const decisive = data.verdicts.find((verdict) => verdict.pair !== null)?.pair;
  let chosen = Math.max(0, data.pairs.findIndex((pair) => pair.name === decisive));

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function showVerdicts() {
    document.querySelectorAll(".verdict .said").forEach((said, index) => {
      const sentences = data.verdicts[index].said;
      said.textContent = sentences.map(({ message, values }) => _(message, values)).join(" ");
    });
    if (!data.cross) return;
    byId("cross").hidden = false;
    byId("cross").textContent = _("Each held-out pair was judged by a run that never saw it " +
      "({runs} runs of {minutes} minutes). Of their own pairs these runs recovered {share}.", {
      runs: data.cross.runs, minutes: Page.number(data.cross.minutes_each, 1),
      share: Page.percent(data.cross.own_share),
    });
  }

  // --- tables

  const DIGITS = { ssim: 4, efficientnet_lite0_distance: 3 };

  function format(figure, value) {
    if (missing(value)) return "–";
    if (figure.name === "recovered_share" || figure.unit === "share") return Page.percent(value);
    if (figure.unit === "grey levels") return Page.level(value);
    return rounded(value, figure.unit === "dB" ? 1 : DIGITS[figure.name] ?? 2);
  }

  // Adding 0 turns a rounded -0 into 0.
  const rounded = (value, digits) => Page.number(Number(value.toFixed(digits)) + 0, digits);

  function best(figure) {
    if (figure.name === "recovered_share" || figure.unit === "share") return Page.percent(1, 0);
    if (figure.name === "psnr") return "150";
    return figure.better === "lower" ? "0" : "1";
  }

  const FIGURES = {
    level_error: N_("Error, mean (grey levels)"),
    level_error_p95: N_("95th percentile"),
    level_error_p99: N_("99th percentile"),
    level_error_max: N_("largest"),
    recovered_share: N_("Recovered"),
    exact_pixels: N_("Exact pixels"),
    psnr: N_("PSNR (dB)"),
    ssim: "SSIM",
    band_energy: N_("Strength of texture"),
    detail_coherence: N_("In place (coherence)"),
    detail_recovered: N_("Recovered detail"),
    detail_ssim: N_("SSIM of the texture"),
    spectrum_distance: N_("Mix of sizes off by (dB)"),
    local_contrast_distance: N_("Local contrast off by (grey levels)"),
    gradient_ratio: N_("Crispness"),
    laplacian_ratio: N_("Finest grain"),
    efficientnet_lite0_distance: N_("As EfficientNet-Lite0 sees it, off by"),
  };

  const key = (figure, part) => (part ? `${figure.name}_${part}` : figure.name);

  // A part is a statistic of its own, or a band of detail named by its sizes in pixels.
  function label(figure, part) {
    const own = FIGURES[key(figure, part)];
    if (own) return _(own);
    const [low, high] = part.split("_");
    return _("{low}–{high} px", { low, high });
  }

  function head(words) {
    const row = element("tr");
    row.append(...words.map((word) => {
      const cell = element("th", "", word);
      cell.scope = "col";
      return cell;
    }));
    const top = element("thead");
    top.append(row);
    return top;
  }

  function row(className, title, cells) {
    const made = element("tr", className);
    const first = element("th", "", title);
    first.scope = "row";
    made.append(first, ...cells.map(([text, kind]) => element("td", kind, text)));
    return made;
  }

  function explained(text, columns) {
    const made = element("tr", "explained");
    const cell = element("td");
    cell.colSpan = columns + 1;
    cell.append(element("span", "", text));
    made.append(cell);
    return made;
  }

  // One row a figure; a metric of several sizes of detail gets a row of its own above them.
  function rows(figures, cells) {
    return figures.flatMap((figure) => {
      const values = figure.parts.map((part) => cells(figure, key(figure, part)));
      const grouped = figure.parts[0] !== "";
      const lines = figure.parts.map((part, index) => row("sub", label(figure, part), values[index]));
      const first = grouped ? row("first", _(FIGURES[figure.name]), []) : lines.shift();
      first.className = "first";
      if (grouped) first.firstChild.colSpan = values[0].length + 1;
      return [first, explained(_(figure.explanation), values[0].length), ...lines];
    });
  }

  function fill(id, headings, body) {
    const table = byId(id).querySelector("table");
    const rest = element("tbody");
    rest.append(...body);
    table.replaceChildren(head(headings), rest);
  }

  function showLikeness(pair) {
    const cells = (figure, name) => [
      [format(figure, pair.prediction.frame[name]), "ours"],
      [format(figure, pair.identity.frame[name]), ""],
      [format(figure, pair.prediction.area[name]), "ours"],
      [format(figure, pair.identity.area[name]), ""],
      [best(figure), "best"],
    ];
    const body = rows(data.likeness, cells);
    if (data.weighted) {
      const weighted = row("first", "G_L1",
        [[Page.number(pair.G_L1, 2), "ours"], ["", ""], ["", ""], ["", ""], ["0", "best"]]);
      const meaning = explained(_("The same error as the training log shows it: times lambda_L1 = " +
        "{lambda}.", { lambda: pair.lambda_L1 }), 5);
      body.splice(data.likeness[0].parts.length + 1, 0, weighted, meaning);
    }
    const nothing = _("Doing nothing");
    const headings = [_("Figure"), _("Frame"), nothing, _("Area"), nothing, _("Best")];
    fill("likeness", headings, body);
    const said = [_("Frame: the whole picture. Area: only where the retouch changed something " +
      "({share} of this picture). Doing nothing: the retouched picture itself, which a good model " +
      "must beat.", { share: Page.percent(pair.area_share, 0) })];
    if (!missing(pair.added_outside)) {
      said.push(_("Outside the area, where nothing should change, it changed {value} grey levels.",
        { value: Page.level(pair.added_outside) }));
    }
    if (pair.grade) {
      said.push(_("One side has a colour grade. Of the error of doing nothing, {grade} is the colour " +
        "curve and {retouch} the retouch. The verdicts judge the retouch alone, in the area.",
      { grade: Page.level(pair.grade.levels), retouch: Page.level(pair.identity_retouch) }));
    } else if (pair.moved) {
      said.push(_("In {share} of the picture something was moved (liquify). A network cannot undo " +
        "that, so the verdicts judge the area, without it.",
      { share: Page.percent(pair.moved, 0) }));
    } else if (pair.left_out) {
      said.push(_("Besides the retouch, the two files differ by {value} grey levels of noise or " +
        "compression. No model can undo that. It counts under Frame, and nowhere else on this page: " +
        "the verdicts judge the area.", { value: Page.level(pair.left_out) }));
    }
    byId("likeness").querySelector(".help").textContent = said.join(" ");
  }

  function showTexture(pair) {
    const section = byId("texture");
    const there = pair.spectra !== null;
    section.querySelector(".help").textContent = there
      ? _("Measured in the retouched area. A good model must beat doing nothing. It must beat " +
        "grain, too: an overlay of noise, in every size as strong as the true skin.")
      : _("Source and target are the same picture here: there is no texture to judge.");
    section.querySelector(".scroll").hidden = section.querySelector(".charts").hidden = !there;
    if (!there) return;
    const cells = (figure, name) => [
      [format(figure, pair.prediction.area[name]), "ours"],
      [format(figure, pair.identity.area[name]), ""],
      [format(figure, pair.grain.area[name]), ""],
      [best(figure), "best"],
    ];
    const headings = [_("Figure"), _("Generated"), _("Doing nothing"), _("Grain"), _("Best")];
    fill("texture", headings, [...rows(data.texture, cells), ...coarse(pair)]);
    showSpectrum(pair.spectra);
  }

  // What of the retouch is larger than pores; nothing for a small picture.
  function coarse(pair) {
    if (!pair.coarse.length) return [];
    const first = row("first", _("Larger than pores: light and form"), []);
    first.firstChild.colSpan = 5;
    const meaning = _("How much of the broad changes is undone, measured at an eighth of the size. " +
      "In brackets: their part of the whole retouch.");
    return [first, explained(meaning, 4), ...pair.coarse.map((band) => {
      const share = pair.retouch_shares[`${band.low}_${band.high}`];
      const title = _("{low}–{high} px ({share} of the retouch)",
        { low: band.low, high: band.high, share: Page.percent(share, 0) });
      return row("sub", title, [
        [Page.percent(band.recovered), "ours"], [Page.percent(0, 0), ""], ["–", ""], [Page.percent(1, 0), "best"],
      ]);
    })];
  }

  function showParts(pair) {
    byId("parts").hidden = pair.skin === null;
    if (pair.skin === null) return;
    byId("parts").querySelector(".help").textContent =
      _("Where the error lies. Where it is larger than that of doing nothing, harm was done.");
    const titles = { skin: N_("skin ({share} of the frame)"), elsewhere: N_("elsewhere ({share})") };
    const body = Object.entries(titles).map(([name, words]) => {
      const part = pair[name];
      const title = _(words, { share: Page.percent(part.share_of_frame, 0) });
      return row("first", title, [
        [Page.level(part.level_error), "ours"], [Page.level(part.identity_error), ""],
        [Page.percent(Page.share(part)), "ours"],
      ]);
    });
    fill("parts", [_("Figure"), _("Error"), _("Doing nothing"), _("Recovered")], body);
  }

  // --- pictures

  const LABELS = {
    real_A: N_("input"), fake_B: N_("generated"), real_B: N_("answer"), error: N_("error"),
    guess: N_("expected error"),
  };
  const MAPS = ["error", "guess"]; // of unretouch: the others have the names of the classic program

  function showPlace(pair, name) {
    const place = pair[name];
    const cut = pair.places[name];
    const files = cut
      ? { real_A: cut.real_A, fake_B: cut.fake_B, real_B: cut.real_B, error: cut.error }
      : { ...pair.pictures, error: pair.error_map };
    const guess = pair.guess_maps[cut ? name : "whole"];
    if (guess) files.guess = guess;
    const crops = element("div", "crops");
    crops.tabIndex = 0;
    crops.setAttribute("role", "group");
    // Where the loupe looks, in pixels of the picture; at 100 % it shows the whole place.
    const [left, top] = cut ? [0, 0] : [place.left, place.top];
    const middle = place.side / 2;
    const at = { x: left + middle, y: top + middle, zoom: 1 };
    const zooms = element("div", "choice");
    crops.append(...Object.entries(files).map(([label, file]) => {
      const figure = element("figure", "crop");
      const view = element("div");
      view.style.width = view.style.height = `${place.side}px`;
      const image = element("img");
      image.addEventListener("load", look);
      image.src = Page.pictureUrl(file);
      image.alt = `${pair.name}, ${_(LABELS[label])}`;
      view.append(image);
      const caption = element("figcaption");
      if (!MAPS.includes(label)) caption.append(element("strong", "", label), " ");
      caption.append(_(LABELS[label]));
      figure.append(view, caption);
      return figure;
    }));
    const value = Page.levels(place.level_error);
    const title = name === "worst" ? _("The worst place: off by {value}", { value })
      : _("A typical place: off by {value}", { value });
    crops.setAttribute("aria-label", `${title}. ${_(
      "Click a place to enlarge it in every picture; drag or use the arrow keys to move, + and − to " +
      "zoom, 0 for the whole",
    )}`);
    zooms.setAttribute("role", "group");
    zooms.setAttribute("aria-label", _("Loupe"));
    zooms.append(...[1, 2, 3, 4].map((zoom) => {
      const button = element("button", "", `${100 * zoom}%`);
      button.type = "button";
      button.addEventListener("click", () => aim(at.x, at.y, zoom));
      return button;
    }));
    listen();
    look();
    byId(`place-${name}`).replaceChildren(element("h3", "", title), zooms, crops);

    function aim(x, y, zoom) {
      at.zoom = Math.min(4, Math.max(1, zoom));
      const reach = middle - middle / at.zoom; // from the middle of the place
      at.x = left + middle + Math.min(reach, Math.max(-reach, x - left - middle));
      at.y = top + middle + Math.min(reach, Math.max(-reach, y - top - middle));
      look();
    }

    function look() {
      for (const image of crops.querySelectorAll("img")) {
        if (!image.naturalWidth) continue;
        image.style.width = `${image.naturalWidth * at.zoom}px`;
        image.style.left = `${middle - at.x * at.zoom}px`;
        image.style.top = `${middle - at.y * at.zoom}px`;
      }
      zooms.childNodes.forEach((button, index) => {
        button.setAttribute("aria-pressed", String(index + 1 === at.zoom));
      });
      crops.classList.toggle("zoomed", at.zoom > 1);
    }

    function listen() {
      let drag = null;
      crops.addEventListener("pointerdown", (event) => {
        const view = event.target.closest(".crop div");
        if (!view || event.button !== 0) return;
        event.preventDefault(); // else the browser drags the picture
        crops.focus({ preventScroll: true });
        if (at.zoom > 1) {
          view.setPointerCapture(event.pointerId);
          drag = { x: event.clientX, y: event.clientY };
          return;
        }
        const box = view.getBoundingClientRect();
        aim(left + event.clientX - box.left, top + event.clientY - box.top, 4);
      });
      crops.addEventListener("pointermove", (event) => {
        if (!drag) return;
        aim(at.x - (event.clientX - drag.x) / at.zoom, at.y - (event.clientY - drag.y) / at.zoom, at.zoom);
        drag = { x: event.clientX, y: event.clientY };
      });
      for (const end of ["pointerup", "pointercancel"]) crops.addEventListener(end, () => { drag = null; });
      crops.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const step = 20 / at.zoom;
        const act = {
          ArrowLeft: () => aim(at.x - step, at.y, at.zoom), ArrowRight: () => aim(at.x + step, at.y, at.zoom),
          ArrowUp: () => aim(at.x, at.y - step, at.zoom), ArrowDown: () => aim(at.x, at.y + step, at.zoom),
          "+": () => aim(at.x, at.y, at.zoom + 1), "=": () => aim(at.x, at.y, at.zoom + 1),
          "-": () => aim(at.x, at.y, at.zoom - 1), 0: () => aim(at.x, at.y, 1),
        }[event.key];
        if (!act || (event.key.startsWith("Arrow") && at.zoom === 1)) return;
        event.preventDefault();
        act();
      });
    }
  }

  function reduced(pair) {
    const size = (length) => Math.floor(length / pair.factor);
    return _("Shown reduced to {small} of {full} pixels, under the loupe too; the two places below " +
      "are at full size.", {
      small: `${size(pair.width)} × ${size(pair.height)}`, full: `${pair.width} × ${pair.height}`,
    });
  }

  // A large pair is shown reduced; the places that were cut out of it at full size can be chosen.
  function looks(pair) {
    if (pair.factor === 1) return undefined;
    const whole = {
      key: "whole", pictures: pair.pictures, error_map: pair.error_map,
      title: () => _("Whole, reduced"), note: () => reduced(pair),
    };
    const titles = { worst: N_("Worst place"), typical: N_("Typical place") };
    const places = Object.entries(pair.places).map(([name, { error, ...pictures }]) => ({
      key: name, pictures, error_map: error, title: () => _(titles[name]),
      note: () => _("Cut out at full size."),
    }));
    return [whole, ...places];
  }

  // --- plots

  function showSpectrum(spectra) {
    const periods = [32, 16, 8, 4, 2];
    const lines = [
      [_("answer"), "target", "--ink", [6, 5]], [_("Generated"), "prediction", "--one"],
      [_("Doing nothing"), "source", "--three", [8, 4]], [_("Grain"), "grain", "--two", [2, 3]],
    ];
    const plot = (id, powers) => VerifyCharts.draw(id, {
      x: spectra.frequency.slice(1), xLabel: _("Size"), xLog: true,
      xTicks: periods.map((period) => 1 / period),
      xText: (f) => `${Number((1 / f).toFixed(1))} px`,
      yText: (value, tick) => (tick ? String(Number(value.toFixed(1))) : `${rounded(value, 1)} dB`),
      series: lines.map(([label, name, colour, dash]) => (
        { label, values: powers(name).slice(1), colour, dash })),
    });
    plot("spectrum", (name) => spectra[name]);
    plot("beside", (name) => spectra[name].map((power, i) => power - spectra.target[i]));
  }

  function showProbe() {
    if (!data.probe.length) return;
    const of = (change) => data.probe.filter((point) => point.change === change);
    const unchanged = of("none")[0].recovered_share;
    const mirrored = Page.percent(of("mirror")[0].recovered_share);
    byId("mirror").textContent = _("Mirrored left to right: {value}.", { value: mirrored });
    const known = data.probe.map((point) => point.recovered_share).filter((v) => !missing(v));
    const low = Math.min(0, ...known);
    for (const change of ["shift", "noise", "brightness", "crop"]) {
      const points = [...of("none"), ...of(change)].sort((a, b) => a.amount - b.amount);
      VerifyCharts.draw(change, {
        x: points.map((point) => point.amount), xLabel: byId(`chart-${change}`).querySelector("h3").textContent,
        xTicks: points.map((point) => point.amount),
        xText: (amount) => Page.number(amount, 0),
        yText: (value, tick) => `${Page.number(100 * value, tick ? 0 : 1)}%`,
        yRange: [low < 0 ? low * 1.1 : 0, Math.max(1, ...known)],
        series: [
          { label: _("Recovered"), values: points.map((p) => p.recovered_share), colour: "--one", points: true },
          { label: _("unchanged"), values: points.map(() => unchanged), colour: "--muted", dash: [6, 5] },
        ],
      });
    }
  }

  // --- the chosen pair

  const picks = [...document.querySelectorAll(".pick")];

  function shownName(pair) {
    return pair.group === "training" ? pair.name : `${pair.name} · ${pair.group}`;
  }

  function show() {
    const pair = data.pairs[chosen];
    if (!pair) return;
    picks.forEach((pick, index) => pick.setAttribute("aria-pressed", String(index === chosen)));
    byId("reduced").hidden = pair.factor === 1;
    byId("reduced").textContent = reduced(pair);
    Pairs.show(byId("pairs"), [{ ...pair, name: shownName(pair), looks: looks(pair) }]);
    for (const place of ["worst", "typical"]) showPlace(pair, place);
    showLikeness(pair);
    showTexture(pair);
    showParts(pair);
  }

  function showAll() {
    showVerdicts();
    show();
    showProbe();
  }

  picks.forEach((pick, index) => {
    pick.title = data.pairs[index].name;
    pick.textContent = Page.beside(pick.title);
    pick.addEventListener("click", () => { chosen = index; show(); });
  });
  Page.onLanguage(showAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAll);
  Page.start();
})();
