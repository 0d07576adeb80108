// Steps down the gradient: two runs from the same logits, one down each cost.

const RUNS = ["cross-entropy", "quadratic"];

function costs(z, { t, temperature, base }) {
  const parts = softmaxParts(z, temperature);
  return { "cross-entropy": crossEntropy(parts, t, base), quadratic: quadraticCost(parts, t) };
}

// The costs of a run by step, the start among them.
function startRuns(state) {
  const now = costs(state.z, state);
  const first = Object.fromEntries(RUNS.map((cost) => [cost, [now[cost].cost]]));
  return Object.fromEntries(
    RUNS.map((run) => [run, { start: state.z, z: state.z, curves: { "cross-entropy": [...first["cross-entropy"]], quadratic: [...first.quadratic] } }])
  );
}

function advance(runs, state) {
  for (const kind of RUNS) {
    const run = runs[kind];
    const { gradient } = costs(run.z, state)[kind];
    run.z = run.z.map((value, j) => value - state.rate * gradient[j]);
    const now = costs(run.z, state);
    for (const cost of RUNS) run.curves[cost].push(now[cost].cost);
  }
}

function drawRuns(runs) {
  const steps = runs.quadratic.curves.quadratic.length - 1;
  const last = (run, cost) => number(runs[run].curves[cost].at(-1));
  find("#count").textContent = steps === 0 ? word("descend.none") : word("descend.count", {
    n: steps, from: number(runs.quadratic.curves["cross-entropy"][0]),
    by: last("cross-entropy", "cross-entropy"), other: last("quadratic", "cross-entropy"),
  });
  find("#back").disabled = steps === 0;
  for (const cost of RUNS) {
    const all = RUNS.flatMap((run) => runs[run].curves[cost]);
    const high = Math.max(...all) * 1.08 || 1;
    draw(find(`#chart-${cost}`), {
      label: word("descend.chart", {
        cost: word(cost), n: steps, from: number(all[0]), by: last("cross-entropy", cost), other: last("quadratic", cost),
      }),
      x: { low: 0, high: Math.max(10, steps), name: word("descend.axis") },
      y: { low: 0, high },
      lines: RUNS.map((run, i) => ({ ys: runs[run].curves[cost], kind: `l ${["solid", "dashed"][i]}` })),
      dots: RUNS.map((run, i) => ({ at: steps, value: runs[run].curves[cost].at(-1), kind: `l ${["full", "ring"][i]}` })),
    });
  }
}
