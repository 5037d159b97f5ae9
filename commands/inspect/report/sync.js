// What is published: the state of each table in Postgres, and the last syncs.

import { count, element, fillPlace, fixed, scroller, table } from "./format.js";

export const syncState = (place, data) => {
  const newest = new Map();
  for (const row of data.syncs) if (!newest.has(row.table_name)) newest.set(row.table_name, row);
  const state = (row) => {
    const gold = data.gold_versions[row.table_name];
    if (gold === undefined) return element("span", { class: "chip warn" }, "no longer published");
    return gold === row.source_version
      ? element("span", { class: "chip up" }, "✓ up to date")
      : element("span", { class: "chip warn" }, `gold is at version ${gold}`);
  };
  fillPlace(
    place,
    data.note && element("p", { class: "about" }, data.note),
    newest.size
      ? scroller(
          "State of each table",
          table(
            [
              { title: "Table", header: true, value: (row) => `crypto.${row.table_name}` },
              { title: "Rows", number: true, value: (row) => row.rows_total, show: (row) => count(row.rows_total) },
              { title: "Version", number: true, value: (row) => row.source_version },
              {
                title: "Checksum",
                value: (row) => row.checksum,
                show: (row) => element("code", { title: row.checksum }, `${row.checksum.slice(0, 8)}…`),
              },
              { title: "State", show: state },
            ],
            [...newest.values()],
            { caption: "State of each published table" },
          ),
        )
      : element("p", { class: "empty" }, "Nothing has been published yet."),
    newest.size ? element("h3", {}, "Last syncs") : null,
    newest.size
      ? scroller(
          "Last syncs",
          table(
            [
              { title: "Finished", value: (row) => row.finished_at },
              { title: "Table", header: true, value: (row) => row.table_name },
              ...[
                ["Inserted", "inserted"],
                ["Updated", "updated"],
                ["Deleted", "deleted"],
              ].map(([title, name]) => ({
                title,
                number: true,
                value: (row) => row[`rows_${name}`],
                show: (row) => count(row[`rows_${name}`]),
                tone: (row) => !row[`rows_${name}`] && "muted",
              })),
              { title: "Seconds", number: true, value: (row) => row.seconds, show: (row) => fixed(row.seconds, 1) },
            ],
            data.syncs,
            { caption: "What each sync wrote" },
          ),
        )
      : null,
  );
};
