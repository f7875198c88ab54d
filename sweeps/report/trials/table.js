// The table of all trials: filters, sorting, columns and pages. Only the rows of one page are in the document.

const ROWS_PER_PAGE = 50;
const table = document.getElementById("trial-table");
const [head, body] = ["thead", "tbody"].map((tag) => table.querySelector(tag));
const collator = new Intl.Collator("en", { numeric: true });
const state = {
  text: "", choices: new Map(), ranges: new Map(), brushed: null, sort: null, descending: false, page: 0,
  shown: new Set(columns.filter((column) => column.shown)), marked: null,
};
let rows = [];
let texts = null;

const chosen = () => columns.filter((column) => state.shown.has(column));
const pages = () => Math.max(1, Math.ceil(rows.length / ROWS_PER_PAGE));

/** The text of every row for the filter, in lower case; written at the first search. */
function rowTexts() {
  texts ??= Array.from({ length: rowCount }, (_, row) =>
    columns.map((column) => `${cell(column, row) ?? ""} ${written(column, cell(column, row))}`).join(" ").toLowerCase());
  return texts;
}

function passes(row) {
  if (state.brushed && !(at("stage", row) === page.search && state.brushed.has(at("trial", row)))) return false;
  for (const [column, word] of state.choices) if (cell(column, row) !== word) return false;
  for (const [column, [low, high]] of state.ranges) {
    const value = cell(column, row);
    if (value === null || value < low || value > high) return false;
  }
  return !state.text || state.text.split(" ").every((word) => rowTexts()[row].includes(word));
}

function ordered(selected) {
  const column = state.sort;
  if (!column) return selected;
  const way = state.descending ? -1 : 1;
  const compared = isNumeric(column) ? (one, other) => one - other : collator.compare;
  return selected.sort((one, other) => {
    const [a, b] = [cell(column, one), cell(column, other)];
    if (a === null || b === null) return (a === null) - (b === null) || one - other; // empty cells are last
    return way * compared(a, b) || one - other;
  });
}

/** Filter and sort again, and show the first page, or the one that is shown now. */
function refresh(keepPage = false) {
  rows = ordered(Array.from({ length: rowCount }, (_, row) => row).filter(passes));
  state.page = keepPage ? Math.min(state.page, pages() - 1) : 0;
  for (const title of head.querySelectorAll("th[data-key]")) {
    const sorted = state.sort && title.dataset.key === state.sort.key;
    title.setAttribute("aria-sort", !sorted ? "none" : state.descending ? "descending" : "ascending");
  }
  showPage();
}

function showPage() {
  const first = state.page * ROWS_PER_PAGE;
  const shown = rows.slice(first, first + ROWS_PER_PAGE);
  body.replaceChildren(...shown.map(tableRow));
  const span = rows.length ? `${(first + 1).toLocaleString("en-US")} to ${(first + shown.length).toLocaleString("en-US")} of ` : "";
  const all = rowCount === rows.length ? "" : ` that match, of ${rowCount.toLocaleString("en-US")}`;
  const brushed = state.brushed ? " Selected in the figure of the settings." : "";
  say(`Rows ${span}${rows.length.toLocaleString("en-US")}${all}.${brushed}`);
  for (const button of table.querySelectorAll("[data-page]")) {
    const back = ["first", "previous"].includes(button.dataset.page);
    button.disabled = back ? state.page === 0 : state.page >= pages() - 1;
  }
}

const say = (text) => { document.getElementById("trial-status").textContent = text; };

function tableRow(row) {
  const cells = chosen().map((column) => {
    const kind = isNumeric(column) ? "number" : column.kind === "text" && column.key === "reason" ? "text" : null;
    return element("td", { class: kind }, cellContent(column, row));
  });
  return element("tr", { "data-row": row, class: row === state.marked ? "marked" : null }, markCell(row), ...cells);
}

/** The button that marks a trial of the search in the figures. */
function markCell(row) {
  if (!canBeMarked(row)) return element("td");
  const pressed = row === state.marked;
  return element("td", {}, element("button", {
    type: "button", class: "mark", "aria-pressed": String(pressed), "aria-label": `Mark trial ${at("trial", row)} in the figures`,
    onclick: () => {
      mark(row);
      body.querySelector(`[data-row="${row}"] button`)?.focus();
    },
  }, pressed ? "\u25c9" : "\u25cb"));
}

