// The chart of one symbol: candles and volume, averages and bands, RSI and MACD; used by pointer, touch or keyboard.

import { dayAfter, element, fixed, longDay, percent, price, short } from "./format.js";

const { createChart, CandlestickSeries, HistogramSeries, LineSeries, CrosshairMode, LineStyle, PriceScaleMode } =
  window.LightweightCharts;
export const PERIODS = [
  [30, "1M"],
  [90, "3M"],
  [182, "6M"],
  [365, "1Y"],
  [0, "All"],
];
const OVERLAYS = [
  { name: "SMA 7", columns: ["sma_7"], on: true },
  { name: "SMA 30", columns: ["sma_30"], on: true },
  { name: "SMA 200", columns: ["sma_200"], on: true },
  { name: "EMA 12", columns: ["ema_12"] },
  { name: "EMA 26", columns: ["ema_26"] },
  { name: "VWAP 30", columns: ["vwap_30"] },
  { name: "Bollinger", columns: ["bollinger_upper", "bollinger_lower"], on: true, tone: "--band" },
];
// A phone has room for fewer candles, so the first period is shorter there.
export const FIRST_PERIOD = innerWidth < 700 ? 90 : 182;
const PRICE_NAMES = ["open", "high", "low", "close"];
const BANDS = { bollinger_upper: "Upper band", bollinger_lower: "Lower band" };
export const toneOf = (overlay) => overlay.tone ?? `--${overlay.columns[0].replace("_", "-")}`;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Prices {
  constructor(place) {
    this.place = place;
    this.chart = createChart(place, { autoSize: true, addDefaultPane: true });
    const line = (color, pane, options = {}) =>
      this.chart.addSeries(
        LineSeries,
        {
          lineWidth: 2,
          priceLineVisible: false,
          lastValueVisible: false,
          crosshairMarkerRadius: 3,
          ...options,
          tone: color,
        },
        pane,
      );
    this.volume = this.chart.addSeries(
      HistogramSeries,
      { priceScaleId: "volume", priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "volume" } },
      0,
    );
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.candles = this.chart.addSeries(
      CandlestickSeries,
      {
        borderVisible: false,
        priceFormat: { type: "custom", minMove: 1e-8, formatter: (value) => (value < 0 ? "" : price(value)) },
        autoscaleInfoProvider: () => this.scale(),
      },
      0,
    );
    this.chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.12, bottom: 0.2 } });
    this.overlays = OVERLAYS.map((overlay) => ({
      ...overlay,
      shown: Boolean(overlay.on),
      series: overlay.columns.map(() =>
        line(toneOf(overlay), 0, {
          lineWidth: overlay.tone ? 1 : 2,
          priceFormat: { type: "custom", minMove: 1e-8, formatter: price },
        }),
      ),
    }));
    const plain = {
      priceFormat: {
        type: "custom",
        minMove: 1e-8,
        formatter: (value) =>
          value % 10 === 0 && value !== 30 && value !== 70 ? "" : fixed(value, value % 10 === 0 ? 0 : 1),
      },
    };
    this.rsi = line("--accent", 1, plain);
    this.rsiLines = [30, 70].map((level) =>
      this.rsi.createPriceLine({
        price: level,
        lineStyle: LineStyle.Dashed,
        lineWidth: 1,
        axisLabelVisible: true,
        title: "",
      }),
    );
    this.rsi.applyOptions({ autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 100 } }) });
    const small = { priceFormat: { type: "custom", minMove: 1e-8, formatter: (value) => short(value) } };
    this.histogram = this.chart.addSeries(
      HistogramSeries,
      { priceLineVisible: false, lastValueVisible: false, base: 0, ...small },
      2,
    );
    this.macd = line("--sma-30", 2, small);
    this.signal = line("--sma-7", 2, small);
    for (const series of [this.rsi, this.histogram])
      series.priceScale().applyOptions({ scaleMargins: { top: 0.26, bottom: 0.08 } });
    this.chart.panes().forEach((pane, at) => pane.setStretchFactor([5.6, 1.6, 1.8][at]));
    this.legends = [0, 1, 2].map(() => place.appendChild(element("div", { class: "legend", "aria-hidden": "true" })));
    this.chart.subscribeCrosshairMove((move) =>
      this.point(move.logical !== undefined && move.point ? Math.round(move.logical) : null),
    );
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.ranged());
    new ResizeObserver(() => this.placeLegends()).observe(place);
    place.addEventListener("keydown", (event) => this.key(event));
    place.addEventListener("blur", () => this.leave());
  }

  // A canvas does not follow CSS, so the colours must be set again when the theme changes.
  paint() {
    const [text, border, faint, up, down] = ["--muted", "--line", "--faint", "--candle-up", "--candle-down"].map(style);
    const grid = { color: style("--soft") };
    const crosshair = { color: faint, labelBackgroundColor: style("--accent") };
    this.chart.applyOptions({
      layout: {
        background: { color: style("--card") },
        textColor: text,
        fontSize: 11.5,
        fontFamily: getComputedStyle(document.body).fontFamily,
        attributionLogo: true,
        panes: { separatorColor: border, separatorHoverColor: style("--accent-soft"), enableResize: true },
      },
      grid: { vertLines: grid, horzLines: grid },
      crosshair: { mode: CrosshairMode.Normal, vertLine: crosshair, horzLine: crosshair },
      rightPriceScale: { borderColor: border, minimumWidth: 72 },
      timeScale: { borderColor: border, rightOffset: 3, minBarSpacing: 0.2 },
      handleScale: { axisPressedMouseMove: true },
      localization: { locale: "en-GB", dateFormat: "d MMM yyyy" },
    });
    this.candles.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      priceLineColor: style("--accent"),
    });
    for (const overlay of this.overlays)
      for (const series of overlay.series)
        series.applyOptions({ color: style(toneOf(overlay)), visible: overlay.shown });
    this.rsi.applyOptions({ color: style("--accent") });
    this.macd.applyOptions({ color: style("--sma-30") });
    this.signal.applyOptions({ color: style("--sma-7") });
    for (const level of this.rsiLines) level.applyOptions({ color: faint, axisLabelColor: faint });
    if (this.values) this.draw();
  }

  show(symbol, values) {
    this.symbol = symbol;
    this.values = values;
    this.days = values.close.map((_, at) => dayAfter(values.first_day, at));
    this.draw();
    this.period(this.chosenPeriod ?? FIRST_PERIOD);
  }

  draw() {
    const { values, days } = this;
    const [up, down, filled] = ["--candle-up", "--candle-down", "--filled"].map(style);
    const points = (name) =>
      days.map((time, at) => (values[name][at] === null ? { time } : { time, value: values[name][at] }));
    this.candles.setData(
      days.map((time, at) => ({
        time,
        open: values.open[at],
        high: values.high[at],
        low: values.low[at],
        close: values.close[at],
        ...(values.is_filled[at] ? { color: filled, wickColor: filled } : {}),
      })),
    );
    this.volume.setData(
      days.map((time, at) => ({
        time,
        value: values.volume[at],
        color: `${values.close[at] >= values.open[at] ? up : down}55`,
      })),
    );
    for (const overlay of this.overlays)
      overlay.series.forEach((series, at) => series.setData(points(overlay.columns[at])));
    this.rsi.setData(points("rsi_14"));
    this.macd.setData(points("macd"));
    this.signal.setData(points("macd_signal"));
    this.histogram.setData(
      points("macd_histogram").map((point) =>
        "value" in point ? { ...point, color: `${point.value >= 0 ? up : down}99` } : point,
      ),
    );
    this.legend(days.length - 1);
    this.placeLegends();
  }

  toggle(overlay) {
    overlay.shown = !overlay.shown;
    for (const series of overlay.series) series.applyOptions({ visible: overlay.shown });
    this.legend(this.at ?? this.days.length - 1);
  }

  logarithmic(on) {
    this.chart.priceScale("right").applyOptions({ mode: on ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal });
  }

  period(length) {
    this.chosenPeriod = length;
    const last = this.days.length;
    this.view(length ? Math.max(-1, last - length - 0.5) : -1, last + 0.5);
  }

  view(from, to) {
    this.chart.timeScale().setVisibleLogicalRange({ from, to });
  }

  zoom(factor) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const middle = this.at ?? (range.from + range.to) / 2;
    const half = Math.min(this.days.length, Math.max(10, (range.to - range.from) * factor)) / 2;
    this.view(middle - half, middle + half);
    this.onzoom?.();
  }

  visible() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range || !this.days) return null;
    const last = this.days.length - 1;
    return [Math.max(0, Math.min(last, Math.ceil(range.from))), Math.max(0, Math.min(last, Math.floor(range.to)))];
  }

  // The long wick of one wrong trade would flatten all candles: the scale ends at half the bodies' height beyond them.
  scale() {
    const range = this.visible();
    if (!range) return null;
    const part = (name) => this.values[name].slice(range[0], range[1] + 1);
    const bodies = [...part("open"), ...part("close")];
    const low = Math.min(...bodies),
      high = Math.max(...bodies),
      room = (high - low || high) / 2;
    return {
      priceRange: {
        minValue: Math.max(low - room, Math.min(...part("low"))),
        maxValue: Math.min(high + room, Math.max(...part("high"))),
      },
    };
  }

  ranged() {
    const range = this.visible();
    if (range) this.onrange?.(...range);
  }

  point(at) {
    this.at = at === null || !this.days || at < 0 || at >= this.days.length ? null : at;
    if (this.days) this.legend(this.at ?? this.days.length - 1);
  }

  legend(at) {
    const { values } = this;
    this.onday?.(at);
    const named = (name, value, tone, kind) =>
      element(
        "span",
        { class: kind, style: tone ? { "--tone": `var(${tone})` } : {} },
        `${name} `,
        element("b", {}, value),
      );
    const mood = values.close[at] >= values.open[at] ? "--up" : "--down";
    this.legends[0].replaceChildren(
      element("b", {}, longDay(this.days[at])),
      values.is_filled[at] ? element("span", {}, "filled") : "",
      ...["open", "high", "low", "close"].map((name) => named(name[0].toUpperCase(), price(values[name][at]), mood)),
      named("Vol", short(values.volume[at])),
      ...this.overlays
        .filter((overlay) => overlay.shown)
        .map((overlay) =>
          named(
            overlay.name,
            overlay.columns.map((column) => price(values[column][at])).join(" / "),
            toneOf(overlay),
            "line",
          ),
        ),
    );
    this.legends[1].replaceChildren(named("RSI 14", fixed(values.rsi_14[at], 1), "--accent"));
    this.legends[2].replaceChildren(
      named("MACD 12 26", short(values.macd[at]), "--sma-30"),
      named("Signal 9", short(values.macd_signal[at]), "--sma-7"),
      named("Histogram", short(values.macd_histogram[at]), null, "line"),
    );
  }

  // Return all values of one day, for the list beside the chart.
  day(at) {
    const { values } = this;
    const percentage = (value) => (value === null ? "–" : `${(value * 100).toFixed(1)} %`);
    return [
      ...PRICE_NAMES.map((name) => [name[0].toUpperCase() + name.slice(1), price(values[name][at])]),
      ["Volume", short(values.volume[at])],
      ...OVERLAYS.flatMap(({ name, columns }) =>
        columns.map((column) => [columns.length > 1 ? BANDS[column] : name, price(values[column][at])]),
      ),
      ["RSI 14", fixed(values.rsi_14[at], 1)],
      ["MACD", short(values.macd[at])],
      ["ATR 14", price(values.atr_14[at])],
      ["Volatility 30", percentage(values.volatility_30[at])],
      ["Drawdown", percent(values.drawdown[at], 1)],
    ];
  }

  placeLegends() {
    let top = 8;
    this.chart.panes().forEach((pane, at) => {
      this.legends[at].style.top = `${top}px`;
      top += pane.getHeight() + 1;
    });
  }

  leave() {
    this.chart.clearCrosshairPosition();
    this.point(null);
  }

  key(event) {
    const last = this.days.length - 1,
      now = this.at ?? last;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -Infinity, End: Infinity }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step !== undefined) this.go(Math.min(last, Math.max(0, this.at === null && step === -1 ? last : now + step)));
    else if (event.key === "+" || event.key === "=") this.zoom(0.7);
    else if (event.key === "-" || event.key === "_") this.zoom(1 / 0.7);
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }

  go(at) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const width = range.to - range.from;
    if (at < range.from) this.view(at - 1, at - 1 + width);
    else if (at > range.to - 1) this.view(at + 1 - width, at + 1);
    this.chart.setCrosshairPosition(this.values.close[at], this.days[at], this.candles);
    this.point(at);
    this.onspeak?.(
      `${longDay(this.days[at])}: close ${price(this.values.close[at])}, volume ${short(this.values.volume[at])}, RSI ${fixed(this.values.rsi_14[at], 1)}`,
    );
  }
}
