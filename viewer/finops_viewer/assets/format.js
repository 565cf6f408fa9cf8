// How a number of a named unit reads: the page's half; units.py is the server's. Both give the same text.
"use strict";

window.finops = {};

finops.format = (() => {
  const MISSING = "\u2013";
  const MINUS = "\u2212";
  const LONGEST_TEXT = 160;
  const UNBROKEN_TEXT = 32;
  const TEXT = new Set(["text", "date", "time"]);
  const AMOUNTS = new Set(["usd", "tokens", "count"]);
  const SUFFIX = { tokens_per_s: " tok/s", ms: " ms", percent: "\u00a0%", ratio: "\u00d7", days: " days", hours: " h" };
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  // Characters that change how the text around them reads.
  const TREACHEROUS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

  const isText = (unit) => TEXT.has(unit);
  const isTime = (unit) => unit === "date" || unit === "time";
  const plain = (text) => String(text).replace(TREACHEROUS, "\ufffd");

  function shortened(text, longest) {
    const characters = Array.from(text);
    return characters.length > longest ? characters.slice(0, longest).join("") + "\u2026" : text;
  }

  // Dollars are decimal text, beyond what a double holds: the rounding counts nano-dollars.
  function fixed(value, decimals) {
    if (typeof value === "number") return value.toFixed(decimals);
    const [whole, fraction = ""] = value.split(".");
    const step = 10n ** BigInt(9 - decimals);
    const rounded = (BigInt(whole + fraction.padEnd(9, "0")) + step / 2n) / step;
    const digits = String(rounded).padStart(decimals + 1, "0");
    return decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
  }

  // Decimals that show so many significant digits of a number below one, nine at most.
  const significant = (size, digits) => Math.min(9, digits - 1 - Math.floor(Math.log10(size)));

  function decimalsOf(size, unit) {
    if (unit === "usd") return size >= 0.1 || size === 0 ? 2 : significant(size, 3);
    if (unit === "percent" || unit === "tokens_per_s") return size >= 0.1 || size === 0 ? 1 : significant(size, 2);
    if (unit === "ratio") return 2;
    if (Number.isInteger(size)) return 0;
    return size >= 1000 ? 0 : size >= 10 ? 1 : 2;
  }

  function grouped(digits) {
    const [whole, fraction] = digits.split(".");
    const text = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return fraction ? `${text}.${fraction}` : text;
  }

  function magnitude(value) {
    return typeof value === "number" ? Math.abs(value) : value.replace("-", "");
  }

  // A value as tables show it, with the decimals of its column or those that it needs alone.
  function full(value, unit, decimals) {
    if (value === null || value === undefined) return MISSING;
    if (unit === "time") return plain(value).replace("T", " ").replace(/Z$/, "").replace(/:00$/, "");
    if (isText(unit)) return plain(shortened(String(value), LONGEST_TEXT));
    const size = magnitude(value);
    const text = fixed(size, decimals ?? decimalsOf(Number(size), unit));
    const sign = Number(value) < 0 && Number(text) !== 0 ? MINUS : "";
    return `${sign}${unit === "usd" ? "$" : ""}${grouped(text)}${SUFFIX[unit] || ""}`;
  }

  // The class of a value's cell: numbers stand right, names stay on one line, long names and prose wrap.
  function cellClass(value, unit) {
    if (!isText(unit)) return "n";
    if (value === null || Array.from(value).length <= UNBROKEN_TEXT) return "u";
    return value.includes(" ") ? "w" : "l";
  }

  // A value as an axis shows it: few digits, large numbers with a letter.
  function axis(value, unit) {
    if (isText(unit)) return plain(value);
    const size = Math.abs(value);
    if (unit === "ms" && !size) return "0"; // beside milliseconds and seconds
    if (unit === "ms" && size >= 1000) return `${grouped(String(Number((value / 1000).toPrecision(6))))} s`;
    const scales = AMOUNTS.has(unit) ? [[1e9, "B"], [1e6, "M"], [1e3, "k"]] : [];
    const [scale, letter] = scales.find(([limit]) => size >= limit) || [1, ""];
    const text = grouped(String(Number((size / scale).toPrecision(scale > 1 ? 3 : 6))));
    return `${value < 0 ? MINUS : ""}${unit === "usd" ? "$" : ""}${text}${letter}${SUFFIX[unit] || ""}`;
  }

  // A category on an axis: 2026-01-05 is 5 Jan.
  function category(text, unit) {
    const date = /^(\d{4})-(\d\d)-(\d\d)/.exec(text);
    if (isTime(unit) && date && MONTHS[date[2] - 1]) {
      const hour = /[T ](\d\d:\d\d)/.exec(text);
      return `${Number(date[3])} ${MONTHS[date[2] - 1]}${hour ? ` ${hour[1]}` : ""}`;
    }
    return plain(text);
  }

  return { MISSING, isText, isTime, plain, shortened, full, cellClass, axis, category };
})();
