// Downloads: a table as CSV, a chart as SVG.
"use strict";

finops.downloads = (() => {
  const FORMULA = /^[=+\-@\t\r]/;
  const NUMBER = /^[+-]?\d+(\.\d+)?$/;

  // A text cell that a spreadsheet would run as a formula gets an apostrophe; true numbers stay numbers.
  function field(value, unit) {
    if (value === null || value === undefined) return "";
    let text = String(value);
    if (finops.format.isText(unit) && FORMULA.test(text) && !NUMBER.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  // Args: a table, and what it is filtered by, in words; each line says it.
  function csv(table, filter = "") {
    const more = filter ? `,${field(filter, "text")}` : "";
    const header = table.columns.map((c) =>
      field(finops.format.isText(c.unit) ? c.label : `${c.label} (${c.unit})`, "text"),
    );
    const rows = [...table.rows, table.other, table.total].filter(Boolean);
    const lines = rows.map((row) => row.map((value, i) => field(value, table.columns[i].unit)).join(",") + more);
    return [header.join(",") + (filter ? ",Filter" : ""), ...lines].join("\r\n") + "\r\n";
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function start() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.csv) {
        const id = button.dataset.csv;
        const table = finops.filters.table(id);
        save(`${id}.csv`, "text/csv;charset=utf-8", csv(table, finops.filters.column(table)));
      } else if (button?.dataset.svg) {
        const id = button.dataset.svg;
        const through = document.querySelector(".through time");
        const source = [document.querySelector("h1").textContent, through && `data through ${through.textContent}`];
        const filtered = finops.filters.column(finops.filters.table(id));
        const remarks = [source.filter(Boolean).join(", "), filtered.slice(0, 1).toUpperCase() + filtered.slice(1)];
        save(`${id}.svg`, "image/svg+xml", finops.picture.of(finops.filters.chart(id), remarks));
      }
    });
  }

  return { csv, start };
})();
