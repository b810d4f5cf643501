/** LeNet at work: all maps of a network and its ten probabilities, for an image that a hand changes. */
import { clamp, diverging, fill, html, list, number, paint } from "./view.js";

/**
 * @typedef {{weights?: string, scales: number[], biases: number[][], names: string[], items: string,
 *   active: number[][], high: number[], item: number, image: number[], right: number, down: number,
 *   drawn: boolean, cleared: boolean}} State `active`: share of places at which a filter is above 0.
 */

const [SIDE, IDLE] = [28, 0.05]; // pixels; share of places below which a filter is framed
const SIZES = [6 * 25, 16 * 6 * 25, 120 * 400, 84 * 120, 10 * 84];
const REDS = Array.from({ length: 256 }, (_, k) => diverging(k / 255));
const GREYS = REDS.map((_, k) => [k, k, k]);
/** @param {string} text Base64. */
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const kept = { of: "", layers: /** @type {Float32Array[]} */ ([]) };

/** Weights of the five layers, decoded once. @param {State} state */
function layers({ weights, scales }) {
  if (!weights || kept.of === weights) return kept.layers;
  const values = new Int8Array(bytes(weights).buffer);
  let end = 0;
  kept.of = weights;
  return (kept.layers = SIZES.map((size, k) =>
    Float32Array.from(values.subarray(end, (end += size)), (w) => w * scales[k])));
}

/** Cross-correlate n×n maps with 5×5 kernels, p zeros around; ReLU. @param {Float32Array} X
 * @param {number} n @param {Float32Array} W @param {number[]} biases @param {number} p */
function convolve(X, n, W, biases, p) {
  const [out, from] = [n + 2 * p - 4, X.length / n / n];
  const Y = new Float32Array(biases.length * out * out);
  for (let o = 0, w = 0; o < biases.length; o++) {
    const map = Y.subarray(o * out * out, (o + 1) * out * out).fill(biases[o]);
    for (let c = 0; c < from; c++)
      for (let a = 0; a < 5; a++)
        for (let b = 0; b < 5; b++, w++) {
          const [weight, first, end] = [W[w], Math.max(0, p - b), Math.min(out, n + p - b)];
          for (let i = Math.max(0, p - a); i < Math.min(out, n + p - a); i++)
            for (let j = first, x = (c * n + i + a - p) * n + b - p + first; j < end; j++, x++)
              map[i * out + j] += weight * X[x];
        }
  }
  return Y.map((z) => Math.max(0, z));
}

/** Means of 2×2. @param {Float32Array} X @param {number} n */
function pool(X, n) {
  const half = n / 2;
  return new Float32Array(X.length / 4).map((_, at) => {
    const corner = 2 * Math.floor(at / half) * n + 2 * (at % half); // the maps stand one below the other
    return (X[corner] + X[corner + 1] + X[corner + n] + X[corner + n + 1]) / 4;
  });
}

/** @param {Float32Array} X @param {Float32Array} W @param {number[]} biases */
function dense(X, W, biases) {
  const Y = Float32Array.from(biases);
  for (let u = 0, w = 0; u < Y.length; u++) for (let i = 0; i < X.length; i++, w++) Y[u] += W[w] * X[i];
  return Y;
}

/** @type {WeakMap<number[], ReturnType<typeof compute>>} What was computed: it is asked for often. */
const seen = new WeakMap();
/** Maps of both convolutions and the ten probabilities. @param {State} state */
function look(state) {
  if (!seen.has(state.image)) seen.set(state.image, compute(state));
  return /** @type {ReturnType<typeof compute>} */ (seen.get(state.image));
}

