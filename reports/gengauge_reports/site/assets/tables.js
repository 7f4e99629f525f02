"use strict";
// Tables, kept by DataTables: sorted, searched, filtered and shortened by mouse and by keys alike.
// Rows stand in the page; those of a wide table come as data and are made when they are shown.

DataTable.ext.errMode = "throw";

// Missing stays last either way.
const LAST = (sign) => (a, b) => (a === null || b === null ? (a === null) - (b === null) : sign * (a - b));
DataTable.type("figure", { order: { asc: LAST(1), desc: LAST(-1) } });

function figureOf(cell) {
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

// A cell that stands in the page sorts by its data-value where the column holds numbers.
function standing(table) {
  return [...table.tHead.rows[table.tHead.rows.length - 1].cells].map((head, i) => {
    const button = head.querySelector("button.sort");
    if (!button || button.dataset.kind !== "figure") return {};
    const values = [...table.tBodies[0].rows].map((row) => figureOf(row.cells[i]));
    return { type: "figure", render: (text, type, row, meta) => (type === "sort" || type === "type" ? values[meta.row] : text) };
  });
}

// A cell of a wide table: [value, text, margin, place, first, sign, caveat], or why there is none.
// As few elements as will do: 15,000 cells are laid out.
function fillCell(td, cell, margin) {
  const none = !Array.isArray(cell);
  const [, text, half, place, first, sign, caveat] = none ? [null, "–", ""] : cell;
  if (none && cell) td.title = cell;
  if (none) td.classList.add("none");
  if (first) td.classList.add("first");
  if (place) td.append(element("span", place, "rank"));
  if (caveat) td.append(element("span", "†", "caveat"));
  if (sign) td.append(element("span", sign, "sign"));
  td.append(text);
  if (margin) td.append(element("span", "\u2002" + half.padEnd(margin, "\u2007"), "half"));
}

function nameCell(row) {
  const span = element("span", undefined, "cell");
  const link = element("a", row.label);
  link.href = row.href;
  span.append(link, element("small", row.control ? `${row.family}, control` : row.family));
  return span;
}

function wide() {
  const columns = DATA.wide.columns.map((_, j) => ({
    type: "figure",
    className: "number" + (DATA.wide.opens.includes(j) ? " opens" : ""),
    data: (row) => row.cells[j],
    render: (cell, type) => {
      if (type === "sort" || type === "type") return Array.isArray(cell) ? cell[0] : null;
      return "";
    },
    createdCell: (td, _, row) => fillCell(td, row.cells[j], DATA.wide.columns[j].margin),
  }));
  return [{
    className: "name", cellType: "th", data: (row) => row,
    render: (row, type) => (type === "display" ? nameCell(row) : type === "filter" ? `${row.label} ${row.family}` : row.label),
    createdCell: (cell) => { cell.scope = "row"; },
  }, ...columns];
}

function start(table) {
  const paged = Number(table.dataset.page);
  const common = {
    autoWidth: false, order: [], orderMulti: false, deferRender: true,
    ordering: { handler: false, indicators: false }, orderClasses: false,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: paged ? "paging" : null, bottom2: null },
    paging: Boolean(paged), pageLength: paged || 10, language: { emptyTable: "No model to show.", zeroRecords: "No model matches." },
  };
  const own = "wide" in table.dataset
    ? { data: DATA.wide.rows, columns: wide() }
    : { columns: standing(table).map((column) => ({ ...column, orderable: true })) };
  const kept = new DataTable(table, { ...common, ...own });
  wireSorting(table, kept);
  wireTools(table, kept);
  kept.on("page", () => say(`Page ${kept.page() + 1} of ${kept.page.info().pages}`));
  table.dataset.ready = "yes";
  return kept;
}

function wireSorting(table, kept) {
  for (const button of table.tHead.querySelectorAll("button.sort")) {
    button.addEventListener("click", () => sortBy(kept, button));
  }
}

function sortBy(kept, button) {
  const column = Number(button.dataset.column);
  const [now] = kept.order();
  const first = button.dataset.first || "asc";
  const same = now && now[0] === column;
  const direction = same ? (now[1] === "asc" ? "desc" : "asc") : first;
  kept.order([[column, direction]]).draw();
  say(`Sorted by ${button.dataset.name}, ${direction === "asc" ? "ascending" : "descending"}`);
}

function wireTools(table, kept) {
  const tools = document.getElementById(table.dataset.tools);
  if (!tools) return;
  tools.hidden = false;
  const search = tools.querySelector("input[type=search]");
  const family = tools.querySelector("select.family");
  const size = tools.querySelector("select.size");
  const count = tools.querySelector(".count");
  const tell = () => {
    const { recordsDisplay, recordsTotal } = kept.page.info();
    count.textContent = recordsDisplay === recordsTotal ? `${recordsTotal} rows` : `${recordsDisplay} of ${recordsTotal} rows`;
  };
  search?.addEventListener("input", () => { kept.search(search.value).draw(); tell(); say(count.textContent); });
  family?.addEventListener("change", () => { filterFamily(table, kept, family.value); tell(); say(count.textContent); });
  size?.addEventListener("change", () => { kept.page.len(Number(size.value)).draw(); say(`${size.selectedOptions[0].textContent} rows a page`); });
  const controls = tools.querySelector("input.controls");
  const hide = () => {
    kept.search.fixed("controls", controls.checked ? null : (_, row) => !row.control).draw();
    tell();
  };
  controls?.addEventListener("change", () => { hide(); say(count.textContent); });
  if (controls) hide();
  wireColumns(tools, kept);
  tell();
}

function filterFamily(table, kept, wanted) {
  const at = table.dataset.family === undefined ? null : Number(table.dataset.family);
  const matches = (_, row, i) => wanted === (at === null ? row.family : kept.cell(i, at).node().textContent.trim());
  kept.search.fixed("family", wanted ? matches : null).draw();
}

function wireColumns(tools, kept) {
  const group = tools.querySelector(".filter");
  if (!group) return;
  const show = (what) => {
    const all = DATA.wide.columns.map((_, j) => j);
    const wanted = all.filter((j) => {
      const column = DATA.wide.columns[j];
      return what === "all" || (what === "headline" ? column.headline : what === `suite:${column.suite}`);
    });
    const shown = wanted.length ? wanted : all;
    kept.columns(all.map((j) => j + 1)).visible(false, false);
    kept.columns(shown.map((j) => j + 1)).visible(true, false);
  };
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    for (const other of group.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    show(button.dataset.show);
    say(`Columns: ${button.textContent}`);
  });
  const pressed = group.querySelector("[aria-pressed=true]");
  if (pressed) show(pressed.dataset.show);
}

const TABLES = [...document.querySelectorAll("table.kept")].map(start);
