// Draws the charts of a page, again for another theme, width or publication.
"use strict";

finops.charts = (() => {
  const PRINT_WIDTH = 660; // about what A4 and Letter leave between margins; the drawing is scaled to fit
  const drawn = new Map(); // chart id -> ECharts instance
  const { format, kinds } = finops;

  // The tokens' colours under the current theme or a named one; light-dark() is only resolved where a colour is used.
  function palette(scheme = "inherit") {
    const probe = document.createElement("i");
    probe.hidden = true;
    probe.style.colorScheme = scheme;
    document.body.append(probe);
    const colour = (token) => {
      probe.style.color = `var(--${token})`;
      return getComputedStyle(probe).color;
    };
    const tokens = ["ink", "quiet", "rule", "raised", "sunken", "accent", "scale-low", "scale-high"];
    const colours = Object.fromEntries(tokens.map((token) => [token, colour(token)]));
    colours.series = Array.from({ length: kinds.TONES }, (_, i) => colour(`series-${i + 1}`));
    probe.remove();
    return colours;
  }

  function legend(element, chart) {
    element.querySelector(".legend")?.remove();
    const entries = kinds.legendOf(chart);
    if (!entries.length) return;
    const list = document.createElement("ul");
    list.className = "legend";
    for (const [classes, words] of entries) {
      const item = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.className = `swatch ${classes}`;
      item.append(swatch, format.shortened(format.plain(words), 80));
      list.append(item);
    }
    element.prepend(list);
  }

  function isBlank(chart) {
    return chart.kind === "scatter" ? !chart.points.length : !chart.categories.length || !chart.series.length;
  }

  function draw(element, colours, width) {
    const id = element.dataset.chart;
    const chart = finops.filters.chart(id);
    if (!chart || isBlank(chart)) {
      drawn.get(id)?.dispose();
      drawn.delete(id);
      element.textContent = "Nothing to draw.";
      return;
    }
    if (!drawn.has(id)) element.replaceChildren(document.createElement("div"));
    legend(element, chart);
    const place = element.lastElementChild;
    place.style.height = `${kinds.height(chart)}px`;
    if (!drawn.has(id)) drawn.set(id, echarts.init(place, null, { renderer: "svg" }));
    drawn.get(id).resize({ width, height: kinds.height(chart) });
    drawn.get(id).setOption(kinds.options(chart, colours, drawn.get(id).getWidth()), { notMerge: true });
    const drawing = place.querySelector("svg");
    drawing.setAttribute("viewBox", `0 0 ${drawn.get(id).getWidth()} ${drawn.get(id).getHeight()}`); // print scales it
  }

  function drawAll(width = "auto") {
    const colours = palette();
    for (const [id, instance] of drawn) {
      if (!instance.getDom().isConnected) {
        instance.dispose();
        drawn.delete(id);
      }
    }
    document.querySelectorAll("[data-chart]").forEach((element) => draw(element, colours, width));
  }

  function print(on) {
    document.documentElement.toggleAttribute("data-print", on);
    drawAll(on ? PRINT_WIDTH : "auto");
  }

  function start() {
    drawAll();
    addEventListener("finops-theme", () => drawAll());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
    matchMedia("print").addEventListener("change", (event) => print(event.matches));
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width || document.documentElement.hasAttribute("data-print")) return;
      width = innerWidth;
      requestAnimationFrame(() => drawAll());
    });
  }

  return { start, drawAll, palette, isBlank };
})();
