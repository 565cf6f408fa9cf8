// What the drawings of all kinds of charts share: axes, names, the frame around them.
"use strict";

finops.axes = (() => {
  const MANY_HOURS = 72; // from which on days alone are labelled
  const { format } = finops;

  let longest = 0; // characters of a name beside the drawing
  const name = (text) => format.shortened(format.plain(text), longest);

  // Tooltips are rich text, in which braces mean styles.
  const tip = (text) => format.shortened(format.plain(text), 80).replaceAll("{", "(").replaceAll("}", ")");

  function valueAxis(axis, colours, more = {}) {
    return {
      type: "value",
      axisLabel: { color: colours.quiet, formatter: (v) => format.axis(v, axis.unit), hideOverlap: true },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: colours.rule } },
      splitNumber: 4,
      ...more,
    };
  }

  function categoryAxis(chart, colours, more = {}) {
    return {
      type: "category",
      data: chart.categories,
      axisLabel: { color: colours.quiet, formatter: (v) => name(format.category(v, chart.x.unit)), hideOverlap: true, ...hours(chart) },
      axisLine: { lineStyle: { color: colours.rule } },
      axisTick: { show: false },
      ...more,
    };
  }

  // Hours in a row are labelled where a day or a quarter of it begins.
  function hours(chart) {
    const midnights = chart.categories.filter((time) => /[T ]00:00/.test(time));
    if (chart.x.unit !== "time" || !midnights.length) return {};
    if (chart.categories.length > MANY_HOURS) {
      return { interval: (_, time) => midnights.includes(time), formatter: (time) => format.category(time.slice(0, 10), "date") };
    }
    return { interval: (_, time) => /[T ](00|06|12|18):00/.test(time) };
  }

  // An axis's name stands above or below the drawing, where it never collides with labels.
  const titled = (axis, colours) => ({ name: axis.label, nameTextStyle: { color: colours.quiet } });

  function base(colours, trigger) {
    const { fontFamily } = getComputedStyle(document.body);
    return {
      animation: false,
      textStyle: { fontFamily, fontSize: 12, color: colours.ink },
      grid: { left: 4, right: 16, top: 30, bottom: 8, outerBounds: { left: 2, right: 4, top: 2, bottom: 6 } },
      tooltip: {
        trigger,
        renderMode: "richText", // the default writes inline styles, which the content policy forbids
        confine: true,
        backgroundColor: colours.raised,
        borderColor: colours.rule,
        textStyle: { color: colours.ink, fontSize: 12, fontFamily },
        axisPointer: { z: 1, lineStyle: { color: colours.quiet }, shadowStyle: { color: colours.sunken, opacity: 1 } },
      },
    };
  }

  // How wide a text of the page's typeface is, in pixels.
  const canvas = document.createElement("canvas").getContext("2d");
  function widthOf(text, size, weight = 400) {
    canvas.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    return canvas.measureText(text).width;
  }

  const setNameLength = (characters) => (longest = characters);

  return { name, tip, titled, valueAxis, categoryAxis, base, widthOf, setNameLength };
})();
