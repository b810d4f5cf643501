/** Padding and stride: which cells the windows read, in one direction and in two. */
import { Pen, clamp, fill, html, list, number, plural, svg } from "./view.js";

/** @typedef {{n: number, k: number, p: number, s: number, i: number, j: number}} State */

const MOST = { k: 7, p: 3, s: 4 };

/**
 * Padded size, number of windows, and how often each padded cell is read.
 * @param {number} n @param {number} k @param {number} p @param {number} s
 */
export function windows(n, k, p, s) {
  const padded = n + 2 * p;
  const out = Math.floor((padded - k) / s) + 1;
  const reads = /** @type {number[]} */ (Array(padded).fill(0));
  for (let i = 0; i < out; i++) for (let a = 0; a < k; a++) reads[i * s + a]++;
  return { padded, out, reads };
}

/** Cells of the input that no window reads, and the number of such cells of padding. @param {State} state */
export function unread({ n, k, p, s }) {
  const { reads } = windows(n, k, p, s);
  const cells = reads.flatMap((count, j) => (count ? [] : [j - p]));
  const inside = cells.filter((j) => j >= 0 && j < n);
  return { inside, border: cells.length - inside.length };
}

/** Whether windows of 3 cells miss one of the input. @param {State} state */
const misses = (state) => state.k === 3 && unread(state).inside.length > 0;
/** @param {State} state */
const outputs = ({ n, k, p, s }) => windows(n, k, p, s).out;

/** x, 12 → "x₁₂". @param {string} letter @param {number} index */
const name = (letter, index) => letter + String(index).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[Number(d)]);

/** @param {State} state */
export function say(state) {
  const { n, k, p, s } = state;
  const { inside, border } = unread(state);
  const missed = inside.map((cell) => name("x", cell));
  if (border) missed.push(plural(border, "cell of padding", "cells of padding"));
  const verb = inside.length + border > 1 ? "are" : "is";
  const end = missed.length ? `${list(missed)} ${verb} never read` : "every cell is read";
  return `${n} cells, kernel ${k}, padding ${p}, stride ${s}: ${plural(outputs(state), "output")}; ${end}.`;
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const [row, map] = [svg("svg"), svg("svg", { class: "map" })];
  const [formula, title] = [html("p", { class: "formula-line" }), html("p")];
  live.stage.append(row);
  live.aside.append(title, map, html("p", {}, "Line: image. Dots: centres. Darker: read more. Grey: never."));
  live.words.append(formula);
  live.slider("k", { name: "kernel", symbol: "k", min: 1, max: MOST.k });
  live.slider("p", { name: "padding", symbol: "p", min: 0, max: MOST.p });
  live.slider("s", { name: "stride", symbol: "s", min: 1, max: MOST.s });
  live.button("n − 1", () => live.change({ n: Math.max(live.state.n - 1, 7) }));
  live.button("n + 1", () => live.change({ n: Math.min(live.state.n + 1, 12) }));

  const now = () => {
    const { n, k, p, s } = live.state;
    return { ...live.state, ...windows(n, k, p, s) };
  };
  /** @param {"i" | "j"} axis @param {number} to */
  const go = (axis, to) => live.change({ [axis]: clamp(to, 0, outputs(live.state) - 1) });
  /** @param {"i" | "j"} axis @param {string} back @param {string} forth */
  const keys = (axis, back, forth) => ({
    [back]: () => go(axis, live.state[axis] - 1),
    [forth]: () => go(axis, live.state[axis] + 1),
    Home: () => go(axis, 0), End: () => go(axis, Infinity) });
  /** @param {"i" | "j"} axis */
  const place = (axis) => {
    const { n, k, p, s, out, [axis]: at } = now();
    const seen = Math.max(0, Math.min(at * s - p + k, n) - Math.max(at * s - p, 0));
    const reads = `${plural(seen, "cell")} of the input and ${plural(k - seen, "zero")}`;
    return { max: out - 1, now: at, text: `Window ${at + 1} of ${out} reads ${reads}` };
  };
  const both = (/** @type {"i" | "j"} */ axis) =>
    ({ ...keys("j", "ArrowLeft", "ArrowRight"), ...keys(axis, "ArrowUp", "ArrowDown") });
  live.steer(row, "Window along the row", both("j"), () => place("j"));
  live.steer(map, "Window down the image", both("i"), () => place("i"));

  let [c, byRow] = [20, false]; // side of a cell of the row in pixels; whether a drag began on an output
  /** @param {number} cells From the left end of the longest padding. */
  const nearest = (cells) => (cells - MOST.p + live.state.p - live.state.k / 2) / live.state.s;
  live.drag(row, (x, y, first) => {
    const { n, out } = now();
    const { top, high } = rows(c, out);
    if (first) byRow = x > (n + 2 * MOST.p) * c && y > top;
    go("j", byRow ? (y - top) / high - 0.5 : nearest(x / c));
  });
  live.drag(map, (x, y) => {
    const cell = map.clientWidth / (live.state.n + 2 * MOST.p);
    go("j", nearest(x / cell));
    go("i", nearest(y / cell));
  });

  return () => {
    const { i, j, out } = now();
    Object.assign(live.state, { i: Math.min(i, out - 1), j: Math.min(j, out - 1) });
    const state = now();
    c = Math.min(29, Math.floor((live.stage.clientWidth / (state.n + 2 * MOST.p + 3)) * 10) / 10);
    drawRow(row, state, c);
    drawMap(map, state);
    const most = Math.max(...state.reads) ** 2;
    title.textContent = `In two directions: ${out} × ${out} outputs; read counts up to ${most}.`;
    formula.replaceChildren(...terms(state));
  };
}

