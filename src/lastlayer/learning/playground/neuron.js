// The one-neuron experiment: both costs from the same start, epoch by epoch.

const SECONDS = 8; // of the whole animation, however many epochs
const still = matchMedia("(prefers-reduced-motion: reduce)");
const STYLES = { "cross-entropy": ["solid", "full"], quadratic: ["dashed", "ring"] };

function neuron() {
  const state = { weight: 2, bias: 2, rate: 0.15, epochs: 300 };
  let curves = {};
  let epoch = 0;
  let playing = 0; // the frame that is asked for, 0 while it stands still

  function train() {
    stop();
    for (const run of RUNS) {
      curves[run] = trainNeuron(run, state.weight, state.bias, state.rate, state.epochs);
    }
    epoch = 0;
    render();
  }

  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
  }

  function play() {
    if (playing) {
      stop();
      render();
      speak();
      return;
    }
    if (epoch === state.epochs) epoch = 0;
    if (still.matches) {
      epoch = state.epochs;
      render();
      speak();
      return;
    }
    const begun = performance.now() - (epoch / state.epochs) * SECONDS * 1000;
    const frame = (now) => {
      const share = Math.max(0, now - begun) / (SECONDS * 1000);
      epoch = Math.min(state.epochs, Math.floor(share * state.epochs));
      playing = epoch < state.epochs ? requestAnimationFrame(frame) : 0;
      render();
      if (!playing) speak();
    };
    playing = requestAnimationFrame(frame);
    render();
  }

  const said = (key) => Object.fromEntries(
    [["by", "cross-entropy"], ["other", "quadratic"]].map(([name, run]) => [name, number(curves[run][key][epoch])])
  );
  const speak = () => say(word("neuron.spoken", { n: epoch, ...said("output") }));

  function curve(id, key, kind, high) {
    draw(find(id), {
      label: word("neuron.chart", { what: word(`neuron.${key}`), n: epoch, ...said(key) }),
      x: { low: 0, high: state.epochs, name: word("neuron.epoch") },
      y: { low: 0, high },
      lines: RUNS.map((run) => ({ ys: curves[run][key].slice(0, epoch + 1), kind: `${kind} ${STYLES[run][0]}` })),
      dots: RUNS.map((run) => ({ at: epoch, value: curves[run][key][epoch], kind: `${kind} ${STYLES[run][1]}` })),
    });
  }

  function render() {
    for (const [id, key] of [["#weight", "weight"], ["#bias", "bias"], ["#neuron-rate", "rate"], ["#epochs", "epochs"]]) {
      fill(find(id), state[key]);
    }
    fill(find("#epoch"), epoch, { low: 0, high: state.epochs, step: 1 });
    find("#play").textContent = word(playing ? "neuron.pause" : "neuron.play");
    find("#reset").disabled = epoch === 0;
    const all = RUNS.flatMap((run) => curves[run].z);
    const reach = Math.max(6, Math.ceil(1.1 * Math.max(...all.map(Math.abs))));
    const xs = Array.from({ length: 101 }, (_, i) => -reach + (i * reach) / 50);
    draw(find("#chart-sigmoid"), {
      label: word("neuron.sigmoid", said("z")),
      x: { low: -reach, high: reach, name: "z = w + b" },
      y: { low: 0, high: 1.04 },
      lines: [{ xs, ys: xs.map(sigmoid), kind: "grey" }],
      dots: RUNS.map((run) => ({ at: curves[run].z[epoch], value: curves[run].output[epoch], kind: `p ${STYLES[run][1]}` })),
    });
    curve("#chart-output", "output", "p", 1.04);
    curve("#chart-cost", "cost", "l", 1.08 * Math.max(...RUNS.flatMap((run) => curves[run].cost)));
    for (const run of RUNS) {
      const row = find(`#neuron-table [data-kind=${run}]`);
      for (const key of ["output", "cost", "gradient"]) show(find(`.${key}`, row), curves[run][key][epoch]);
    }
  }

  const limits = {
    weight: ["#weight", { least: -1e3, most: 1e3 }],
    bias: ["#bias", { least: -1e3, most: 1e3 }],
    rate: ["#neuron-rate", { least: 1e-4, most: 1e3 }],
    epochs: ["#epochs", { least: 1, most: 1e4, whole: true }],
  };
  for (const [key, [id, allowed]] of Object.entries(limits)) {
    wire(find(id), (value) => { state[key] = value; train(); }, allowed);
  }
  wire(find("#epoch"), (value) => {
    if (value > state.epochs) return;
    stop();
    epoch = value;
    render();
    speak();
  }, { least: 0, most: 1e4, whole: true });
  find("#play").addEventListener("click", play);
  find("#reset").addEventListener("click", train);
  train();
  return render;
}
