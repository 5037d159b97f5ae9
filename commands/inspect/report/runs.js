// The duration of runs and of their models.

import { element, fillPlace, fixed, plural, scroller, seconds, sparkline, table } from "./format.js";

export const runHistory = (place, data) => {
  const runs = data.runs;
  if (!runs.length) {
    place.replaceChildren(element("p", { class: "empty" }, "No run of `crypto run` is on record in this data home."));
    return;
  }
  const longest = Math.max(...runs.map((run) => run.seconds));
  const summary = (run) =>
    `${run.at}: ${run.ok ? "ok" : "failed"}, ${seconds(run.seconds)}, $${run.cost.toFixed(4)}${run.over_budget ? ", over budget" : ""}`;
  const newest = runs[0];
  const built = newest.nodes.filter(([, kind]) => kind !== "test");
  const tests = newest.nodes.filter(([, kind]) => kind === "test");
  const past = (name) =>
    runs
      .filter((run) => run.nodes.length)
      .map((run) => run.nodes.find(([other, kind]) => other === name && kind !== "test")?.[3] ?? 0)
      .reverse();
  const problems = newest.nodes.filter(([, , status]) => !data.fine.includes(status));
  fillPlace(
    place,
    element(
      "p",
      { class: "about" },
      `The newest run took ${seconds(newest.seconds)} and ${newest.ok ? "succeeded" : "failed"}; on a warehouse at $${data.hour_price} an hour these seconds would cost $${newest.cost.toFixed(4)}${data.run_budget === null ? "" : `, of a budget of $${data.run_budget}`}.`,
    ),
    element(
      "ul",
      { class: "times", "aria-label": "Duration of each run, oldest first" },
      ...[...runs]
        .reverse()
        .map((run) =>
          element(
            "li",
            { class: run.ok ? (run.over_budget ? "over" : "") : "failed", title: summary(run) },
            element("i", { style: { height: `${(run.seconds / longest) * 100}%` } }),
            element("span", { class: "hidden" }, summary(run)),
          ),
        ),
    ),
    element(
      "div",
      { class: "axis", "aria-hidden": "true" },
      element("span", {}, runs.at(-1).at),
      element("span", {}, newest.at),
    ),
    problems.length
      ? element(
          "div",
          {},
          element("h3", {}, "Failing and warning"),
          ...problems.map(([name, kind, status]) =>
            element("p", { class: status === "warn" ? "warn" : "down" }, `${status}: ${kind} ${name}`),
          ),
        )
      : null,
    element("h3", {}, "Time per model in the newest run"),
    built.length
      ? scroller(
          "Time per model",
          table(
            [
              { title: "Model", header: true, value: ([name]) => name },
              { title: "Seconds", number: true, value: ([, , , time]) => time, show: ([, , , time]) => fixed(time, 1) },
              {
                title: "Share",
                show: ([, , , time]) =>
                  element(
                    "span",
                    { class: "bars", style: { "grid-template-columns": "120px" } },
                    element(
                      "span",
                      { class: "track" },
                      element("i", { style: { width: `${(time / built[0][3]) * 100}%` } }),
                    ),
                  ),
              },
              {
                title: "Last runs",
                show: ([name]) => {
                  const times = past(name);
                  return times.length > 2 ? sparkline(times, "muted") : "–";
                },
              },
            ],
            [
              ...built,
              ...(tests.length
                ? [[plural(tests.length, "test"), "test", "", tests.reduce((sum, test) => sum + test[3], 0)]]
                : []),
            ],
            { caption: "Seconds of each model in the newest run", sortable: true },
          ),
        )
      : element("p", { class: "empty" }, "This run kept no results of dbt."),
  );
};
