// The state of the page, what changes it, and what is drawn anew when it has changed.

const BASES = { e: Math.E, 2: 2, 10: 10 };
const state = { row: 0, temperature: 1, unit: DATA.base, rate: DATA.rate, follow: "cross-entropy" };
let limit = 5; // of the logits' sliders
let runs = {};
let count = 0; // of the rows of classes that stand on the page

function load(row) {
  const { logits, label } = DATA.rows[row];
  const soft = !label.includes(1);
  Object.assign(state, { row, z: [...logits], t: [...label], soft, base: BASES[state.unit] });
  limit = bound(state.z, 5);
}

const oneHot = (at, length) => Array.from({ length }, (_, j) => (j === at ? 1 : 0));
const largest = (values) => values.indexOf(Math.max(...values));

// Everything but a step down the gradient makes a new start of the two runs.
function change(values) {
  Object.assign(state, values);
  runs = startRuns(state);
  render();
}

const on = {
  logit(j, value, how) {
    const z = state.z.map((old, i) => (i === j ? value : old));
    if (how === "typed") limit = bound(z, 5); // under a slider that is held the bounds stay
    change({ z });
  },
  share: (j, value) => change({ t: withShare(state.t, j, value) }),
  choose: (j) => change({ t: oneHot(j, state.z.length) }),
  remove(j) {
    const z = state.z.filter((_, i) => i !== j);
    let t = state.t.filter((_, i) => i !== j);
    const left = sum(t);
    if (state.soft) t = t.map((share) => (left > 0 ? share / left : 1 / t.length));
    else if (left === 0) t = oneHot(0, t.length);
    change({ z, t });
    find(`#classes .class:nth-child(${Math.min(j + 1, z.length)}) .remove:enabled, #add`).focus();
  },
};

function render() {
  if (count !== state.z.length) {
    buildClasses(state.z.length, on);
    count = state.z.length;
  }
  const parts = softmaxParts(state.z, state.temperature);
  const both = { crossEntropy: crossEntropy(parts, state.t, state.base), quadratic: quadraticCost(parts, state.t) };
  fillClasses({ state, parts, limit, ...both });
  fill(find("#temperature"), state.temperature);
  fill(find("#rate"), state.rate);
  for (const [name, value] of [["kind", state.soft ? "soft" : "one"], ["base", state.unit], ["follow", state.follow]]) {
    find(`input[name=${name}][value="${value}"]`).checked = true;
  }
  const unit = word(`unit.${state.unit}`);
  for (const element of findAll(".results .unit, #descend-title ~ .charts .unit")) element.textContent = unit;
  for (const [id, { cost, gradient }] of [["#cross-entropy", both.crossEntropy], ["#quadratic", both.quadratic]]) {
    show(find(`${id} .cost`), cost);
    show(find(`${id} .gradient`), Math.hypot(...gradient));
  }
  const moved = state.z.map((value, j) => value - state.rate * both.crossEntropy.gradient[j]);
  const after = { z: moved, cost: costs(moved, state)["cross-entropy"].cost };
  find("#derivation").innerHTML = derivation({ state, parts, after, ...both });
  drawRuns(runs);
  say(word("spoken", { loss: number(both.crossEntropy.cost), unit, cost: number(both.quadratic.cost) }));
}

function goDown(steps) {
  for (let i = 0; i < steps; i += 1) advance(runs, state);
  state.z = runs[state.follow].z;
  limit = Math.max(limit, bound(state.z));
  render();
}

function nameRows() {
  const select = find("#rows select");
  select.replaceChildren(...DATA.rows.map(({ number: n }, i) => new Option(word("rows.row", { row: n }), i)));
  select.value = state.row;
  find("#rows-more").textContent = DATA.more ? word("rows.more", { n: DATA.more }) : "";
}

function speakIn(chosen) {
  language = chosen;
  translate();
  nameRows();
  for (const button of findAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

wire(find("#temperature"), (temperature) => change({ temperature }), { least: 0.01, most: 1e4 });
wire(find("#rate"), (rate) => { state.rate = rate; render(); }, { least: 1e-4, most: 1e4 });
find("#rows select").addEventListener("change", (event) => { load(Number(event.target.value)); change({}); });
for (const radio of findAll("input[name=kind]")) {
  radio.addEventListener("change", () => {
    const soft = radio.value === "soft";
    change({ soft, t: soft ? state.t : oneHot(largest(state.t), state.t.length) });
  });
}
for (const radio of findAll("input[name=base]")) {
  radio.addEventListener("change", () => change({ unit: radio.value, base: BASES[radio.value] }));
}
for (const radio of findAll("input[name=follow]")) {
  radio.addEventListener("change", () => { state.follow = radio.value; goDown(0); });
}
find("#add").addEventListener("click", () => {
  change({ z: [...state.z, 0], t: [...state.t, 0] });
  if (find("#add").disabled) find("#classes .class:last-child .cell.z input").focus();
});
find("#step").addEventListener("click", () => goDown(1));
find("#steps").addEventListener("click", () => goDown(10));
find("#back").addEventListener("click", () => {
  change({ z: runs["cross-entropy"].start });
  find("#step").focus(); // this button has just been disabled
});

load(0);
runs = startRuns(state);
speakIn(language);
const renderNeuron = neuron();
render();
for (const button of findAll("[data-language]")) {
  button.addEventListener("click", () => { speakIn(button.dataset.language); render(); renderNeuron(); });
}
let width = 0;
new ResizeObserver(() => {
  if (width === document.body.clientWidth) return;
  width = document.body.clientWidth;
  drawRuns(runs);
  renderNeuron();
}).observe(document.body);
