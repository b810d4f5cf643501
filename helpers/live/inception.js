/** An Inception block: the widths of its two costly branches, and what their 1×1 reductions save. */
import { Pen, fill, html, number, svg } from "./view.js";

/** @typedef {{r2: number, c2: number, r3: number, c3: number}} State Channels behind each layer. */

const [INPUT, FIRST, LAST] = [192, 64, 32]; // channels that stay: in, out of the 1×1, of the pooling
const WINDOWS = [1, 3, 5, 3]; // side of what a branch sees, in places of its input
const NAMES = ["1×1", "3×3", "5×5", "pooling 3×3"];
const KEY = {
  reduce: "1×1 reduction", kernel: "the other weights",
  without: "without the reduction", sees: "what a branch sees",
};
const WHOLE = 640000; // weights of the longest bar; where a block needs more, all bars become shorter

/** Weights of each branch: of its reduction, of the rest, and of all without a reduction.
 * @param {State} state */
export function weights({ r2, c2, r3, c3 }) {
  /** @param {number} k @param {number} r @param {number} c */
  const reduced = (k, r, c) => [INPUT * r, k * k * r * c, k * k * INPUT * c];
  /** @param {number} c */
  const bare = (c) => [0, INPUT * c, INPUT * c];
  return [bare(FIRST), reduced(3, r2, c2), reduced(5, r3, c3), bare(LAST)];
}

/** The same for the whole block. @param {State} state */
export const whole = (state) =>
  [0, 1, 2].map((j) => weights(state).reduce((sum, branch) => sum + branch[j], 0));

/** Weights of a branch with its reduction. @param {State} state @param {number} branch */
const cost = (state, branch) => weights(state)[branch][0] + weights(state)[branch][1];

/** @param {State} state */
export function say(state) {
  const [reduce, kernel, direct] = whole(state);
  const [ours, out] = [reduce + kernel, FIRST + state.c2 + state.c3 + LAST];
  const sum = `With reductions to ${state.r2} and ${state.r3} channels ${number(ours)} weights`;
  const many = direct < ours ? "fewer" : `${(direct / ours).toFixed(2)} times as many`;
  const other = `without them ${number(direct)}, ${many}`;
  return `${sum}; ${other}. ${out} channels come out.`;
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const picture = svg("svg", {});
  live.stage.append(picture);
  live.slider("r2", { name: "1×1 in front of 3×3", symbol: "r₂", min: 1, max: 192 });
  live.slider("c2", { name: "out of the 3×3", symbol: "c₂", min: 16, max: 256, step: 16 });
  live.slider("r3", { name: "1×1 in front of 5×5", symbol: "r₃", min: 1, max: 192 });
  live.slider("c3", { name: "out of the 5×5", symbol: "c₃", min: 16, max: 256, step: 16 });
  const key = html("p", { class: "key" });
  for (const [kind, words] of Object.entries(KEY))
    key.append(html("span", { class: `swatch ${kind}` }), `${words}  `);
  live.words.append(key);
  return () => draw(picture, live.state, live.stage.clientWidth);
}

/** @param {SVGElement} picture @param {State} state @param {number} width */
function draw(picture, state, width) {
  const pen = new Pen();
  const paths = [[FIRST], [state.r2, state.c2], [state.r3, state.c3], [LAST]];
  const [left, sums] = [38, whole(state)];
  const shorter = Math.ceil(Math.max(sums[0] + sums[1], sums[2]) / WHOLE);
  const unit = (width - left - 62) / WHOLE / shorter;
  const block = `whole block${shorter > 1 ? ` (now all bars are ${shorter} times shorter)` : ""}`;
  for (const [i, [reduce, kernel, direct]] of [...weights(state), sums].entries()) {
    const y = 12 + 54 * i;
    if (i < WINDOWS.length) {
      for (const [kind, side] of Object.entries({ field: 30, sees: 6 * WINDOWS[i] }))
        pen.rect(kind, 15 - side / 2, y + 14 - side / 2, side, side);
    }
    const name = i < WINDOWS.length && `${NAMES[i]}: ${[INPUT, ...paths[i]].join(" → ")}`;
    pen.text("left name", left, y, name || block);
    pen.rect("reduce", left, y + 10, reduce * unit, 12);
    pen.rect("kernel", left + reduce * unit, y + 10, kernel * unit, 12);
    pen.text("right", width, y + 16, number(reduce + kernel));
    if (!reduce) continue;
    pen.rect("without", left, y + 25, direct * unit, 9);
    pen.text("right faint", width, y + 30, number(direct));
  }
  fill(picture, { width, height: 272 });
  pen.show(picture, width, 272);
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "inception",
  build,
  say,
  invite: "Move the widths, and",
  tries: [
    { ask: "make the 5×5 branch dearer than the 3×3 one", met: (state) => cost(state, 2) > cost(state, 1) },
    {
      ask: "find a 1×1 that costs more than it saves",
      met: (state) => [1, 2].some((branch) => cost(state, branch) > weights(state)[branch][2]),
    },
    {
      ask: "get 128 channels out of the 5×5, for 163,328 weights or less in all",
      met: (state) => state.c3 === 128 && whole(state)[0] + whole(state)[1] <= 163328,
    },
  ],
};
