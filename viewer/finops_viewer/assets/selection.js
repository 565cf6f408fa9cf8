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

  // Args: a table of the page's data and a filter.
  // Returns: the table of what is left, with `by` and `missing`: the dimensions that it is and cannot be filtered by,
  // and `kept`, the places of the rows that are left.
  function of(table, filter) {
    const by = asked(filter).filter((dimension) => columnOf(table, dimension) >= 0);
    const missing = asked(filter).filter((dimension) => !by.includes(dimension));
    const all = table.rows.map((_, i) => i);
    if (!by.length) return { ...table, by, missing, kept: all };
    const fits = (row) => by.every((dimension) => matches(row[columnOf(table, dimension)], dimension, filter));
    const kept = all.filter((i) => fits(table.rows[i]));
    const own = (value, i) => (table.columns[i].role === "share" ? null : value); // a share is one of all rows
    const rows = kept.map((i) => table.rows[i].map(own));
    return { ...table, by, missing, kept, rows, total: total(table, rows), other: null };
  }

  // The chart of which such a table is the twin.
  function chart(chart, twin) {
    if (!twin.by.length) return chart;
    const pick = (values) => twin.kept.map((i) => values[i]);
    const series = chart.series.map((s) => ({ ...s, values: pick(s.values) }));
    return { ...chart, categories: pick(chart.categories), series };
  }

  return { TIME, of, chart };
})();
