"use strict";
// The chart: curves of runs that one can hover, walk along by keyboard, switch on and off, and see on other scales.
// What it draws stands in <script id="told">, as `runner/report/curves.py` writes it.

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  // Dark enough for white paper (4.5:1 and more), apart in hue and in lightness.
  const COLOURS = ["#0b4f8a", "#c2410c", "#00693e", "#8e2a8b", "#7a5c00", "#b3001b", "#3f3f46", "#0e7490"];
  const DASHES = ["", "9 3", "9 3 2 3", "14 3 2 3 2 3"]; // each for as many curves as there are colours
  const EDGE = { left: 64, right: 18, top: 30, bottom: 46 }; // pixels around the panel, for numbers and names
  const HINT = "Point at a curve, or focus the chart and use the arrow keys.";
  const NEAR = 40; // pixels: what is further away from the pointer is not meant

  const find = (id) => document.getElementById(id);
  const told = JSON.parse(find("told").textContent);
  const [plot, readout, quantity, axis] = ["plot", "readout", "quantity", "axis"].map(find);
  const atFirst = told.runs.map((run) => run.on);
  const on = [...atFirst];
  let lines = []; // what is drawn: {run, part, points: [{x, y, left, top}]}
  let marked = null; // {line, at}

  function element(name, attributes, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, value) => button.setAttribute("aria-pressed", String(value));
  const look = (tint) => ({
    stroke: COLOURS[tint % COLOURS.length],
    "stroke-dasharray": DASHES[Math.floor(tint / COLOURS.length) % DASHES.length],
  });

  // Up to `digits` significant digits.
  function spelled(value, digits = 4) {
    if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3))
      return value.toExponential(digits - 1).replace(/\.?0*e\+?/, "e");
    return String(Number(value.toPrecision(digits)));
  }

  // Where values lie between two pixels.
  function scale(values, log, whole, start, end) {
    let low = Infinity, high = -Infinity;
    for (const value of values) (low = Math.min(low, value)), (high = Math.max(high, value));
    if (low > high) [low, high] = log ? [1, 10] : [0, 1];
    const there = log ? Math.log10 : (value) => value;
    let [from, to] = [there(low), there(high)];
    const around = from === to ? Math.abs(from) * 0.05 || 0.5 : (to - from) * 0.03;
    [from, to] = [from - around, to + around];
    const at = (value) => start + ((there(value) - from) / (to - from)) * (end - start);
    const most = Math.max(2, Math.floor(Math.abs(end - start) / 55)); // a number every 55 pixels
    return { at, ticks: log ? logTicks(10 ** from, 10 ** to, most) : linearTicks(from, to, most, whole) };
  }

  // At most so many round numbers: steps of 1, 2 or 5 times a power of ten.
  function linearTicks(low, high, most, whole = false) {
    const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
    const round = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * (1 - 1e-9));
    const step = whole ? Math.max(1, round) : round;
    const ticks = [];
    for (let k = Math.ceil(low / step); k <= Math.floor(high / step); k++) ticks.push(k * step);
    return ticks;
  }

  // 1, 2 and 5 times powers of ten, or the powers alone, or every second one, and so on.
  function logTicks(low, high, most) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const inside = (factors, every) => {
      const ticks = [];
      for (let k = first; k <= last; k++)
        if (k % every === 0) ticks.push(...factors.map((factor) => Number(`${factor}e${k}`)));
      return ticks.filter((tick) => low <= tick && tick <= high);
    };
    const fine = inside([1, 2, 5], 1);
    if (fine.length < 2) return linearTicks(low, high, most);
    if (fine.length <= most) return fine;
    const every = [1, 2, 3, 5, 10, 20, 50, 100].find((step) => inside([1], step).length <= most) ?? 200;
    return inside([1], every);
  }

  // The curves that are asked for, as far as they are measured and the scales have a place for them.
  function chosen() {
    const { key, beside } = told.quantities[quantity.selectedIndex];
    const parts = [[key, beside ? "validation" : ""], ...(beside && pressed(find("beside")) ? [[beside, "training"]] : [])];
    const logX = pressed(find("log-x")), logY = pressed(find("log-y"));
    const found = [];
    told.runs.forEach((run, place) => {
      for (const [column, part] of on[place] ? parts : []) {
        const xs = run.columns[axis.value] ?? [], ys = run.columns[column] ?? [];
        const points = xs.map((x, row) => ({ x, y: ys[row] ?? null }));
        const fits = ({ x, y }) => x !== null && y !== null && (!logX || x > 0) && (!logY || y > 0);
        found.push({ run, part, points: points.filter(fits), lost: run.lost === null ? null : xs[run.lost] });
      }
    });
    return found;
  }

  function draw() {
    const { width, height } = plot.getBoundingClientRect();
    if (!width) return;
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plot.replaceChildren();
    lines = chosen();
    const [right, bottom] = [width - EDGE.right, height - EDGE.bottom];
    const xs = lines.flatMap((line) => [...line.points.map((p) => p.x), ...(line.lost === null ? [] : [line.lost])]);
    const counted = axis.value === "epoch" || axis.value === "step";
    const x = scale(xs, pressed(find("log-x")), counted, EDGE.left, right);
    const y = scale(lines.flatMap((line) => line.points.map((p) => p.y)), pressed(find("log-y")), false, bottom, EDGE.top);
    for (const tick of y.ticks) {
      plot.append(element("line", { class: "grid", x1: EDGE.left, x2: right, y1: y.at(tick), y2: y.at(tick) }));
      plot.append(element("text", { x: EDGE.left - 8, y: y.at(tick) + 4, "text-anchor": "end" }, spelled(tick)));
    }
    for (const tick of x.ticks) {
      plot.append(element("line", { class: "grid", y1: EDGE.top, y2: bottom, x1: x.at(tick), x2: x.at(tick) }));
      plot.append(element("text", { x: x.at(tick), y: bottom + 18, "text-anchor": "middle" }, spelled(tick)));
    }
    plot.append(element("path", { class: "axis", d: `M${EDGE.left},${EDGE.top}V${bottom}H${right}` }));
    const name = told.axes.find((each) => each.key === axis.value).name;
    plot.append(element("text", { x: right, y: height - 8, "text-anchor": "end" }, name));
    plot.append(element("text", { x: 4, y: 14 }, told.quantities[quantity.selectedIndex].name));
    for (const line of lines) {
      for (const p of line.points) [p.left, p.top] = [x.at(p.x), y.at(p.y)];
      const d = line.points.map((p, row) => `${row ? "L" : "M"}${p.left.toFixed(1)},${p.top.toFixed(1)}`).join("");
      const style = { ...look(line.run.tint), ...(line.part === "training" ? { "stroke-dasharray": "2 4" } : {}) };
      plot.append(element("path", { ...style, d }));
      const [p] = line.points;
      if (line.points.length === 1) plot.append(element("circle", { cx: p.left, cy: p.top, r: 4, fill: style.stroke }));
      if (line.lost !== null) {
        const cross = `M${x.at(line.lost) - 6},${EDGE.top - 6}l12,12m0,-12l-12,12`;
        plot.append(element("path", { class: "lost", stroke: style.stroke, d: cross }));
      }
    }
    lines = lines.filter((line) => line.points.length);
    marked = null;
    readout.textContent = HINT;
    const middle = { x: (EDGE.left + right) / 2, y: (EDGE.top + bottom) / 2, "text-anchor": "middle" };
    if (!lines.length) plot.append(element("text", middle, "nothing to show: no curve is on, or none has such numbers"));
  }

  // A ring at a point, and what it says.
  function mark(line, at) {
    marked = { line, at };
    for (const old of plot.querySelectorAll(".mark")) old.remove();
    const p = lines[line].points[at], { run, part } = lines[line];
    plot.append(element("circle", { class: "mark", cx: p.left, cy: p.top, r: 6, fill: "#fff", "stroke-width": 3, stroke: look(run.tint).stroke }));
    const outwards = p.left > plot.clientWidth / 2 ? { x: p.left - 10, "text-anchor": "end" } : { x: p.left + 10 };
    plot.append(element("text", { class: "mark", y: p.top - 10, ...outwards }, spelled(p.y)));
    const what = [part, told.quantities[quantity.selectedIndex].name].filter(Boolean).join(" ");
    const over = axis.value === "gradients" ? "gradient evaluations" : axis.value;
    readout.textContent = `${run.name}: ${what} ${spelled(p.y, 6)} at ${over} ${spelled(p.x, 6)}`;
  }

  function hover(event) {
    const { left, top } = plot.getBoundingClientRect();
    let best = NEAR ** 2, found = null;
    lines.forEach((line, k) => line.points.forEach((p, at) => {
      const distance = (p.left - event.clientX + left) ** 2 + (p.top - event.clientY + top) ** 2;
      if (distance < best) [best, found] = [distance, [k, at]];
    }));
    if (found) mark(...found);
  }

  // Along a curve, or to the point of another curve that is nearest in x.
  function walk(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };
    const step = steps[event.key];
    if (!step || !lines.length) return;
    event.preventDefault();
    if (!marked) return mark(0, step[1] === -1 ? lines[0].points.length - 1 : 0);
    const line = (marked.line + step[0] + lines.length) % lines.length;
    const points = lines[line].points;
    if (!step[0]) return mark(line, Math.min(points.length - 1, Math.max(0, marked.at + step[1])));
    const { left } = lines[marked.line].points[marked.at];
    const nearest = (best, p, at) => (Math.abs(p.left - left) < Math.abs(points[best].left - left) ? at : best);
    mark(line, points.reduce(nearest, 0));
  }

  // A logarithm where every value that may be shown is positive and the largest is ten times the smallest and more,
  // but of no share.
  function suit() {
    const { key, beside, share } = told.quantities[quantity.selectedIndex];
    const values = told.runs.flatMap((run) => [key, beside].flatMap((name) => run.columns[name] ?? []).filter((y) => y !== null));
    const [low, high] = values.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
    press(find("log-y"), !share && low > 0 && high > 10 * low);
    find("beside").hidden = !beside;
  }

  function toggle(place, value) {
    on[place] = value;
    press(find("legend").children[place], value);
  }

  function prepared() {
    find("chart").hidden = false;
    for (const each of told.quantities) quantity.append(new Option(each.name, each.key));
    const has = (key) => told.runs.some((run) => run.columns[key]);
    for (const each of told.axes) if (has(each.key)) axis.append(new Option(each.name, each.key));
    told.runs.forEach((run, place) => {
      const button = document.createElement("button");
      button.type = "button";
      const swatch = element("svg", { width: 34, height: 12, "aria-hidden": "true" });
      swatch.append(element("line", { x1: 0, x2: 34, y1: 6, y2: 6, "stroke-width": 3, ...look(run.tint) }));
      button.append(swatch, run.name + (run.status === "completed" ? "" : ` (${run.status})`));
      button.addEventListener("click", () => (toggle(place, !on[place]), draw()));
      find("legend").append(button);
      toggle(place, run.on);
    });
    press(find("beside"), atFirst.filter(Boolean).length <= 3);
    for (const id of ["log-x", "log-y", "beside"])
      find(id).addEventListener("click", () => (press(find(id), !pressed(find(id))), draw()));
    for (const [id, value] of [["all", () => true], ["none", () => false], ["few", (place) => atFirst[place]]])
      find(id).addEventListener("click", () => (told.runs.forEach((_, place) => toggle(place, value(place))), draw()));
    quantity.addEventListener("change", () => (suit(), draw()));
    axis.addEventListener("change", draw);
    plot.addEventListener("pointermove", hover);
    plot.addEventListener("pointerdown", hover);
    plot.addEventListener("keydown", walk);
    new ResizeObserver(draw).observe(plot); // draws at once, too
    suit();
  }

  prepared();
})();
