// Softmax, both costs and their gradients for one row of logits z, and the one-neuron experiment.
// The same formulas as lastlayer/reference.py; no document, so that it is tested by itself.
//
//   m = max z,  e_j = exp((z_j − m) / T),  R = Σ e_j without the first maximum's 1,  S = 1 + R
//
// R is summed without the maximum, never summed with it and subtracted: a row that is right by a
// lead of 80 has the loss exp(−80) and a gradient, not 0.

const sum = (values) => values.reduce((total, value) => total + value, 0);
const without = (values, at) => values.map((value, j) => (j === at ? 0 : value));

function softmaxParts(z, temperature = 1) {
  const m = Math.max(...z);
  const top = z.indexOf(m);
  const shifted = z.map((value) => (value - m) / temperature); // differences divided, not logits
  const e = shifted.map(Math.exp);
  const rest = sum(without(e, top)); // R
  const p = e.map((value) => value / (1 + rest));
  const beside = p.map((value, j) => (j === top ? rest / (1 + rest) : 1 - value)); // 1 − p
  return { z, m, top, temperature, shifted, e, rest, logS: Math.log1p(rest), p, beside };
}

// −Σ t_j log p_j and its gradient: Σt · p − t, and at the maximum (Σt − t) − Σt · R / S.
function crossEntropy(parts, t, base = Math.E) {
  const { z, m, top, temperature, logS, p, rest } = parts;
  const unit = base === Math.E ? 1 : Math.log(base);
  const total = sum(t);
  const behind = sum(t.map((share, j) => (share > 0 ? (share * (m - z[j])) / temperature : 0)));
  const others = sum(without(t, top));
  const slope = p.map((value, j) =>
    j === top ? others - (total * rest) / (1 + rest) : total * value - t[j]
  );
  return {
    cost: (behind + total * logS) / unit,
    gradient: slope.map((value) => value / unit / temperature),
  };
}

// ½ Σ (p_j − t_j)² and its gradient p_j (d_j − Σ d_i p_i) / T, d_j's own share gathered as
// d_j (1 − p_j): at the maximum that share is nearly all of the sum, and the others are summed
// without it.
function quadraticCost(parts, t) {
  const { top, temperature, p, beside } = parts;
  const d = p.map((value, j) => (1 - t[j]) * value - t[j] * beside[j]); // p − t
  const share = d.map((value, j) => value * p[j]);
  const all = sum(share);
  const gradient = p.map((value, j) => {
    const others = j === top ? sum(without(share, top)) : all - share[j];
    return (value * (d[j] * beside[j] - others)) / temperature;
  });
  return { cost: 0.5 * sum(d.map((value) => value * value)), gradient, d };
}

// The distribution t with t_j = value; the others keep their proportions and fill up to 1.
function withShare(t, at, value) {
  const others = sum(without(t, at));
  const left = 1 - value;
  return t.map((share, j) => {
    if (j === at) return value;
    return others > 0 ? (share / others) * left : left / (t.length - 1);
  });
}

function sigmoid(z) {
  const e = Math.exp(-Math.abs(z));
  return z >= 0 ? 1 / (1 + e) : e / (1 + e);
}

// A sigmoid neuron a = σ(w · 1 + b) that is to answer 0, epoch by epoch; epoch 0 is the start.
// Cross-entropy: −ln(1 − a), with slope a. Quadratic: ½ a², with slope a · a (1 − a).
function trainNeuron(kind, weight, bias, rate, epochs) {
  const z = [], output = [], cost = [], gradient = [];
  let w = weight, b = bias;
  for (let epoch = 0; epoch <= epochs; epoch += 1) {
    const at = w + b;
    const a = sigmoid(at);
    const quadratic = kind === "quadratic";
    const slope = quadratic ? a * a * sigmoid(-at) : a;
    z.push(at);
    output.push(a);
    cost.push(quadratic ? 0.5 * a * a : Math.max(at, 0) + Math.log1p(Math.exp(-Math.abs(at))));
    gradient.push(slope);
    w -= rate * slope;
    b -= rate * slope;
  }
  return { z, output, cost, gradient };
}
