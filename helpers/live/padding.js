/** Padding and stride: which cells the windows read, in one direction and in two. */
import { clamp, html, list, number, plural, svg } from "./view.js";

/** @typedef {{n: number, k: number, p: number, s: number, i: number, j: number}} State */

const MOST = { k: 7, p: 3, s: 4 };

/**
 * Positions of a window of k cells on n cells, padded by p per side, that moves by s.
 * @param {number} n
 * @param {number} k
 * @param {number} p
 * @param {number} s
 * @returns {{padded: number, out: number, reads: number[]}} `reads`: how often each padded cell is read.
 */
export function windows(n, k, p, s) {
  const padded = n + 2 * p;
  const out = Math.floor((padded - k) / s) + 1;
  const reads = Array(padded).fill(0);
  for (let i = 0; i < out; i++) for (let a = 0; a < k; a++) reads[i * s + a]++;
  return { padded, out, reads };
}

/**
 * Names of the input cells that no window reads, and the number of such cells of padding.
 * @param {State} state
 */
export function unread({ n, k, p, s }) {
  const { reads } = windows(n, k, p, s);
  const cells = reads.flatMap((count, j) => (count ? [] : [j - p]));
  const inside = cells.filter((j) => j >= 0 && j < n);
  return { inside, border: cells.length - inside.length };
}

/** @param {number} index */
const subscript = (index) => [...String(index)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]).join("");

/** @param {State} state */
export function say(state) {
  const { n, k, p, s } = state;
  const { inside, border } = unread(state);
  const missed = inside.map((cell) => `x${subscript(cell)}`);
  if (border) missed.push(plural(border, "cell of padding", "cells of padding"));
  const verb = inside.length + border > 1 ? "are" : "is";
  const end = missed.length ? `${list(missed)} ${verb} never read` : "every cell is read";
  const { out } = windows(n, k, p, s);
  return `${n} cells, kernel ${k}, padding ${p}, stride ${s}: ${plural(out, "output")}; ${end}.`;
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const row = svg("svg", { class: "row" });
  const map = svg("svg", { class: "map" });
  const formula = html("p", { class: "formula-line" });
  const title = html("p", { class: "title" });
  live.stage.append(row);
  live.aside.append(title, map);
  live.words.append(formula);
  live.slider("k", { name: "kernel", symbol: "k", min: 1, max: MOST.k });
  live.slider("p", { name: "padding", symbol: "p", min: 0, max: MOST.p });
  live.slider("s", { name: "stride", symbol: "s", min: 1, max: MOST.s });

  const now = () => ({ ...live.state, ...windows(live.state.n, live.state.k, live.state.p, live.state.s) });
  /** @param {"i" | "j"} axis @param {number} to */
  const go = (axis, to) => live.change({ [axis]: clamp(to, 0, now().out - 1) });
  /** @param {"i" | "j"} axis @param {string} back @param {string} forth */
  const keys = (axis, back, forth) => ({
    [back]: () => go(axis, live.state[axis] - 1),
    [forth]: () => go(axis, live.state[axis] + 1),
    Home: () => go(axis, 0),
    End: () => go(axis, Infinity),
  });
  /** @param {"i" | "j"} axis */
  const place = (axis) => {
    const { n, k, p, s, out } = now();
    const first = live.state[axis] * s - p;
    const zeros = Math.max(0, -first) + Math.max(0, first + k - n);
    const text = `y${subscript(live.state[axis])}, window ${live.state[axis] + 1} of ${out}, reads ${plural(k - Math.min(k, zeros), "cell")} of the input and ${plural(Math.min(k, zeros), "zero")}`;
    return { max: out - 1, now: live.state[axis], text };
  };
  live.steer(row, "Window along the row", { ...keys("j", "ArrowLeft", "ArrowRight") }, () => place("j"));
  const both = { ...keys("j", "ArrowLeft", "ArrowRight"), ...keys("i", "ArrowUp", "ArrowDown") };
  live.steer(map, "Window down the image", both, () => place("i"));

  let c = 20; // pixels of a cell of the row
  let byRow = false;
  live.drag(row, (x, y, first) => {
    const { n, k, p, s, out } = now();
    const { top, high } = rows(c, out);
    if (first) byRow = x > (n + 2 * MOST.p) * c && y > top;
    go("j", byRow ? (y - top) / high - 0.5 : (x / c - MOST.p + p - k / 2) / s);
  });
  live.drag(map, (x, y) => {
    const { n, k, p, s } = now();
    const cell = map.clientWidth / (n + 2 * MOST.p);
    /** @param {number} at */
    const nearest = (at) => (at / cell - MOST.p + p - k / 2) / s;
    go("j", nearest(x));
    go("i", nearest(y));
  });

  return () => {
    const state = now();
    live.state.j = state.j = Math.min(state.j, state.out - 1);
    live.state.i = state.i = Math.min(state.i, state.out - 1);
    c = Math.min(29, Math.floor((live.stage.clientWidth / (state.n + 2 * MOST.p + 3)) * 10) / 10);
    drawRow(row, state, c);
    drawMap(map, state);
    title.textContent = `In two directions: ${state.out} × ${state.out} outputs; a cell is read up to ${plural(Math.max(...state.reads) ** 2, "time")}.`;
    formula.replaceChildren(...terms(state));
  };
}

