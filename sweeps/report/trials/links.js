// Selected trials in table and figures: a click on a point selects the row, a marked row rings its points, and a
// selection in the figure of the settings filters the table.

const BRUSHED = "parallel_coordinates";
const RING = { symbol: "circle-open", size: 17, color: "#d55e00", line: { width: 3 } };
const figures = window.sweepFigures; // undefined on a page without figures
const canBeMarked = (row) => figures !== undefined && isSearched(row);
const isSearched = (row) => at("stage", row) === page.search;
const rowOfTrial = new Map();
for (let row = 0; row < rowCount; row++) if (isSearched(row)) rowOfTrial.set(at("trial", row), row);

/** The points of a trial in a figure, as a trace that rings and joins them; null if it has none there. */
function ring(figure, trial) {
  const [x, y] = [[], []];
  let shape = {};
  for (const trace of figure.data) {
    for (const [place, number] of (trace.customdata ?? []).entries()) {
      if (number !== trial || trace.x[place] === null || trace.y[place] === null) continue;
      x.push(trace.x[place]);
      y.push(trace.y[place]);
      shape = { yaxis: trace.yaxis, joined: trace.mode.includes("lines") };
    }
  }
  if (!x.length) return null;
  const lines = { mode: shape.joined ? "lines+markers" : "markers", line: { color: RING.color, width: 3 } };
  const marker = shape.joined ? { ...RING, size: 9 } : RING;
  const axis = shape.yaxis ? { yaxis: shape.yaxis } : {};
  return { x, y, ...axis, ...lines, marker, name: "marked trial", showlegend: false, hoverinfo: "skip", type: "scatter" };
}

/** Mark a row in the table and its trial in the figures; a marked one is unmarked. */
function mark(row) {
  state.marked = state.marked === row ? null : row;
  showPage();
  figures?.draw();
}

/** Select the row of a trial from a figure, and scroll to it. */
function select(trial) {
  const row = rowOfTrial.get(trial);
  const place = rows.indexOf(row);
  if (place >= 0) state.page = Math.floor(place / ROWS_PER_PAGE);
  state.marked = null;
  mark(row);
  if (place < 0) say(`Trial ${trial} is not among the filtered rows: clear the filters to see it.`);
  const shown = body.querySelector("tr.marked") ?? document.getElementById("trial-status");
  shown.scrollIntoView({ block: "center" });
  shown.querySelector("button")?.focus({ preventScroll: true });
}

/** The trials inside the boxes of a selection: on each axis that the boxes cover, one of the trial's points. */
function brushed(points) {
  const axes = new Map();
  for (const { y, customdata } of points) {
    if (!axes.has(y)) axes.set(y, new Set());
    axes.get(y).add(customdata);
  }
  const [first, ...others] = axes.values();
  return new Set([...first].filter((trial) => others.every((trials) => trials.has(trial))));
}

function brush(event) {
  const points = (event?.points ?? []).filter((point) => point.customdata !== undefined);
  if (!points.length && !state.brushed) return;
  state.brushed = points.length ? brushed(points) : null;
  refresh();
}

function startLinks() {
  if (!figures) return;
  figures.decorate = (key, figure) => {
    if (key === BRUSHED && figure.layout.dragmode !== false) figure.layout.dragmode = "select";
    const rung = state.marked !== null && isSearched(state.marked) ? ring(figure, at("trial", state.marked)) : null;
    if (rung) figure.data.push(rung);
  };
  figures.drawn = listen;
  for (const place of document.querySelectorAll(".plot")) {
    if (place.on) listen(place.id.replace("plot-", ""), place); // drawn already
  }
  figures.draw();
}

/** Take clicks on the points of a figure that has been drawn, and selections in that of the settings. */
function listen(key, place) {
  place.on("plotly_click", (event) => {
    const trial = event.points.map((point) => point.customdata).find((number) => rowOfTrial.has(number));
    if (trial !== undefined) select(trial);
  });
  if (key !== BRUSHED) return;
  place.on("plotly_selected", brush);
  place.on("plotly_deselect", () => brush());
}
