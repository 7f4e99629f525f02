"use strict";
// Plots: drawn when they come near the window, drawn again when the colour scheme changes.
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star", "x"];
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const drawn = new Set();
const CONFIG = { displayModeBar: false, responsive: true };

// light-dark() is resolved only where it is used as a colour, so an element is asked for it
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function faded(rgb, alpha) {
  const [r, g, b] = rgb.match(/[\d.]+/g);
  return `rgba(${r},${g},${b},${alpha})`;
}

function modelInk(label) {
  const at = DATA.order.indexOf(label);
  return at < 0 ? colour("soft") : colour(`m${at % 7}`);
}

function modelSymbol(label) {
  return SYMBOLS[Math.max(0, DATA.order.indexOf(label)) % SYMBOLS.length];
}

// Plotly reads some HTML in texts: a hostile name must stay a name
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function axis(title, more) {
  return {
    title: { text: plain(title), font: { size: 12 }, standoff: 8 }, color: colour("soft"), gridcolor: colour("rule"),
    linecolor: colour("strong"), zeroline: false, automargin: true, tickfont: { size: 11 }, nticks: 5,
    ...more,
  };
}

function layout(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
    margin: { l: 8, r: 8, t: 18, b: 8 }, hovermode: "closest",
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("strong"), font: { color: colour("ink"), size: 12 } },
    ...more,
  };
}

function curvePlot(section, data, index) {
  const { model, lines } = data.curves[index];
  const by = section.querySelector("select.axis").value;
  const ink = modelInk(model);
  const traces = lines.flatMap((line) => ["train", "validation"].map((part) => ({
    x: line[part][by], y: line[part].loss, type: "scatter", mode: part === "train" ? "lines" : "lines+markers",
    name: `${part}, seed ${line.seed}`, hovertemplate: `%{x}: %{y:.4g}<extra>${part}, seed ${line.seed}</extra>`,
    line: { color: part === "train" ? faded(ink, 0.55) : ink, width: part === "train" ? 1.2 : 2 },
    marker: { size: 5, color: ink },
  })));
  return [traces, layout({ xaxis: axis(by === "step" ? "step" : "seconds"), yaxis: axis("loss") })];
}

function range(values, pad) {
  const low = Math.min(...values), high = Math.max(...values), more = (high - low) * pad || 1;
  return [low - more, high + more];
}

function cloudPlot(section, data, index) {
  const cloud = data.clouds[index];
  const frame = data.clouds[0]; // the data, where there are any: one frame for all
  const ink = cloud.model === null ? colour("ink") : modelInk(cloud.model);
  const traces = [];
  if (cloud.density) {
    const peak = Math.max(...(frame.density || cloud.density).z.flat()); // one scale for all
    traces.push({
      type: "contour", x: cloud.density.x, y: cloud.density.y, z: cloud.density.z, showscale: false, hoverinfo: "skip",
      zmin: 0, zmax: peak, autocontour: false, contours: { start: peak / 12, end: peak, size: peak / 8 }, colorscale: [[0, faded(ink, 0)], [1, faded(ink, 0.5)]], line: { width: 0.6, color: faded(ink, 0.6) },
    });
  }
  traces.push({
    type: "scatter", mode: "markers", x: cloud.x, y: cloud.y, hoverinfo: "skip",
    marker: { size: 3, color: faded(ink, cloud.density ? 0.75 : 0.6) },
  });
  return [traces, layout({
    xaxis: axis("", { range: range(frame.x, 0.15), constrain: "domain" }),
    yaxis: axis("", { range: range(frame.y, 0.15), scaleanchor: "x" }),
  })];
}

function errors(values, key) {
  const known = values.map((v) => v[key] && v[key].above !== null);
  if (!known.some(Boolean)) return { visible: false };
  return {
    type: "data", symmetric: false, array: values.map((v) => (v[key] && v[key].above) || 0),
    arrayminus: values.map((v) => (v[key] && v[key].below) || 0), thickness: 1.2, width: 3,
  };
}