/** The first row of windows, and the height of each. @param {number} c @param {number} out */
const rows = (c, out) => ({ top: 2.9 * c, high: Math.min(1.9 * c, (9.5 * c) / (out + 1)) });

/** The formula, in numbers. @param {State & {out: number}} state */
function terms({ n, k, p, s, out }) {
  /** @param {string} kind @param {number} value */
  const part = (kind, value) => html("b", { class: kind }, String(value));
  const floor = (n + 2 * p - k) % s ? [`⌊${number((n + 2 * p - k) / s, 2)}⌋ + 1 = `] : [];
  const whole = [`⌊(${n} + 2·`, part("p", p), " − ", part("k", k), ") / ", part("s", s), "⌋ + 1 = "];
  return [...whole, ...floor, part("", out)];
}

/** @param {SVGElement} picture @param {State & ReturnType<typeof windows>} state @param {number} c */
function drawRow(picture, { n, k, p, s, j, padded, out, reads }, c) {
  const pen = new Pen();
  const { top, high } = rows(c, out);
  const [bar, bottom] = [Math.min(c * 0.92, high - 2), top + (out + 1) * high];
  const [right, width, tall] = [(n + 2 * MOST.p + 0.6) * c, (n + 2 * MOST.p + 3) * c, 13.8 * c];
  /** @param {number} cell */
  const x = (cell) => (MOST.p - p + cell) * c;
  /** @param {number} i */
  const y = (i) => top + i * high + (high - bar) / 2;

  pen.text("left", x(0), 0.55 * c, `${n} + 2·${p} = ${plural(padded, "padded cell")}`);
  pen.path("rule", [...reads.keys(), padded].map((cell) => `M${x(cell)} ${2 * c}V${bottom}`).join(""));
  reads.forEach((count, cell) => {
    const real = cell >= p && cell < n + p;
    if (!count) pen.rect("unread", x(cell), c, c, bottom + 0.25 * c);
    pen.rect((real ? "cell" : "pad") + (count ? "" : " never"), x(cell) + 1, c + 1, c - 2, c - 2, 2);
    pen.text("", x(cell + 0.5), 1.5 * c, real ? name("x", cell - p) : "0");
    pen.text(count ? "reads" : "reads none", x(cell + 0.5), bottom + 0.65 * c, String(count));
  });
  pen.path("beam", `M${x(j * s)} ${2 * c}V${y(j)}H${x(j * s + k)}V${2 * c}Z`);
  for (let i = 0; i < out; i++) {
    const now = i === j ? " now" : "";
    pen.rect(`window${now}`, x(i * s) + 1, y(i), k * c - 2, bar, 2);
    pen.path(`wire${now}`, `M${x(i * s + k)} ${y(i) + bar / 2}H${right}`);
    pen.rect(`output${now}`, right, y(i), 1.7 * c, bar, 2);
    pen.text("", right + 0.85 * c, y(i) + bar / 2, name("y", i));
  }
  for (let a = 0; a < k; a++) pen.text("", x(j * s + a + 0.5), y(j) + bar / 2, name("w", a));
  pen.rect("frame", x(j * s) + 1, c + 1, k * c - 2, c - 2, 2);
  if (out > 1) {
    pen.path("step", `M${x(0)} ${y(1) + bar / 2}h${(s * c) / 2 - 8}m16 0H${x(s)}`);
    pen.text("step-size", x(s / 2), y(1) + bar / 2, String(s));
  }
  pen.rect("ghost", x(out * s) + 1, y(out), k * c - 2, bar, 2);
  pen.rect("over", x(padded), y(out), Math.min(x(out * s + k), width) - x(padded) - 1, bar, 2);
  pen.text("no", Math.min(x(out * s), x(padded)) - 0.3 * c, y(out) + bar / 2, "does not fit");
  pen.text("left", right, bottom + 0.65 * c, "reads");
  fill(picture, { width, height: tall });
  pen.show(picture, width, tall);
}

