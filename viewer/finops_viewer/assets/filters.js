// Filters: what the reader chose stands in the address, and everything on the page follows from there.
"use strict";

finops.filters = (() => {
  const { TIME } = finops.selection;
  const WORDS = { [TIME]: "day", provider: "provider", model: "model", customer_id: "customer", organization_id: "organisation" };
  const KEYS = ["from", "to", "provider", "model", "customer_id", "organization_id"];
  const LABELS = { from: "From", to: "To", provider: "Provider", model: "Model", customer_id: "Customer", organization_id: "Organisation" };
  const MANY = 40; // values from which on a field to type in is quicker than a list
  let offered = ""; // the fields and their values, as drawn
  const isDay = (key) => key === "from" || key === "to";

  // What is chosen, such as {provider: "openai", from: "2026-01-05"}.
  function chosen() {
    const asked = new URLSearchParams(location.search);
    const valid = (key) => asked.get(key) && (!isDay(key) || /^\d{4}-\d\d-\d\d$/.test(asked.get(key)));
    return Object.fromEntries(KEYS.filter(valid).map((key) => [key, asked.get(key)]));
  }

  function address(filter) {
    const query = new URLSearchParams(filter).toString();
    return location.pathname + (query ? `?${query}` : "");
  }

  // The values of each dimension in the tables and charts of the page, in order.
  function values() {
    const found = {};
    const add = (dimension, rows, i) => {
      if (!(dimension in WORDS)) return;
      found[dimension] ??= new Set();
      for (const row of rows) if (row[i] !== null) found[dimension].add(row[i]);
    };
    const { tables, charts } = finops.page.data();
    for (const { columns, rows } of Object.values(tables)) columns.forEach((column, i) => column.role === "dimension" && add(column.dimension, rows, i));
    for (const { breakdowns } of Object.values(charts)) {
      for (const { by, rows } of breakdowns) by.forEach((dimension, i) => add(dimension, rows, i + 1));
    }
    const order = new Intl.Collator("en", { numeric: true }).compare;
    return Object.fromEntries(Object.entries(found).map(([name, set]) => [name, [...set].sort(order)]));
  }

  function option(value, text) {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = finops.format.shortened(finops.format.plain(text), 60);
    return element;
  }

  function control(key, known) {
    const typed = isDay(key) || known.length > MANY;
    const element = document.createElement(typed ? "input" : "select");
    element.id = `filter-${key}`;
    element.name = key;
    if (isDay(key)) {
      Object.assign(element, { type: "date", min: known[0].slice(0, 10), max: known.at(-1).slice(0, 10) });
    } else if (typed) {
      element.setAttribute("list", `${element.id}-values`);
      element.placeholder = "All";
      element.autocomplete = "off";
    } else {
      element.append(option("", "All"), ...known.map((v) => option(v, v)));
    }
    return element;
  }

  function field(key, known) {
    const [place, label] = [document.createElement("div"), document.createElement("label")];
    label.htmlFor = `filter-${key}`;
    label.textContent = LABELS[key];
    place.append(label, control(key, known));
    if (!isDay(key) && known.length > MANY) {
      const list = document.createElement("datalist");
      list.id = `filter-${key}-values`;
      list.append(...known.map((v) => option(v, v)));
      place.append(list);
    }
    return place;
  }

  // What is chosen is shown even where it is not on offer; a field that says it already is left as it is.
  function set(element, value) {
    if (element.value === value) return;
    if (element.options && ![...element.options].some((o) => o.value === value)) element.append(option(value, value));
    element.value = value;
  }

  function drawForm(filter) {
    const form = document.getElementById("filters");
    const known = values();
    const keys = KEYS.filter((key) => known[isDay(key) ? TIME : key]?.length || (key in filter && !isDay(key)));
    form.hidden = !keys.length && !Object.keys(filter).length;
    const options = keys.map((key) => [key, known[isDay(key) ? TIME : key] || []]);
    const place = form.querySelector(".fields");
    if (offered !== JSON.stringify(options) || !place.hasChildNodes()) {
      const focused = form.contains(document.activeElement) ? document.activeElement.id : null;
      offered = JSON.stringify(options);
      place.replaceChildren(...options.map(([key, all]) => field(key, all)));
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
    for (const key of keys) set(document.getElementById(`filter-${key}`), filter[key] || "");
    form.querySelector("#clear-filters").hidden = !Object.keys(filter).length;
  }

  // Such as "provider = openai; day from 2026-01-05".
  function words(filter) {
    const one = (key) => (isDay(key) ? `day ${key} ${filter[key]}` : `${WORDS[key]} = ${filter[key]}`);
    return Object.keys(filter).map(one).join("; ");
  }

  const list = (dimensions, last = "and") => dimensions.map((d) => WORDS[d]).join(` ${last} `);

  // What a block says about itself.
  function remark(table) {
    if (!table.by.length) return `Not filtered: not split by ${list(table.missing, "or")}.`;
    const sentences = [`Filtered by ${list(table.by)}${table.missing.length ? `, but not by ${list(table.missing, "or")}` : ""}.`];
    if (!table.rows.length) sentences.push("Nothing in it matches.");
    if (table.columns.some((c) => c.role === "share")) sentences.push("Shares of all rows are left out.");
    if (table.other_rows) sentences.push(`${table.other_rows.toLocaleString("en-US")} smaller rows are not on this page, so there is no total.`);
    return sentences.join(" ");
  }

  // What a download says about its rows.
  function column(table) {
    const filter = chosen();
    if (!Object.keys(filter).length) return "";
    const keys = Object.keys(filter).filter((key) => table.by.includes(isDay(key) ? TIME : key));
    const applied = words(Object.fromEntries(keys.map((key) => [key, filter[key]])));
    return [applied, table.missing.length ? `not filtered by ${list(table.missing, "or")}` : ""].filter(Boolean).join("; ");
  }

  // A table of the page as the filters leave it.
  function table(id) {
    const { tables, charts } = finops.page.data();
    return tables[id] && finops.selection.of(tables[id], chosen(), charts[id]);
  }

  function chart(id) {
    const data = finops.page.data().charts[id];
    return data && finops.selection.chart(data, table(id));
  }

  function drawRemarks(filter) {
    const active = Object.keys(filter).length > 0;
    document.querySelectorAll(".remark").forEach((element) => {
      element.hidden = !active;
      element.textContent = active ? remark(table(element.dataset.of)) : "";
    });
    const all = document.getElementById("filtered");
    all.hidden = !active;
    all.textContent = active ? finops.format.shortened(finops.format.plain(`Filtered: ${words(filter)}. Sentences, findings and the numbers on top are about everything.`), 600) : "";
  }

  // Other reports keep what is chosen.
  function drawLinks(filter) {
    const query = new URLSearchParams(filter).toString();
    document.querySelectorAll('.reports a[href*=".html"]').forEach((link) => {
      link.setAttribute("href", link.getAttribute("href").split("?")[0] + (query ? `?${query}` : ""));
    });
  }

  // After a change of the address or an update of the page: form, links and remarks as chosen.
  function restore() {
    const filter = chosen();
    drawLinks(filter);
    if (!document.getElementById("filters")) return;
    drawForm(filter);
    drawRemarks(filter);
  }

  function follow() {
    restore();
    finops.tables.restore();
    finops.charts.drawAll();
  }

  function choose(filter) {
    history.pushState(null, "", address(filter));
    follow();
  }

  function start() {
    restore();
    if (Object.keys(chosen()).length) finops.tables.restore();
    addEventListener("popstate", follow);
    document.addEventListener("change", (event) => {
      const form = event.target.closest("#filters");
      if (!form) return;
      const given = [...new FormData(form)].map(([key, value]) => [key, value.trim()]);
      choose(Object.fromEntries(given.filter(([, value]) => value)));
    });
    document.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("click", (event) => {
      if (event.target.closest("#clear-filters")) choose({});
    });
  }

  return { start, restore, table, chart, column, isActive: () => Object.keys(chosen()).length > 0 };
})();
