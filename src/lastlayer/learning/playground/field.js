// A slider and a number field that show the same number.

// onChange is called with each number that may be; the slider has its own bounds, the field `least`
// and `most`.
function wire(field, onChange, { least = -Infinity, most = Infinity, whole = false } = {}) {
  const range = find("input[type=range]", field);
  const typed = find("input[type=number]", field);
  range.addEventListener("input", () => onChange(Number(range.value), "slider"));
  typed.addEventListener("input", () => {
    const value = typed.valueAsNumber;
    const fits = Number.isFinite(value) && value >= least && value <= most;
    const right = fits && (!whole || Number.isInteger(value));
    typed.setAttribute("aria-invalid", String(!right));
    if (right) onChange(value, "typed");
  });
  typed.addEventListener("blur", () => {
    typed.setAttribute("aria-invalid", "false");
    typed.value = typed.dataset.shown ?? "";
  });
}

function fill(field, value, { low, high, step, name } = {}) {
  const range = find("input[type=range]", field);
  const typed = find("input[type=number]", field);
  if (low !== undefined) Object.assign(range, { min: low, max: high, step });
  if (name !== undefined) {
    range.setAttribute("aria-label", name);
    typed.setAttribute("aria-label", name);
  }
  range.value = value;
  range.setAttribute("aria-valuetext", number(value));
  typed.dataset.shown = String(Number(value.toPrecision(value >= 1e4 ? 6 : 5)));
  typed.title = String(value);
  if (document.activeElement !== typed) typed.value = typed.dataset.shown;
  const [from, to] = [Number(range.min), Number(range.max)];
  stretch(find(".bar", field), Math.min(Math.max(0, from), to), value, from, to);
}

// A bar between two numbers on a rail that runs from `low` to `high`.
function stretch(bar, start, end, low, high) {
  const place = (value) => (100 * (Math.min(Math.max(value, low), high) - low)) / (high - low);
  const [a, b] = [place(start), place(end)];
  bar.style.left = `${Math.min(a, b)}%`;
  bar.style.width = `${Math.abs(a - b)}%`;
}

// The smallest of 10, 20, 50, 100, … that holds all of them.
function bound(values, least = 10) {
  const size = Math.max(least, ...values.map(Math.abs));
  const ten = 10 ** Math.floor(Math.log10(size) + 1e-9);
  return [1, 2, 5, 10].map((factor) => factor * ten).find((limit) => limit >= size * (1 - 1e-12));
}
