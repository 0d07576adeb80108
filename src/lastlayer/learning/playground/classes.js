// The classes: a row each, with what can be moved (label, logit) and what follows from it.

// on: logit(j, value), share(j, value), choose(j), remove(j)
function buildClasses(count, on) {
  const rows = find("#classes .rows");
  rows.replaceChildren(
    ...Array.from({ length: count }, (_, j) => {
      const row = find("#class").content.firstElementChild.cloneNode(true);
      find(".name", row).textContent = j;
      wire(find(".cell.z", row), (value, how) => on.logit(j, value, how), { least: -1e6, most: 1e6 });
      wire(find(".share", row), (value) => on.share(j, value), { least: 0, most: 1 });
      find("input[type=radio]", row).addEventListener("change", () => on.choose(j));
      find(".remove", row).addEventListener("click", () => on.remove(j));
      return row;
    })
  );
}

function fillClasses({ state, parts, crossEntropy, quadratic, limit }) {
  const classes = find("#classes");
  classes.dataset.kind = state.soft ? "soft" : "one";
  find("#add").disabled = state.z.length >= DATA.most;
  const steepest = 1 / (Math.log(state.base) * state.temperature);
  findAll(".class", classes).forEach((row, j) => {
    const name = word("class", { class: j });
    const picked = state.t[j] > 0;
    row.classList.toggle("picked", picked);
    row.setAttribute("aria-label", name);

    const hot = find("input[type=radio]", row);
    hot.checked = !state.soft && picked;
    hot.setAttribute("aria-label", word("label.of", { class: j }));
    fill(find(".share", row), state.t[j], { name: word("share.of", { class: j }) });
    const bounds = { low: -limit, high: limit, step: limit / 100 };
    fill(find(".cell.z", row), state.z[j], { ...bounds, name: word("logit.of", { class: j }) });

    const p = find(".cell.p", row);
    const said = probability(parts.p[j], parts.beside[j]);
    show(find("data", p), parts.p[j], said);
    p.setAttribute("aria-label", `${word("probability")} ${said}`);
    stretch(find(".bar", p), 0, parts.p[j], 0, 1);

    const gradients = [["cross-entropy", crossEntropy], ["quadratic", quadratic]];
    findAll(".cell.g .line", row).forEach((line, i) => {
      const [key, { gradient }] = gradients[i];
      show(find("data", line), gradient[j]);
      line.setAttribute("aria-label", word("gradient.of", { cost: word(key), value: number(gradient[j]) }));
      stretch(find(".bar", line), 0, gradient[j], -steepest, steepest);
    });

    const remove = find(".remove", row);
    remove.disabled = state.z.length <= DATA.least;
    remove.setAttribute("aria-label", word("remove", { class: j }));
    remove.title = word("remove", { class: j });
  });
}
