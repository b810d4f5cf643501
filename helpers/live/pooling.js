/** A digit that moves: what pooling hides of the change in its edges, and what it does not. */
import { clamp, diverging, html, paint, plural } from "./view.js";

/**
 * @typedef {{digit: number[], low: number, right: number, down: number, k: number, mean: boolean}} State
 * `digit` is a square of grey values, 0 to 255; at rest it stands `low` rows below the middle, 0 or 1;
 * k is the window of the pooling.
 */

/** Side of the image, in pixels; the digit is in its middle. */
const FRAME = 32;
const [FARTHEST, STRIDE] = [4, 2];
const KERNEL = [1, 0, -1, 2, 0, -2, 1, 0, -1].map((weight) => weight / 4);

/** The image, with the digit moved. @param {number[]} digit @param {number} right @param {number} down */
export function place(digit, right, down) {
  const [n, X] = [Math.sqrt(digit.length), Array(FRAME * FRAME).fill(0)];
  const edge = (FRAME - n) / 2;
  digit.forEach((value, at) => {
    X[(Math.floor(at / n) + edge + down) * FRAME + (at % n) + edge + right] = value;
  });
  return /** @type {number[]} */ (X);
}

/** Edges to the left, right, top and bottom: four maps, none negative. @param {number[]} X */
export function edges(X) {
  const maps = [0, 1, 2, 3].map(() => /** @type {number[]} */ (Array(X.length).fill(0)));
  for (let y = 0; y < FRAME; y++)
    for (let x = 0; x < FRAME; x++) {
      let [along, across] = [0, 0];
      for (let a = Math.max(-1, -y); a <= 1 && y + a < FRAME; a++)
        for (let b = Math.max(-1, -x); b <= 1 && x + b < FRAME; b++) {
          const value = X[(y + a) * FRAME + x + b];
          along += value * KERNEL[3 * (a + 1) + b + 1];
          across += value * KERNEL[3 * (b + 1) + a + 1];
        }
      [along, -along, across, -across].forEach((value, map) => {
        maps[map][y * FRAME + x] = Math.max(0, value);
      });
    }
  return maps;
}

/**
 * The largest or the mean value of each window.
 * @param {number[]} X @param {number} k @param {boolean} mean
 */
export function pool(X, k, mean) {
  const [n, Y] = [Math.sqrt(X.length), /** @type {number[]} */ ([])];
  for (let y = 0; y + k <= n; y += STRIDE)
    for (let x = 0; x + k <= n; x += STRIDE) {
      let [sum, most] = [0, -Infinity];
      for (let a = y; a < y + k; a++)
        for (let b = x; b < x + k; b++) {
          sum += X[a * n + b];
          most = Math.max(most, X[a * n + b]);
        }
      Y.push(mean ? sum / (k * k) : most);
    }
  return Y;
}

/** ‖now − before‖ / ‖before‖ over all maps. @param {number[][]} now @param {number[][]} before */
export function change(now, before) {
  const [a, b] = [now.flat(), before.flat()];
  const norm = Math.hypot(...b);
  return norm && Math.hypot(...a.map((value, at) => value - b[at])) / norm;
}

/** @type {{of: string, maps: ReturnType<typeof measure> | null}} */
const latest = { of: "", maps: null };

/** What `measure` returns, measured once for each state. @param {State} state */
function compare(state) {
  const of = JSON.stringify(state);
  const maps = latest.of === of && latest.maps ? latest.maps : measure(state);
  Object.assign(latest, { of, maps });
  return maps;
}

/**
 * All maps of a state, and how much they differ from those of the digit at rest: the full map (`bare`),
 * after a stride alone, and after pooling (`left`).
 * @param {State} state
 */
