// Brings a page to life, and again after each update.
"use strict";

finops.page = (() => {
  let parsed = null;

  function data() {
    parsed ??= JSON.parse(document.getElementById("page-data").textContent);
    return parsed;
  }

  // What makes the page another publication's; everything else in the document belongs to the reader.
  function update(next) {
    for (const id of ["top", "frame"]) {
      finops.morph(document.getElementById(id), next.getElementById(id));
    }
    document.title = next.title;
    document.getElementById("page-data").textContent = next.getElementById("page-data").textContent;
    parsed = null;
    finops.filters.restore();
    finops.tables.restore();
    finops.charts.drawAll();
  }

  function start() {
    finops.tables.start();
    finops.filters.start();
    finops.downloads.start();
    finops.charts.start();
    finops.live.start();
  }

  return { data, update, start };
})();

finops.page.start();
