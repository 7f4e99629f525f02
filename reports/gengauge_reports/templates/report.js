"use strict";
// Tables: sorting, choice of columns, explanations, keyboard. All text enters as textContent.
const DATA = JSON.parse(document.getElementById("data").textContent);

function sortTable(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const descending = header.getAttribute("aria-sort") === "ascending";
  for (const other of header.parentNode.cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  for (const body of table.querySelectorAll("tbody.models, tbody.controls")) {
    const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
    keyed.sort(([a], [b]) => compare(a, b, descending));
    body.append(...keyed.map(([, row]) => row));
  }
}

function sortKey(cell) {
  if (cell.tagName === "TH") return cell.querySelector("span").textContent;
  return "value" in cell.dataset ? Number(cell.dataset.value) : null;
}

function compare(a, b, descending) {
  if (a === null || b === null) return (a === null) - (b === null); // missing stays last either way
  const order = typeof a === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0;
  return descending ? -order : order;
}

function showColumns(table, what) {
  const heads = [...table.tHead.rows[0].cells];
  let shown = heads.map((head, i) =>
    i === 0 || what === "all" || what === "suite:" + head.dataset.suite ||
    (what === "headline" && head.dataset.headline === "yes"));
  if (shown.filter(Boolean).length === 1) shown = shown.map(() => true);
  // a rule and a name where, among the columns shown, another suite begins
  let before = "";
  const opens = heads.map((head, i) => {
    const differs = i > 0 && shown[i] && head.dataset.suite !== before;
    if (differs) before = head.dataset.suite;
    return differs;
  });
  for (const row of table.querySelectorAll("thead tr, .models tr, .controls tr")) {
    [...row.cells].forEach((cell, i) => { cell.hidden = !shown[i]; cell.classList.toggle("opens", opens[i]); });
  }
}

function element(tag, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return made;
}

function addFacts(list, facts) {
  for (const [term, text] of facts) list.append(element("dt", term), element("dd", text));
}

const tip = document.getElementById("tip");

function showTip(target) {
  const cell = "tip" in target.dataset ? DATA.tips.cells[target.dataset.tip] : null;
  const column = DATA.tips.columns[cell ? cell.column : target.dataset.head];
  const list = element("dl");
  if (cell) {
    addFacts(list, cell.facts);
    list.append(element("hr"));
  }
  addFacts(list, column.facts);
  tip.replaceChildren(element("p", cell ? `${cell.row} · ${column.title}` : column.title), list);
  tip.hidden = false;
  const at = target.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = at.bottom + 6 + tip.offsetHeight <= window.innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - tip.offsetHeight - 6)}px`;
  if (described) described.removeAttribute("aria-describedby");
  described = target;
  target.setAttribute("aria-describedby", "tip");
}
let described = null;

function hideTip() {
  tip.hidden = true;
  if (described) described.removeAttribute("aria-describedby");
  described = null;
}

// One stop of the Tab key a table; the arrow keys go on from there.
function moveFocus(event) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const cell = event.target.closest("td[data-tip]");
  if (!step || !cell) return;
  const rows = [...cell.closest("table").querySelectorAll(".models tr, .controls tr")];
  const row = rows[rows.indexOf(cell.parentNode) + step[0]];
  let next = row && row.cells[cell.cellIndex + step[1]];
  while (next && next.hidden) next = row.cells[next.cellIndex + step[1]];
  if (!next || !("tip" in next.dataset)) return;
  event.preventDefault();
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

async function copy(button) {
  const text = button.nextElementSibling.textContent;
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch { // no clipboard API for this page: the old way still works from a file
    const area = element("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const word = done ? "copied" : "not copied";
  button.textContent = word;
  document.getElementById("said").textContent = done ? "Command copied" : "The command could not be copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

for (const table of document.querySelectorAll("table.scores")) {
  const filter = table.closest("section").querySelector(".filter");
  if (filter) {
    filter.hidden = false;
    showColumns(table, "headline");
    filter.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      for (const other of filter.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      showColumns(table, button.dataset.show);
      resetStop(table);
    });
  }
  resetStop(table);
  table.addEventListener("keydown", moveFocus);
}

function resetStop(table) {
  const cells = [...table.querySelectorAll("td[data-tip]")];
  for (const cell of cells) cell.tabIndex = -1;
  const first = cells.find((cell) => !cell.hidden);
  if (first) first.tabIndex = 0;
}

document.addEventListener("click", (event) => {
  const sort = event.target.closest("button.sort");
  const copyButton = event.target.closest("button.copy");
  if (sort) sortTable(sort.closest("th"));
  if (copyButton) copy(copyButton);
});
const EXPLAINED = "[data-tip], [data-head]";
document.addEventListener("mouseover", (event) => {
  const target = event.target.closest(EXPLAINED);
  if (target) showTip(target);
  else if (!document.activeElement.matches(EXPLAINED)) hideTip();
});
document.addEventListener("focusin", (event) => {
  const target = event.target.closest(EXPLAINED);
  if (target) showTip(target);
  else hideTip();
});
document.addEventListener("focusout", hideTip);
document.addEventListener("scroll", hideTip, { capture: true, passive: true });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
