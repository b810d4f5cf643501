/** A minibatch under a hand: four examples, four channels, and who shares a mean with whom. */
import { Pen, clamp, fill, list, number, plural, svg } from "./view.js";

/**
 * @typedef {{X: number[], first: number[], mean: number[], variance: number[], method: string,
 *   mode: string, at: number}} State `X` and `first`, what X was at first, are four examples of four
 *   channels, one example after the other; `mean` and `variance`, one a channel, are the running ones.
 */

const SIDE = 4; // examples, and channels
const [LOW, HIGH] = [-8, 10]; // of an input
const [BOTTOM, TOP] = [-5, 7]; // of the outputs that are drawn in their place
const [GAMMA, BETA, EPS] = [2, 1, 1e-5];
const [LANE, GAP, HEAD, RADIUS] = [15, 34, 20, 7.5]; // pixels
const ROUND = `a${RADIUS} ${RADIUS} 0 1 0 ${2 * RADIUS} 0a${RADIUS} ${RADIUS} 0 1 0 ${-2 * RADIUS} 0`;

/** @param {number} at */
const place = (at) => ({ example: Math.floor(at / SIDE), channel: at % SIDE });
/** Whether two values share a mean. @param {string} method @param {number} a @param {number} b */
export function share(method, a, b) {
  const [one, two] = [place(a), place(b)];
  if (method === "batch") return one.channel === two.channel;
  const together = method === "layer" || Math.floor(one.channel / 2) === Math.floor(two.channel / 2);
  return one.example === two.example && together;
}

/**
 * Mean, variance, normalised value and output of each value.
 * @param {number[]} X @param {string} method @param {string} mode
 * @param {number[]} mean @param {number[]} variance
 */
export function normalise(X, method, mode, mean, variance) {
  return X.map((x, at) => {
    const { channel } = place(at);
    let [mu, square] = [mean[channel], variance[channel]];
    if (method !== "batch" || mode === "training") {
      const values = X.filter((_, other) => share(method, at, other));
      mu = values.reduce((a, b) => a + b) / values.length;
      square = values.reduce((sum, value) => sum + (value - mu) ** 2, 0) / values.length;
    }
    const hat = (x - mu) / Math.sqrt(square + EPS);
    return { mu, sigma: Math.sqrt(square), hat, y: GAMMA * hat + BETA };
  });
}

/** @param {State} state */
const results = ({ X, method, mode, mean, variance }) => normalise(X, method, mode, mean, variance);
/** What the untouched batch gives. @param {State} state */
const atFirst = (state) => results({ ...state, X: state.first });
/** The examples, from 0, of these values. @param {number[]} places */
const examplesOf = (places) => [...new Set(places.map((at) => place(at).example))].sort();
/** Values that a hand has changed. @param {State} state */
const touched = ({ X, first }) => [...X.keys()].filter((at) => X[at] !== first[at]);
/** Values as they were whose outputs have moved, by as much as is printed. @param {State} state */
export function dragged(state) {
  const [now, before, own] = [results(state), atFirst(state), touched(state)];
  return [...now.keys()].filter((at) => !own.includes(at) && Math.abs(now[at].y - before[at].y) > 0.005);
}
/** Examples that a hand has left alone, and whose outputs move. @param {State} state */
const others = (state) =>
  examplesOf(dragged(state)).filter((example) => !examplesOf(touched(state)).includes(example));
/** @param {number} value */
const term = (value) => (number(value, 2).startsWith("−") ? `(${number(value, 2)})` : number(value, 2));

/** @param {State} state */
export function say(state) {
  const { mu, sigma, hat, y } = results(state)[state.at];
  const { example, channel } = place(state.at);
  const hats = `(${number(state.X[state.at])} − ${term(mu)}) / ${term(sigma)} = ${number(hat, 2)}`;
  const sum = `${hats}, then ${GAMMA} × ${term(hat)} + ${BETA} = ${number(y, 2)}`;
  const mode = state.method === "batch" ? state.mode : "training as in prediction";
  return `Example ${example + 1}, channel ${channel + 1}, in ${mode}: ${sum}. ${company(state)}.`;
}
/** @param {State} state */
function company(state) {
  const moved = dragged(state);
  if (!moved.length) return touched(state).length ? "No other output has moved" : "Nothing has moved";
  const whose = examplesOf(moved).map((example) => String(example + 1));
  const [now, before] = [results(state), atFirst(state)];
  const far = number(Math.max(...moved.map((at) => Math.abs(now[at].y - before[at].y))), 2);
  const what = plural(moved.length, "other output has", "other outputs have");
  return `${what} moved, of example${whose.length > 1 ? "s" : ""} ${list(whose)}, by up to ${far}`;
}

