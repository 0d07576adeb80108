// Words and numbers as they are written: the language, minus signs, powers of ten.

const DATA = JSON.parse(document.getElementById("data").textContent);
const find = (selector, within = document) => within.querySelector(selector);
const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

let language = DATA.lang;

function word(key, values = {}) {
  const text = DATA.words[language][key];
  if (text === undefined) throw new Error(`no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

const escaped = (text) =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

// Every text of the page that stands in it by its key.
function translate() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const element of findAll("[data-t]")) element.textContent = word(element.dataset.t);
  for (const element of findAll("[data-a]")) {
    element.setAttribute("aria-label", word(element.dataset.a));
  }
}

const RAISED = { "-": "⁻", "+": "", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

const PLAIN = Object.fromEntries(Object.entries(RAISED).map(([plain, raised]) => [raised, plain]));

function power(value, digits) {
  const [factor, exponent] = value.toExponential(digits).split("e");
  return `${factor}×10${[...exponent].map((c) => RAISED[c]).join("")}`;
}

// Four decimals, or three digits and a power where those say too little or run too long.
function number(value, digits = 4) {
  if (!Number.isFinite(value)) return String(value).replace("-", "−").replace("Infinity", "∞");
  const size = Math.abs(value);
  const plain = size === 0 || (size >= 1e-3 && size < 1e5);
  return (plain ? value.toFixed(digits) : power(value, 2)).replace("-", "−");
}

// A probability that is nearly 1 by what it lacks.
function probability(value, beside) {
  return value >= 0.99995 && beside > 0 ? `1−${power(beside, 1)}` : number(value);
}

// The powers of ten as markup, which every font draws alike.
const raised = (text) =>
  text.replace(/10([⁻⁰¹²³⁴-⁹]+)/g, (_, digits) => {
    const plain = [...digits].map((c) => PLAIN[c]).join("").replace("-", "−");
    return `10<sup>${plain}</sup>`;
  });

// A number on the page, with all its digits behind the rounded ones.
const exact = (value, text = number(value)) =>
  `<data value="${value}" title="${value}">${text}</data>`;

function show(element, value, text = number(value)) {
  element.value = String(value);
  element.title = String(value);
  element.innerHTML = raised(text);
}

// What has changed is spoken once it stays as it is for a moment, not while one drags.
let speaking = 0;
function say(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    find("#spoken").textContent = text;
  }, 400);
}