// Ticks at 1, 2, 5 of every decade, or at the decades alone where there are many
function logarithmic([low, high]) {
  const steps = high - low > 2.5 ? [1] : [1, 2, 5];
  const values = [];
  for (let power = Math.floor(low); power <= high; power++) for (const step of steps) values.push(step * 10 ** power);
  return { type: "log", range: [low, high], tickvals: values, ticktext: values.map((v) => Number(v.toPrecision(1)).toLocaleString("en")) };
}

// Where each label goes: the first of four places that covers no marker and no other label
function places(points, labels, width, height, frame, fallback = "top center") {
  const [xs, ys] = frame ?? [range(points.map((p) => p[0]), 0.25), range(points.map((p) => p[1]), 0.1)];
  const at = points.map(([x, y]) => [width * (x - xs[0]) / (xs[1] - xs[0]), height * (y - ys[0]) / (ys[1] - ys[0])]);
  const taken = at.map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]);
  return at.map(([x, y], i) => {
    const wide = 7 * labels[i].length + 6;
    const boxes = {
      "middle right": [x + 8, y - 7, x + 8 + wide, y + 7], "middle left": [x - 8 - wide, y - 7, x - 8, y + 7],
      "top center": [x - wide / 2, y + 8, x + wide / 2, y + 22], "bottom center": [x - wide / 2, y - 22, x + wide / 2, y - 8],
    };
    const free = ([l, b, r, t]) => l > 0 && r < width && taken.every(([l2, b2, r2, t2]) => r < l2 || l > r2 || t < b2 || b > t2);
    const chosen = Object.keys(boxes).find((name) => free(boxes[name])) || fallback;
    if (chosen) taken.push(boxes[chosen]);
    return chosen;
  });
}

function shortened(text) {
  return text.length > 18 ? text.slice(0, 17) + "…" : text;
}

function tradeoffPlot(section, data, against, node) {
  const all = data.tradeoffs;
  const metric = all.metrics[section.querySelector("select.metric").value];
  const rows = all.models.map((model, i) => ({
    model, y: metric.values[i],
    x: against === "training" ? (all.training[i] === null ? null : { v: all.training[i], above: null }) : all.speed[i],
  })).filter((row) => row.y && row.x && row.x.v > 0);
  const labels = rows.map((row) => shortened(row.model));
  const positions = places(rows.map((row) => [Math.log10(row.x.v), row.y.v]), labels, node.clientWidth - 60, node.clientHeight - 70);
  const traces = rows.map((row, i) => {
    const ink = modelInk(row.model);
    return {
      type: "scatter", mode: "markers+text", x: [row.x.v], y: [row.y.v], text: [positions[i] === "middle right" ? "\u2002" + plain(labels[i]) : plain(labels[i]) + (positions[i] === "middle left" ? "\u2002" : "")],
      textposition: positions[i], textfont: { size: 11, color: ink }, cliponaxis: false,
      marker: { size: 9, color: ink, symbol: modelSymbol(row.model) + (row.y.kind === "exact" ? "" : "-open"), line: { width: 1.8, color: ink } },
      error_y: { ...errors([row], "y"), color: ink }, error_x: { ...errors([row], "x"), color: ink },
      hovertemplate: `${plain(row.model)}<br>%{y:.5g} ${plain(metric.unit)}<br>%{x:.4g}<extra>${row.y.kind.replace("_", " ")}</extra>`,
    };
  });
  const xs = rows.map((row) => Math.log10(row.x.v));
  const real = metric.real && metric.real.v;
  const shapes = [], annotations = [];
  if (real !== null && rows.length) {
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: real, y1: real, line: { color: colour("strong"), width: 1, dash: "dot" } });
    annotations.push({ xref: "paper", x: 1, y: real, text: "real data", showarrow: false, xanchor: "right", yanchor: "bottom", font: { size: 11, color: colour("soft") } });
  }
  if (!rows.length) annotations.push({ xref: "paper", yref: "paper", x: 0.5, y: 0.5, text: "no model has both numbers", showarrow: false, font: { color: colour("soft") } });
  const missing = all.models.length - rows.length;
  if (rows.length && missing) annotations.push({ xref: "paper", yref: "paper", x: 0, y: 1, text: `${missing} of ${all.models.length} models lack a number`, showarrow: false, xanchor: "left", yanchor: "bottom", font: { size: 11, color: colour("soft") } });
  const title = against === "training" ? "training time [s]" : "samples a second";
  return [traces, layout({
    xaxis: axis(title, xs.length ? logarithmic(range(xs, 0.25)) : {}),
    yaxis: axis(metric.title + (metric.unit ? ` [${metric.unit}]` : "")), shapes, annotations,
  })];
}