const [BELOW, TALL] = [HEAD + SIDE * LANE + GAP, HEAD + 2 * SIDE * LANE + GAP + 26]; // outputs, end
/** Where the strips lie in a picture so many pixels wide. @param {number} width */
function layout(width) {
  const [narrow, wide] = width < 560 ? [true, width / 2 - 6] : [false, width / 2 - 12];
  /** @param {number} channel */
  const corner = (channel) => [(channel % 2) * (width - wide), Math.floor(channel / 2) * TALL];
  /** @param {number} value @param {number} low @param {number} high */
  const along = (value, low, high) => 12 + ((wide - 24) * (value - low)) / (high - low);
  return { narrow, wide, corner, along, height: 2 * TALL };
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const picture = svg("svg", {});
  live.stage.append(picture);
  const modes = live.choice("Mode", { training: { mode: "training" }, prediction: { mode: "prediction" } });
  const [batch, layer, group] = ["batch", "layer", "group"].map((method) => ({ method }));
  live.choice("Statistics of a", { batch, layer, group });

  /** @param {number} at @param {number} value */
  const set = (at, value) =>
    live.change({ at, X: live.state.X.map((x, k) => (k === at ? clamp(value, LOW, HIGH) : x)) });
  live.drag(picture, (x, y, first) => {
    const { wide, corner, along } = layout(live.stage.clientWidth);
    let { at } = live.state;
    if (first) {
      const distance = live.state.X.map((value, k) => {
        const [left, top] = corner(place(k).channel);
        const lane = top + HEAD + (place(k).example + 0.5) * LANE;
        return Math.hypot(left + along(value, LOW, HIGH) - x, 3 * (lane - y));
      });
      at = distance.indexOf(Math.min(...distance));
    }
    const [left] = corner(place(at).channel);
    set(at, LOW + ((x - left - 12) / (wide - 24)) * (HIGH - LOW));
  });
  const by = (/** @type {number} */ step) => () => set(live.state.at, live.state.X[live.state.at] + step);
  const to = (/** @type {number} */ step) => () => live.change({ at: (live.state.at + step) % SIDE ** 2 });
  const sideways = { ArrowLeft: by(-1), ArrowRight: by(1), Home: by(LOW - HIGH), End: by(HIGH - LOW) };
  const keys = { ...sideways, ArrowUp: to(SIDE ** 2 - 1), ArrowDown: to(1) };
  const how = "Left and right change the value, up and down choose another.";
  live.steer(picture, "Marked value", keys, () => {
    const [now, { example, channel }] = [live.state.X[live.state.at], place(live.state.at)];
    return { min: LOW, max: HIGH, now, text: `example ${example + 1}, channel ${channel + 1}: ${now}` };
  }, how);
  live.drawn.push(() => modes.toggleAttribute("inert", live.state.method !== "batch"));
  return () => draw(picture, live.state, live.stage.clientWidth);
}

