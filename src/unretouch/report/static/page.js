"use strict";
// What every page shares: the reader's language, numbers in it, and small remembered choices.

// By these names translators' tools find what is said. `N_` only marks what is said later.
function _(message, values) { return Page.say(message, values); }
function ngettext(one, many, count) { return Page.sayCounted(one, many, count); }
function pgettext(context, message) { return Page.say(message, {}, context); }
function N_(message) { return message; }

const Page = (() => {
  document.documentElement.classList.add("scripted");
  const { catalogues, errorScale, same, leastHarm, fresh, early } = window.unretouch;
  const listeners = [];

  // Browsers may refuse storage to pages from the disk; then choices last as long as the page.
  const remember = {
    get(key) {
      try { return localStorage.getItem(`unretouch.${key}`); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem(`unretouch.${key}`, value); } catch { /* nothing to do */ }
    },
  };

  // Reports in the app are strangers to it, whose storage they cannot reach: there the language
  // stands in the address, and goes with the links from the app and back.
  const speaks = (wanted) => wanted === "en" || Object.hasOwn(catalogues, wanted);
  const stored = (() => { try { return Boolean(localStorage); } catch { return false; } })();
  const asked = new URLSearchParams(location.search).get("language");
  if (asked && speaks(asked)) remember.set("language", asked);
  let language = [asked, remember.get("language")].find((one) => one && speaks(one)) ||
    ((navigator.language || "en").toLowerCase().startsWith("ko") ? "ko" : "en");

  function inLanguage(address) {
    const url = new URL(address, location.href);
    url.searchParams.set("language", language);
    return url.href;
  }

  // A message is its own English; `{name}` in it stands for a value, which may be a message that
  // Python made: {message, values}. Catalogues have a context before the message, as gettext does.
  function say(message, values = {}, context = "") {
    const key = context ? `${context}\u0004${message}` : message;
    return fill(catalogues[language]?.[key] ?? message, values);
  }

  function fill(text, values) {
    return text.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = values[name];
      if (value === undefined) return whole;
      return value?.message === undefined ? value : say(value.message, value.values);
    });
  }

  // Korean has one form for any number: its catalogue holds it under the English singular.
  function sayCounted(one, many, count) {
    const text = catalogues[language]?.[one] ?? (count === 1 ? one : many);
    return fill(text, { count });
  }

  // The page is written in English: what stands in an element is its message. One with values in
  // it names the message and the values beside it.
  function translate(root) {
    for (const element of root.querySelectorAll("[data-word]")) {
      const { dataset } = element;
      dataset.word ||= element.textContent;
      element.textContent = say(dataset.word, JSON.parse(dataset.values || "{}"));
    }
    for (const element of root.querySelectorAll("[data-word-label]")) {
      element.dataset.wordLabel ||= element.getAttribute("aria-label");
      element.setAttribute("aria-label", say(element.dataset.wordLabel));
    }
  }

  // Let an element say another message from now on, in either language; "" says nothing.
  function setWord(element, message, values = {}) {
    const { dataset } = element;
    const told = JSON.stringify(values);
    if (dataset.word === message && (dataset.values || "{}") === told && element.textContent) return;
    dataset.word = message;
    dataset.values = told;
    element.textContent = say(message, values);
  }

  function setLanguage(wanted) {
    language = wanted;
    document.documentElement.lang = wanted;
    translate(document);
    for (const link of document.querySelectorAll(stored ? "a[href*='reports/']" : ".trail a")) {
      link.href = inLanguage(link.href);
    }
    for (const button of document.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === wanted));
    }
    for (const listener of listeners) listener();
  }

  function number(value, digits) {
    return new Intl.NumberFormat(language, {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    }).format(value);
  }

  // Errors shrink over decades: three digits that count, never more than four decimals.
  function level(value) {
    if (value === null || value === undefined) return "–";
    return number(value, value >= 10 ? 1 : value >= 1 ? 2 : 3);
  }

  function percent(share, digits = 1) {
    if (share === null || share === undefined) return "–";
    if (Math.abs(share) < 0.5 * 10 ** (-digits - 2)) share = 0; // no "-0%"
    if (share < -1) return `< ${percent(-1, 0)}`; // how bad it is the figures beside it tell
    return new Intl.NumberFormat(language, {
      style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits,
    }).format(share);
  }

  // What an error is beside that of doing nothing, as gain() in runs/status.py has it.
  function gain(error, identity) {
    if (error - identity > Math.max(leastHarm, same * identity)) return "worse";
    return identity - error > same * identity ? "some" : "nothing";
  }

  // The recovered share as told_share() in runs/status.py has it: what is not worth a word is not
  // lost.
  function share({ recovered_share: raw, level_error: error, identity_error: identity }) {
    const none = raw === null || raw === undefined;
    return none || gain(error, identity) !== "nothing" ? raw : Math.max(0, raw);
  }

  function rate(value) {
    return value === 0 ? "0" : value < 0.0001 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  }

  function duration(seconds) {
    const s = Math.max(0, Math.round(seconds));
    const m = Math.round(s / 60);
    if (s < 60) return _("{s} s", { s });
    if (s < 600) return _("{m} min {s} s", { m: Math.floor(s / 60), s: s % 60 });
    if (m < 60) return _("{m} min", { m });
    if (m < 2880) return _("{h} h {m} min", { h: Math.floor(m / 60), m: m % 60 });
    return _("{d} d {h} h", { d: Math.floor(m / 1440), h: Math.floor((m % 1440) / 60) });
  }

  function ago(unixSeconds) {
    const s = Math.max(0, Date.now() / 1000 - unixSeconds);
    const format = new Intl.RelativeTimeFormat(language, { numeric: "always" });
    if (s < 60) return format.format(-Math.round(s), "second");
    if (s < 3600) return format.format(-Math.round(s / 60), "minute");
    if (s < 172800) return format.format(-Math.round(s / 3600), "hour");
    return format.format(-Math.round(s / 86400), "day");
  }

  function levels(value) {
    return _("{value} grey levels", { value: level(value) });
  }

  function stateName(state) {
    return {
      starting: _("Starting"), running: pgettext("state", "Training"), finished: _("Finished"),
      stopped: _("Stopped"), failed: _("Failed"), waiting: pgettext("state", "Waiting"),
    }[state];
  }

  // Columns that a text takes, where Korean letters take two, as at a terminal.
  const columns = (text) => [...text].reduce((sum, c) => sum + (c.codePointAt(0) > 0x10ff ? 2 : 1), 0);

  // The text within so many columns: of a longer one the middle is left out.
  function shortened(text, most) {
    if (columns(text) <= most) return text;
    const letters = [...text];
    let [head, tail] = ["", ""];
    while (columns(head + letters[0]) <= most / 2) head += letters.shift();
    while (columns(`${head}…${letters.at(-1)}${tail}`) <= most) tail = letters.pop() + tail;
    return `${head}…${tail}`;
  }

  // A name as there is room for it beside figures.
  function beside(name) {
    return shortened(name, window.matchMedia("(max-width: 560px)").matches ? 18 : 60);
  }

  // File names may hold any character; only the slashes between folders stay as they are. What the
  // page itself holds already has an address.
  function pictureUrl(name) {
    if (name.startsWith("blob:")) return name;
    return name.split("/").map(encodeURIComponent).join("/");
  }

  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      remember.set("language", button.dataset.language);
      setLanguage(button.dataset.language);
      if (asked || !stored) history.replaceState(null, "", inLanguage(location.href));
    });
  }

  return {
    errorScale, say, sayCounted, translate, setWord, number, level, levels, percent, gain, share, fresh, early, rate, duration,
    ago, inLanguage, stateName, columns, shortened, beside, pictureUrl, remember,
    setText(id, text) {
      const element = document.getElementById(id);
      if (element.textContent !== text) element.textContent = text;
    },
    onLanguage(listener) { listeners.push(listener); },
    start() { setLanguage(language); },
  };
})();
