// What a filter leaves of a table, from the rows that the page holds. A number that cannot be told from them is left out.
"use strict";

finops.selection = (() => {
  const TIME = "timestamp"; // the call log's column that a range of days is about
  const NANO = 9;

  // The columns of the call log that a filter is about, such as {provider: "openai", from: "2026-01-05"}.
  function asked(filter) {
    const names = Object.keys(filter).map((key) => (key === "from" || key === "to" ? TIME : key));
    return [...new Set(names)];
  }

  function columnOf(table, dimension) {
    return table.columns.findIndex((c) => c.role === "dimension" && c.dimension === dimension);
  }

  function matches(value, dimension, filter) {
    if (dimension !== TIME) return value === filter[dimension];
    if (value === null) return false;
    const day = value.slice(0, 10);
    return (!filter.from || day >= filter.from) && (!filter.to || day <= filter.to);
  }

  function nano(text) {
    const [whole, fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(NANO, "0"));
  }

  function decimal(amount) {
    const digits = String(amount < 0n ? -amount : amount).padStart(NANO + 1, "0");
    return `${amount < 0n ? "-" : ""}${digits.slice(0, -NANO)}.${digits.slice(-NANO)}`;
  }

  // Dollars to the last digit; the unknown does not count.
  function sum(values, unit) {
    const known = values.filter((v) => v !== null);
    if (unit === "usd") return decimal(known.reduce((total, v) => total + nano(v), 0n));
    return known.reduce((total, v) => total + v, 0);
  }

  function equal(a, b, unit) {
    return unit === "usd" ? nano(a) === nano(b) : Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
  }

  // A total is that of the kept rows where the published one is the sum of all rows, and unknown elsewhere.
  function total(table, rows) {
    if (!table.total || table.other) return null;
    return table.total.map((published, i) => {
      const { unit, role } = table.columns[i];
      if (finops.format.isText(unit)) return published;
      const cells = (of) => of.map((row) => row[i]);
      const adds = role === "measure" && published !== null && equal(sum(cells(table.rows), unit), published, unit);
      return adds ? sum(cells(rows), unit) : null;
    });
  }

  // The breakdown that knows most of what the table itself cannot be filtered by; none if none knows any.
  function breakdownFor(breakdowns, missing) {
    const known = (breakdown) => missing.filter((dimension) => breakdown.by.includes(dimension)).length;
    const best = breakdowns.reduce((a, b) => (a && known(a) >= known(b) ? a : b), null);
    return best && known(best) ? best : null;
  }

  // The rows of a chart's twin as what is left of a breakdown makes them. A day of which nothing is left is zero, as is
  // a step of a waterfall; any other category is gone.
  function made(chart, rows, kept, breakdown, fits) {
    const parts = new Map(kept.map((i) => [i, []]));
    for (const part of breakdown.rows) if (parts.has(part[0]) && fits(part)) parts.get(part[0]).push(part.slice(1 + breakdown.by.length));
    if (![...parts.values()].some((of) => of.length)) return { kept: [], rows: [] };
    if (chart.kind === "scatter") {
      const left = kept.filter((i) => parts.get(i).length);
      return { kept: left, rows: left.map((i) => rows[i]) };
    }
    const stays = (i) => parts.get(i).length || chart.kind === "waterfall" || finops.format.isTime(chart.x.unit);
    const left = kept.filter(stays);
    const value = (i, at) => (rows[i][at + 1] === null ? null : sum(parts.get(i).map((part) => part[at]), chart.y.unit));
    return { kept: left, rows: left.map((i) => [rows[i][0], ...chart.series.map((_, at) => value(i, at))]) };
  }

  // Args: a table of the page's data, a filter, and the chart of which it is the twin, if it is one.
  // Returns: the table of what is left, with `by` and `missing`: the dimensions that it is and cannot be filtered by,
  // and `kept`, the places of the rows that are left.
  function of(table, filter, chart = null) {
    const own = asked(filter).filter((dimension) => columnOf(table, dimension) >= 0);
    const others = asked(filter).filter((dimension) => !own.includes(dimension));
    const breakdown = breakdownFor(chart?.breakdowns ?? [], others);
    const further = others.filter((dimension) => breakdown?.by.includes(dimension));
    const by = asked(filter).filter((dimension) => own.includes(dimension) || further.includes(dimension));
    const missing = others.filter((dimension) => !further.includes(dimension));
    const all = table.rows.map((_, i) => i);
    if (!by.length) return { ...table, by, missing, kept: all };
    const kept = all.filter((i) => own.every((dimension) => matches(table.rows[i][columnOf(table, dimension)], dimension, filter)));
    if (breakdown) {
      const fits = (part) => further.every((dimension) => matches(part[1 + breakdown.by.indexOf(dimension)], dimension, filter));
      return { ...table, by, missing, ...made(chart, table.rows, kept, breakdown, fits) };
    }
    const ownValue = (value, i) => (table.columns[i].role === "share" ? null : value); // a share is one of all rows
    const rows = kept.map((i) => table.rows[i].map(ownValue));
    return { ...table, by, missing, kept, rows, total: total(table, rows), other: null };
  }

  // The chart of which such a table is the twin.
  function chart(chart, twin) {
    if (!twin.by.length) return chart;
    if (chart.kind === "scatter") return { ...chart, points: twin.kept.map((i) => chart.points[i]) };
    const series = chart.series.map((s, at) => ({ ...s, values: twin.rows.map((row) => row[at + 1]) }));
    return { ...chart, categories: twin.rows.map((row) => row[0]), series };
  }

  return { TIME, of, chart };
})();
