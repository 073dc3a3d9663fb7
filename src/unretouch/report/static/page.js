"use strict";
// What every page shares: the reader's language, numbers in it, and small remembered choices.
const Page = (() => {
  document.documentElement.classList.add("scripted");
  const { words, errorScale } = window.unretouch;
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

  let language = remember.get("language") ||
    ((navigator.language || "en").toLowerCase().startsWith("ko") ? "ko" : "en");
  if (!(language in words)) language = "en";

  function say(key, values = {}) {
    return words[language][key].replace(/\{(\w+)\}/g, (whole, name) =>
      name in values ? values[name] : whole);
  }

  function translate(root) {
    for (const element of root.querySelectorAll("[data-word]")) {
      element.textContent = say(element.dataset.word);
    }
    for (const element of root.querySelectorAll("[data-word-label]")) {
      element.setAttribute("aria-label", say(element.dataset.wordLabel));
    }
  }

  function setLanguage(wanted) {
    language = wanted;
    document.documentElement.lang = wanted;
    translate(document);
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
    return new Intl.NumberFormat(language, {
      style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits,
    }).format(share);
  }

  function rate(value) {
    return value === 0 ? "0" : value < 0.0001 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  }

  function duration(seconds) {
    const s = Math.max(0, Math.round(seconds));
    const m = Math.round(s / 60);
    if (s < 60) return say("seconds", { s });
    if (s < 600) return say("minutes_seconds", { m: Math.floor(s / 60), s: s % 60 });
    if (m < 60) return say("minutes", { m });
    if (m < 2880) return say("hours", { h: Math.floor(m / 60), m: m % 60 });
    return say("days", { d: Math.floor(m / 1440), h: Math.floor((m % 1440) / 60) });
  }

  function ago(unixSeconds) {
    const s = Math.max(0, Date.now() / 1000 - unixSeconds);
    const format = new Intl.RelativeTimeFormat(language, { numeric: "always" });
    if (s < 60) return format.format(-Math.round(s), "second");
    if (s < 3600) return format.format(-Math.round(s / 60), "minute");
    if (s < 172800) return format.format(-Math.round(s / 3600), "hour");
    return format.format(-Math.round(s / 86400), "day");
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
    });
  }

  return {
    errorScale, say, translate, number, level, percent, rate, duration, ago, pictureUrl, remember,
    setText(id, text) {
      const element = document.getElementById(id);
      if (element.textContent !== text) element.textContent = text;
    },
    onLanguage(listener) { listeners.push(listener); },
    start() { setLanguage(language); },
  };
})();
