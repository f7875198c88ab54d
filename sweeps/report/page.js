// Draw the figures, and draw them again when the reader's colour scheme changes or the page is printed.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)");
  const narrow = matchMedia("(max-width: 34rem)");
  const PRINTED_WIDTH_PX = 660;
  const LABEL_PX = 13; // the height of a line of labels
  const LETTER_PX = 6;
  const BARS_PX = 90; // the heights of a colour bar, of the labels and of a title
  let printing = false;

  // `texts` has each text under the pointer once; a trace has runs of [place in `texts`, number of points].
  for (const trace of Object.values(page.figures).flatMap((figure) => figure.data)) {
    const runs = trace.hovertext?.runs;
    if (!runs) continue;
    trace.hovertext = runs.flatMap(([place, times]) => Array(times).fill(page.texts[place]));
    // The number of the trial of each point, by which the table of all trials finds it.
    trace.customdata ??= runs.flatMap(([place, times]) => Array(times).fill(page.trials[place]));
  }

  function recoloured(node) {
    if (typeof node === "string") return page.dark[node] ?? node;
    if (Array.isArray(node)) return node.map(recoloured);
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, recoloured(value)]));
  }

  // What other scripts of the page add to the figures, each before it is drawn and once after it first was.
  const hooks = { draw: again, decorate: () => {}, drawn: () => {} };
  window.sweepFigures = hooks;

  // The labels of an axis inside a figure, which are named after it, stand on two lines where they have little room.
  function staggered(annotations) {
    const rows = Map.groupBy(annotations.filter((label) => label.name), (label) => label.name);
    for (const labels of rows.values()) {
      labels.sort((one, other) => one.x - other.x);
      labels.forEach((label, place) => { if (labels.length > 2 && place % 2) label.yshift -= LABEL_PX; });
    }
  }

  // The text in the cells of a heat map that have no room for it; it is under the pointer and in the data below.
  function fits({ type, text, x }) {
    if (type !== "heatmap" || !text) return true;
    const longest = Math.max(...text.flat().flatMap((cell) => cell.split("<br>")).map((line) => line.length));
    return innerWidth / x.length >= LETTER_PX * longest;
  }

  // Square cells leave a figure empty where it is higher than a phone is wide.
  function height({ layout }) {
    return narrow.matches && layout.yaxis?.scaleanchor ? Math.min(layout.height, innerWidth + BARS_PX) : layout.height;
  }

  function draw(key) {
    const figure = page.figures[key];
    const shown = dark.matches && !printing ? recoloured(figure) : structuredClone(figure);
    if (printing) shown.layout.width = PRINTED_WIDTH_PX;
    shown.layout.height = height(figure);
    if (narrow.matches) {
      staggered(shown.layout.annotations ?? []);
      for (const trace of shown.data) if (!fits(trace)) delete trace.texttemplate;
    }
    // On a touch screen a drag is for scrolling the page, so there is nothing that the tools could undo.
    if (coarse.matches) shown.layout.dragmode = false;
    const tools = coarse.matches || narrow.matches ? false : "hover";
    const config = { responsive: true, displaylogo: false, displayModeBar: tools };
    hooks.decorate(key, shown);
    const place = document.getElementById(`plot-${key}`);
    const first = !place.on; // plotly's own method
    Plotly.react(place, shown.data, shown.layout, { ...config, modeBarButtons: [["toImage", "resetScale2d"]] });
    if (first) hooks.drawn(key, place);
  }

  // The library is packed, because it is most of the page. The page's policy allows it by the hash of its text.
  async function unpack() {
    const packed = document.getElementById("packed-script");
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    const source = new ReadableStream({ start(stream) { stream.enqueue(bytes); stream.close(); } });
    const script = document.createElement("script");
    script.textContent = await new Response(source.pipeThrough(new DecompressionStream("deflate"))).text();
    document.head.append(script);
    script.remove();
    packed.remove();
  }

  // The figures near the window come first, then the others in their order, with time for the reader between them.
  async function drawAll() {
    const waiting = new Map(Object.keys(page.figures).map((key) => [document.getElementById(`plot-${key}`), key]));
    const near = new Set();
    const observer = new IntersectionObserver(
      (entries) => entries.forEach(({ isIntersecting, target }) => near[isIntersecting ? "add" : "delete"](target)),
      { rootMargin: "50% 0px" },
    );
    for (const [place, key] of waiting) {
      place.style.minHeight = `${height(page.figures[key])}px`; // nothing moves when it is drawn
      observer.observe(place);
    }
    await unpack();
    while (waiting.size) {
      const next = [...waiting.keys()].find((place) => near.has(place)) ?? waiting.keys().next().value;
      draw(waiting.get(next));
      waiting.delete(next);
      observer.unobserve(next);
      near.delete(next);
      await new Promise((go) => { setTimeout(go); });
    }
  }

  function again() {
    if (window.Plotly) Object.keys(page.figures).forEach(draw);
  }

  for (const query of [dark, narrow]) query.addEventListener("change", again);
  addEventListener("beforeprint", () => { printing = true; again(); });
  addEventListener("afterprint", () => { printing = false; again(); });
  drawAll();
})();
