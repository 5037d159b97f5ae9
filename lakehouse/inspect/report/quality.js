// Data quality: valid and rejected rows, filled days, late trades, and the candles that they changed.

const quality = (place, data) => {
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

// Decimals have all the digits of their type: remove trailing zeros.
const trimmed = (text) => (text !== null && /^-?\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, "") : text);

const arrivals = (place, data) => {
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
        {},
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
