// Tables: sorting by any column, and the rows that the page holds beyond the first ones.
"use strict";

finops.tables = (() => {
  const STEP = 250;
  const states = new Map(); // by table id: {column, direction, shown}; outlives an update of the page

  // A table as the filters leave it.
  const data = (id) => finops.filters.table(id);

  function compare(unit) {
    if (finops.format.isText(unit)) {
      const collator = new Intl.Collator("en", { numeric: true });
      return (a, b) => collator.compare(a, b);
    }
    return (a, b) => Number(a) - Number(b);
  }

  function sorted(table, column, direction) {
    if (column === null) return table.rows;
    const by = compare(table.columns[column].unit);
    const sign = direction === "ascending" ? 1 : -1;
    return [...table.rows].sort((a, b) => {
      const [left, right] = [a[column], b[column]];
      if (left === null || right === null) return (left === null) - (right === null); // unknown is last either way
      return sign * by(left, right);
    });
  }

  function rowElement(row, columns, missing) {
    const line = document.createElement("tr");
    row.forEach((value, i) => {
      const cell = document.createElement(i === 0 ? "th" : "td");
      if (i === 0) cell.scope = "row";
      cell.className = finops.format.cellClass(value, columns[i].unit);
      cell.textContent = value === null ? missing : finops.format.full(value, columns[i].unit, columns[i].decimals);
      line.append(cell);
    });
    return line;
  }

  function draw(element) {
    const id = element.dataset.table;
    const table = data(id);
    if (!table || !(states.has(id) || finops.filters.isActive())) return;
    const state = stateOf(element);
    if (state.column !== null && state.column >= table.columns.length) state.column = null;
    const rows = sorted(table, state.column, state.direction).slice(0, state.shown);
    element.tBodies[0].replaceChildren(...rows.map((row) => rowElement(row, table.columns, finops.format.MISSING)));
    const sums = [table.other, table.total].filter(Boolean);
    element.tFoot?.replaceChildren(...sums.map((row) => rowElement(row, table.columns, "")));
    element.querySelectorAll("thead th").forEach((header, i) => {
      if (i === state.column) header.setAttribute("aria-sort", state.direction);
      else header.removeAttribute("aria-sort");
    });
    const remark = document.getElementById(`r-${id}`);
    const count = remark.querySelector(".count");
    if (count) {
      const all = table.rows.length.toLocaleString("en-US");
      const done = rows.length === table.rows.length;
      count.textContent = done ? (all === "1" ? "1 row." : `All ${all} rows.`) : `${rows.length.toLocaleString("en-US")} of ${all} rows.`;
      remark.querySelector("button").hidden = done;
    }
  }

  function stateOf(element) {
    const id = element.dataset.table;
    if (!states.has(id)) states.set(id, { column: null, direction: null, shown: element.tBodies[0].rows.length });
    return states.get(id);
  }

  function sort(button) {
    const element = button.closest("table");
    const state = stateOf(element);
    const column = Number(button.dataset.column);
    const numeric = !finops.format.isText(data(element.dataset.table).columns[column].unit);
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    // A third press gives the report's own order back.
    if (state.column !== column) Object.assign(state, { column, direction: first });
    else if (state.direction === first) state.direction = second;
    else state.column = null;
    draw(element);
  }

  function more(button) {
    const element = document.getElementById(`t-${button.dataset.more}`);
    stateOf(element).shown += STEP;
    draw(element);
  }

  // Which tables are wider than their place, and which of them hide columns on the right at the moment.
  function edges() {
    document.querySelectorAll(".scroll").forEach((place) => {
      place.classList.toggle("wide", place.scrollWidth > place.clientWidth);
      place.classList.toggle("cut", place.scrollLeft + place.clientWidth < place.scrollWidth - 1);
    });
  }

  // After an update of the page: rows as the reader had them.
  function restore() {
    document.querySelectorAll("table[data-table]").forEach(draw);
    edges();
  }

  function start() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.matches(".sort")) sort(button);
      else if (button?.dataset.more) more(button);
    });
    edges();
    addEventListener("resize", edges);
    const ours = (event) => event.target.matches?.(".scroll, details") && edges();
    for (const kind of ["scroll", "toggle"]) document.addEventListener(kind, ours, { capture: true, passive: true });
  }

  return { start, restore };
})();
