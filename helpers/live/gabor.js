/** Kernels of a first layer, and a Gabor filter that a hand turns to explain them. */
import { diverging, fill, html, number, paint } from "./view.js";

/**
 * @typedef {{counts: number[], size: number, kernels: string, set: number, kernel: number,
 *   wave: number, width: number, angle: number, longest?: number}} State `kernels`: signed bytes, set
 *   after set; `longest`: the longest wave that the last "Fit" was to try.
 * @typedef {[number[], number[]]} Pair Cosine and sine under a window, without their means.
 */

const NAMES = ["change", "start", "mixture"];
const [WAVES, WIDTHS] = [[4, 5, 6, 8, 11, 16, 22, 32], [1.5, 2, 2.5, 3.5, 5, 7]];

/** @param {number[]} values */
const centred = (values) => {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return values.map((v) => v - mean);
};
/** @param {number[]} a @param {number[]} b */
const dot = (a, b) => a.reduce((sum, v, at) => sum + v * b[at], 0);

/** @param {number} wave @param {number} width @param {number} angle In degrees. @param {number} k */
export function pair(wave, width, angle, k) {
  const [theta, middle] = [(angle * Math.PI) / 180, (k - 1) / 2];
  const places = Array.from({ length: k * k }, (_, at) => [(at % k) - middle, Math.floor(at / k) - middle]);
  const part = (/** @type {(phase: number) => number} */ of) =>
    centred(places.map(([x, y]) => {
      const phase = (2 * Math.PI * (x * Math.cos(theta) + y * Math.sin(theta))) / wave;
      return Math.exp(-(x * x + y * y) / (2 * width * width)) * of(phase);
    }));
  return /** @type {Pair} */ ([part(Math.cos), part(Math.sin)]);
}

/** The best sum of a pair for a kernel without mean; a cosine is even and a sine odd, so that the two
 * do not disturb each other. @param {number[]} K @param {Pair} pair */
export function fit(K, [c, s]) {
  const [a, b] = [dot(K, c) / dot(c, c), dot(K, s) / dot(s, s)];
  const share = (a * dot(K, c) + b * dot(K, s)) / dot(K, K);
  return { values: c.map((v, at) => a * v + b * s[at]), share };
}

const grids = /** @type {Record<number, {place: Partial<State>, of: Pair}[]>} */ ({});
/** All waves that "Fit" tries. @param {number} k */
function grid(k) {
  return (grids[k] ??= WAVES.flatMap((wave) => WIDTHS.flatMap((width) =>
    Array.from({ length: 12 }, (_, n) => ({
      place: { wave, width, angle: 15 * n }, of: pair(wave, width, 15 * n, k),
    })))));
}
/** @type {WeakMap<number[], Record<number, Partial<State> & {share: number}>>} It is asked for often. */
const found = new WeakMap();
/** The best of them for a kernel. @param {number[]} K @param {number} k @param {number} [longest] */
export function best(K, k, longest = 32) {
  const known = found.get(K) ?? {};
  if (known[longest]) return known[longest];
  const waves = grid(k).filter(({ place }) => Number(place.wave) <= longest);
  const shares = waves.map(({ of }) => fit(K, of).share);
  const share = Math.max(...shares);
  known[longest] = { ...waves[shares.indexOf(share)].place, share };
  found.set(K, known);
  return known[longest];
}

const kept = { of: "", sets: /** @type {number[][][]} */ ([]) };
/** The sets of kernels without their means, decoded once. @param {State} state */
function decoded({ kernels, counts, size }) {
  if (kept.of === kernels) return kept;
  const bytes = Int8Array.from(atob(kernels), (letter) => letter.charCodeAt(0));
  let end = 0;
  const next = () => centred(Array.from(bytes.subarray(end, (end += size * size))));
  kept.sets = counts.map((count) => Array.from({ length: count }, next));
  kept.of = kernels;
  return kept;
}
/** The longest wave that counts: that of the last "Fit", until a hand goes beyond it. @param {State} state */
const limit = ({ longest = 32, wave }) => (wave > longest ? 32 : longest);
/** What the best wave explains of the mixtures, rising. @param {State} state */
const mixtures = (state) =>
  decoded(state).sets[2].map((K) => best(K, state.size, limit(state)).share).sort((a, b) => a - b);
/** The median of that. @param {State} state */
function middle(state) {
  const shares = mixtures(state);
  const n = shares.length;
  return (shares[(n - 1) >> 1] + shares[n >> 1]) / 2;
}

