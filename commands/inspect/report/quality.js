// Data quality: valid and rejected rows, and filled days.

import { bars, count, element, fillPlace, plural } from "./format.js";

export const quality = (place, data) => {
  const conserved = data.raw === data.kept + data.rejected;
  const figure = (value, name) => element("span", {}, element("b", {}, count(value)), name);
  const total = data.raw || 1;
  const part = (rows, color) => element("i", { style: { width: `${(rows / total) * 100}%`, "--tone": color } });
  const filled = data.filled.filter((row) => row.filled);
  fillPlace(
    place,
    element(
      "div",
      { class: "sum", id: "conservation" },
      figure(data.raw, "raw rows"),
      element("span", { class: "sign" }, "="),
      figure(data.kept, "trades"),
      element("span", { class: "sign" }, "+"),
      figure(data.rejected, "rejected"),
      element(
        "span",
        { class: `chip ${conserved ? "up" : "down"}` },
        conserved
          ? "✓ every row accounted for"
          : `✗ ${count(Math.abs(data.raw - data.kept - data.rejected))} rows not accounted for`,
      ),
    ),
    element(
      "div",
      { class: "stack", "aria-hidden": "true" },
      part(data.kept, "var(--candle-up)"),
      part(data.rejected, "var(--sma-7)"),
    ),
    element("h3", {}, "Rejected, by the first rule that a row broke"),
    data.reasons.length
      ? bars(
          data.reasons.map((row) => ({
            name: row.reason,
            value: row.rows,
            shown: count(row.rows),
            means: row.means,
            tone: "var(--sma-7)",
          })),
        )
      : element("p", { class: "empty" }, "No row was rejected."),
    element("h3", {}, "Filled days, on which nobody traded"),
    filled.length
      ? bars(
          filled.map((row) => ({
            name: row.symbol,
            value: row.filled,
            shown: `${count(row.filled)} of ${plural(row.days, "day")}`,
            tone: "var(--filled)",
          })),
        )
      : element(
          "p",
          { class: "empty" },
          `None: ${data.filled.length === 1 ? "the symbol" : `all ${count(data.filled.length)} symbols`} traded on every day.`,
        ),
  );
};