/** @param {SVGElement} picture @param {State} state @param {number} width */
function draw(picture, state, width) {
  const [pen, now, before] = [new Pen(), results(state), atFirst(state)];
  const { narrow, wide, corner, along, height } = layout(width);
  const fixed = state.method === "batch" && state.mode === "prediction" ? " fixed" : "";
  for (let channel = 0; channel < SIDE; channel++) {
    const [left, top] = corner(channel);
    const [inputs, outputs] = [top + HEAD, top + BELOW];
    const names = /** @type {number[][]} */ ([]); // x, y and the digit there
    const column = [0, 1, 2, 3].map((example) => example * SIDE + channel);
    const sharing = column.filter((at) => share(state.method, state.at, at));
    const counted = state.method === "batch" || sharing.length > 0;
    const { mu, sigma } = now[sharing[0] ?? channel];
    const [short, mean, sd] = narrow ? ["ch.", "μ", " σ"] : ["channel", "mean and deviation", ""];
    const named = `: ${fixed && "running "}${mean} ${number(mu, 2)},${sd} ${number(sigma, 2)}`;
    const own = counted && state.method !== "batch"; // of the marked example alone
    const whose = own ? `ex. ${place(state.at).example + 1}` : `${short} ${channel + 1}`;
    pen.text("left", left + 4, top + 9, whose + (counted ? named : ""));
    const rows = [[inputs, LOW, HIGH, -5, 0, 5], [outputs, BOTTOM, TOP, -3, 1, 5]];
    for (const [y, low, high, ...ticks] of rows) {
      const x = ticks.map((value) => left + along(value, low, high));
      pen.rect("block", left, y, wide, SIDE * LANE, 4);
      pen.path("rule", x.map((at) => `M${at} ${y}v${SIDE * LANE}`).join(""));
      const signs = `−${-ticks[0]}${ticks[1]}${ticks[2]}`; // each in its place, as the names below
      pen.put("text", "tick", { x: [x[0] - 7, ...x].join(" "), y: y + SIDE * LANE + 9 }, signs);
      const name = y === inputs ? "input" : "output";
      if (!channel && !narrow) pen.text("tick left", left + 2, y + SIDE * LANE + 9, name);
    }
    if (counted) {
      const [from, x, to] = [mu - sigma, mu, mu + sigma].map((value) => left + along(value, LOW, HIGH));
      pen.rect(`band${fixed}`, from, inputs, to - from, SIDE * LANE);
      pen.path(`mean${fixed}`, `M${x} ${inputs}v${SIDE * LANE}`);
    }
    for (const [example, at] of column.entries()) {
      const [above, below] = [inputs, outputs].map((row) => row + (example + 0.5) * LANE);
      const out = (/** @type {number} */ y) => left + along(Math.max(BOTTOM, Math.min(TOP, y)), BOTTOM, TOP);
      const [x, y] = [left + along(state.X[at], LOW, HIGH), out(now[at].y)];
      const kind = `e${example + 1}${sharing.includes(at) ? " shares" : ""}${at === state.at ? " now" : ""}`;
      pen.path(`wire ${kind}`, `M${x} ${above}L${y} ${below}`);
      const was = out(before[at].y);
      if (Math.abs(was - y) > 0.5) {
        pen.path(`trail ${kind}`, `M${was} ${below}H${y}`);
        pen.put("circle", `ghost ${kind}`, { cx: was, cy: below, r: RADIUS - 2 });
      }
      const arrow = now[at].y < BOTTOM ? "-9 -4l-4 4l4 4" : now[at].y > TOP && "9 -4l4 4l-4 4";
      if (arrow) pen.path(`beyond ${kind}`, `M${y} ${below}m${arrow}`);
      pen.path(`dot ${kind}`, `M${x - RADIUS} ${above}${ROUND}M${y - RADIUS} ${below}${ROUND}`);
      names.push([x, above + 0.5, example + 1], [y, below + 0.5, example + 1]);
    }
    const [x, y, digits] = [0, 1, 2].map((k) => names.map((name) => name[k]));
    pen.put("text", "name", { x: x.join(" "), y: y.join(" ") }, digits.join(""));
  }
  pen.show(fill(picture, { width, height }), width, height);
  pen.marks.forEach((mark) => fill(mark, { "aria-hidden": true })); // the sentence says it
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "minibatch", build, say,
  invite: "Move the dots (the upper row of each channel), and try to",
  tries: [
    { ask: "move outputs of three examples you do not touch", met: (state) => others(state).length === 3 },
    { ask: "move an output that you do not touch, but no other example",
      met: (state) => state.method !== "batch" && dragged(state).length > 0 },
    { ask: "get an output above 4.5", met: (state) => results(state).some(({ y }) => y > 4.5) },
  ],
};
