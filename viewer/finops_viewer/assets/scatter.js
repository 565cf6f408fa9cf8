// A scatter chart as ECharts options: points with names where there is room for them, and the frontier.
"use strict";

finops.scatter = (() => {
  const { format } = finops;
  const { name, tip, titled, valueAxis, base, widthOf } = finops.axes;
  const [MARGIN, HEIGHT, DOT, AROUND, NAME, LINE] = [100, 290, 10, 4, 11, 12]; // pixels, about
  const PLACES = [
    [1, 0], [1, -1], [1, 1], [-1, 0], [-1, -1], [-1, 1], [0, -2], [0, 2], // right, left; beside, above, below; farther
  ];

  // Values over more than two decades crowd a straight axis, values close to each other one that begins at zero.
  function scaleOf(values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const wide = low > 0 && high / low > 100;
    const narrow = low > 0 && low < high && high - low < high / 2;
    const place = wide ? Math.log : (value) => value;
    const first = wide || narrow ? place(low) : Math.min(0, low);
    const at = (value) => (place(high) > first ? (place(value) - first) / (place(high) - first) : 0.5);
    return { low, high, wide, narrow, at };
  }

  function scaled(axis, scale, colours, more) {
    const { low, high, wide, narrow } = scale;
    const label = wide ? `${axis.label} (logarithmic)` : axis.label;
    const isShare = axis.unit === "percent" && low >= 0 && high <= 100;
    const bound = isShare ? { max: ({ max }) => (narrow ? Math.ceil(max) : 100) } : {};
    return valueAxis(axis, colours, { ...titled({ label }, colours), type: wide ? "log" : "value", scale: wide || narrow, ...bound, ...more });
  }

  // Where each point's name stands: at the first place where it covers no point and no other name; none where there is
  // no such place.
  function placesOf(points, xs, ys, width) {
    const dots = points.map((p) => ({ x: xs.at(p.x) * width, y: (1 - ys.at(p.y)) * HEIGHT }));
    const reach = DOT / 2 + AROUND;
    const taken = dots.map(({ x, y }) => [x - reach, y - reach, x + reach, y + reach]);
    const meets = ([a, b, c, d]) => ([e, f, g, h]) => a < g && e < c && b < h && f < d;
    return points.map((point, i) => {
      const length = widthOf(name(point.label), NAME);
      for (const [side, level] of PLACES) {
        const left = dots[i].x + (side > 0 ? DOT : side < 0 ? -DOT - length : -DOT / 2);
        const top = dots[i].y - LINE / 2 + level * LINE * 1.1;
        const box = [left, top, left + length, top + LINE];
        if (left < 0 || left + length > width + 30 || taken.some((other, j) => j !== i && meets(box)(other))) continue;
        taken.push(box);
        return { show: true, align: side < 0 ? "right" : "left", position: [side > 0 ? DOT + 3 : side < 0 ? -3 : 0, DOT / 2 - LINE / 2 + level * LINE * 1.1] };
      }
      return { show: false };
    });
  }

  // Args: the chart, colours by token, and the width of the drawing in pixels.
  return (chart, colours, width) => {
    const frontier = chart.points.filter((p) => p.highlight).sort((a, b) => a.x - b.x);
    const points = [...frontier, ...chart.points.filter((p) => !p.highlight)]; // the frontier's names come first
    const [xs, ys] = ["x", "y"].map((key) => scaleOf(points.map((p) => p[key])));
    const places = placesOf(points, xs, ys, width - MARGIN);
    const common = base(colours, "item");
    common.tooltip.formatter = (p) => {
      if (!p.data.point) return "";
      const { label, x, y } = p.data.point;
      return `${tip(label)}\n${tip(chart.x.label)}: ${format.full(x, chart.x.unit)}\n${tip(chart.y.label)}: ${format.full(y, chart.y.unit)}`;
    };
    Object.assign(common.grid, { right: 40, bottom: 26 });
    const items = points.map((point, i) => ({
      value: [point.x, point.y],
      point,
      itemStyle: { color: point.highlight ? colours.series[0] : colours.series[7], opacity: 1 },
      label: { ...places[i], color: point.highlight ? colours.ink : colours.quiet },
    }));
    return {
      ...common,
      xAxis: scaled(chart.x, xs, colours, { nameLocation: "middle", nameGap: 28 }),
      yAxis: scaled(chart.y, ys, colours, { nameTextStyle: { color: colours.quiet, align: "left" } }),
      series: [
        {
          type: "line",
          data: frontier.map((p) => [p.x, p.y]),
          symbol: "none",
          silent: true,
          lineStyle: { color: colours.series[0], width: 1, type: "dashed" },
        },
        {
          type: "scatter",
          data: items,
          symbolSize: DOT,
          label: { formatter: (p) => name(p.data.point.label), fontSize: NAME },
          emphasis: { disabled: true },
        },
      ],
    };
  };
})();
