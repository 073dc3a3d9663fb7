"use strict";
// The live page: reads status.js again and again, and changes only what has changed.

// Why a training has ended, by the word that status.js has for it; and why nothing is heard of it.
const Reasons = {
  finished: N_("The training is complete."),
  stopped_at_once: N_("Stopped at once. What came after the last save is lost; it goes on from there."),
  interrupted: N_("Stopped by Ctrl+C. The same command goes on from the last save."),
  terminated: N_("The system asked it to stop. The same command goes on from the last save."),
  time_up: N_("The time it was given is used up."),
  target_reached: N_("Every pair is as close as you asked for."),
  every_pixel_exact: N_("Every pixel of every pair is exact."),
  no_more_gain: N_("A quarter of its time passed without any gain."),
  non_finite: N_(
    "A loss was no longer a finite number. The last save is sound; try a lower learning rate."
  ),
  disk_full: N_("The disk is full. Free some space, then run the same command again."),
  silent: N_(
    "No news for {time}. If the program was closed, run the same command again: it goes on from " +
    "the last save."
  ),
};

(() => {
  const EVERY_MS = 2500;
  const SILENT_S = 180;
  const GAINS = {
    worse: N_("worse than doing nothing"), early: N_("not better yet, as is usual early in a training"), nothing: N_("nothing gained, nothing lost"),
    some: N_("0%: nothing done, 100%: perfect"),
  };
  const time = document.getElementById("time");
  let status = null;
  let stamp = "";

  function load() {
    const script = document.createElement("script");
    script.src = `status.js?${Date.now()}`;
    const after = () => {
      script.remove();
      setTimeout(load, EVERY_MS);
    };
    script.addEventListener("load", after);
    script.addEventListener("error", after);
    document.head.append(script);
  }

  window.unretouchStatus = (record) => {
    // The same figures may come in another state: the app tells of a training that has died, or
    // that is still being measured.
    const same = stamp === String(record.written);
    stamp = String(record.written);
    const before = status;
    status = record;
    if (!same) {
      showTime(before);
      showPairs();
      Charts.show();
    }
    showSummary();
  };

  function current() {
    return status.previews[Number(time.value)];
  }

  // The slider follows the newest preview while it stands there, and else keeps its step.
  function showTime(before) {
    const { previews } = status;
    const atEnd = !before || !before.previews.length || time.value === time.max;
    const step = atEnd ? Infinity : before.previews[Number(time.value)].step;
    time.max = String(Math.max(0, previews.length - 1));
    let index = previews.findLastIndex((preview) => preview.step <= step);
    if (index < 0) index = 0;
    time.value = String(index);
    document.querySelector(".timeline").hidden = previews.length < 2;
    document.getElementById("previews-none").hidden = previews.length > 0;
  }

  function showPairs() {
    const preview = current();
    if (!preview) return;
    // Before the first update nothing was made of a picture that one could measure.
    const unmeasured = preview.step ? {} : { level_error: null, exact_pixels: null };
    const shots = preview.pairs.map((pair) => ({
      ...pair,
      ...unmeasured,
      ...(pair.size ? { looks: looksOf(pair), first: "strongest1" } : { pictures: picturesOf(pair) }),
      version: preview.step,
    }));
    if (preview.photo) shots.push(photoOf(preview));
    Pairs.show(document.getElementById("pairs"), shots);
    showTimeValue();
  }

  // The photograph without an answer: there are no figures, one has to look.
  function photoOf({ photo, pairs, step }) {
    const taken = pairs.some((pair) => pair.name === photo.name);
    return {
      name: taken ? `${photo.name} (2)` : photo.name,
      looks: [{
        key: "photo", pictures: { real: photo.real_A, fake: photo.fake_B },
        title: () => _("Test photo"),
        note: () => _("It has no answer, and is not trained on: look whether it holds here. Of a " +
          "large photo the part with most skin is shown."),
      }],
      version: step,
    };
  }

  function picturesOf({ real_A, fake_B, real_B }) {
    return fake_B ? { real_A, fake_B, real_B } : { real_A, real_B };
  }

  // A large pair: the whole reduced, and places at 1:1.
  function looksOf(pair) {
    const [width, height] = pair.size.map((side) => Page.number(side, 0));
    const whole = {
      key: "whole",
      pictures: picturesOf(pair),
      error_map: pair.error_map,
      title: () => _("Whole, reduced"),
      note: () => (pair.fake_B
        ? _("{width} × {height} pixels, shown reduced.", { width, height })
        : _("{width} × {height} pixels, shown reduced. The whole is generated at the start " +
          "and, if time allows, at the end.", { width, height })),
    };
    let strongest = 0;
    return [whole, ...pair.places.map((place) => {
      const number = place.kind === "strongest" ? ++strongest : "";
      return {
        key: `${place.kind}${number}`,
        pictures: picturesOf(place),
        error_map: place.error_map,
        title: () => (number ? _("Strongest retouch {number}", { number }) : _("Largest error elsewhere")),
        note: () => _("{width} × {height} pixels at x {left}, y {top}. Error there {error}, doing " +
          "nothing {identity}.", {
          width: place.width, height: place.height, left: Page.number(place.left, 0),
          top: Page.number(place.top, 0), error: Page.level(place.level_error),
          identity: Page.level(place.identity_error),
        }),
      };
    })];
  }

  function showTimeValue() {
    const preview = current();
    if (!preview) return;
    const when = status.weighted === false ? N_("step {step}") : N_("step {step}, epoch {epoch}");
    const said = ({ step, epoch }) => _(when, { step: Page.number(step, 0), epoch: Page.number(epoch, 0) });
    const latest = ` (${_("latest")})`;
    const text = said(preview) + (time.value === time.max ? latest : "");
    Page.setText("time-value", text);
    // The newest has the longest words: so the slider does not move under the pointer.
    const longest = Page.columns(said(status.previews.at(-1)) + latest);
    document.getElementById("time-value").style.setProperty("--longest", String(longest));
    time.setAttribute("aria-valuetext", text);
  }

  function share() {
    const { step, total_steps, elapsed_s, left_s } = status;
    if (status.state === "finished") return 1;
    if (left_s !== null && elapsed_s + left_s > 0) return elapsed_s / (elapsed_s + left_s);
    return total_steps ? step / total_steps : 0;
  }

  function counted(value, total) {
    const text = Page.number(value, 0);
    return total ? `${text} ${_("of {total}", { total: Page.number(total, 0) })}` : text;
  }

  function showSummary() {
    if (!status) return;
    const running = status.state === "running" || status.state === "starting";
    const badge = document.getElementById("state");
    badge.dataset.state = status.state;
    const name = Page.stateName(status.state);
    if (badge.firstElementChild.textContent !== name) badge.firstElementChild.textContent = name;

    // The newest preview is measured as the test is: every pair, nothing random, whole or, where
    // that would take long, by tiles. As standing() in runs/status.py: before the second one only
    // what was measured while training is known.
    const shown = status.previews.at(-1);
    const measured = shown && shown.step > 0;
    const newer = Number.isFinite(status.training_error) ? status.training_error : null;
    const training = !measured && newer !== null;
    const error = measured ? mean(shown.pairs.map((pair) => pair.level_error)) : newer;
    const identity = shown ? mean(shown.pairs.map((pair) => pair.identity_error)) : null;
    const estimated = measured && shown.pairs.some((pair) => pair.estimated);
    const about = estimated ? "≈ " : "";
    const value = Page.levels(identity);
    const aside = training ? _("while training; doing nothing costs {value}", { value })
      : estimated ? _("estimated from sampled tiles; doing nothing costs {value}", { value })
        : _("doing nothing costs {value}", { value });
    Page.setText("error-now", about + Page.level(error));
    Page.setText("identity", identity === null ? "" : aside);
    const known = identity && error !== null;
    const gain = known ? Page.gain(error, identity) : "some";
    const early = gain === "worse" && running && share() < Page.early; // as standing() has it, too
    Page.setText("recovered", known && !early ? about + Page.percent(shareOf(error, identity)) : "–");
    Page.setWord(document.getElementById("gain"), GAINS[early ? "early" : gain]);
    const old = measured && shown.step < Page.fresh * status.step && newer !== null;
    showAge(old ? { shown, error: newer, share: shareOf(newer, identity) } : null);

    Page.setWord(document.getElementById("left-label"), running ? N_("Time left") : N_("Took"));
    Page.setText("left", running
      ? (status.left_s === null ? _("unknown") : Page.duration(status.left_s))
      : Page.duration(status.elapsed_s));
    const elapsed = Page.duration(status.elapsed_s);
    Page.setText("elapsed", running ? _("{time} so far", { time: elapsed }) : "");

    const progress = document.getElementById("progress");
    const ending = running && status.stop_reason; // the training itself is done
    if (status.state === "starting" || ending) progress.removeAttribute("value"); // it moves
    else progress.value = share();
    document.title = `${Math.floor(100 * share())}% · ${status.name} · unretouch`;
    // Out of how many is a plan, which is void once the time is up.
    Page.setText("step", counted(status.step, status.state === "finished" ? null : status.total_steps));
    Page.setText("epoch", counted(status.epoch, status.total_epochs));
    // Who trains with an adversary looks for these.
    const engineering = document.getElementById("engineering");
    if (!engineering.dataset.met) engineering.open = status.weighted !== false;
    engineering.dataset.met = "yes";
    // Without an adversary lambda_L1 has nothing to weigh against, and neither figure says anything.
    for (const id of ["weighted", "lambda"]) {
      document.getElementById(id).parentElement.hidden = status.weighted === false;
    }
    Page.setText("weighted", Page.level(status.curves.G_L1?.at(-1)));
    Page.setText("lr", Page.rate(status.lr));
    Page.setText("lambda", String(status.lambda_L1));
    Page.setText("last-save", status.last_save ? _("step {step}, {ago}", {
      step: Page.number(status.last_save.step, 0), ago: Page.ago(status.last_save.time),
    }) : _("none yet"));
    showNotice(running);
  }

  const shareOf = (error, identity) => Page.share({
    recovered_share: 1 - error / identity, level_error: error, identity_error: identity,
  });

  // Where the pictures, and all figures, are old, they say of when they are, and what came since.
  function showAge(newer) {
    const told = document.getElementById("figures-old");
    told.hidden = !newer;
    if (told.hidden) return;
    Page.setText("figures-old", _("Figures and pictures are those of step {step}. While training " +
      "since then: {share} recovered, error {error}.", {
      step: Page.number(newer.shown.step, 0), share: Page.percent(newer.share),
      error: Page.level(newer.error),
    }));
  }

  function showNotice(running) {
    const silence = Date.now() / 1000 - status.written;
    const reason = status.stop_reason;
    let text = "";
    if (status.state === "running" && !reason && silence > SILENT_S) text = _(Reasons.silent, { time: Page.duration(silence) });
    else if (reason) text = Object.hasOwn(Reasons, reason) ? _(Reasons[reason]) : reason;
    const { outcome } = status; // of the weights that were kept
    if (outcome) text += ` ${_(outcome.message, outcome.values)}`;
    const notice = document.getElementById("notice");
    notice.hidden = !text;
    notice.dataset.state = status.state;
    Page.setText("notice", text);
  }

  function mean(values) {
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }

  const column = (name) => status.curves[name] || [];

  const charts = {
    error() {
      const steps = column("step");
      const previews = new Map(status.errors);
      const all = [...new Set([...steps, ...previews.keys()])].sort((a, b) => a - b);
      const training = new Map(steps.map((step, i) => [step, column("level_error")[i]]));
      return {
        x: all,
        help: _("How far the generated picture is from the answer on average. Below the dashed " +
          "line it is better than doing nothing. While training, only the parts being learnt are measured. Previews " +
          "measure whole pictures, of large ones mostly a sample."),
        series: [
          { label: _("while training"), values: all.map((s) => training.get(s)), colour: "--one" },
          { label: _("previews"), values: all.map((s) => previews.get(s)), colour: "--two", points: true },
          { label: _("doing nothing"), values: all.map(() => status.identity_error), colour: "--muted", reference: true },
        ],
      };
    },
    weighted() {
      const steps = column("step");
      if (status.weighted === false) return { x: [0, 1], help: "", series: [] };
      return {
        x: steps,
        help: _("Contains lambda_L1 = {lambda}: 1.0 here is {levels} grey levels. Do not compare " +
          "it between runs with another lambda_L1.", {
          lambda: status.lambda_L1, levels: Page.number(127.5 / status.lambda_L1, 4),
        }),
        series: [
          { label: "G_L1", values: column("G_L1"), colour: "--one" },
          { label: _("goal 1.0"), values: steps.map(() => 1), colour: "--muted", reference: true },
        ],
      };
    },
    gan() {
      return {
        x: column("step"),
        help: _("The two networks against each other: good while they stay balanced."),
        series: [
          { label: "G_GAN", values: column("G_GAN"), colour: "--one" },
          { label: "D_real", values: column("D_real"), colour: "--two", dash: [8, 3] },
          { label: "D_fake", values: column("D_fake"), colour: "--three", dash: [2, 3] },
        ],
      };
    },
  };
  const drawn = (build) => () => status && { xLabel: _("Step"), ...build() };
  Charts.define(Object.fromEntries(
    Object.entries(charts).map(([key, build]) => [key, drawn(build)]),
  ));

  time.addEventListener("input", () => {
    showPairs();
    showSummary();
  });
  Page.onLanguage(() => {
    if (!status) return;
    showSummary();
    showTimeValue();
  });
  Page.start();
  load();
})();