export function measure({ digit, low, right, down, k, mean }) {
  const X = place(digit, right, low + down);
  const [now, before] = [edges(X), edges(place(digit, 0, low))];
  const [every, pooled] = [1, k].map((side) =>
    [now, before].map((maps) => maps.map((map) => pool(map, side, mean))),
  );
  const [bare, alone, left] = [[now, before], every, pooled].map(([a, b]) => change(a, b));
  return { X, now, pooled: pooled[0], rested: pooled[1], bare, alone, left };
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;

/** @param {State} state */
export function say(state) {
  const { low, right, down, k, mean, bare, alone, left } = { ...state, ...compare(state) };
  const across = `${plural(Math.abs(right), "pixel")} to the ${right < 0 ? "left" : "right"}`;
  const along = `${Math.abs(down)} ${down < 0 ? "up" : "down"}`;
  const way = `${k}×${k} ${mean ? "mean" : "maximum"} at stride 2`;
  const changes = `the full map changes by ${percent(bare)}, after the stride alone by ${percent(alone)}`;
  const whole = passesOn(state) ? " The old pooled map, only moved: difference 0." : "";
  const moved = `From an ${low ? "even" : "odd"} place, ${across} and ${along}`;
  return `${moved}: ${changes}, after a ${way} by ${percent(left)}.${whole}`;
}

/** The sum of some maps, for the eye. @param {number[][]} maps */
const added = (maps) => maps[0].map((_, at) => maps.reduce((sum, map) => sum + map[at], 0));

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const panel = (/** @type {string} */ name) => {
    const canvas = html("canvas");
    live.stage.append(html("div", { class: "panel" }, html("p", {}, name), canvas));
    return canvas;
  };
  const [image, edge, pooled, difference] = ["digit", "edges", "pooled edges", "their change"].map(panel);
  const bar = (/** @type {string} */ name) => {
    const [length, share] = [html("span", { class: "length" }), html("b")];
    live.aside.append(html("div", { class: "bar" }, html("span", {}, name), html("span", {}, length), share));
    return { length, share };
  };
  const bars = ["full map", "stride alone", "after pooling"].map(bar);
  edge.parentElement?.classList.add("tiled");
  live.slider("k", { name: "window", min: 1, max: 6, show: (k) => `${k}×${k}` });
  live.choice("Pooling", { maximum: { mean: false }, mean: { mean: true } });
  live.choice("Upper edge", { "odd place": { low: 0 }, "even place": { low: 1 } });

  /** @param {number} right @param {number} down */
  const go = (right, down) =>
    live.change({ right: clamp(right, -FARTHEST, FARTHEST), down: clamp(down, -FARTHEST, FARTHEST) });
  let [across0, along0] = [0, 0]; // where the digit would be if the hand were at the corner
  live.drag(image, (x, y, first) => {
    const cell = image.getBoundingClientRect().width / FRAME;
    if (first) [across0, along0] = [live.state.right - x / cell, live.state.down - y / cell];
    else go(across0 + x / cell, along0 + y / cell);
  });
  /** @param {number} right @param {number} down */
  const move = (right, down) => () => go(live.state.right + right, live.state.down + down);
  const arrows = html("div", { class: "choice", role: "group", "aria-label": "Move the digit" });
  const ways = [["←", "left", -1, 0], ["↑", "up", 0, -1], ["↓", "down", 0, 1], ["→", "right", 1, 0]];
  for (const [sign, name, right, down] of /** @type {[string, string, number, number][]} */ (ways)) {
    const button = live.button(sign, move(right, down));
    button.setAttribute("aria-label", `Move ${name}`);
    arrows.append(button);
  }
  live.controls.prepend(arrows);
  const along = { ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), Home: () => go(0, 0) };
  const across = { ArrowUp: move(0, -1), ArrowDown: move(0, 1), End: () => go(FARTHEST, FARTHEST) };
  live.steer(image, "Digit", { ...along, ...across }, () => {
    const { right, down } = live.state;
    return { min: -FARTHEST, max: FARTHEST, now: right, text: `${right} to the right, ${down} down` };
  });

  return () => {
    const { X, now, pooled: P, rested, bare, alone, left } = compare(live.state);
    const [shown, rest] = [added(P), added(rested)];
    const [most, highest] = [Math.max(...added(now)), Math.max(...shown, ...rest)];
    paint(image, X, (value) => [value, value, value]);
    paint(edge, added(now), (value) => diverging(value / most));
    paint(pooled, shown, (value) => diverging(value / highest));
    const moved = shown.map((value, at) => value - rest[at]);
    paint(difference, moved, (value) => diverging((2 * value) / highest));
    [bare, alone, left].forEach((share, at) => {
      bars[at].length.style.width = `${Math.min(100, 70 * share)}%`;
      bars[at].share.textContent = percent(share);
    });
  };
}

/** Whether the digit is one pixel away, and its changes are so.
 * @param {State} state @param {(maps: ReturnType<typeof measure>) => boolean} so */
const byOne = (state, so) => Math.abs(state.right) + Math.abs(state.down) === 1 && so(compare(state));

/** Whether the digit is moved, and pooled(moved) is moved(pooled); empty margins take in what leaves a row.
 * @param {State} state */
export function passesOn(state) {
  const { pooled, rested } = compare(state);
  const by = (Math.sqrt(pooled[0].length) * state.down + state.right) / STRIDE;
  const even = [state.right, state.down].every((pixels) => pixels % STRIDE === 0);
  return by !== 0 && even && pooled.every((map, at) =>
    map.every((value, to) => Math.abs(value - (rested[at][to - by] ?? 0)) < 1e-6));
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "pooling", build, say,
  invite: "Move the digit up to 4 pixels, change pooling, try to",
  tries: [
    { ask: "by one pixel, bring 'after pooling' below half of 'stride alone'",
      met: (state) => byOne(state, ({ left, alone }) => left < alone / 2) },
    { ask: "find a move that pooling just passes on", met: passesOn },
    { ask: "by one pixel, make pooling worse than the stride alone",
      met: (state) => byOne(state, ({ left, alone }) => left > alone + 0.02) },
  ],
};
