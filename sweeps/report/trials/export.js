// The selected rows and columns as CSV, Markdown or LaTeX; foreign text is escaped as in the files of the report.

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const LATEX = {
  "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}",
  ">": "\\textgreater{}", "|": "\\textbar{}", '"': "''", "[": "{[}", "*": "{*}", "–": "--", "—": "---",
  "…": "\\ldots{}", "±": "$\\pm$", "×": "$\\times$", "≤": "$\\leq$", "≥": "$\\geq$",
  ...Object.fromEntries([..."&%$#_{}"].map((letter) => [letter, `\\${letter}`])),
};
const ACCENTS = { "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030c": "v", "\u0327": "c" };

const oneLine = (text) => text.split(/\s+/).filter(Boolean).join(" ");

function csvText(value) {
  const text = String(value ?? "");
  // A spreadsheet would run text that begins like a formula.
  const safe = typeof value === "string" && FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function markdownText(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  return oneLine(text)
    .replace(/[&<>]/g, (letter) => entities[letter])
    .replace(/[\\`*[|~$]|(?<![\p{L}\p{N}_])_|_(?![\p{L}\p{N}_])/gu, "\\$&")
    .replace(/^(\d*)([-+=#]|(?<=\d)[.)](?=\s|$))/, "$1\\$2")
    .replace(/\b(https?|ftp|mailto|www)(?=[:.])/gi, "$1&#8203;");
}

function latexLetter(letter) {
  if (letter in LATEX) return LATEX[letter];
  if (letter.codePointAt(0) < 128) return letter;
  const [base, accent, ...rest] = [...letter.normalize("NFD")];
  if (accent in ACCENTS && !rest.length && /[A-Za-z]/.test(base)) return `\\${ACCENTS[accent]}{${base}}`;
  return `{[}U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
}

const latexText = (text) =>
  [...oneLine(text)].map(latexLetter).join("").replace(/(?<![\p{L}\p{N}_.-])-(?=\.?\d)/gu, "$-$");

const EXPORTS = {
  csv: (chosen, rows) =>
    [chosen.map((column) => csvText(column.key)), ...rows.map((row) => chosen.map((column) => csvText(cell(column, row))))]
      .map((cells) => `${cells.join(",")}\n`).join(""),
  md: (chosen, rows) =>
    [
      chosen.map((column) => markdownText(column.title)),
      chosen.map((column) => (isNumeric(column) ? "---:" : "---")),
      ...rows.map((row) => chosen.map((column) => markdownText(written(column, cell(column, row))))),
    ].map((cells) => `| ${cells.join(" | ")} |\n`).join(""),
  tex: (chosen, rows) =>
    [
      "% needs \\usepackage{booktabs}",
      `\\begin{tabular}{${chosen.map((column) => (isNumeric(column) ? "r" : "l")).join("")}}`,
      "\\toprule",
      `${chosen.map((column) => latexText(column.title)).join(" & ")} \\\\`,
      "\\midrule",
      ...rows.map((row) => `${chosen.map((column) => latexText(written(column, cell(column, row)))).join(" & ")} \\\\`),
      "\\bottomrule",
      "\\end{tabular}",
    ].map((line) => `${line}\n`).join(""),
};

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Put a text on the clipboard; whether it was possible. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // a page from a file may have no clipboard of its own
    const area = element("textarea", { "aria-hidden": "true", class: "trial-clipboard" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
