"use strict";
// The page of a verification: verdicts, and everything about the pair that is chosen.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const language = () => document.documentElement.lang;
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

  // What of doing nothing is the retouch, in a pair of two files compressed apart.
  function told(pair) {
    const [retouch, compression] = pair.identity_parts.map((part) => Page.level(part));
    return Page.say("identity_parts", { retouch, compression });
  }

  function showVerdicts() {
    document.querySelectorAll(".verdict .said").forEach((said, index) => {
      said.textContent = data.verdicts[index].said[language()];
    });
    const parted = data.pairs.filter((pair) => pair.identity_parts);
    document.querySelectorAll("small.parts").forEach((small, index) => {
      small.textContent = told(parted[index]);
    });
    if (!data.cross) return;
    byId("cross").hidden = false;
    byId("cross").textContent = Page.say("cross_note", {
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

  const key = (figure, part) => (part ? `${figure.name}_${part}` : figure.name);

  function label(figure, part) {
    const own = `figure_${key(figure, part)}`;
    return Page.say(own in window.unretouch.words.en ? own : `part_${part}`);
  }

  function head(words) {
    const row = element("tr");
    row.append(...words.map((word) => {
      const cell = element("th", "", Page.say(word));
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
      const first = grouped ? row("first", Page.say(`figure_${figure.name}`), []) : lines.shift();
      first.className = "first";
      if (grouped) first.firstChild.colSpan = values[0].length + 1;
      return [first, explained(Page.say(`explain_${figure.name}`), values[0].length), ...lines];
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
    const weighted = row("first", Page.say("figure_G_L1"),
      [[Page.number(pair.G_L1, 2), "ours"], ["", ""], ["", ""], ["", ""], ["0", "best"]]);
    const meaning = explained(Page.say("explain_G_L1", { lambda: pair.lambda_L1 }), 5);
    body.splice(data.likeness[0].parts.length + 1, 0, weighted, meaning);
    const headings = ["figure", "frame", "identity", "area", "identity", "best"];
    fill("likeness", headings, body);
    const said = [Page.say("likeness_help", { share: Page.percent(pair.area_share, 0) })];
    if (!missing(pair.added_outside)) {
      said.push(Page.say("added_outside", { value: Page.level(pair.added_outside) }));
    }
    if (pair.noisy) {
      said.push(Page.say("noisy_help", { value: Page.level(pair.identity_error), parts: told(pair) }));
    }
    byId("likeness").querySelector(".help").textContent = said.join(" ");
  }

  function showTexture(pair) {
    const section = byId("texture");
    const there = pair.spectra !== null;
    section.querySelector(".help").textContent = Page.say(there ? "texture_help" : "untouched");
    section.querySelector(".scroll").hidden = section.querySelector(".charts").hidden = !there;
    if (!there) return;
    const cells = (figure, name) => [
      [format(figure, pair.prediction.area[name]), "ours"],
      [format(figure, pair.identity.area[name]), ""],
      [format(figure, pair.grain.area[name]), ""],
      [best(figure), "best"],
    ];
    const headings = ["figure", "prediction", "identity", "grain", "best"];
    fill("texture", headings, [...rows(data.texture, cells), ...coarse(pair)]);
    showSpectrum(pair.spectra);
  }

  // What of the retouch is larger than pores; nothing for a small picture.
  function coarse(pair) {
    if (!pair.coarse.length) return [];
    const first = row("first", Page.say("figure_coarse"), []);
    first.firstChild.colSpan = 5;
    return [first, explained(Page.say("explain_coarse"), 4), ...pair.coarse.map((band) => {
      const share = pair.retouch_shares[`${band.low}_${band.high}`];
      const title = Page.say("coarse_band", { low: band.low, high: band.high, share: Page.percent(share, 0) });
      return row("sub", title, [
        [Page.percent(band.recovered), "ours"], [Page.percent(0, 0), ""], ["–", ""], [Page.percent(1, 0), "best"],
      ]);
    })];
  }

  function showParts(pair) {
    byId("parts").hidden = pair.skin === null;
    if (pair.skin === null) return;
    byId("parts").querySelector(".help").textContent = Page.say("parts_help");
    const body = ["skin", "elsewhere"].map((name) => {
      const part = pair[name];
      const title = Page.say(`part_${name}`, { share: Page.percent(part.share_of_frame, 0) });
      return row("first", title, [
        [Page.level(part.level_error), "ours"], [Page.level(part.identity_error), ""],
        [Page.percent(part.recovered_share), "ours"],
      ]);
    });
    fill("parts", ["figure", "level_error", "identity", "recovered"], body);
  }

  // --- pictures

  function showPlace(pair, name) {
    const place = pair[name];
    const cut = pair.places[name];
    const files = cut
      ? { real_A: cut.real_A, fake_B: cut.fake_B, real_B: cut.real_B, error_short: cut.error }
      : { ...pair.pictures, error_short: pair.error_map };
    const crops = element("div", "crops");
    crops.append(...Object.entries(files).map(([word, file]) => {
      const figure = element("figure", "crop");
      const view = element("div");
      view.style.width = view.style.height = `${place.side}px`;
      const image = element("img");
      image.src = Page.pictureUrl(file);
      image.alt = `${pair.name}, ${Page.say(word)}`;
      image.style.left = cut ? "0" : `${-place.left}px`;
      image.style.top = cut ? "0" : `${-place.top}px`;
      view.append(image);
      const caption = element("figcaption");
      if (word !== "error_short") caption.append(element("strong", "", word), " ");
      caption.append(Page.say(word));
      figure.append(view, caption);
      return figure;
    }));
    const value = Page.say("levels_value", { value: Page.level(place.level_error) });
    byId(`place-${name}`).replaceChildren(element("h3", "", Page.say(name, { value })), crops);
  }

  function reduced(pair) {
    const size = (length) => Math.floor(length / pair.factor);
    return Page.say("reduced_note", {
      small: `${size(pair.width)} × ${size(pair.height)}`, full: `${pair.width} × ${pair.height}`,
    });
  }

  // A large pair is shown reduced; the places that were cut out of it at full size can be chosen.
  function looks(pair) {
    if (pair.factor === 1) return undefined;
    const whole = {
      key: "whole", pictures: pair.pictures, error_map: pair.error_map,
      title: () => Page.say("look_frame"), note: () => reduced(pair),
    };
    const places = Object.entries(pair.places).map(([name, { error, ...pictures }]) => ({
      key: name, pictures, error_map: error, title: () => Page.say(`look_place_${name}`),
      note: () => Page.say("place_note_full"),
    }));
    return [whole, ...places];
  }

  // --- plots

  function showSpectrum(spectra) {
    const periods = [32, 16, 8, 4, 2];
    const lines = [
      ["real_B", "target", "--ink", [6, 5]], ["prediction", "prediction", "--one"],
      ["identity", "source", "--three", [8, 4]], ["grain", "grain", "--two", [2, 3]],
    ];
    const plot = (id, powers) => VerifyCharts.draw(id, {
      x: spectra.frequency.slice(1), xLabel: Page.say("size"), xLog: true,
      xTicks: periods.map((period) => 1 / period),
      xText: (f) => Page.say("period", { value: String(Number((1 / f).toFixed(1))) }),
      yText: (value, tick) => (tick ? String(Number(value.toFixed(1))) : `${rounded(value, 1)} dB`),
      series: lines.map(([word, name, colour, dash]) => (
        { label: Page.say(word), values: powers(name).slice(1), colour, dash })),
    });
    plot("spectrum", (name) => spectra[name]);
    plot("beside", (name) => spectra[name].map((power, i) => power - spectra.target[i]));
  }

  function showProbe() {
    if (!data.probe.length) return;
    const of = (change) => data.probe.filter((point) => point.change === change);
    const unchanged = of("none")[0].recovered_share;
    byId("mirror").textContent =
      Page.say("probe_mirror", { value: Page.percent(of("mirror")[0].recovered_share) });
    const known = data.probe.map((point) => point.recovered_share).filter((v) => !missing(v));
    const low = Math.min(0, ...known);
    for (const change of ["shift", "noise", "brightness", "crop"]) {
      const points = [...of("none"), ...of(change)].sort((a, b) => a.amount - b.amount);
      VerifyCharts.draw(change, {
        x: points.map((point) => point.amount), xLabel: Page.say(`change_${change}`),
        xTicks: points.map((point) => point.amount),
        xText: (amount) => Page.number(amount, 0),
        yText: (value, tick) => Page.percent(value, tick ? 0 : 1),
        yRange: [low < 0 ? low * 1.1 : 0, Math.max(1, ...known)],
        series: [
          { label: Page.say("recovered"), values: points.map((p) => p.recovered_share), colour: "--one", points: true },
          { label: Page.say("unchanged"), values: points.map(() => unchanged), colour: "--muted", dash: [6, 5] },
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

  picks.forEach((pick, index) => pick.addEventListener("click", () => { chosen = index; show(); }));
  Page.onLanguage(showAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAll);
  Page.start();
})();