function frontPlot(section, data, index) {
  const { title, unit, lines } = data.fronts[index];
  const traces = lines.map(({ model, points }) => {
    const ink = modelInk(model);
    return {
      type: "scatter", mode: "lines+markers", name: plain(shortened(model)),
      x: points.map((p) => p.evaluations), y: points.map((p) => p.v), text: points.map((p) => `${p.steps} steps`),
      line: { color: ink, width: 1.5 }, marker: { size: 7, color: ink, symbol: modelSymbol(model) },
      error_y: { ...errors(points.map((p) => ({ y: p })), "y"), color: ink },
      hovertemplate: `${plain(model)}, %{text}<br>%{y:.5g} ${plain(unit)}<br>%{x:.4g} evaluations<extra></extra>`,
    };
  });
  const xs = lines.flatMap(({ points }) => points.map((p) => Math.log10(p.evaluations)));
  return [traces, layout({
    xaxis: axis("function evaluations a sample", logarithmic(range(xs, 0.08))),
    yaxis: axis(title + (unit ? ` [${unit}]` : "")), showlegend: lines.length > 1,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 }, itemclick: false, itemdoubleclick: false },
  })];
}

const KINDS = {
  curve: curvePlot, cloud: cloudPlot, tradeoff: tradeoffPlot, front: frontPlot,
  ...(typeof MORE_KINDS === "object" ? MORE_KINDS : {}), // a page may bring its own
};

function draw(node) {
  const section = node.closest("section");
  const data = DATA.datasets[Number(section.dataset.index)];
  const [traces, look] = KINDS[node.dataset.plot](section, data, node.dataset.index, node);
  drawn.add(node);
  if (document.body.classList.contains("printing")) look.width = node.clientWidth; // paper is not measured
  return Plotly.react(node, traces, look, CONFIG);
}

const plots = [...document.querySelectorAll(".plot")];
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((e) => e.isIntersecting)) {
    watcher.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });
plots.forEach((node) => watcher.observe(node));
// What is out of sight is drawn in quiet moments, so that a saved or captured page is whole.
const later = window.requestIdleCallback || ((call) => setTimeout(call, 50));
(function next() {
  const node = plots.find((plot) => !drawn.has(plot));
  if (node) later(() => { if (!drawn.has(node)) draw(node); next(); });
})();

document.addEventListener("change", (event) => {
  if (!event.target.matches("select")) return;
  const kind = event.target.matches(".axis") ? "curve" : "tradeoff";
  for (const node of event.target.closest("section").querySelectorAll(`[data-plot="${kind}"]`)) draw(node);
});
DARK.addEventListener("change", () => drawn.forEach(draw));
let chosenTheme;
window.addEventListener("beforeprint", () => {
  chosenTheme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  plots.forEach(draw);
});
window.addEventListener("afterprint", () => {
  if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
  else delete document.documentElement.dataset.theme;
  drawn.forEach(draw);
});
