// Draw the figures, and draw them again when the reader's colour scheme changes or the page is printed.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)");
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "resetScale2d"]],
  };
  const PRINTED_WIDTH_PX = 660;
  let printing = false;

  // `texts` has each text under the pointer once; a trace has runs of [place in `texts`, number of points].
  for (const trace of Object.values(page.figures).flatMap((figure) => figure.data)) {
    const runs = trace.hovertext?.runs;
    if (runs) trace.hovertext = runs.flatMap(([place, times]) => Array(times).fill(page.texts[place]));
  }

  function recoloured(node) {
    if (typeof node === "string") return page.dark[node] ?? node;
    if (Array.isArray(node)) return node.map(recoloured);
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, recoloured(value)]));
  }

  function draw() {
    for (const [key, figure] of Object.entries(page.figures)) {
      const shown = dark.matches && !printing ? recoloured(figure) : structuredClone(figure);
      if (printing) shown.layout.width = PRINTED_WIDTH_PX;
      // On a touch screen a drag is for scrolling the page.
      if (coarse.matches) shown.layout.dragmode = false;
      Plotly.react(`plot-${key}`, shown.data, shown.layout, config);
    }
  }

  dark.addEventListener("change", draw);
  addEventListener("beforeprint", () => { printing = true; draw(); });
  addEventListener("afterprint", () => { printing = false; draw(); });
  draw();
})();
