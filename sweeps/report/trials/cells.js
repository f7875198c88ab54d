// The cells of the table: what a column holds, and how a value is written for people.

const page = JSON.parse(document.getElementById("trials-data").textContent);
const columns = page.columns;
const byKey = new Map(columns.map((column) => [column.key, column]));
const MISSING = "–";

/** Two decimals, with halves rounded to the even digit as by Python, which wrote the rest of the page. */
function twoDecimals(value) {
  const half = Number.isInteger(value * 8) && !Number.isInteger(value * 4);
  const low = Math.floor(value * 100);
  return (half ? (low + (low % 2)) / 100 : value).toFixed(2);
}

/** The cell of a column in a row; null if it is empty. */
function cell(column, row) {
  if (column.values) return column.values[row];
  return column.at[row] < 0 ? null : column.words[column.at[row]];
}

/** The cell of the column with a key; null where the study has no such column. */
const at = (key, row) => (byKey.has(key) ? cell(byKey.get(key), row) : null);

const rowCount = (columns[0].values ?? columns[0].at).length;
const isNumeric = (column) => column.kind !== "text";

/** A number with four significant digits; whole numbers from 10,000 on keep all. */
function significant(value) {
  if (Math.abs(value) >= 1e4 && Number.isInteger(value)) return value.toLocaleString("en-US");
  const [mantissa, exponent] = value.toExponential(3).split("e");
  if (value !== 0 && (exponent < -4 || exponent >= 4)) return `${Number(mantissa)}e${Number(exponent)}`;
  return String(Number(value.toPrecision(4)));
}

function duration(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  const two = (number) => String(number).padStart(2, "0");
  if (minutes < 60) return `${minutes} min ${two(whole % 60)} s`;
  return `${Math.floor(minutes / 60).toLocaleString("en-US")} h ${two(minutes % 60)} min`;
}

/** A value of a column as the page shows it. */
function written(column, value) {
  if (value === null) return MISSING;
  if (column.kind === "count") return value.toLocaleString("en-US");
  if (column.kind === "seconds") return duration(value);
  if (column.kind === "number") return column.unit ? `${twoDecimals(value)} ${column.unit}` : significant(value);
  return value;
}

/** A new element with attributes and children; texts are never read as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}