/** @param {number} c @param {number} out @returns The first row of windows and the height of each. */
const rows = (c, out) => ({ top: 2.9 * c, high: Math.min(1.9 * c, (9.5 * c) / (out + 1)) });

/**
 * The formula with its numbers.
 * @param {State & {out: number}} state
 */
function terms({ n, k, p, s, out }) {
  /** @param {string} of @param {number} value */
  const part = (of, value) => html("b", { class: of }, String(value));
  const quotient = (n + 2 * p - k) / s;
  const floor = Number.isInteger(quotient) ? [] : [`⌊${number(quotient, 2)}⌋ + 1 = `];
  const start = [`⌊(${n} + 2·`, part("p", p), " − ", part("k", k), ") / ", part("s", s), "⌋ + 1 = "];
  return [...start, ...floor, html("b", {}, String(out))];
}

/**
 * @param {SVGElement} picture
 * @param {State & ReturnType<typeof windows>} state
 * @param {number} c
 */
function drawRow(picture, { n, k, p, s, j, padded, out, reads }, c) {
  const { top, high } = rows(c, out);
  const bar = Math.min(c * 0.92, high - 2);
  const [width, right, bottom] = [(n + 2 * MOST.p + 3) * c, (n + 2 * MOST.p + 0.6) * c, top + (out + 1) * high];
  /** @param {number} cell */
  const x = (cell) => (MOST.p - p + cell) * c;
  /** @param {number} i */
  const y = (i) => top + i * high + (high - bar) / 2;
  const marks = [];
  /** @param {string} kind @param {number} left @param {number} up @param {number} wide @param {number} tall */
  const box = (kind, left, up, wide, tall) =>
    marks.push(svg("rect", { class: kind, x: left, y: up, width: wide, height: tall, rx: 2 }));
  /** @param {string} kind @param {number} left @param {number} up @param {string} words */
  const text = (kind, left, up, words) => marks.push(svg("text", { class: kind, x: left, y: up }, words));

  text("caption", x(0), 0.55 * c, `${n} + 2·${p} = ${plural(padded, "padded cell")}`);
  reads.forEach((count, cell) => count || box("unread", x(cell), c, c, bottom + 1.25 * c - c));
  marks.push(svg("path", { class: "rule", d: Array.from({ length: padded + 1 }, (_, cell) => `M${x(cell)} ${2 * c}V${bottom}`).join("") }));
  reads.forEach((count, cell) => {
    const real = cell >= p && cell < n + p;
    box(`cell ${real ? "real" : "pad"} ${count ? "" : "never"}`, x(cell) + 1, c + 1, c - 2, c - 2);
    text(count ? "" : "faint", x(cell + 0.5), 1.5 * c, real ? `x${subscript(cell - p)}` : "0");
    text(count ? "reads" : "reads none", x(cell + 0.5), bottom + 0.65 * c, String(count));
  });
  marks.push(svg("path", { class: "beam", d: `M${x(j * s)} ${2 * c}V${y(j)}H${x(j * s + k)}V${2 * c}Z` }));
  for (let i = 0; i < out; i++) {
    const now = i === j ? "now" : "";
    box(`window ${now}`, x(i * s) + 1, y(i), k * c - 2, bar);
    marks.push(svg("path", { class: `wire ${now}`, d: `M${x(i * s + k)} ${y(i) + bar / 2}H${right}` }));
    box(`output ${now}`, right, y(i), 1.7 * c, bar);
    if (now && bar >= 11) for (let a = 0; a < k; a++) text("now", x(i * s + a + 0.5), y(i) + bar / 2, `w${subscript(a)}`);
    text(now, right + 0.85 * c, y(i) + bar / 2, `y${subscript(i)}`);
  }
  box("frame", x(j * s) + 1, c + 1, k * c - 2, c - 2);
  if (out > 1) {
    marks.push(svg("path", { class: "step", d: `M${x(0) + 3} ${y(1) + bar / 2}H${x(s) - 3}` }));
    text("step-size", x(s / 2), y(1) + bar / 2, String(s));
  }
  const over = x(padded);
  box("ghost", x(out * s) + 1, y(out), k * c - 2, bar);
  box("over", over, y(out), Math.min(x(out * s + k), width) - over - 1, bar);
  text("no", x(out * s) - 0.3 * c, y(out) + bar / 2, "does not fit");
  text("caption", right, bottom + 0.65 * c, "reads");
  const tall = Math.round(2.9 * c + 9.5 * c + 1.4 * c);
  picture.replaceChildren(...marks);
  for (const [name, value] of Object.entries({ width, height: tall, viewBox: `0 0 ${width} ${tall}` }))
    picture.setAttribute(name, String(value));
}

