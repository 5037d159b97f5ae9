// The correlations of all pairs of symbols, as a table with coloured cells.

import { element, fixed, segments } from "./format.js";

export const correlations = (section, data) => {
  const place = section.querySelector(".scroll");
  if (!data.pairs.length) {
    place.replaceChildren(element("p", { class: "empty" }, "No pair of symbols has 30 days of returns yet."));
    return;
  }
  const names = data.symbols;
  const draw = (window) => {
    const values = new Map();
    for (const [a, b, of30, of90] of data.pairs)
      for (const key of [`${a} ${b}`, `${b} ${a}`]) values.set(key, window === 30 ? of30 : of90);
    const cell = (row, column) => {
      if (row === column) return element("td", { class: "self" }, "1");
      const value = values.get(`${row} ${column}`);
      if (value === null || value === undefined)
        return element("td", { class: "self", title: `${row} and ${column}: none yet` }, "–");
      return element(
        "td",
        {
          title: `${row} and ${column}: ${fixed(value, 3)}`,
          class: Math.abs(value) > 0.55 && "strong",
          style: {
            "--tone": `var(--${value < 0 ? "negative" : "positive"})`,
            "--share": `${Math.round(Math.abs(value) * 100)}%`,
          },
        },
        fixed(value, 2),
      );
    };
    place.replaceChildren(
      element(
        "table",
        { class: names.length > 16 ? "heat dense" : "heat" },
        element("caption", { class: "hidden" }, `Correlations of the last ${window} returns, ${data.as_of}`),
        element(
          "thead",
          {},
          element("tr", {}, element("td"), ...names.map((name) => element("th", { scope: "col" }, name))),
        ),
        element(
          "tbody",
          {},
          ...names.map((row) =>
            element("tr", {}, element("th", { scope: "row" }, row), ...names.map((column) => cell(row, column))),
          ),
        ),
      ),
    );
  };
  segments(
    section.querySelector(".segments"),
    [
      [30, "30 days"],
      [90, "90 days"],
    ],
    30,
    draw,
  );
  draw(30);
};
