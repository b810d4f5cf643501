/** The matrix of a layer from 6×6 to 6×6 pixels: what sharing and locality leave of its weights. */
import { Pen, clamp, diverging, html, number, paint, plural, svg } from "./view.js";

/** @typedef {{share: boolean, local: boolean, delta: number, x: number, y: number}} State */

const N = 6;

/** A weight from −9 to 9, not 0, by its number: it looks random and is always the same; with this start the
 * nine in the middle differ. @param {number} id */
export function weight(id) {
  const mixed = Math.imul(id + 36971, 0x9e3779b1);
  const value = ((Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 16) % 18) - 9;
  return value < 0 ? value : value + 1;
}

/**
 * The weights of the layer, a row for each output; 0 where there is none.
 * @param {boolean} share @param {boolean} local @param {number} delta
 */
export function matrix(share, local, delta) {
  return Array.from({ length: N ** 4 }, (_, id) => {
    const [output, input] = [Math.floor(id / N ** 2), id % N ** 2];
    const a = Math.floor(input / N) - Math.floor(output / N);
    const b = (input % N) - (output % N);
    if (local && Math.max(Math.abs(a), Math.abs(b)) > delta) return 0;
    return weight(share ? (a + N - 1) * (2 * N - 1) + b + N - 1 : id);
  });
}

/**
 * How many weights there are to learn.
 * @param {boolean} share @param {boolean} local @param {number} delta
 */
export function count(share, local, delta) {
  if (share) return (2 * (local ? delta : N - 1) + 1) ** 2;
  return matrix(false, local, delta).filter(Boolean).length;
}

/** @param {State} state */
const size = ({ share, local, delta }) => count(share, local, delta);

/** @param {State} state */
export function say(state) {
  const { share, local, delta, x, y } = state;
  const reached = matrix(share, local, delta).filter((w, id) => w && id % N ** 2 === y * N + x).length;
  const weights = `${plural(size(state), "weight")} to learn`;
  return `${weights}. The marked pixel reaches ${plural(reached, "output")}.`;
}

/** Violet for negative, orange for positive, grey where there is no weight. @param {number} w */
const colour = (w) => (w ? diverging(w / 9, [94, 60, 153], [200, 84, 0]) : [225, 228, 232]);

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  /** @param {string} name @param {number} cells Of a side, in the lines over it. */
  const panel = (name, cells) => {
    const [canvas, picture] = [html("canvas"), svg("svg", { viewBox: `0 0 ${cells} ${cells}` })];
    const layers = html("div", { class: "layers" }, canvas, picture);
    const box = html("div", { class: "panel" }, html("p", {}, name), layers);
    return { canvas, picture, box };
  };
  const whole = panel("weights: a row per output, a column per pixel", N ** 2);
  const [input, output] = [panel("picture", N), panel("output", N)];
  live.stage.append(whole.box);
  live.aside.append(input.box, output.box);
  live.choice("Sharing", { "free weights": { share: false }, "share weights": { share: true } });
  live.choice("Locality", { "all pixels": { local: false }, "near ones": { local: true } });
  const near = live.slider("delta", { name: "reach", symbol: "Δ", min: 0, max: N - 1 });

  /** @param {number} x @param {number} y */
  const go = (x, y) => live.change({ x: clamp(x, 0, N - 1), y: clamp(y, 0, N - 1) });
  live.drag(input.picture, (x, y) => {
    const cell = input.picture.getBoundingClientRect().width / N;
    go(x / cell - 0.5, y / cell - 0.5);
  });
  live.drag(whole.picture, (x) => {
    const column = clamp((x / whole.picture.getBoundingClientRect().width) * N ** 2 - 0.5, 0, N ** 2 - 1);
    go(column % N, Math.floor(column / N));
  });
  /** @param {number} right @param {number} down */
  const move = (right, down) => () => go(live.state.x + right, live.state.y + down);
  const along = { ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), Home: () => go(0, 0) };
  const across = { ArrowUp: move(0, -1), ArrowDown: move(0, 1), End: () => go(N, N) };
  live.steer(input.picture, "Marked pixel", { ...along, ...across }, () => {
    const { x, y } = live.state;
    return { max: N * N - 1, now: y * N + x, text: `Row ${y + 1}, column ${x + 1}` };
  });

  /** Lines and the mark. @param {SVGElement} picture @param {number} cells @param {number} step */
  const grid = (picture, cells, step, mark = [0, 0, 0, 0]) => {
    const pen = new Pen();
    for (let at = 0; at <= cells; at += step) pen.path("line", `M${at} 0V${cells}M0 ${at}H${cells}`);
    const [x, y, width, height] = mark;
    pen.rect("mark", x, y, width, height);
    pen.show(picture, cells, cells);
  };

  return () => {
    const { share, local, delta, x, y } = live.state;
    const [W, column] = [matrix(share, local, delta), y * N + x];
    near.parentElement?.toggleAttribute("hidden", !local);
    paint(whole.canvas, W, colour);
    const image = Array.from({ length: N * N }, (_, at) => (at === column ? 255 : 40));
    paint(input.canvas, image, (grey) => [grey, grey, grey]);
    paint(output.canvas, W.filter((_, id) => id % N ** 2 === column), colour);
    grid(whole.picture, N ** 2, N, [column, 0, 1, N ** 2]);
    grid(input.picture, N, 1, [x, y, 1, 1]);
    const reach = local ? delta : 1; // outlined is what moves along if weights are shared
    const [left, top] = [Math.max(0, x - reach), Math.max(0, y - reach)];
    const [right, bottom] = [Math.min(N, x + reach + 1), Math.min(N, y + reach + 1)];
    grid(output.picture, N, 1, [left, top, right - left, bottom - top]);
  };
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "matrix",
  build,
  say,
  invite: "Drag the white square, or a column of the matrix. Then press buttons until the layer needs",
  tries: [121, 256, 9].map((wanted) => ({
    ask: `exactly ${number(wanted)} weights`,
    met: (state) => size(state) === wanted,
  })),
};
