// A page for each trial and each arm, inside this file: #trial-12, #confirm-3, #arm-without-batch_norm.

const BACK_TO = "#trials";
const sheet = document.getElementById("trial-page");
const title = document.title;
const places = new Map(); // fragment -> what draws its page
let left = { hash: "", scroll: 0 }; // the report as the reader left it
let here = location.hash;

const fragmentOf = (row) => `${isSearched(row) ? "trial" : at("stage", row)}-${at("trial", row)}`;
const nameOf = (row) => (isSearched(row) ? `Trial ${at("trial", row)}` : `Run ${at("trial", row)} of ${at("stage", row)}`);
const linkTo = (fragment, text) => element("a", { href: `#${encodeURIComponent(fragment)}` }, text);
const armOf = (row) => (page.armOfRow[row] < 0 ? null : page.arms[page.armOfRow[row]]);

function simpleTable(label, titles, lines) {
  const numeric = (text) => typeof text === "string" && /^[-+–]?[\d.,]+( %| s)?$/.test(text);
  return element("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, element("table", {},
    element("thead", {}, element("tr", {}, ...titles.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...lines.map(({ cells, changed }) => element("tr", { class: changed ? "changed" : null },
      ...cells.map((content) => element("td", { class: numeric(content) ? null : "text" }, content)))))));
}

const shownIn = (key, row) => (byKey.has(key) ? written(byKey.get(key), at(key, row)) : MISSING);

/** The facts of a row that has them, as a list of name and value. */
function facts(row) {
  const listed = columns.filter((column) => !column.searched && !["stage", "trial", "status", "arm", "reason", "source"].includes(column.key));
  const present = listed.filter((column) => cell(column, row) !== null);
  return element("dl", { class: "facts" }, ...present.map((column) =>
    element("div", {}, element("dt", {}, column.title), element("dd", {}, written(column, cell(column, row))))));
}

/** The searched settings of a trial beside those of the baseline; what differs comes first. */
function settings(row) {
  const lines = columns.filter((column) => column.searched && cell(column, row) !== null).map((column) => {
    const value = written(column, cell(column, row));
    const base = column.baseline ?? "not in the study file";
    return { cells: [column.title, base, value], changed: base !== value };
  });
  if (!lines.length) return [];
  lines.sort((one, other) => other.changed - one.changed);
  const same = lines.filter((line) => !line.changed).length;
  const note = `${lines.length - same} of ${lines.length} searched settings differ from the baseline of the study file.`;
  return [element("h3", {}, "Recipe"), element("p", { class: "note" }, note),
    simpleTable("Recipe", ["setting", "baseline", "this trial"], lines)];
}

/** The recorded curve of the study's metric as a drawing, with its ends in words. */
function curve(row) {
  const recorded = page.curves[row];
  if (!recorded || recorded.values.length < 2) return [];
  const { values } = recorded;
  const epochs = recorded.epochs ?? values.map((_, place) => place + 1);
  const column = { kind: "number", unit: page.metric.unit };
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [width, height, edge] = [600, 160, 6];
  const last = epochs.at(-1);
  const x = (epoch) => edge + ((width - 2 * edge) * (epoch - epochs[0])) / (last - epochs[0]);
  const y = (value) => height - edge - ((height - 2 * edge) * (value - low)) / (high - low || 1);
  const line = epochs.map((epoch, place) => `${x(epoch).toFixed(1)},${y(values[place]).toFixed(1)}`).join(" ");
  const text = `${page.metric.label} from ${written(column, values[0])} in epoch ${epochs[0]} to ` +
    `${written(column, values.at(-1))} in epoch ${last}; lowest ${written(column, low)}, highest ${written(column, high)}.`;
  const namespace = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(namespace, "svg");
  const drawn = document.createElementNS(namespace, "polyline");
  drawn.setAttribute("points", line);
  for (const [name, value] of [["viewBox", `0 0 ${width} ${height}`], ["role", "img"], ["aria-label", text], ["class", "curve"]]) drawing.setAttribute(name, value);
  drawing.append(drawn);
  return [element("h3", {}, "Curve"), drawing, element("p", { class: "note" }, text)];
}

function log(row) {
  const place = page.logs.at[row];
  if (place === undefined) return [];
  return [element("h3", {}, "End of the log"), element("pre", { tabindex: "0" }, page.logs.texts[place])];
}

const runLine = (row, name) => ({
  cells: [name, linkTo(fragmentOf(row), nameOf(row)), at("status", row), shownIn("value", row)],
});

/** The runs of other arms on the same seed, in the same stage. */
function siblings(row) {
  const seed = at("replicate", row);
  if (seed === null) return [];
  const others = rowsOf(at("stage", row)).filter((other) => other !== row && at("replicate", other) === seed);
  if (!others.length) return [];
  const lines = others.map((other) => runLine(other, armLink(other)));
  return [element("h3", {}, `Other runs of replicate ${seed}, with the same seed`),
    simpleTable("Other runs of the same seed", ["arm", "run", "status", page.metric.label], lines)];
}

