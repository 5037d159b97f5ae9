// Helpers for all parts of the page: elements, numbers, dates, tables. Text is never set as HTML.

export const element = (tag, properties = {}, ...children) => {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") created.className = value;
    else if (name === "style") for (const [key, text] of Object.entries(value)) created.style.setProperty(key, text);
    else if (name.startsWith("on")) created.addEventListener(name.slice(2), value);
    else created.setAttribute(name, value === true ? "" : value);
  }
  created.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return created;
};
export const byId = (id) => document.getElementById(id);

// A number's sign is a minus, not a hyphen.
export const minus = (text) => text.replace(/^-/, "−");
export const count = (value) => value.toLocaleString("en-US");
// Show six significant digits, so that small and large prices are equally exact, and always the cents.
export const price = (value) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size === 0 || size >= 1000 ? 2 : Math.min(8, Math.max(2, 5 - Math.floor(Math.log10(size))));
  return minus(value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits }));
};
export const short = (value) =>
  value === null || value === undefined
    ? "–"
    : minus(value.toLocaleString("en-US", { notation: "compact", maximumSignificantDigits: 4 }));
export const fixed = (value, digits) =>
  value === null || value === undefined ? "–" : minus(value.toFixed(digits));
export const percent = (value, digits = 2) =>
  value === null || value === undefined
    ? "–"
    : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value * 100).toFixed(digits)} %`;
export const tone = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");
export const seconds = (value) =>
  value < 100 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

const DAY = 86_400_000;
export const dayAfter = (first, index) => new Date(Date.parse(first) + index * DAY).toISOString().slice(0, 10);
export const longDay = (day) =>
  new Date(`${day}T00:00:00Z`).toLocaleDateString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    timeZone: "UTC",
  });

export const sparkline = (values, mood) => {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 100 28");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("class", `spark ${mood}`);
  const low = Math.min(...values),
    span = Math.max(...values) - low || 1;
  const points = values.map(
    (value, index) =>
      `${((index / Math.max(1, values.length - 1)) * 100).toFixed(2)},${(26 - ((value - low) / span) * 24).toFixed(2)}`,
  );
  for (const [kind, path] of [
    ["area", `M0,28L${points.join("L")}L100,28Z`],
    ["", `M${points.join("L")}`],
  ]) {
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    line.setAttribute("class", kind);
    picture.append(line);
  }
  return picture;
};

// Create a table. A column is {title, value(row)} and, optionally, show(row) for a cell's content, tone(row) for its class,
// and number, wrap and header (the cell is the header of its row). With sortable, a click on a title sorts by that column.
export const table = (columns, rows, { caption, sortable = false } = {}) => {
  const cell = (column, row) => {
    const shown = column.show ? column.show(row) : (column.value(row) ?? "–");
    const kind = [column.number && "number", column.wrap && "wrap", column.tone?.(row)].filter(Boolean).join(" ");
    return element(column.header ? "th" : "td", { class: kind, scope: column.header && "row" }, shown);
  };
  const body = element("tbody");
  const fill = (order) =>
    body.replaceChildren(...order.map((row) => element("tr", {}, ...columns.map((column) => cell(column, row)))));
  const head = columns.map((column) => {
    const title = element("th", { scope: "col", class: column.number && "number" });
    if (!sortable || !column.value) {
      title.append(column.title);
      return title;
    }
    title.append(
      element(
        "button",
        {
          type: "button",
          onclick: () => {
            const down = title.getAttribute("aria-sort") !== "descending";
            for (const other of head) other.removeAttribute("aria-sort");
            title.setAttribute("aria-sort", down ? "descending" : "ascending");
            const compare = (left, right) =>
              typeof left === "string" ? left.localeCompare(right) : (left ?? -Infinity) - (right ?? -Infinity);
            fill([...rows].sort((left, right) => compare(column.value(left), column.value(right)) * (down ? -1 : 1)));
          },
        },
        column.title,
      ),
    );
    return title;
  });
  fill(rows);
  return element(
    "table",
    {},
    caption && element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, ...head)),
    body,
  );
};

export const bars = (rows) => {
  const largest = Math.max(...rows.map((row) => row.value), 0) || 1;
  return element(
    "dl",
    { class: "bars" },
    ...rows.flatMap((row) => [
      element(
        "dt",
        {},
        element("span", {}, row.name),
        element(
          "span",
          { class: "track", style: { "--tone": row.tone ?? "var(--accent)" } },
          element("i", { style: { width: `${(row.value / largest) * 100}%` } }),
        ),
      ),
      element("dd", {}, row.shown),
      ...(row.means ? [element("dd", { class: "means", style: { "text-align": "left" } }, row.means)] : []),
    ]),
  );
};

export const fillPlace = (place, ...parts) => place.replaceChildren(...parts.filter(Boolean));

// Fill a place with buttons of which one is pressed; return a function that releases them all.
export const segments = (place, choices, chosen, choose) => {
  const buttons = choices.map(([value, label]) =>
    element(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === chosen),
        onclick: () => {
          for (const button of buttons) button.setAttribute("aria-pressed", String(button === pressed(value)));
          choose(value);
        },
      },
      label,
    ),
  );
  const pressed = (value) => buttons[choices.findIndex(([choice]) => choice === value)];
  place.replaceChildren(...buttons);
  return () => {
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
  };
};
export const scroller = (label, content) =>
  element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);
