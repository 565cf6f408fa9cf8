// A chart as a file of its own: an SVG that says what it shows and what of it is left out, on paper white in any theme.
"use strict";

finops.picture = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const [WIDTH, MARGIN] = [800, 20];
  const [TITLE, TEXT, LINE] = [16, 12, 18]; // sizes of type, and from line to line
  const SWATCH = 14;
  const { format, kinds } = finops;
  const { widthOf } = finops.axes;

  function element(name, attributes, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  // Words in lines that fit; a word that is longer than a line is cut.
  function wrapped(text, fits) {
    const lines = [""];
    for (const word of format.plain(text).split(/\s+/)) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (fits(longer)) lines[lines.length - 1] = longer;
      else lines.push(fits(word) ? word : format.shortened(word, 60));
    }
    return lines.filter(Boolean);
  }

  // A swatch of the page's legend, drawn; `left` and `y` are where its line of text begins.
  function swatch(classes, colour, left, y) {
    const [kind] = classes.split(" ");
    const middle = y - TEXT / 3;
    if (kind === "line") {
      const dash = classes.includes("dashed") ? { "stroke-dasharray": "4 3" } : {};
      return element("line", { x1: left, x2: left + SWATCH, y1: middle, y2: middle, stroke: colour, "stroke-width": 2, ...dash });
    }
    if (kind === "round") return element("circle", { cx: left + SWATCH / 2, cy: middle, r: 5, fill: colour });
    return element("rect", { x: left, y: middle - 5, width: SWATCH, height: 10, rx: 2, fill: colour, opacity: kind === "band" ? 0.3 : 1 });
  }

  const NAMED = { up: 2, down: 3 }; // tones of a waterfall

  // The colour of a legend's classes, such as "line dashed tone-1".
  function colourOf(classes, colours) {
    const [, tone] = /tone-(\w+)/.exec(classes);
    return colours.series[(NAMED[tone] ?? Number(tone)) - 1] ?? colours[tone];
  }

  function drawing(chart, colours) {
    const place = document.createElement("div");
    const width = WIDTH - 2 * MARGIN;
    const instance = echarts.init(place, null, { renderer: "svg", width, height: kinds.height(chart) });
    instance.setOption(kinds.options(chart, colours, width));
    const drawn = place.querySelector("svg").cloneNode(true);
    instance.dispose();
    return drawn;
  }

  // Args: the chart as it is shown, and remarks that belong to it, such as what it is filtered by.
  function of(chart, remarks) {
    const { fontFamily } = getComputedStyle(document.body);
    const colours = finops.charts.palette("light");
    const inside = WIDTH - 2 * MARGIN;
    const root = element("svg", { xmlns: SVG, width: WIDTH, "font-family": fontFamily, "font-size": TEXT, fill: colours.ink });
    root.append(element("title", {}, format.plain(chart.title)), element("rect", { width: "100%", height: "100%", fill: colours.raised }));
    let y = MARGIN;
    const write = (text, size, more) => {
      for (const line of wrapped(text, (t) => widthOf(t, size, more["font-weight"]) <= inside)) {
        y += size === TITLE ? 22 : LINE;
        root.append(element("text", { x: MARGIN, y: y - 4, "font-size": size, ...more }, line));
      }
    };
    write(chart.title, TITLE, { "font-weight": 600 });
    const blank = finops.charts.isBlank(chart);
    for (const remark of [...remarks, blank ? "Nothing to draw." : ""].filter(Boolean)) write(remark, TEXT, { fill: colours.quiet });
    const entries = (blank ? [] : kinds.legendOf(chart)).map(([classes, words]) => [classes, format.shortened(format.plain(words), 80)]);
    let left = MARGIN;
    if (entries.length) y += LINE + 4;
    for (const [classes, words] of entries) {
      const room = SWATCH + 6 + widthOf(words, TEXT) + 16;
      if (left > MARGIN && left + room > WIDTH - MARGIN) [left, y] = [MARGIN, y + LINE];
      root.append(swatch(classes, colourOf(classes, colours), left, y), element("text", { x: left + SWATCH + 6, y }, words));
      left += room;
    }
    if (!blank) {
      const drawn = drawing(chart, colours);
      drawn.setAttribute("x", MARGIN);
      drawn.setAttribute("y", y + 10);
      root.append(drawn);
      y += 10 + kinds.height(chart);
    }
    const height = y + MARGIN;
    root.setAttribute("height", height);
    root.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    return new XMLSerializer().serializeToString(root);
  }

  return { of };
})();
