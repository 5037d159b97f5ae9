// The symbols: a list beside the chart, and a table of the whole market.

import { element, fixed, percent, price, short, sparkline, table, tone } from "./format.js";

export const watchlist = (place, symbols, choose) => {
  const buttons = new Map(
    symbols.map((row) => [
      row.symbol,
      element(
        "button",
        { type: "button", onclick: () => choose(row.symbol) },
        element("span", {}, element("b", {}, row.symbol), element("small", {}, row.symbol_name)),
        sparkline(row.spark, tone(row.change_30d)),
        element(
          "span",
          { class: "money" },
          price(row.close),
          element("small", { class: tone(row.change_1d) }, percent(row.change_1d)),
        ),
      ),
    ]),
  );
  place.replaceChildren(...[...buttons.values()].map((button) => element("li", {}, button)));
  return (symbol) => {
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(name === symbol));
  };
};

export const market = (place, symbols, choose) => {
  const change = (title, name) => ({
    title,
    number: true,
    value: (row) => row[name],
    show: (row) => percent(row[name]),
    tone: (row) => tone(row[name]),
  });
  const gauge = (value) =>
    value === null || value === undefined
      ? "–"
      : element(
          "span",
          {},
          element("span", { class: "gauge", "aria-hidden": "true" }, element("i", { style: { left: `${value}%` } })),
          fixed(value, 1),
        );
  place.replaceChildren(
    table(
      [
        {
          title: "Symbol",
          header: true,
          value: (row) => row.symbol,
          show: (row) =>
            element(
              "button",
              { type: "button", class: "link", onclick: () => choose(row.symbol, true) },
              `${row.symbol} `,
              element("small", {}, row.symbol_name),
            ),
        },
        { title: "Close", number: true, value: (row) => row.close, show: (row) => price(row.close) },
        change("1 day", "change_1d"),
        change("7 days", "change_7d"),
        change("30 days", "change_30d"),
        { title: "60 days", show: (row) => sparkline(row.spark, tone(row.spark.at(-1) - row.spark[0])) },
        {
          title: "Volume, 30 days",
          number: true,
          value: (row) => row.volume_30d,
          show: (row) => short(row.volume_30d),
        },
        { title: "RSI 14", value: (row) => row.rsi_14, show: (row) => gauge(row.rsi_14) },
        change("From high", "distance_to_high"),
        {
          title: "Category",
          value: (row) => row.category ?? "",
          show: (row) =>
            element("span", { class: "muted" }, row.category ?? "–", row.is_active === false ? " (inactive)" : ""),
        },
      ],
      symbols,
      { caption: "All symbols on the last day of the market; click a column title to sort", sortable: true },
    ),
  );
};
