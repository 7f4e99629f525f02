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

// Logarithmic where the values span more than a decade; the range holds every interval, and
// leaves room for names where asked to.
function axisOf(title, points, key, pad) {
  const steep = points.every((p) => p[key].v > 0) && spread(points, key) > 10;
  const scaled = steep ? Math.log10 : Number;
  const ends = points.flatMap((p) => [p[key].v, p[key].v + (p[key].above ?? 0), p[key].v - (p[key].below ?? 0)]);
  const values = points.map((p) => scaled(p[key].v));
  const known = steep ? ends.filter((v) => v > Math.min(...points.map((p) => p[key].v)) / 3) : ends;
  const [low, high] = range(values, pad);
  const bounds = [Math.min(low, ...known.map(scaled)), Math.max(high, ...known.map(scaled))];
  const look = steep ? { ...logarithmic(bounds), ticktext: undefined } : { range: bounds };
  if (steep) look.ticktext = look.tickvals.map(short);
  return { scaled, bounds, look: axis(title, look) };
}

function spread(points, key) {
  const values = points.map((p) => p[key].v);
  return Math.max(...values) / Math.min(...values);
}

function short(value) {
  const [size, unit] = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([s]) => value >= s) ?? [1, ""];
  return `${Number((value / size).toPrecision(2))}${unit}`;
}

function paretoPlot(section, data, index, node) {
  const front = data.pareto[index];
  const points = front.points.filter((p) => p.x.v !== null && p.y.v !== null);
  const x = axisOf(front.x, points, "x", 0.2), y = axisOf(front.y, points, "y", 0.12);
  const edge = stairs(front, points);
  const ink = points.map(paretoInk);
  const step = Math.ceil(edge.length / 12); // more names than that could not be read
  const named = edge.filter((_, i) => i % step === 0);
  const others = points.filter((p) => !named.includes(p));
  const labels = [...named.map((p) => shortened(p.model)), ...others.map(() => "")];
  const at = [...named, ...others].map((p) => [x.scaled(p.x.v), y.scaled(p.y.v)]);
  const where = places(at, labels, node.clientWidth - 70, node.clientHeight - 60, [x.bounds, y.bounds], "");
  const thin = { color: faded(colour("soft"), 0.45), thickness: 1, width: 0 };
  const traces = [{
    type: "scatter", mode: "lines", x: edge.map((p) => p.x.v), y: edge.map((p) => p.y.v), hoverinfo: "skip",
    line: { color: faded(colour("accent"), 0.6), width: 1.2, shape: "hv" },
  }, {
    type: "scatter", mode: "markers", x: points.map((p) => p.x.v), y: points.map((p) => p.y.v), text: points.map((p) => plain(p.model)),
    customdata: points.map((p) => plain(p.by ? `${p.standing}: ${p.by}` : "on the front")),
    marker: { size: 8, color: ink, symbol: points.map((p) => STANDINGS[p.standing]), line: { width: 1.6, color: ink } },
    error_y: { ...errors(points, "y"), ...thin }, error_x: { ...errors(points, "x"), ...thin },
    hovertemplate: `%{text}<br>${plain(front.y)}: %{y:.5g}<br>${plain(front.x)}: %{x:.4g}<extra>%{customdata}</extra>`,
  }, {
    type: "scatter", mode: "text", x: named.map((p) => p.x.v), y: named.map((p) => p.y.v), hoverinfo: "skip", cliponaxis: false,
    text: named.map((p, i) => (where[i] === "middle right" ? "\u2002" : "") + (where[i] && plain(labels[i])) + (where[i] === "middle left" ? "\u2002" : "")),
    textposition: named.map((p, i) => where[i] || "top center"), textfont: { size: 11, color: colour("ink") },
  }];
  return [traces, layout({ xaxis: x.look, yaxis: y.look })];
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

window.addEventListener("beforeprint", () => document.body.classList.add("printing"));
window.addEventListener("afterprint", () => {
  document.body.classList.remove("printing");
  setTimeout(() => drawn.forEach(Plotly.Plots.resize), 0);
});

// After the first paint, so that 5 MB of charts never stand before the numbers.
requestAnimationFrame(() => setTimeout(async () => {
  if (!document.querySelector(".plot")) return;
  await load("plotly.min.js");
  await load("plots.js");
  document.addEventListener("themechange", () => drawn.forEach(draw));
}, 0));