/** @param {State} state */
function compute(state) {
  const [[W1, W2, W3, W4, W5], [b1, b2, b3, b4, b5]] = [layers(state), state.biases];
  const first = convolve(Float32Array.from(state.image, (v) => v / 255), SIDE, W1, b1, 2);
  const second = convolve(pool(first, SIDE), 14, W2, b2, 0);
  const relu = (/** @type {Float32Array} */ Z) => Z.map((z) => Math.max(0, z));
  const scores = dense(relu(dense(relu(dense(pool(second, 10), W3, b3)), W4, b4)), W5, b5);
  const powers = Array.from(scores, (score) => Math.exp(score - Math.max(...scores)));
  return { maps: [first, second], p: powers.map((power) => power / powers.reduce((a, b) => a + b)) };
}
/** As plain lists. @param {State} state */
export const answer = (state) => [...look(state).maps.map((Z) => Array.from(Z)), look(state).p];
/** @param {number[]} p Classes, the most probable first. */
const ranked = (p) => [...p.keys()].sort((a, b) => p[b] - p[a]);
/** @param {State} state */
const top = (state) => ranked(look(state).p)[0];
/** @param {State} state */
export function say(state) {
  const p = look(state).p;
  const [first, ...others] = ranked(p).slice(0, 3).map((c) => `${state.names[c]} ${number(100 * p[c])} %`);
  return `The answer: ${first}; then ${list(others)}.`;
}
const decoded = /** @type {Record<string, number[]>} */ ({});
/** The pixels of an item. @param {State} state @param {number} item */
const pixels = ({ items }, item) =>
  (decoded[`${item} ${items}`] ??= Array.from(bytes(items).slice(item * SIDE ** 2, (item + 1) * SIDE ** 2)));
