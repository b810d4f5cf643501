/** Kernel playground: weights to change. */
import { Pen, QUIET, clamp, diverging, fill, html, number, paint, svg } from "./view.js";

/**
 * X and K: numbers and kernel; image and W: the same for the photograph.
 * @typedef {{photo: boolean, flip: boolean, X: number[], K: number[], W: number[], image: string,
 *   i: number, j: number}} State
 */

const CELL = 44;
const PRESETS = {
  "sum of nine": { W: [1, 1, 1, 1, 1, 1, 1, 1, 1] },
  "[1, −1]": { W: [0, 0, 0, 0, 1, -1, 0, 0, 0] },
  "vertical edges": { W: [1, 0, -1, 2, 0, -2, 1, 0, -1] },
  "horizontal edges": { W: [1, 2, 1, 0, 0, 0, -1, -2, -1] },
  points: { W: [-1, -1, -1, -1, 8, -1, -1, -1, -1] },
};

/** @param {number} value */
const vanishes = (value) => Math.abs(value) < 1e-9;

/** @param {number[]} values Of a square. */
const side = (values) => Math.sqrt(values.length);

/** The kernel as it lies. @param {number[]} K @param {boolean} flip */
const laid = (K, flip) => (flip ? [...K].reverse() : K);

/**
 * What a square kernel answers on a square image.
 * @param {number[]} X @param {number[]} K @param {boolean} flip
 */
export function slide(X, K, flip) {
  const [n, k] = [side(X), side(K)];
  const [m, W] = [n - k + 1, laid(K, flip)];
  /** @type {number[]} */
  const Y = Array(m * m).fill(0);
  for (let y = 0; y < m; y++)
    for (let x = 0; x < m; x++)
      for (let a = 0; a < k; a++)
        for (let b = 0; b < k; b++) Y[y * m + x] += X[(y + a) * n + x + b] * W[a * k + b];
  return Y;
}

/** The pixels in the window, row by row. @param {ReturnType<typeof look>} seen */
const meet = ({ X, K, k, n, i, j }) => K.map((_, at) => X[(i + Math.floor(at / k)) * n + j + (at % k)]);

/** @type {number[]} Of the photograph, once it is decoded. */
let greys = Array(64 * 64).fill(0);

/** Input, kernel (typed, and as it lies: K), place and its limit. @param {State} state */
function look({ photo, flip, X, K, W, i, j }) {
  const [input, kernel] = photo ? [greys, W] : [X, K];
  const [n, k] = [side(input), side(kernel)];
  const last = n - k;
  const place = { last, i: clamp(i, 0, last), j: clamp(j, 0, last) };
  return { X: input, typed: kernel, K: laid(kernel, flip), n, k, ...place };
}

/** @param {State} state */
export function say(state) {
  const seen = look(state);
  const met = meet(seen);
  const terms = seen.K.map((w, at) => `${met[at]} × ${w < 0 ? `(${number(w, 3)})` : number(w, 3)}`);
  const sum = seen.K.reduce((total, w, at) => total + w * met[at], 0);
  return `Output in row ${seen.i}, column ${seen.j}: ${terms.join(" + ")} = ${number(sum, 3)}.`;
}

/**
 * Numbers in cells, if any, and a mark at (i, j).
 * @param {SVGElement} picture @param {number[]} values @param {boolean} cells
 * @param {number} i @param {number} j @param {number} size
 */
