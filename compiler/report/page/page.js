// Makes tables sortable, searchable and copyable; without it the page still says everything.

const valueOf = (cell) => cell.dataset.value ?? cell.textContent.trim();

function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b);
}

function sortBy(table, column, heading) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
  keyed.sort(([a], [b]) => (descending ? compare(b, a) : compare(a, b)));
  body.append(...keyed.map(([, row]) => row));
}

function filter(table, wanted, shown) {
  const rows = [...table.tBodies[0].rows];
  const words = wanted.toLowerCase().split(/\s+/);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  shown.value = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
}

function csvOf(table) {
  const rows = [...table.rows].filter((row) => !row.hidden);
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => [...row.cells].map((cell) => quote(valueOf(cell))).join(",")).join("\n");
}

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = make("button", { type: "button" }, ...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, column, heading));
    heading.append(button);
  });
  const shown = make("output", {});
  const search = make("input", { type: "search", placeholder: "Filter rows" });
  search.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
  search.addEventListener("input", () => filter(table, search.value.trim(), shown));
  const copy = make("button", { type: "button" }, "Copy as CSV");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(csvOf(table));
    shown.value = "copied";
  });
  table.closest(".frame").prepend(make("div", { className: "tools" }, search, copy, shown));
}
