// Every step of the computation with its numbers: the steps of `lastlayer explain`, for one row.

const sub = (letter, index) => `${letter}<sub>${index}</sub>`;
const paren = (value) => (value < 0 ? `(${number(value)})` : number(value));
const line = (text) => `<p class="worked">${text}</p>`;

function cells(values, kind, { texts, picked = [], bars = false } = {}) {
  const items = values.map((value, j) => {
    const bar = bars ? ` style="--share:${(100 * value).toFixed(1)}%"` : "";
    const marks = `${picked[j] ? "picked " : ""}${bars ? "barred" : ""}`;
    return `<div class="${marks}"${bar}><dt>${j}</dt><dd>${exact(value, texts?.[j])}</dd></div>`;
  });
  return `<dl class="values ${kind}">${items.join("")}</dl>`;
}

function derivation({ state, parts, crossEntropy: ce, quadratic: q, after }) {
  const { z, t, temperature, base, soft, rate } = state;
  const { m, top, shifted, e, rest, logS, p, beside } = parts;
  const unit = word(`unit.${state.unit}`);
  const natural = base === Math.E;
  const lnBase = natural ? "" : ` / ln ${state.unit}`;
  const lnBaseNumber = natural ? "" : ` / ${number(Math.log(base))}`;
  const scale = [temperature === 1 ? "" : "T", natural ? "" : `ln ${state.unit}`].filter(Boolean).join(" ");
  const scaled = scale ? ` / ${scale.includes(" ") && scale.includes("T") ? `(${scale})` : scale}` : "";
  const scaledNumber = scale ? ` / ${number(temperature * Math.log(base))}` : "";
  const log = { e: "ln", 2: "log₂", 10: "log₁₀" }[state.unit];
  const shift = temperature === 1 ? "z − m" : "(z − m) / T";
  const logOfP = `${temperature === 1 ? "(z − m)" : shift} − ln S`;
  const picked = t.map((share) => share > 0);
  const y = t.findIndex((share) => share === 1);
  const logs = shifted.map((value) => (value - logS) / Math.log(base));
  const shares = t.map((share) => (Number.isInteger(share) ? String(share) : number(share)));
  const asked = t.flatMap((share, j) => (share > 0 ? [`${shares[j]} × ${paren(logs[j])}`] : []));
  const label = { picked };

  let loss = `−Σ<sub>j</sub> t<sub>j</sub> ${log} p<sub>j</sub> = ${exact(ce.cost)}`;
  if (y >= 0 && z[y] === m) {
    const others = sum(without(e, top));
    loss = `ln(1 + R)${lnBase} = ln(1 + ${number(others)})${lnBaseNumber} = ${exact(ce.cost)}`;
  } else if (y >= 0) {
    const [open, close] = natural ? ["", ""] : ["[", "]"];
    const divided = temperature === 1 ? "" : ` / ${number(temperature)}`;
    loss =
      `${open}(m − ${sub("z", y)})${temperature === 1 ? "" : " / T"} + ln S${close}${lnBase} = ` +
      `${open}(${number(m)} − ${paren(z[y])})${divided} + ${number(logS)}${close}${lnBaseNumber} = ${exact(ce.cost)}`;
  }
  const atLabel =
    y < 0 ? "" : line(
      `∂ℓ/∂${sub("z", y)} = −R<sub>${y}</sub> / S${scaled} = ` +
      `−${number(sum(without(e, y)))} / ${number(1 + rest)}${scaledNumber} = ${exact(ce.gradient[y])}`
    );

  return [
    ["logits", "z", cells(z, "z", label)],
    ["maximum", "m = max<sub>j</sub> z<sub>j</sub>", line(`m = ${exact(m)}`)],
    ["shifted", shift, cells(shifted, "z", label)],
    [
      "exponentials", `e = exp(${shift}), &ensp;S = Σ<sub>j</sub> e<sub>j</sub>`,
      cells(e, "p", label) +
      line(`R = ${e.filter((_, j) => j !== top).map((value) => number(value)).join(" + ")} = ${exact(rest)}`) +
      line(`S = 1 + R = ${exact(1 + rest)}`),
      [word("exponentials.rest")],
    ],
    [
      "probabilities", "p = e / S",
      cells(p, "p", { ...label, bars: true, texts: p.map((value, j) => probability(value, beside[j])) }),
    ],
    ["logs", `${log} p = ${natural ? logOfP : `[${logOfP}]`}${lnBase}`, cells(logs, "p", label), [word(`logs.${state.unit}`)], noteOnLog()],
    [
      "picked", `Σ<sub>j</sub> t<sub>j</sub> ${log} p<sub>j</sub>`,
      cells(t, "t", { ...label, texts: shares }) + line(`${asked.join(" + ")} = ${exact(-ce.cost)}`),
    ],
    [
      "losses", `ℓ = −Σ<sub>j</sub> t<sub>j</sub> ${log} p<sub>j</sub>`,
      line(`ℓ = ${loss} ${unit}`), y >= 0 && z[y] === m ? [word("losses.exact")] : [],
    ],
    [
      "gradient", `∂ℓ/∂z = ${scale ? `(p − t)${scaled}` : "p − t"}`, cells(ce.gradient, "g", label) + atLabel,
      [...(natural ? [] : [word("gradient.base", { base: state.unit })]), ...(y >= 0 ? [word("gradient.exact")] : [])],
      noteOnGradient(),
    ],
    [
      "quadratic", "C = ½ Σ<sub>j</sub> (p<sub>j</sub> − t<sub>j</sub>)²",
      cells(q.d, "l", label) +
      line(`C = ½ (${q.d.map((value) => `${paren(value)}²`).join(" + ")}) = ${exact(q.cost)}`),
    ],
    [
      "quadratic-gradient",
      `∂C/∂z<sub>j</sub> = p<sub>j</sub> (d<sub>j</sub> − Σ<sub>i</sub> d<sub>i</sub> p<sub>i</sub>)${temperature === 1 ? "" : " / T"}`,
      cells(q.gradient, "g", label),
    ],
    [
      "step", "z ← z − η ∂ℓ/∂z",
      cells(after.z, "z", label) + line(`ℓ = ${exact(ce.cost)} → ${exact(after.cost)} ${unit}`), [],
      after.cost > ce.cost ? word("note.rose") : "",
    ],
  ].map(([key, formula, body, more = [], note = ""], i) => {
    const own = key === "picked" && soft ? "soft_picked" : key;
    const why = [word(`${own}.why`, { rate: String(Number(rate.toPrecision(6))) }), ...more].join(word("between"));
    return `<li data-step="${key}"><h3><span class="count">${i + 1}</span>${word(`${key}.title`)}</h3>
      <span class="formula">${formula}</span><p class="why">${escaped(why)}</p>${body}
      ${note ? `<p class="note">${escaped(note)}</p>` : ""}</li>`;
  }).map(raised).join("");

  // What the textbook's formula would give in fewer digits, where that is another number.
  function noteOnLog() {
    if (y < 0) return "";
    return noted("log", (rounded) => Math.log(rounded) / Math.log(base), logs[y]);
  }
  function noteOnGradient() {
    if (y < 0) return "";
    return noted("gradient", (rounded) => (rounded - 1) / Math.log(base) / temperature, ce.gradient[y]);
  }
  function noted(key, naive, right) {
    for (const [dtype, round] of [["float64", (v) => v], ["float32", Math.fround]]) {
      const rounded = round(p[y]);
      const wrong = naive(rounded);
      if (!(Math.abs(wrong - right) <= 0.01 * Math.abs(right))) {
        const text = (value) => (value === 0 || value === 1 ? String(Math.abs(value)) : number(value));
        return word("note") + word(`note.${key}`, {
          where: word("cell", { column: y }), dtype, p: text(rounded), naive: text(wrong), exact: number(right),
        });
      }
    }
    return "";
  }
}