/**
 * @param {SVGElement} picture
 * @param {State & ReturnType<typeof windows>} state
 */
function drawMap(picture, { n, k, p, s, i, j, out, reads }) {
  const size = n + 2 * MOST.p;
  const at = MOST.p - p;
  const most = Math.max(...reads) ** 2;
  const marks = [];
  reads.forEach((down, y) =>
    reads.forEach((along, x) => {
      const count = down * along;
      const mark = svg("rect", { class: count ? "count" : "never", x: x + at, y: y + at, width: 1, height: 1 });
      mark.style.setProperty("--share", String(count / most));
      marks.push(mark);
    }),
  );
  marks.push(svg("rect", { class: "image", x: MOST.p, y: MOST.p, width: n, height: n }));
  for (let y = 0; y < out; y++)
    for (let x = 0; x < out; x++) {
      const now = y === i && x === j;
      const centre = { cx: at + x * s + k / 2, cy: at + y * s + k / 2, r: now ? 0.28 : 0.13 };
      marks.push(svg("circle", { class: now ? "now" : "", ...centre }));
    }
  marks.push(svg("rect", { class: "frame", x: at + j * s, y: at + i * s, width: k, height: k }));
  picture.replaceChildren(...marks);
  picture.setAttribute("viewBox", `-0.1 -0.1 ${size + 0.2} ${size + 0.2}`);
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "padding",
  build,
  say,
  invite: "Drag the window, move the sliders, and try to",
  tries: [
    { ask: "keep all 8 outputs with a kernel of 7", met: ({ n, k, p, s }) => k === 7 && windows(n, k, p, s).out === n },
    { ask: "leave a cell of the input unread", met: (state) => unread(state).inside.length > 0 },
    { ask: "read every cell of the input exactly once, with a kernel above 1", met: ({ n, k, p, s }) => windows(n, k, p, s).reads.slice(p, p + n).every((r) => r === 1) && k > 1 },
  ],
};