/** Zeros come in. @param {number[]} image @param {number} down @param {number} right */
export function shift(image, down, right) {
  return image.map((_, at) => {
    const [i, j] = [Math.floor(at / SIDE) - down, (at % SIDE) - right];
    return i >= 0 && i < SIDE && j >= 0 && j < SIDE ? image[i * SIDE + j] : 0;
  });
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const [first] = layers(live.start);
  for (const state of [live.start, live.state]) delete state.weights; // else each change compares them
  const [input, brush] = [html("canvas", { class: "ink" }), html("span", { class: "brush" })];
  const keys = html("div", { class: "keys", role: "group", "aria-label": "Move" });
  const board = html("div", { class: "board" }, input, brush);
  live.stage.append(html("div", { class: "panel" }, html("p", {}, "draw, or move it"), board, keys));
  const rows = [6, 16].map((count, layer) => {
    const shares = live.start.active[layer];
    const canvases = shares.map((share) => html("canvas", { class: share < IDLE ? "idle" : null }));
    const idle = canvases.filter((canvas) => canvas.className).length;
    const size = ["6 maps, 28×28 (below: sum of the weights)", "16 maps, 10×10"][layer];
    const name = `${size}: ${idle ? `${idle} nearly always at 0, framed` : "all filters work"}`;
    const sums = shares.map((_, c) => first.slice(25 * c, 25 * (c + 1)).reduce((a, b) => a + b, 0));
    const sign = sums.map((sum) => (sum < 0 ? "−" : "+") + Math.abs(sum).toFixed(1));
    const cells = canvases.map((canvas, c) => (layer ? canvas : html("div", {}, canvas, sign[c])));
    live.aside.append(html("p", {}, name), html("div", { class: `maps of-${count}` }, ...cells));
    return canvases;
  });
  const bars = live.start.names.map((name) => {
    const [bar, share] = [html("span", { class: "bar" }), html("b")];
    const row = html("div", { class: "class" }, html("span", {}, name), html("span", {}, bar), share);
    return { row, bar, share };
  });
  live.stage.append(html("div", { class: "classes" }, ...bars.map(({ row }) => row)));
  const still = { right: 0, down: 0, drawn: false, cleared: false };
  live.choice("Item", Object.fromEntries(live.start.names.map((name, item) =>
    [name, { item, image: pixels(live.start, item), ...still }])));
  const none = { ...still, item: -1, image: Array(784).fill(0), drawn: true, cleared: true };
  live.button("Clear", () => live.change(none));
  const move = (/** @type {number} */ down, /** @type {number} */ right) => () => {
    const { image, item, drawn, right: x, down: y } = live.state; // an item that comes back comes back whole
    const moved = drawn ? shift(image, down, right) : shift(pixels(live.start, item), y + down, x + right);
    live.change({ image: moved, right: x + right, down: y + down });
  };
  const ways = [["←", "left", 0, -1], ["↑", "up", -1, 0], ["↓", "down", 1, 0], ["→", "right", 0, 1]];
  for (const [sign, name, down, right] of /** @type {[string, string, number, number][]} */ (ways)) {
    keys.append(fill(live.button(sign, move(down, right)), { "aria-label": `Move ${name}` }));
  }
  /** @param {(down: number, right: number) => () => void} by */
  const arrows = (by) =>
    ({ ArrowLeft: by(0, -1), ArrowRight: by(0, 1), ArrowUp: by(-1, 0), ArrowDown: by(1, 0) });
  live.steer(input, "Image", arrows(move), () => {
    const { right, down } = live.state;
    return { min: -SIDE, max: SIDE, now: clamp(right, -SIDE, SIDE), text: `right ${right}, down ${down}` };
  });
  /** Ink around a place of the image. @param {number} x @param {number} y */
  const ink = (x, y) => {
    const r = (/** @type {number} */ at) => Math.hypot(at % SIDE + 0.5 - x, Math.floor(at / SIDE) + 0.5 - y);
    const image = live.state.image.map((value, at) => Math.max(value, clamp(255 * (1.9 - r(at)), 0, 255)));
    live.change({ image, item: -1, drawn: true });
  };
  live.drag(input, (x, y) => ink((x / input.offsetWidth) * SIDE, (y / input.offsetWidth) * SIDE));
  let [x, y, wet] = [14, 14, false]; // the brush of the keyboard
  const go = (/** @type {number} */ down, /** @type {number} */ right, turn = false) => () => {
    [x, y, wet] = [clamp(x + right, 0, SIDE), clamp(y + down, 0, SIDE), wet !== turn];
    return wet ? ink(x, y) : live.change({});
  };
  live.steer(brush, "Brush", { ...arrows(go), " ": go(0, 0, true) }, () => {
    fill(brush, { style: `left: ${(100 * x) / SIDE}%; top: ${(100 * y) / SIDE}%` });
    return { max: SIDE, now: x, text: `column ${x}, row ${y}, ${wet ? "painting" : "lifted"}` };
  }, "The arrow keys move it, Space lowers and lifts it.");

  return () => {
    const [state, { maps, p }] = [live.state, look(live.state)];
    paint(input, state.image, (value) => GREYS[value]);
    maps.forEach((Z, layer) => {
      const size = Z.length / rows[layer].length;
      rows[layer].forEach((canvas, c) => {
        const map = Array.from(Z.subarray(c * size, (c + 1) * size));
        const name = `filter ${c + 1}${canvas.className && ", idle"}`;
        paint(canvas, map, (z) => REDS[clamp((255 * z) / state.high[layer], 0, 255)], name);
      });
    });
    bars.forEach(({ row, bar, share }, c) => {
      row.classList.toggle("best", c === top(state));
      bar.style.width = `${100 * p[c]}%`;
      share.textContent = `${number(100 * p[c])} %`;
    });
  };
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "lenet", build, say,
  invite: "Choose an item, draw on it, move it, and try to",
  tries: [
    { ask: "change the answer by moving an item three pixels at most",
      met: (state) => !state.drawn && Math.abs(state.right) + Math.abs(state.down) <= 3 &&
        top(state) !== top({ ...state, image: pixels(state, state.item) }) },
    { ask: "press Clear, and draw something that it is sure of, above 90 %",
      met: (state) => state.cleared && state.image.some(Boolean) && Math.max(...look(state).p) > 0.9 },
    { ask: "leave it so unsure that no class gets 40 %", met: (state) => Math.max(...look(state).p) < 0.4 },
  ],
};
