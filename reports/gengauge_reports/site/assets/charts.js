"use strict";
// Charts: plotly is loaded once the page stands; kinds of this site join those of the report's plots.
const MORE_KINDS = { pareto: paretoPlot };

const STANDINGS = { front: "circle", "within noise": "circle-open", dominated: "circle" };

function paretoInk(point) {
  return point.standing === "dominated" ? faded(colour("soft"), 0.55) : colour("accent");
}

// The front as a staircase: what the best affordable quality is at each cost.
function stairs(front, all) {
  const points = all.filter((p) => p.standing === "front");
  const sign = front.cheaper === "higher" ? -1 : 1;
  return points.sort((a, b) => sign * (a.x.v - b.x.v));
}

function spanOf(points, key) {
  const ends = points.flatMap((p) => [p[key].v, p[key].v + (p[key].above ?? 0), p[key].v - (p[key].below ?? 0)]);
  return ends.filter((v) => v > 0);
}

function steep(points, key) {
  const values = points.map((p) => p[key].v);
  return Math.min(...values) > 0 && Math.max(...values) > 30 * Math.min(...values);
}

function axisOf(title, points, key) {
  if (!steep(points, key)) return axis(title, points.length === 1 ? { rangemode: "tozero" } : {});
  const logs = spanOf(points, key).map(Math.log10);
  return axis(title, logarithmic(range(logs, 0.12)));
}

function paretoPlot(section, data, index, node) {
  const front = data.pareto[index];
  const points = front.points.filter((p) => p.x.v !== null && p.y.v !== null && (p.x.v > 0 || !steep(front.points, "x")));
  const edge = stairs(front, points);
  const ink = points.map(paretoInk);
  const lx = steep(points, "x") ? Math.log10 : Number, ly = steep(points, "y") ? Math.log10 : Number;
  const named = edge.length <= 12 ? edge : edge.filter((_, i) => i % Math.ceil(edge.length / 12) === 0);
  const labels = named.map((p) => shortened(p.model));
  const where = places(named.map((p) => [lx(p.x.v), ly(p.y.v)]), labels, node.clientWidth - 60, node.clientHeight - 70);
  const traces = [{
    type: "scatter", mode: "lines", x: edge.map((p) => p.x.v), y: edge.map((p) => p.y.v), hoverinfo: "skip",
    line: { color: faded(colour("accent"), 0.6), width: 1.2, shape: front.cheaper === "higher" ? "vh" : "hv" },
  }, {
    type: "scatter", mode: "markers", x: points.map((p) => p.x.v), y: points.map((p) => p.y.v), text: points.map((p) => plain(p.model)),
    customdata: points.map((p) => plain(p.by ? `${p.standing}: ${p.by}` : "on the front")),
    marker: { size: 8, color: ink, symbol: points.map((p) => STANDINGS[p.standing]), line: { width: 1.6, color: ink } },
    error_y: { ...errors(points, "y"), color: faded(colour("soft"), 0.5), thickness: 1, width: 0 },
    error_x: { ...errors(points, "x"), color: faded(colour("soft"), 0.5), thickness: 1, width: 0 },
    hovertemplate: `%{text}<br>${plain(front.y)}: %{y:.5g}<br>${plain(front.x)}: %{x:.4g}<extra>%{customdata}</extra>`,
  }, {
    type: "scatter", mode: "text", x: named.map((p) => p.x.v), y: named.map((p) => p.y.v), hoverinfo: "skip", cliponaxis: false,
    text: labels.map((label, i) => (where[i] === "middle right" ? "\u2002" : "") + plain(label) + (where[i] === "middle left" ? "\u2002" : "")),
    textposition: where, textfont: { size: 11, color: colour("ink") },
  }];
  return [traces, layout({ xaxis: axisOf(front.x, points, "x"), yaxis: axisOf(front.y, points, "y") })];
}

function load(name) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `${document.body.dataset.root}assets/${name}`;
    script.onload = done;
    script.onerror = failed;
    document.body.append(script);
  });
}

// After the first paint, so that 5 MB of charts never stand before the numbers.
requestAnimationFrame(() => setTimeout(async () => {
  if (!document.querySelector(".plot")) return;
  await load("plotly.min.js");
  await load("plots.js");
  document.addEventListener("themechange", () => drawn.forEach(draw));
}, 0));