/** What a cell shows: the number and the arm of a run are links to their pages. */
function cellContent(column, row) {
  const text = written(column, cell(column, row));
  if (column.key === "trial") return linkTo(fragmentOf(row), text);
  return column.key === "arm" && armOf(row) ? linkTo(armOf(row).fragment, text) : text;
}

function sortBy(column) {
  state.descending = state.sort === column && !state.descending;
  state.sort = column;
  refresh();
}

function showHead() {
  head.replaceChildren(element("tr", {}, element("th", { scope: "col" }, "mark"), ...chosen().map((column) => element(
    "th", { scope: "col", "data-key": column.key, class: isNumeric(column) ? "number" : null },
    element("button", { type: "button", onclick: () => sortBy(column) }, column.title),
  ))));
}

function choiceOf(column) {
  const words = [...column.words].sort(collator.compare);
  const list = element("select", { onchange: () => {
    if (list.selectedIndex) state.choices.set(column, words[list.selectedIndex - 1]);
    else state.choices.delete(column);
    refresh();
  } }, ...["any", ...words].map((word) => element("option", {}, word)));
  return element("label", {}, `${column.title} `, list);
}

function rangeOf(column) {
  const unit = column.kind === "seconds" ? " (s)" : column.unit ? ` (${column.unit})` : "";
  const ends = ["at least", "at most"].map((end) => element("input", {
    type: "number", step: "any", placeholder: end, "aria-label": `${column.title}${unit}: ${end}`, oninput: () => {
      const [low, high] = ends.map((input) => input.valueAsNumber);
      if (Number.isNaN(low) && Number.isNaN(high)) state.ranges.delete(column);
      else state.ranges.set(column, [Number.isNaN(low) ? -Infinity : low, Number.isNaN(high) ? Infinity : high]);
      refresh();
    },
  }));
  return element("div", {}, element("span", {}, `${column.title}${unit}`), ...ends);
}

function columnBox(column) {
  const box = element("input", { type: "checkbox", checked: state.shown.has(column), onchange: () => {
    if (box.checked) state.shown.add(column); else state.shown.delete(column);
    showHead();
    refresh(true);
  } });
  return element("label", {}, box, ` ${column.title}`);
}

function clearFilters() {
  for (const input of table.querySelectorAll("#trial-ranges input, #trial-text")) input.value = "";
  for (const list of table.querySelectorAll("#trial-choices select")) list.selectedIndex = 0;
  state.text = "";
  state.choices.clear();
  state.ranges.clear();
  state.brushed = null;
  refresh();
}

function turnPage(where) {
  state.page = { first: 0, previous: state.page - 1, next: state.page + 1, last: pages() - 1 }[where];
  showPage();
}

function exported() {
  const format = document.getElementById("trial-format").value;
  return { format, text: EXPORTS[format](chosen(), rows) };
}

function startTable() {
  document.getElementById("trial-choices").append(...columns.filter((column) => column.choice && column.words?.length > 1).map(choiceOf));
  document.getElementById("trial-ranges").append(...columns.filter(isNumeric).map(rangeOf));
  document.getElementById("trial-columns").append(...columns.map(columnBox));
  document.getElementById("trial-text").addEventListener("input", (event) => {
    state.text = event.target.value.trim().toLowerCase();
    refresh();
  });
  table.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("trial-clear").addEventListener("click", clearFilters);
  for (const button of table.querySelectorAll("[data-page]")) button.addEventListener("click", () => turnPage(button.dataset.page));
  document.getElementById("trial-download").addEventListener("click", () => {
    const { format, text } = exported();
    download(`trials.${format}`, text);
  });
  document.getElementById("trial-copy").addEventListener("click", async () => {
    const copied = await copy(exported().text);
    say(copied ? `Copied ${rows.length.toLocaleString("en-US")} rows.` : "The browser does not allow copying: use Download.");
  });
  table.hidden = false;
  showHead();
  refresh();
}