/** @param {State} state */
const chosen = (state) => decoded(state).sets[state.set][state.kernel];
const last = { of: "", fit: /** @type {ReturnType<typeof fit>} */ ({ values: [], share: 0 }) };
/** @param {State} state */
function fitted(state) {
  const { kernels, set, kernel, wave, width, angle, size } = state;
  const of = [set, kernel, wave, width, angle, kernels].join();
  if (last.of !== of) Object.assign(last, { of, fit: fit(chosen(state), pair(wave, width, angle, size)) });
  return last.fit;
}
/** Whether the share lies in a range. @param {State} state @param {number} low @param {number} high */
const between = (state, low, high) => fitted(state).share >= low && fitted(state).share < high;
/** Whether the sliders stand where "Fit" puts them. @param {State} state @param {number} longest */
function isBest(state, longest = 32) {
  const { wave, width, angle } = best(chosen(state), state.size, longest);
  return limit(state) === longest && wave === state.wave && width === state.width && angle === state.angle;
}
/** @param {State} state */
const title = ({ set, kernel }) => `${NAMES[set]} ${kernel + 1}`;

/** @param {State} state */
export function say(state) {
  const [name, share, half] = [title(state), 100 * fitted(state).share, 100 * middle(state)];
  const wave = `wavelength ${state.wave} pixels, width ${state.width}, angle ${state.angle}°`;
  const short = limit(state) < 32 ? ` of up to ${limit(state)} pixels` : "";
  const control = `Half of the mixtures reach ${number(half)} % with their own best wave${short}.`;
  const found = `${wave}: the wave explains ${number(share)} %`;
  return `${name[0].toUpperCase()}${name.slice(1)}, ${found}. ${control}`;
}

/** @param {number[]} values @param {number} limit @param {HTMLCanvasElement} canvas */
const show = (canvas, values, limit) =>
  paint(canvas, values.map((v) => v / limit), (t) => diverging(t, [84, 39, 136], [179, 88, 6]));
/** @param {number[]} values */
const largest = (values) => Math.max(...values.map(Math.abs));

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const panels = ["", "the wave, fitted", "what is left"].map((name) => {
    const [canvas, words] = [html("canvas"), html("p", {}, name)];
    live.stage.append(html("div", { class: "panel" }, words, canvas));
    return { canvas, words };
  });
  const [bar, mark] = [html("span", { class: "bar" }), html("span", { class: "mark" })];
  live.words.append(html("div", { class: "track" }, bar, mark));
  const names = Object.fromEntries(NAMES.map((name, set) => [name, { set, kernel: 0 }]));
  live.choice("Kernels", names);
  const thumbs = html("div", { class: "thumbs", role: "group", "aria-label": "Kernel" });
  const many = Math.max(...live.start.counts);
  const buttons = Array.from({ length: many }, (_, kernel) => {
    const canvas = html("canvas");
    const button = live.button("", () => live.change({ kernel }), () => live.state.kernel === kernel);
    button.append(canvas);
    thumbs.append(button);
    return { button, canvas };
  });
  live.aside.append(thumbs);
  const pixels = (/** @type {number} */ wave) => `${wave} px`;
  live.slider("wave", { name: "wavelength", symbol: "λ", min: 4, max: 32, show: pixels });
  live.slider("width", { name: "width", symbol: "σ", min: 1.5, max: 7, step: 0.5 });
  const degrees = (/** @type {number} */ angle) => `${angle}°`;
  live.slider("angle", { name: "angle", symbol: "θ", min: 0, max: 175, step: 5, show: degrees });
  live.start.longest = live.state.longest = 32;
  for (const longest of [32, 11, 8])
    live.button(longest < 32 ? `Fit ≤ ${longest} px` : "Fit", () => {
      const { wave, width, angle } = best(chosen(live.state), live.state.size, longest);
      live.change({ wave, width, angle, longest });
    });
  let thumbed = -1; // the set that the buttons show
  return () => {
    const [state, K, { values, share }] = [live.state, chosen(live.state), fitted(live.state)];
    const left = K.map((v, at) => v - values[at]);
    panels[0].words.textContent = title(state);
    [K, values, left].forEach((part, at) => show(panels[at].canvas, part, largest(K)));
    bar.style.width = `${100 * share}%`;
    mark.style.left = `${100 * middle(state)}%`;
    if (thumbed === state.set) return;
    thumbed = state.set;
    buttons.forEach(({ button, canvas }, kernel) => {
      const each = decoded(state).sets[state.set][kernel];
      button.hidden = !each;
      if (!each) return;
      fill(button, { "aria-label": title({ ...state, kernel }) });
      show(canvas, each, largest(each));
    });
  };
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "gabor",
  build,
  say,
  invite: "Turn the wave by its sliders, or let Fit do it; the mark stands at the median mixture. Find",
  tries: [
    {
      ask: "a change that Fit ≤ 8 px explains better than any mixture here",
      met: (state) => state.set === 0 && isBest(state, 8) && between(state, mixtures(state).at(-1) ?? 2, 2),
    },
    {
      ask: "a change that Fit explains less well than half of the mixtures",
      met: (state) => state.set === 0 && isBest(state) && between(state, 0, middle(state)),
    },
    {
      ask: "a kernel that even Fit does not explain, below 20 %",
      met: (state) => between(state, 0, 0.2) && isBest(state),
    },
  ],
};