const rowsOf = (stage) => Array.from({ length: rowCount }, (_, row) => row).filter((row) => at("stage", row) === stage);

function armLink(row) {
  const arm = armOf(row);
  return arm ? linkTo(arm.fragment, arm.label) : at("arm", row) ?? MISSING;
}

function trialPage(row) {
  const arm = at("arm", row);
  const candidate = isSearched(row) ? page.arms.find((one) => one.name === `trial ${at("trial", row)}`) : null;
  const source = at("source", row);
  const reason = at("reason", row);
  return { heading: nameOf(row), parts: [
    element("p", {}, `${at("status", row)}${reason ? `: ${reason}` : ""}`),
    arm === null ? null : element("p", {}, "Arm: ", armLink(row), armOf(row) ? "" : " (of a recipe that the stage no longer has)"),
    candidate ? element("p", {}, "Trained again on fresh seeds: ", linkTo(candidate.fragment, candidate.label)) : null,
    source ? element("p", {}, `Not trained here: the result is that of ${source}.`) : null,
    facts(row), ...settings(row), ...curve(row), ...log(row), ...siblings(row),
    element("p", { class: "trial-buttons" }, ...[[-1, "Previous: "], [1, "Next: "]].filter(([step]) => row + step >= 0 && row + step < rowCount)
      .map(([step, text]) => linkTo(fragmentOf(row + step), text + nameOf(row + step)))),
  ] };
}

function difference(lines, from, to, label) {
  const cells = lines.map(([key, base, value]) => ({ cells: [key, base ?? "not set", value ?? "not set"], changed: false }));
  return simpleTable(label, ["setting", from, to], cells);
}

function armPage(arms) {
  return { heading: `Arm ${arms[0].label}`, parts: arms.flatMap((arm) => [
    element("h3", {}, `In ${arm.stage}`),
    arm.reason ? element("p", {}, `Not applicable, never trained: ${arm.reason}.`) : null,
    arm.change ? element("p", {}, `Against ${arm.reference || "the recipe it comes from"}: ${arm.change}.`) : null,
    arm.note ? element("p", {}, arm.note) : null,
    Object.keys(arm.cost).length ? element("p", { class: "note" },
      Object.entries(arm.cost).map(([name, value]) => `${value.toLocaleString("en-US")} ${name}`).join(", ")) : null,
    arm.differs.length ? difference(arm.differs, page.baseline, "this arm", `Recipe in ${arm.stage}`)
      : element("p", { class: "note" }, `Its recipe does not differ from the ${page.baseline}.`),
    arm.rows.length ? simpleTable(`Runs in ${arm.stage}`, ["replicate", "run", "status", page.metric.label],
      arm.rows.map((row) => runLine(row, shownIn("replicate", row)))) : null,
  ]) };
}

/** Show the page of the fragment in the address, or the report where the fragment names no page. */
function show() {
  const fragment = decodeURIComponent(location.hash.slice(1));
  const draw = places.get(fragment);
  const wasPage = document.body.classList.contains("paged");
  if (draw && !wasPage) left = { hash: here, scroll: lastScroll };
  here = location.hash;
  document.body.classList.toggle("paged", Boolean(draw));
  sheet.hidden = !draw;
  if (!draw) return wasPage ? showReport() : undefined;
  const { heading, parts } = draw();
  const headline = element("h2", { id: "trial-page-title", tabindex: "-1" }, heading);
  sheet.replaceChildren(element("p", {}, element("a", { href: BACK_TO }, "Back to all trials")), headline, ...parts.filter(Boolean));
  document.title = `${heading}: ${title}`;
  scrollTo({ top: 0, behavior: "instant" });
  headline.focus({ preventScroll: true });
}

function showReport() {
  document.title = title;
  sheet.replaceChildren();
  // Figures that were hidden have no width until now.
  for (const drawing of document.querySelectorAll(".plot")) globalThis.Plotly?.Plots.resize(drawing);
  if (here === left.hash) scrollTo({ top: left.scroll, behavior: "instant" });
  else document.getElementById(decodeURIComponent(here.slice(1)))?.scrollIntoView({ behavior: "instant" });
}

let lastScroll = 0;

function startPages() {
  for (let row = 0; row < rowCount; row++) places.set(fragmentOf(row), () => trialPage(row));
  for (const fragment of new Set(page.arms.map((arm) => arm.fragment))) {
    places.set(fragment, () => armPage(page.arms.filter((arm) => arm.fragment === fragment)));
  }
  addEventListener("scroll", () => { if (!document.body.classList.contains("paged")) lastScroll = scrollY; }, { passive: true });
  addEventListener("hashchange", show);
  show();
}