/** @param {SVGElement} picture @param {State & ReturnType<typeof windows>} state */
function drawMap(picture, { n, k, p, s, i, j, out, reads }) {
  const [pen, size, at, most] = [new Pen(), n + 2 * MOST.p, MOST.p - p, Math.max(...reads) ** 2];
  /** @type {Record<number, string>} */
  const cells = {}; // outlines of the cells that are read equally often
  for (const [y, down] of reads.entries())
    for (const [x, along] of reads.entries())
      cells[down * along] = `${cells[down * along] ?? ""}M${x + at} ${y + at}h1v1h-1z`;
  for (const [count, d] of Object.entries(cells)) {
    const share = Number(count) / most;
    fill(pen.path(share ? "count" : "never", d), { "fill-opacity": 0.08 + 0.62 * share });
  }
  pen.rect("image", MOST.p, MOST.p, n, n);
  /** @param {number} y @param {number} x */
  const dot = (y, x) => `M${at + x * s + k / 2} ${at + y * s + k / 2}h0`;
  const dots = Array.from({ length: out * out }, (_, a) => dot(Math.floor(a / out), a % out));
  pen.path("dot", dots.join(""));
  pen.path("dot now", dot(i, j));
  pen.rect("frame", at + j * s, at + i * s, k, k);
  pen.show(picture, size, size);
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "padding", build, say,
  invite: "Move the window, move the sliders, and try to",
  tries: [
    { ask: "get 8 outputs with a kernel of 7", met: (now) => now.k === 7 && outputs(now) === 8 },
    { ask: "miss a cell of the image, with kernel 3 and padding 1", met: (at) => at.p === 1 && misses(at) },
    { ask: "miss one with kernel 3 and stride 2", met: (at) => at.s === 2 && misses(at) },
    {
      ask: "read each cell of the input once, with a kernel above 1",
      met: ({ n, k, p, s }) => k > 1 && windows(n, k, p, s).reads.slice(p, p + n).every((r) => r === 1),
    },
  ],
};
