"use strict";
// Draws `curves.packed` into an element: choices, one chart per metric, and a row of values under each.
function drawCurves(data, place, first = {}) {
  const MOST_CHARTS = 6, WIDEST = 31;
  const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((times) => times * 10 ** power)); // between ticks of steps
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const number = (value) => value == null ? "–" : Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001)
    ? value.toExponential(2) : String(+value.toPrecision(4));

  // --- what to show ------------------------------------------------------------------------------
  const has = (run, metric) => data.lines.some((line) => line.run === run && line.metric === metric);
  const names = data.runs.map((run) => run.name);
  const wanted = (first.runs || ["red", "sft", "grpo"]).map((name) => names.indexOf(name)).filter((i) => i >= 0);
  const metrics = (first.metrics || ["entropy/rollout", "entropy/demonstration", "red/w"])
    .map((name) => data.metrics.indexOf(name)).filter((i) => i >= 0);
  const seeds = [...new Set(data.lines.map((line) => line.seed))].sort((a, b) => a - b);
  const named = (run, seed) => seed == null ? run.label : `${run.label}, seed ${seed}`;
  const chosen = {
    runs: new Set(wanted.length ? wanted : names.slice(0, 3).keys()),
    metrics: new Set(metrics.length ? metrics : data.metrics.slice(0, 3).keys()),
    seeds: new Set(seeds), average: seeds.length > 1, raw: true, half: 5,
  };

  // A centred mean over at most 2 half + 1 logged steps. Its window shrinks towards both ends: a curve starts and ends
  // where its raw values do, and values from later never move a start.
  function trend(values, half) {
    return values.map((value, i) => {
      const reach = Math.min(half, i, values.length - 1 - i);
      let sum = 0, count = 0;
      for (let j = i - reach; j <= i + reach; j++) if (values[j] != null) { sum += values[j]; count++; }
      return count ? sum / count : null;
    });
  }
  // Lines of one chart: {label, color, steps, raw: [{steps, values}], values}.
  function linesOf(metric) {
    const lines = [];
    for (const run of chosen.runs) {
      const own = data.lines.filter((line) => line.run === run && line.metric === metric && chosen.seeds.has(line.seed))
        .map((line) => ({ seed: line.seed, steps: data.steps[line.steps], values: line.values }));
      const { label } = data.runs[run], color = colors.get(run);
      if (!own.length) continue;
      if (chosen.average && own.length > 1) {
        const at = new Map();
        for (const line of own) line.steps.forEach((step, i) => {
          if (!at.has(step)) at.set(step, []);
          if (line.values[i] != null) at.get(step).push(line.values[i]);
        });
        const steps = [...at.keys()].sort((a, b) => a - b);
        const values = steps.map((step) => at.get(step).length ? at.get(step).reduce((a, b) => a + b, 0) / at.get(step).length : null);
        lines.push({ label: `${label}, mean of seeds ${own.map((line) => line.seed).join(", ")}`, color, dash: 0, steps, values, raw: own });
      } else {
        own.forEach((line, i) => lines.push({ label: named(data.runs[run], line.seed), color, dash: i, steps: line.steps, values: line.values, raw: [line] }));
      }
    }
    return lines;
  }

  // --- colours -----------------------------------------------------------------------------------
  const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  function ink(color, alpha = 1) {
    const mixed = channels(color).map((c) => dark.matches ? Math.round(c + 0.5 * (255 - c)) : c);
    return `rgba(${mixed.join(",")},${alpha})`;
  }
  const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
  // Variants of a method have its colour; of those that are chosen together all but the first get another one.
  const SPARE = ["#0173b2", "#de8f05", "#029e73", "#cc78bc", "#ca9161", "#d55e00", "#949494", "#56b4e9", "#5b3a8c", "#7a7a00"];
  const colors = new Map(), swatches = new Map();
  function assign() {
    colors.clear();
    const taken = new Set();
    for (const run of [...chosen.runs].sort((a, b) => a - b)) {
      const own = data.runs[run].color;
      const color = taken.has(own) ? SPARE.find((one) => !taken.has(one)) || own : own;
      taken.add(color);
      colors.set(run, color);
    }
    for (const [run, swatch] of swatches) swatch.style.background = colors.has(run) ? ink(colors.get(run)) : "none";
  }

  // --- one chart ---------------------------------------------------------------------------------
  const charts = [];
  function chart(metric) {
    const lines = linesOf(metric), name = data.metrics[metric];
    const box = make("section", { className: "chart" });
    box.setAttribute("aria-label", `Chart of ${name}`);
    box.append(make("h4", { textContent: name }));
    if (!lines.length) { box.append(make("p", { textContent: "None of the chosen runs logged it." })); return box; }
    const tables = [], series = [{}], shown = [];
    for (const line of lines) {
      const faint = ink(line.color, dark.matches ? 0.5 : 0.32);
      if (chosen.raw) for (const raw of line.raw) {
        tables.push([raw.steps, raw.values]);
        series.push({ stroke: faint, paths: () => null, points: { show: true, size: 4, fill: faint, width: 0 } });
      }
      tables.push([line.steps, trend(line.values, chosen.half)]);
      shown.push({ line, index: series.length });
      series.push({ stroke: ink(line.color), width: 2, dash: DASHES[line.dash % DASHES.length], spanGaps: true, points: { show: line.steps.length < 3 } });
    }
    const text = dark.matches ? "#b4b4b4" : "#444", grid = dark.matches ? "#33383d" : "#e6e6e6";
    const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const canvas = make("div", { className: "canvas", tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `${name} by step. Arrow left and right read values, plus and minus zoom, 0 shows all.`);
    const values = make("tbody");
    const step = make("caption");
    for (const { line } of shown) {
      const swatch = make("span", { className: "swatch" });
      swatch.style.background = ink(line.color);
      values.append(make("tr", {}, make("td", {}, swatch, ` ${line.label}`), make("td"), make("td")));
    }
    const head = make("thead", {}, make("tr", {}, ...["Line", "Trend", "Raw"].map((title) => Object.assign(make("th", { textContent: title }), { scope: "col" }))));
    const readout = make("table", { className: "readout" }, step, head, values);
    readout.setAttribute("aria-live", "polite");
    box.append(canvas, readout);
    const joined = uPlot.join(tables);
    const read = (u, index) => {
      step.textContent = index == null ? "At the last step of each line" : `At step ${joined[0][index]}`;
      shown.forEach(({ line, index: series }, row) => {
        const at = index ?? joined[0].indexOf(line.steps[line.values.findLastIndex((value) => value != null)]);
        const place = line.steps.indexOf(joined[0][at]), cells = values.children[row].children;
        cells[1].textContent = number(joined[series][at]);
        cells[2].textContent = place < 0 ? "–" : number(line.values[place]);
      });
    };
    const plot = new uPlot({
      width: 300, height: 260, padding: [6, 12, 0, 0], series, legend: { show: false },
      scales: { x: { time: false } },
      axes: [{ ...axis, label: "step", labelSize: 18, size: 34, incrs: WHOLE }, { ...axis, size: 56 }],
      cursor: {
        sync: { key: "curves" }, drag: { x: true, y: false, setScale: true }, points: { show: false },
        bind: { dblclick: () => () => { whole(); return null; } },
      },
      hooks: {
        setCursor: [(u) => read(u, u.cursor.idx)],
        setScale: [(u, key) => { if (key === "x") follow(u); }],
      },
    }, joined, canvas);
    read(plot, null);
    canvas.addEventListener("keydown", (event) => {
      const last = joined[0].length - 1, at = plot.cursor.idx ?? (event.key === "ArrowLeft" ? last + 1 : -1);
      const move = (index) => {
        const to = Math.max(0, Math.min(last, index));
        plot.setCursor({ left: plot.valToPos(joined[0][to], "x"), top: 10 });
      };
      const zoom = (factor) => {
        const { min, max } = plot.scales.x, middle = (min + max) / 2, half = factor * (max - min) / 2;
        const [first, end] = bounds();
        plot.setScale("x", { min: Math.max(first, middle - half), max: Math.min(end, middle + half) });
      };
      const actions = {
        ArrowLeft: () => move(at - 1), ArrowRight: () => move(at + 1), Home: () => move(0), End: () => move(last),
        "+": () => zoom(0.5), "-": () => zoom(2), 0: whole,
      };
      if (actions[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        actions[event.key]();
      }
    });
    charts.push({ plot, canvas, name, shown, joined });
    return box;
  }
  // All charts show the same steps; not every metric is logged at the first and the last.
  function bounds() {
    const ends = charts.flatMap(({ joined: [steps] }) => [steps[0], steps.at(-1)]);
    return [Math.min(...ends), Math.max(...ends)];
  }
  function whole() {
    const [min, max] = bounds();
    if (min < max) for (const { plot } of charts) plot.setScale("x", { min, max });
  }
  let following = false;
  function follow(from) {
    if (following) return;
    following = true;
    for (const { plot } of charts) if (plot !== from) plot.setScale("x", { min: from.scales.x.min, max: from.scales.x.max });
    following = false;
  }
  function fit() {
    for (const { plot, canvas } of charts) if (canvas.clientWidth) plot.setSize({ width: canvas.clientWidth, height: 260 });
  }
  new ResizeObserver(fit).observe(place);
  dark.addEventListener("change", () => show());

  // --- choices -----------------------------------------------------------------------------------
  function choices(title, entries, set, searchable) {
    const list = make("div", { className: "choices" });
    entries.forEach(({ key, label, isRun }) => {
      const box = make("input", { type: "checkbox", checked: set.has(key) });
      box.addEventListener("change", () => { if (box.checked) set.add(key); else set.delete(key); show(); });
      const swatch = make("span", { className: "swatch" });
      if (isRun) swatches.set(key, swatch);
      list.append(make("label", {}, box, ...(isRun ? [swatch] : []), ` ${label}`));
    });
    const field = make("fieldset", {}, make("legend", { textContent: title }));
    if (searchable && entries.length > 8) {
      const search = make("input", { type: "search", placeholder: "find" });
      search.setAttribute("aria-label", `Find in ${title}`);
      search.addEventListener("input", () => {
        for (const label of list.children) label.hidden = !label.textContent.toLowerCase().includes(search.value.toLowerCase());
      });
      field.append(search);
    }
    field.append(list);
    return field;
  }
  function toggle(text, key) {
    const box = make("input", { type: "checkbox", checked: chosen[key] });
    box.addEventListener("change", () => { chosen[key] = box.checked; show(); });
    return make("label", {}, box, ` ${text}`);
  }
  const window_ = make("input", { type: "range", min: 0, max: (WIDEST - 1) / 2, value: chosen.half });
  const windowText = make("span");
  window_.addEventListener("input", () => { chosen.half = +window_.value; show(); });
  const button = (text, act) => { const node = make("button", { type: "button", textContent: text }); node.addEventListener("click", act); return node; };
  const save = (name, href) => make("a", { download: name, href }).click();
  function saveCsv() {
    const cell = (value) => /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value ?? "";
    const rows = [["metric", "run", "seed", "step", "value"]];
    for (const line of data.lines) {
      if (!chosen.runs.has(line.run) || !chosen.metrics.has(line.metric) || !chosen.seeds.has(line.seed)) continue;
      data.steps[line.steps].forEach((step, i) => rows.push([data.metrics[line.metric], data.runs[line.run].name, line.seed, step, line.values[i]]));
    }
    save("curves.csv", URL.createObjectURL(new Blob([rows.map((row) => row.map(cell).join(",")).join("\n") + "\n"], { type: "text/csv" })));
  }
  function savePng() {
    const pictures = charts.map(({ plot }) => plot.ctx.canvas), title = 26 * devicePixelRatio;
    if (!pictures.length) return;
    const all = make("canvas", { width: Math.max(...pictures.map((one) => one.width)), height: pictures.reduce((sum, one) => sum + one.height + title, 0) });
    const pen = all.getContext("2d");
    pen.fillStyle = dark.matches ? "#16181b" : "#fff";
    pen.fillRect(0, 0, all.width, all.height);
    pen.font = `${14 * devicePixelRatio}px system-ui, sans-serif`;
    let top = 0;
    charts.forEach(({ name, shown }, i) => {
      pen.fillStyle = dark.matches ? "#e8e8e8" : "#1a1a1a";
      let left = 8 * devicePixelRatio;
      const write = (text) => { pen.fillText(text, left, top + 18 * devicePixelRatio); left += pen.measureText(`${text}   `).width; };
      write(name);
      for (const { line } of shown) { pen.fillStyle = ink(line.color); write(line.label); }
      pen.drawImage(pictures[i], 0, top + title);
      top += title + pictures[i].height;
    });
    save("curves.png", all.toDataURL("image/png"));
  }

  const stage = make("div", { className: "charts" });
  const warning = make("p", { className: "curves-note" });
  warning.setAttribute("role", "status");
  function show() {
    for (const { plot } of charts.splice(0)) plot.destroy();
    assign();
    const wantedMetrics = [...chosen.metrics].sort((a, b) => a - b);
    stage.replaceChildren(...wantedMetrics.slice(0, MOST_CHARTS).map(chart));
    const width = 2 * chosen.half + 1;
    windowText.textContent = chosen.half ? `trend over ${width} logged steps` : "no trend, raw lines";
    window_.setAttribute("aria-valuetext", windowText.textContent);
    warning.textContent = [
      wantedMetrics.length > MOST_CHARTS ? `The first ${MOST_CHARTS} metrics are drawn.` : "",
      wantedMetrics.length && chosen.runs.size && chosen.seeds.size ? "" : "Choose at least one run, one seed and one metric.",
      data.every > 1 ? `Every ${data.every} logged steps one value, the first and the last always.` : "",
    ].filter(Boolean).join(" ");
    fit();
    whole();
  }
  place.append(
    make("p", { className: "about", textContent: "Points: raw values. Lines: a centred mean whose window shrinks towards both ends, so that a curve starts and ends where it was measured. Drag over a chart to zoom, double-click to see all; with the keyboard: arrows, plus, minus, 0." }),
    make("form", { className: "curves-form" },
      choices("Runs", data.runs.map((run, key) => ({ key, label: run.label, isRun: true })), chosen.runs, true),
      choices("Metrics", data.metrics.map((label, key) => ({ key, label })), chosen.metrics, true),
      ...(seeds.length > 1 ? [choices("Seeds", seeds.map((seed) => ({ key: seed, label: String(seed ?? "–") })), chosen.seeds, false)] : []),
      make("fieldset", { className: "how" }, make("legend", { textContent: "How" }),
        toggle("raw points", "raw"), ...(seeds.length > 1 ? [toggle("mean over seeds", "average")] : []),
        make("label", {}, window_, " ", windowText),
        make("div", {}, button("Show all steps", whole), button("Save CSV", saveCsv), button("Save PNG", savePng)))),
    warning, stage);
  place.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  show();
}
