// The typed chart model as ECharts options: one function for each kind. Nothing else knows ECharts' options.
"use strict";

finops.kinds = (() => {
  const TONES = 8;
  const BAR = 26;
  const { format } = finops;
  const { name, tip, titled, valueAxis, categoryAxis, base } = finops.axes;
  const number = (value) => (value === null ? null : Number(value));

  // Tones by position among the series that show data; a forecast has its actual's tone, dashed.
  function tones(chart) {
    let next = 0;
    return chart.series.map((series) => {
      if (series.role === "actual") return next++ % TONES;
      return series.role === "reference" ? null : Math.max(0, next - 1) % TONES;
    });
  }

  function seriesTip(chart) {
    return (points) => {
      const index = points[0].dataIndex;
      const lines = chart.series.map((s) => `${tip(s.name || chart.y.label)}: ${format.full(s.values[index], chart.y.unit)}`);
      const head = tip(format.isText(chart.x.unit) ? format.category(chart.categories[index], chart.x.unit) : chart.categories[index]);
      return [head, ...lines.filter((_, i) => chart.series[i].values[index] !== null)].join("\n");
    };
  }

  // Numbers along x stand as far apart as they are; names, dates and times one after the other.
  const isMeasured = (chart) =>
    !format.isText(chart.x.unit) && !chart.stacked && chart.categories.length > 1 && chart.categories.every((text) => text.trim() && isFinite(text));

  function line(chart, colours) {
    const tone = tones(chart);
    const measured = isMeasured(chart) && !chart.series.some((s) => s.role === "lower" || s.role === "upper");
    const series = chart.series.flatMap((s, i) => {
      if (s.role === "lower" || s.role === "upper") return [];
      const dashed = s.role === "forecast" || s.role === "reference";
      const colour = tone[i] === null ? colours.quiet : colours.series[tone[i]];
      return [
        {
          type: "line",
          name: s.name,
          data: measured ? s.values.map((v, at) => [Number(chart.categories[at]), number(v)]) : s.values.map(number),
          color: colour,
          symbol: chart.categories.length > 1 ? "none" : "circle",
          lineStyle: { color: colour, width: s.role === "reference" ? 1 : 2, type: dashed ? "dashed" : "solid" },
          areaStyle: chart.stacked ? { color: colour, opacity: 0.2 } : undefined,
          stack: chart.stacked ? "all" : undefined,
          emphasis: { disabled: true },
          z: 3,
        },
      ];
    });
    const lower = chart.series.find((s) => s.role === "lower");
    const upper = chart.series.find((s) => s.role === "upper");
    if (lower && upper) {
      const colour = colours.series[tone[chart.series.indexOf(upper)]];
      const band = { type: "line", stack: "interval", stackStrategy: "all", symbol: "none", lineStyle: { opacity: 0 }, emphasis: { disabled: true }, z: 2 };
      const low = lower.values.map(number);
      const width = upper.values.map((v, i) => (v === null || low[i] === null ? null : Number(v) - low[i]));
      series.unshift({ ...band, data: low }, { ...band, data: width, areaStyle: { color: colour, opacity: 0.18 } });
    }
    const common = base(colours, "axis");
    if (measured) common.grid.bottom = 26;
    const ends = { min: "dataMin", max: "dataMax", splitLine: { show: false }, nameLocation: "middle", nameGap: 28 };
    return {
      ...common,
      xAxis: measured
        ? valueAxis(chart.x, colours, { ...titled(chart.x, colours), ...ends })
        : categoryAxis(chart, colours, { boundaryGap: chart.categories.length === 1 }),
      yAxis: valueAxis(chart.y, colours, { ...titled(chart.y, colours), nameTextStyle: { color: colours.quiet, align: "left" } }),
      tooltip: { ...common.tooltip, formatter: seriesTip(chart) },
      series,
    };
  }

  // Names read along the bars; dates and numbers stand below them.
  const lies = (chart) => chart.x.unit === "text";

  const bars = (chart) => chart.series.filter((s) => s.role !== "reference").length;

  function bar(chart, colours) {
    const tone = tones(chart);
    const single = bars(chart) === 1;
    const along = lies(chart);
    const beside = chart.series.some((s) => s.role === "reference"); // values stand apart from what they are held against
    const shown = (s, i) => format.full(s.values[i], chart.y.unit, chart.decimals);
    const series = chart.series.map((s, i) => {
      const values = s.values.map(number);
      if (s.role === "reference") {
        return {
          type: "scatter", // a stroke across the bars
          name: s.name,
          data: along ? values.map((value, at) => [value, at]) : values,
          symbol: "rect",
          symbolSize: along ? [2, 20] : [24, 2],
          color: colours.ink,
          z: 4,
        };
      }
      return {
        type: "bar",
        name: s.name,
        data: values,
        color: colours.series[tone[i]],
        itemStyle: { opacity: s.role === "actual" ? 1 : 0.45 },
        stack: chart.stacked ? "all" : undefined,
        barMaxWidth: along ? 16 : 40,
        barCategoryGap: "28%",
        emphasis: { disabled: true },
        label: { show: along && single && !beside, position: "right", color: colours.quiet, formatter: (p) => shown(s, p.dataIndex) },
      };
    });
    const common = base(colours, "axis");
    common.tooltip.axisPointer.type = "shadow";
    common.tooltip.formatter = seriesTip(chart);
    if (!along) {
      const value = valueAxis(chart.y, colours, { ...titled(chart.y, colours), nameTextStyle: { color: colours.quiet, align: "left" } });
      return { ...common, xAxis: categoryAxis(chart, colours), yAxis: value, series };
    }
    Object.assign(common.grid, { right: single && !beside ? 84 : 16, top: 4 });
    const names = categoryAxis(chart, colours, { inverse: true, axisLabel: { color: colours.ink, formatter: name, interval: 0 } });
    const value = (_, i) => shown(chart.series.find((s) => s.role !== "reference"), i);
    const values = { ...names, position: "right", axisLine: { show: false }, axisLabel: { color: colours.quiet, formatter: value, interval: 0 } };
    return {
      ...common,
      xAxis: valueAxis(chart.y, colours, single ? { axisLabel: { show: false }, splitLine: { show: false } } : {}),
      yAxis: single && beside ? [names, values] : names,
      series,
    };
  }

  function heatmap(chart, colours) {
    const cells = chart.series.flatMap((s, y) => s.values.map((v, x) => [x, y, v === null ? "-" : Number(v)]));
    const values = cells.map((c) => c[2]).filter((v) => v !== "-");
    const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 0];
    const common = base(colours, "item");
    const full = (v) => format.full(v, chart.y.unit);
    common.tooltip.formatter = (p) => {
      const s = chart.series[p.value[1]];
      return `${tip(s.name)}, ${tip(chart.categories[p.value[0]])}\n${full(s.values[p.value[0]])}`;
    };
    Object.assign(common.grid, { right: 4, top: 4, bottom: 44, outerBounds: { left: 2, right: 4, top: 2, bottom: 40 } });
    return {
      ...common,
      xAxis: categoryAxis(chart, colours, { axisLine: { show: false } }),
      yAxis: {
        type: "category",
        data: chart.series.map((s) => s.name),
        inverse: true,
        axisLabel: { color: colours.quiet, formatter: name },
        axisLine: { show: false },
        axisTick: { show: false },
      },
      visualMap: {
        type: "continuous",
        min: low,
        max: high > low ? high : low + 1,
        calculable: false,
        orient: "horizontal",
        left: "left",
        bottom: 0,
        itemWidth: 10,
        itemHeight: 120,
        text: [full(high), full(low)],
        textStyle: { color: colours.quiet },
        inRange: { color: [colours["scale-low"], colours["scale-high"]] },
      },
      series: [
        {
          type: "heatmap",
          data: cells,
          itemStyle: { borderColor: colours.raised, borderWidth: 1 },
          emphasis: { disabled: true },
        },
      ],
    };
  }

  // Where a waterfall's axis begins: at zero, or close below its levels where the changes are small beside them.
  function waterfallFloor(chart) {
    const values = chart.series[0].values.map((v) => Number(v ?? 0));
    let level = 0;
    const levels = values.map((value, i) => (level = i === 0 || i === values.length - 1 ? value : level + value));
    const [low, high] = [Math.min(...levels), Math.max(...levels)];
    if (low <= 0 || high - low > high / 4 || high === low) return 0;
    const step = 10 ** Math.floor(Math.log10(high - low));
    return Math.max(0, Math.floor((low - (high - low) / 2) / step) * step);
  }

  // A span of dates is read whole or not at all: on a phone, names of steps go on in a second line.
  function stepNames(width) {
    if (width >= NARROW) return { formatter: name };
    return { formatter: (step) => format.shortened(format.plain(step), 2 * STEP_LINE), width: 7 * STEP_LINE, overflow: "break", lineHeight: 14 };
  }

  function waterfall(chart, colours, width) {
    const values = chart.series[0].values.map((v) => Number(v ?? 0));
    const last = values.length - 1;
    const floor = waterfallFloor(chart);
    let level = 0;
    const steps = values.map((value, i) => {
      const whole = i === 0 || i === last;
      const from = whole ? floor : level;
      level = whole ? value : level + value;
      const colour = whole ? colours.series[7] : value >= 0 ? colours.series[1] : colours.series[2];
      return { value: [from, level, i], itemStyle: { color: colour } };
    });
    const text = (i) => {
      const shown = format.full(chart.series[0].values[i], chart.y.unit, chart.decimals);
      return i === 0 || i === last || values[i] <= 0 ? shown : `+${shown}`;
    };
    const common = base(colours, "item");
    common.tooltip.formatter = (p) => `${tip(chart.categories[p.dataIndex])}: ${text(p.dataIndex)}`;
    Object.assign(common.grid, { right: 90, top: 4 });
    return {
      ...common,
      xAxis: valueAxis(chart.y, colours, { min: floor }),
      yAxis: categoryAxis(chart, colours, { inverse: true, axisLabel: { color: colours.ink, interval: 0, ...stepNames(width) } }),
      series: [
        {
          type: "custom",
          data: steps,
          encode: { x: [0, 1], y: 2 },
          renderItem: (params, api) => {
            const [a, b] = [api.coord([api.value(0), api.value(2)]), api.coord([api.value(1), api.value(2)])];
            const height = Math.min(18, api.size([0, 1])[1] * 0.6);
            const shape = { x: Math.min(a[0], b[0]), y: a[1] - height / 2, width: Math.max(1, Math.abs(a[0] - b[0])), height };
            return {
              type: "rect",
              shape,
              style: { fill: api.visual("color") },
              textContent: { type: "text", style: { text: text(params.dataIndex), fill: colours.quiet, fontSize: 12, fontFamily: common.textStyle.fontFamily } },
              textConfig: { position: "right", distance: 6 },
            };
          },
        },
      ],
    };
  }

  function height(chart) {
    if (chart.kind === "waterfall") return chart.categories.length * 34 + 40;
    if (chart.kind === "heatmap") return chart.series.length * 28 + 80;
    if (chart.kind === "bar" && lies(chart)) {
      const side = chart.stacked ? 1 : bars(chart);
      return chart.categories.length * Math.max(BAR, side * 14 + 10) + (chart.series.length > 1 ? 40 : 12);
    }
    return chart.kind === "scatter" ? 360 : 260;
  }

  // Entries of the legend: [classes of the swatch, words]; none where the title says it all.
  function legendOf(chart) {
    if (chart.kind === "waterfall") {
      const floor = waterfallFloor(chart);
      const cut = floor ? [["tone-8", `Totals, cut: the axis begins at ${format.axis(floor, chart.y.unit)}`]] : [];
      return [["tone-up", "Adds"], ["tone-down", "Takes away"], ...cut];
    }
    if (chart.kind === "scatter") {
      return chart.points.some((p) => p.highlight) ? [["round tone-1", "No other beats it"], ["round tone-8", "Others"]] : [];
    }
    if (chart.kind === "heatmap" || chart.series.length < 2) return [];
    const tone = tones(chart);
    const entries = chart.series.flatMap((s, i) => {
      if (s.role === "lower") return [];
      const colour = tone[i] === null ? "tone-quiet" : `tone-${tone[i] + 1}`;
      if (s.role === "upper") return [[`band ${colour}`, "Interval"]];
      if (chart.kind === "bar") return [[s.role === "reference" ? "line tone-ink" : colour, s.name]];
      return [[`line${s.role === "actual" ? "" : " dashed"} ${colour}`, s.name]];
    });
    return entries;
  }

  const KINDS = { line, bar, heatmap, waterfall, scatter: finops.scatter };

  const [LONG_NAME, SHORT_NAME, NARROW] = [44, 22, 640]; // characters of a name beside a drawing, by its width
  const STEP_LINE = 14; // characters in a line of a narrow waterfall's names

  // Args: the chart, colours by token, and the width of the drawing in pixels.
  function options(chart, colours, width) {
    finops.axes.setNameLength(width < NARROW ? SHORT_NAME : LONG_NAME);
    return KINDS[chart.kind](chart, colours, width);
  }

  return { TONES, options, legendOf, height };
})();