function draw(picture, values, cells, i, j, size) {
  const [pen, n] = [new Pen(), side(values)];
  const unit = cells ? CELL : 240 / n;
  if (cells)
    values.forEach((value, at) => {
      const [x, y] = [(at % n) * CELL, Math.floor(at / n) * CELL];
      pen.rect("cell", x + 1.5, y + 1.5, CELL - 3, CELL - 3, 3);
      const words = number(value, Math.abs(value) < 10 ? 2 : Number(Math.abs(value) < 1000));
      pen.text(words.length > 5 ? "long" : "", x + CELL / 2, y + CELL / 2, words);
    });
  pen.rect("mark", j * unit, i * unit, size * unit, size * unit, cells ? 4 : 0);
  picture.style.width = cells ? `${n * CELL}px` : "100%";
  pen.show(picture, n * unit, n * unit);
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  /** @param {number} i @param {number} j */
  const go = (i, j) => {
    const { last } = look(live.state);
    live.change({ i: clamp(i, 0, last), j: clamp(j, 0, last) });
  };
  /** @param {string} name @param {(share: number) => number} index Of the output, at a share of the width. */
  const panel = (name, index) => {
    const [canvas, picture] = [html("canvas"), svg("svg")];
    const layers = html("div", { class: "layers" }, canvas, picture);
    live.stage.append(html("div", { class: "panel" }, html("p", {}, name), layers));
    live.drag(picture, (x, y) => {
      const { width } = picture.getBoundingClientRect();
      go(index(y / width), index(x / width));
    });
    return { canvas, picture };
  };
  /** @param {number} at @param {number} k */
  const weight = (at, k) => {
    const of = `Weight in row ${Math.floor(at / k)}, column ${at % k}`;
    const box = html("input", { type: "number", min: -99, max: 99, step: "any", "aria-label": of, ...QUIET });
    const change = () => {
      const value = Math.max(-99, Math.min(99, Number(box.value)));
      const typed = look(live.state).typed.with(at, value);
      if (box.value) live.change(live.state.photo ? { W: typed } : { K: typed });
    };
    box.addEventListener("input", () => live.guard(change));
    box.addEventListener("blur", () => live.change({})); // shows a weight that was emptied
    return html("div", {}, box, html("span"));
  };

  const input = panel("input", (share) => share * look(live.state).n - look(live.state).k / 2);
  const [sign, weights] = [html("span", { class: "sign" }), html("div", { class: "weights" })];
  const turned = html("div", { class: "turned" });
  const below = html("div", {}, html("p", {}, "on the input:"), turned);
  live.stage.append(html("div", { class: "panel kernel" }, html("p", {}, sign, " kernel"), weights, below));
  const output = panel("output", (share) => share * (look(live.state).last + 1) - 0.5);
  live.choice("Input", { numbers: { photo: false, i: 0, j: 0 }, photograph: { photo: true, i: 23, j: 14 } });
  live.choice("Operation", { "correlate ⋆": { flip: false }, "convolve ∗": { flip: true } });
  const presets = live.choice("Kernel", PRESETS);

  /** @param {number} down @param {number} along */
  const move = (down, along) => () => go(live.state.i + down, live.state.j + along);
  const along = { ArrowLeft: move(0, -1), ArrowRight: move(0, 1), Home: () => go(0, 0) };
  const down = { ArrowUp: move(-1, 0), ArrowDown: move(1, 0), End: () => go(Infinity, Infinity) };
  live.steer(output.picture, "Output", { ...along, ...down }, () => {
    const { last, i, j } = look(live.state);
    return { max: (last + 1) ** 2 - 1, now: i * (last + 1) + j, text: `row ${i}, column ${j}` };
  });

  live.decode(live.state.image, (data) => (greys = data.filter((_, at) => at % 4 === 0)));

  return () => {
    const [seen, { photo, flip }] = [look(live.state), live.state];
    const { X, typed, K, k, i, j } = seen;
    const [Y, met] = [slide(X, K, false), laid(meet(seen), flip)];
    const largest = Math.max(...K.map(Math.abs)) || 1;
    live.stage.classList.toggle("photo", photo);
    presets.hidden = !photo;
    sign.textContent = flip ? "∗" : "⋆";
    below.hidden = !flip;
    turned.replaceChildren(...K.map((w) => html("span", {}, number(w, 3))));
    turned.style.setProperty("--side", `${k}`);
    if (weights.childElementCount !== K.length) weights.replaceChildren(...K.map((_, at) => weight(at, k)));
    weights.style.setProperty("--side", `${k}`);
    [...weights.querySelectorAll("input")].forEach((box, at) => {
      const [w, own] = [typed[at], box === document.activeElement];
      if (!own || (box.value && Number(box.value) !== w)) box.value = `${w}`;
      box.className = w < 0 ? "negative" : "";
      box.style.setProperty("--share", `${Math.abs(w) / largest}`);
      if (box.nextElementSibling) box.nextElementSibling.textContent = `× ${met[at]}`;
    });
    draw(input.picture, X, !photo, i, j, k);
    draw(output.picture, Y, !photo, i, j, 1);
    fill(input.picture, { "aria-hidden": photo });
    if (!photo) return;
    const most = Math.max(1, ...Y.map(Math.abs));
    const grey = (/** @type {number} */ scale) => (/** @type {number} */ v) => Array(3).fill(scale * v);
    paint(input.canvas, X, grey(1));
    const mixed = K.some((w) => w < 0);
    paint(output.canvas, Y, mixed ? (value) => diverging((2 * value) / most) : grey(255 / most));
  };
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "playground",
  build,
  say,
  invite: "Choose an output, change the weights, and try to",
  tries: [
    {
      ask: "answer 0 everywhere, with weights that are not all 0",
      met: ({ photo, X, K, flip }) => !photo && K.some(Boolean) && slide(X, K, flip).every(vanishes),
    },
    {
      ask: "convolve ∗ (see “Two stars” below), and get 19, 25, 37 and 43 back by changing weights",
      met: ({ photo, X, K, flip }) =>
        !photo && flip && slide(X, K, flip).every((y, at) => vanishes(y - [19, 25, 37, 43][at])),
    },
    {
      ask: "make level lines vanish, but not the posts, with a kernel of your own that uses all three rows",
      met: ({ photo, W }) =>
        photo &&
        [0, 3, 6].every((a) => W.slice(a, a + 3).some(Boolean) && vanishes(W[a] + W[a + 1] + W[a + 2])) &&
        [0, 1, 2].some((b) => !vanishes(W[b] + W[b + 3] + W[b + 6])) &&
        !Object.values(PRESETS).some((preset) => `${preset.W}` === `${W}`),
    },
  ],
};
