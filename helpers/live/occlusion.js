/**
 * A grey square on an image: beside its class map, by how much the score falls,
 * of a trained and of an untrained network.
 */
import { clamp, diverging, html, paint, svg } from "./view.js";

/**
 * @typedef {{map: string, scores: number[], leads: number[], answers: number[]}} Found Of one network and
 *   one image, bare and with each place covered: `scores` of the class that the bare image gets, by how much
 *   each `leads` the best of the others, `answers`, and the bare image's map of that class in letters.
 * @typedef {{item: number, net: string, at: number, tried: number[], names: string[], images: string[],
 *   trained: Found[], untrained: Found[], moved?: boolean}} State `at` is the place that is covered; `tried`
 *   were before; `moved`: the hand has chosen it, for this image and network.
 */

const [SIDE, PLACES, STEP, FINEST] = [28, 6, 4, 31]; // pixels; places a side; their distance; steps of a map
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** @param {string} text */
const levels = (text) => Array.from(text, (letter) => LETTERS.indexOf(letter));
/** @param {number} at */
const cell = (at) => [Math.floor(at / PLACES), at % PLACES];
/** What the network makes of the image. @param {State} state */
const found = (state) => (state.net === "trained" ? state.trained : state.untrained)[state.item];

/** The class map of the bare image, −1 to 1. @param {Found} found */
export const mapOf = ({ map }) => levels(map).map((level) => (level - 32) / FINEST);

/** By how much each cover lowers the score. @param {Found} found */
export const falls = ({ scores: [bare, ...covered] }) => covered.map((score) => bare - score);

/** The pixels with a grey square on a place, 0 to 255. @param {string} image @param {number} at */
export function cover(image, at) {
  const pixels = levels(image).map((level) => 16 * level + 8);
  const grey = pixels.reduce((a, b) => a + b) / pixels.length;
  const [row, column] = cell(at).map((k) => STEP * k + 2);
  const near = (/** @type {number} */ k) =>
    Math.abs(Math.floor(k / SIDE) - row) <= 3 && Math.abs((k % SIDE) - column) <= 3;
  return pixels.map((pixel, k) => (near(k) ? grey : pixel));
}

/** Whether all places are covered or were. @param {State} state */
const all = ({ tried, at }) => new Set([...tried, at]).size === PLACES ** 2;

/** @param {State} state */
export function say(state) {
  const { scores, leads, answers } = found(state);
  const [bare, score] = [scores[0], scores[state.at + 1]];
  const [said, now] = [answers[0], answers[state.at + 1]].map((answer) => state.names[answer]);
  const [row, column] = cell(state.at);
  const first = `The ${state.net} network says ${said}, score ${bare.toFixed(2)}.`;
  const then = `With row ${row + 1}, column ${column + 1} covered the score is ${score.toFixed(2)}`;
  const change = `${score <= bare ? "down" : "up"} by ${Math.abs(bare - score).toFixed(2)}`;
  const [top, left] = cell(scores.indexOf(Math.min(...scores.slice(1)), 1) - 1);
  const end = all(state) ? ` Row ${top + 1}, column ${left + 1} costs most of all.` : "";
  const lead = leads[state.at + 1].toFixed(2);
  const answer = `it ${said === now ? "still " : ""}says ${now}: the lead is ${lead}.`;
  const text = `${first} ${then}, ${change}, and ${answer}${end}`;
  return text.replaceAll(" -", " −");
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  live.start.moved = live.state.moved = false;
  /** @param {number} at */
  const go = (at) => {
    const tried = [...new Set([...live.state.tried, live.state.at])];
    live.change({ at, tried, moved: true });
  };
  /** @param {number} down @param {number} right */
  const move = (down, right) => () => {
    const [row, column] = cell(live.state.at);
    go(PLACES * clamp(row + down, 0, PLACES - 1) + clamp(column + right, 0, PLACES - 1));
  };
  const panels = ["image", "bare class map", "fall of the score"].map((name, k) => {
    const [title, canvas] = [html("p", {}, name), html("canvas", { class: k ? "map" : null })];
    const mark = svg("rect", { class: "mark", width: 7, height: 7 });
    const over = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}` }, mark);
    const layers = html("div", { class: "layers" }, canvas, over);
    live.stage.append(html("figure", { class: "panel" }, title, layers));
    live.drag(over, (x, y) => {
      const unit = over.getBoundingClientRect().width / SIDE;
      const [row, column] = [y, x].map((z) => clamp((z / unit - 2.5) / STEP, 0, PLACES - 1));
      if (PLACES * row + column !== live.state.at || !live.state.moved) go(PLACES * row + column);
    });
    return { canvas, mark, over, title };
  });
  const keys = {
    ArrowUp: move(-1, 0), ArrowDown: move(1, 0), ArrowLeft: move(0, -1), ArrowRight: move(0, 1),
    Home: () => go(0), End: () => go(PLACES ** 2 - 1),
  };
  live.steer(panels[0].over, "Covered place", keys, () => {
    const [row, column] = cell(live.state.at);
    return { max: PLACES ** 2 - 1, now: live.state.at, text: `row ${row + 1}, column ${column + 1}` };
  });
  const named = live.start.images.map((_, item) => [`image ${item + 1}`, { item, tried: [], moved: false }]);
  live.choice("Image", Object.fromEntries(named));
  const [trained, untrained] = ["trained", "untrained"].map((net) => ({ net, tried: [], moved: false }));
  live.choice("Network", { trained, untrained });
  live.button("Cover all places", () => live.change({ tried: [...Array(PLACES ** 2).keys()] }));

  return () => {
    const { state } = live;
    const [of, tried] = [found(state), [...state.tried, state.at]];
    const [fall, shown] = [falls(of), cover(state.images[state.item], state.at)];
    const most = Math.max(...fall.map(Math.abs)) || 1;
    const known = fall.map((value, at) => (tried.includes(at) ? value / most : NaN));
    const [image, map, grid] = panels;
    paint(image.canvas, shown, (grey) => [grey, grey, grey]);
    paint(map.canvas, mapOf(of), (value) => diverging(value));
    paint(grid.canvas, known, (value) => (Number.isNaN(value) ? [190, 190, 190] : diverging(value)));
    map.title.textContent = `bare class map: ${state.names[of.answers[0]]}`;
    grid.title.textContent = `fall of the score${all(state) ? `, up to ${most.toFixed(2)}` : ""}`;
    const [row, column] = cell(state.at).map((k) => STEP * k - 1);
    for (const { mark } of panels) mark.setAttribute("transform", `translate(${column} ${row})`);
  };
}

/** Whether a place was chosen that costs a network most. @param {State} state @param {string} net */
function costsMost(state, net) {
  const fall = falls(found(state));
  return !!state.moved && state.net === net && fall[state.at] === Math.max(...fall);
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "occlusion",
  build,
  say,
  invite: "Guess from the class map, then move the square. On any image, find",
  tries: [
    { ask: "the place that costs the trained network most", met: (state) => costsMost(state, "trained") },
    { ask: "the place that costs the untrained one most", met: (state) => costsMost(state, "untrained") },
    {
      ask: "a cover that raises the trained network's score",
      met: (state) => !!state.moved && state.net === "trained" && falls(found(state))[state.at] < 0,
    },
    {
      ask: "a cover that changes its answer (not every image has one)",
      met: ({ moved, net, trained, item, at }) =>
        !!moved && net === "trained" && trained[item].answers[at + 1] !== trained[item].answers[0],
    },
  ],
};
