// A small chart of lines and dots, drawn as SVG; its text alternative is `label`.

const MARGIN = { right: 14, top: 12, bottom: 36 };

function ticks(low, high, about) {
  const rough = (high - low) / about;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * ten).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    const text = value === 0 ? "0" : digits > 3 ? power(value, 0) : value.toFixed(digits);
    return [value, text.replace("-", "−")];
  });
}

function draw(svg, { label, x, y, lines, dots }) {
  const width = Math.max(svg.clientWidth, 200);
  const height = svg.clientHeight || 220;
  const marks = ticks(y.low, y.high, 4);
  const left = 20 + 7 * Math.max(...marks.map(([, text]) => text.length));
  const right = width - MARGIN.right;
  const across = (v) => left + ((v - x.low) / (x.high - x.low)) * (right - left);
  const up = (v) =>
    height - MARGIN.bottom - ((v - y.low) / (y.high - y.low)) * (height - MARGIN.top - MARGIN.bottom);
  const parts = [];
  for (const [value, text] of marks) {
    const at = up(value).toFixed(1);
    parts.push(`<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>`);
    parts.push(`<text class="tick" x="${left - 11}" y="${at}" dy="0.32em" text-anchor="end">${text}</text>`);
  }
  for (const [value, text] of ticks(x.low, x.high, 5)) {
    const at = across(value).toFixed(1);
    parts.push(`<text class="tick" x="${at}" y="${height - MARGIN.bottom + 16}" text-anchor="middle">${text}</text>`);
  }
  parts.push(`<text class="axis" x="${right}" y="${height - 4}" text-anchor="end">${escaped(x.name)}</text>`);
  for (const { xs, ys, kind } of lines) {
    const points = ys.map((v, i) => `${across(xs ? xs[i] : i).toFixed(1)},${up(v).toFixed(1)}`);
    parts.push(`<polyline class="${kind}" points="${points.join(" ")}"/>`);
  }
  for (const { at, value, kind } of dots) {
    const size = kind.endsWith("ring") ? 6.5 : 3.5; // so that both are seen where they meet
    parts.push(`<circle class="${kind}" cx="${across(at).toFixed(1)}" cy="${up(value).toFixed(1)}" r="${size}"/>`);
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", label);
  svg.innerHTML = parts.join("");
}
