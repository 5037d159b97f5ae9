// Put the parts of the page together: read the data, show a symbol, remember the theme.

import { arrivals } from "./arrivals.js";
import { correlations } from "./correlations.js";
import { byId, element, fixed, longDay, minus, percent, plural, price, segments, short, table, tone } from "./format.js";
import { market, watchlist } from "./market.js";
import { FIRST_PERIOD, PERIODS, Prices, toneOf } from "./prices.js";
import { quality } from "./quality.js";
import { runHistory } from "./runs.js";
import { syncState } from "./sync.js";

const report = JSON.parse(byId("data").textContent);
const symbols = new Map(report.symbols.map((row) => [row.symbol, row]));
const unpacked = new Map();
// A symbol's columns are compressed by gzip and encoded in base64; they are unpacked when the symbol is first shown.
const unpack = async (row) => {
  if (!unpacked.has(row.symbol)) {
    const bytes = Uint8Array.from(atob(row.series), (character) => character.charCodeAt(0));
    unpacked.set(
      row.symbol,
      await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json(),
    );
  }
  return unpacked.get(row.symbol);
};
const remember = (name, value) => {
  try {
    localStorage.setItem(name, value);
  } catch {
    /* Some browsers have no storage for local files. */
  }
};
const remembered = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};

const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = remembered("theme") ?? "auto";
const applyTheme = () => {
  document.documentElement.dataset.theme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  byId("theme").textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme];
  byId("theme").setAttribute("aria-label", `Colours: ${theme}. Change them`);
};
applyTheme();

const prices = new Prices(byId("panes"));
prices.paint();
dark.addEventListener("change", () => {
  applyTheme();
  prices.paint();
});
byId("theme").addEventListener("click", () => {
  theme = { auto: "light", light: "dark", dark: "auto" }[theme];
  remember("theme", theme);
  applyTheme();
  prices.paint();
});

const release = segments(byId("ranges"), PERIODS, FIRST_PERIOD, (length) => prices.period(length));
prices.onzoom = release;
byId("panes").addEventListener("wheel", release, { passive: true });
for (const overlay of prices.overlays) {
  const button = element(
    "button",
    {
      type: "button",
      "aria-pressed": String(overlay.shown),
      style: { "--tone": `var(${toneOf(overlay)})` },
      onclick: () => {
        prices.toggle(overlay);
        button.setAttribute("aria-pressed", String(overlay.shown));
      },
    },
    element("i"),
    overlay.name,
  );
  byId("overlays").append(button);
}
const log = element(
  "button",
  {
    type: "button",
    "aria-pressed": "false",
    style: { "--tone": "var(--text)" },
    onclick: () => {
      const on = log.getAttribute("aria-pressed") !== "true";
      log.setAttribute("aria-pressed", String(on));
      prices.logarithmic(on);
    },
  },
  element("i"),
  "Log scale",
);
byId("overlays").append(log);

const details = byId("values");
const fillDetails = () => {
  const range = prices.visible();
  if (!details.open || !range) return;
  const values = prices.values;
  const rows = Array.from({ length: Math.min(400, range[1] - range[0] + 1) }, (_, back) => range[1] - back);
  const shown = [
    ["Open", "open"],
    ["High", "high"],
    ["Low", "low"],
    ["Close", "close"],
    ["SMA 7", "sma_7"],
    ["SMA 30", "sma_30"],
    ["SMA 200", "sma_200"],
    ["Upper band", "bollinger_upper"],
    ["Lower band", "bollinger_lower"],
  ];
  details.querySelector(".scroll").replaceChildren(
    table(
      [
        { title: "Day", header: true, value: (at) => prices.days[at] },
        ...shown.map(([title, name]) => ({
          title,
          number: true,
          value: (at) => values[name][at],
          show: (at) => price(values[name][at]),
        })),
        { title: "Volume", number: true, value: (at) => values.volume[at], show: (at) => short(values.volume[at]) },
        { title: "RSI 14", number: true, value: (at) => values.rsi_14[at], show: (at) => fixed(values.rsi_14[at], 2) },
        ...[
          ["MACD", "macd"],
          ["Signal", "macd_signal"],
        ].map(([title, name]) => ({
          title,
          number: true,
          value: (at) => values[name][at],
          show: (at) => (values[name][at] === null ? "–" : minus(values[name][at].toPrecision(6))),
        })),
      ],
      rows,
      { caption: "Values of the days shown, newest first" },
    ),
  );
};
details.addEventListener("toggle", fillDetails);
prices.onrange = (from, to) => {
  byId("range").textContent =
    `${longDay(prices.days[from])} – ${longDay(prices.days[to])}, ${plural(to - from + 1, "day")}`;
  fillDetails();
};
prices.onday = (at) =>
  byId("day").replaceChildren(
    element("dt", { class: "date" }, longDay(prices.days[at])),
    ...prices.day(at).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
prices.onspeak = (text) => {
  byId("spoken").textContent = text;
};

const mark = watchlist(byId("watch"), report.symbols, (symbol) => choose(symbol));
const choose = async (symbol, scroll = false) => {
  const row = symbols.get(symbol);
  const values = await unpack(row);
  byId("symbol").value = symbol;
  mark(symbol);
  byId("close").textContent = price(row.close);
  byId("changes").replaceChildren(
    ...[
      ["1 d", row.change_1d],
      ["7 d", row.change_7d],
      ["30 d", row.change_30d],
    ]
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) =>
        element(
          "span",
          { class: `chip ${tone(value)}` },
          `${value > 0 ? "▲" : value < 0 ? "▼" : ""} ${percent(value)} `,
          element("small", {}, name),
        ),
      ),
  );
  const facts = [
    ["RSI 14", fixed(values.rsi_14.at(-1), 1)],
    ["ATR 14", price(values.atr_14.at(-1))],
    [
      "Volatility 30",
      values.volatility_30.at(-1) === null ? "–" : `${(values.volatility_30.at(-1) * 100).toFixed(1)} %`,
    ],
    ["From high", percent(values.drawdown.at(-1), 1)],
  ];
  byId("facts").replaceChildren(
    ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
  byId("panes").setAttribute("aria-label", `Candles, volume and indicators of ${row.symbol_name} (${symbol}), by day`);
  prices.show(symbol, values);
  if (scroll) byId("chart").scrollIntoView();
};
byId("symbol").append(
  ...report.symbols.map((row) =>
    element(
      "option",
      { value: row.symbol },
      row.symbol === row.symbol_name ? row.symbol : `${row.symbol}  ${row.symbol_name}`,
    ),
  ),
);
byId("symbol").addEventListener("change", (event) => choose(event.target.value));

byId("lead").append(
  "As of ",
  element("b", {}, longDay(report.as_of)),
  report.as_of < report.made_at.slice(0, 10) ? " (the last day with trades)" : " (a day that is not over yet)",
  `, ${plural(report.symbols.length, "symbol")}. Created ${report.made_at}.`,
);
market(document.querySelector("#market .scroll"), report.symbols, choose);
correlations(byId("correlations"), report.correlations);
quality(document.querySelector("#quality .content"), report.quality);
arrivals(document.querySelector("#arrivals .content"), report.quality);
runHistory(document.querySelector("#runs .content"), report);
syncState(document.querySelector("#sync .content"), report.sync);
await choose(symbols.has("BTC") ? "BTC" : report.symbols[0].symbol);
document.documentElement.dataset.ready = "true";
