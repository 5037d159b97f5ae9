// When trades arrived: batches, and the candles that late ones revised.

import { count, element, fillPlace, plural, scroller, table } from "./format.js";

// Decimals have all the digits of their type: remove trailing zeros.
const trimmed = (text) => (text !== null && /^-?\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, "") : text);

export const arrivals = (place, data) => {
  const revisions = data.revisions;
  fillPlace(
    place,
    element(
      "div",
      { class: "panels" },
      element(
        "div",
        {},
        element("h3", {}, "Batches"),
        data.batches.length
          ? scroller(
              "Batches",
              table(
                [
                  { title: "Batch", header: true, value: (row) => row.batch_id },
                  { title: "Landed", value: (row) => row.landed_at },
                  { title: "Files", number: true, value: (row) => row.files, show: (row) => count(row.files) },
                  { title: "Rows", number: true, value: (row) => row.rows, show: (row) => count(row.rows) },
                  {
                    title: "Valid trades",
                    number: true,
                    value: (row) => row.kept,
                    show: (row) => count(row.kept),
                  },
                  {
                    title: "Of these, late",
                    number: true,
                    value: (row) => row.late,
                    show: (row) => count(row.late),
                    tone: (row) => row.late && "warn",
                  },
                ],
                data.batches,
                { caption: "What each ingestion landed; a trade is late if an earlier batch had a later day" },
              ),
            )
          : element("p", { class: "empty" }, "Nothing has landed."),
      ),
      element(
        "div",
        { class: "wide" },
        element("h3", {}, "Candle revisions"),
        revisions.total
          ? element(
              "div",
              {},
              element(
                "p",
                { class: "about" },
                `${plural(revisions.total, "value")} of ${plural(revisions.candles, "daily candle")} changed after an earlier run had built them${revisions.total > revisions.latest.length ? `; the last ${revisions.latest.length} are listed` : ""}.`,
              ),
              scroller(
                "Candle revisions",
                table(
                  [
                    { title: "Revised", value: (row) => row.revised_at },
                    { title: "Candle", header: true, value: (row) => `${row.symbol} ${row.window_start}` },
                    { title: "Value", value: (row) => row.column_name },
                    { title: "Old", number: true, value: (row) => trimmed(row.old_value) },
                    { title: "New", number: true, value: (row) => trimmed(row.new_value) },
                    { title: "Batch", number: true, value: (row) => row.batch_id },
                  ],
                  revisions.latest,
                  { caption: "Values of daily candles that late trades changed" },
                ),
              ),
            )
          : element("p", { class: "empty" }, "No late trade has changed a daily candle."),
      ),
      data.set_aside.length
        ? element(
            "div",
            {},
            element("h3", {}, "Files set aside"),
            scroller(
              "Files set aside",
              table(
                [
                  { title: "File", header: true, value: (row) => row.source_file },
                  { title: "Reason", value: (row) => row.reason },
                  { title: "Detail", wrap: true, value: (row) => row.detail },
                  { title: "When", value: (row) => row.rejected_at },
                ],
                data.set_aside,
                { caption: "Files that could not be landed" },
              ),
            ),
          )
        : null,
    ),
  );
};
