/** Three channels mixed into one by a 1×1 convolution: a feature is a direction in the space of colours. */
import { clamp, diverging, html, number, paint, svg } from "./view.js";

/**
 * @typedef {{red: number, green: number, blue: number, image: string, size: number, at: number,
 *   rgb: number[], dots: string, hue: number[], spread: number[]}} State
 *   `rgb` is the pixel `at` of the text's state, until the picture is decoded. The dots are mid-grey plus
 *   or minus `hue`; `spread` is that of their lightness and of their noise.
 */

const CHANNELS = /** @type {const} */ (["red", "green", "blue"]);

/** One output for each pixel. @param {number[]} pixels Red, green, blue of each. @param {number[]} weights */
export function mix(pixels, [red, green, blue]) {
  const values = [];
  for (let at = 0; at < pixels.length; at += 3)
    values.push(red * pixels[at] + green * pixels[at + 1] + blue * pixels[at + 2]);
  return values;
}

/** @param {State} state */
const weightsOf = ({ red, green, blue }) => [red, green, blue];
/** @param {number} weight */
const signed = (weight) => (weight < 0 ? `(${number(weight, 2)})` : number(weight, 2));

/** @type {number[][]} */
let [pixels, dots] = [[], []];

/** Whether the digit of the dots stands well out of their lightness and noise. @param {State} state */
function readable(state) {
  const [weights, { hue, spread: [lightness, noise] }] = [weightsOf(state), state];
  const sum = weights.reduce((a, b) => a + b);
  const blur = Math.hypot(lightness * sum, noise * Math.hypot(...weights));
  return Math.abs(mix(hue, weights)[0]) > 3 * blur;
}

/** @param {State} state */
export function say(state) {
  const rgb = pixels.length ? pixels.slice(3 * state.at, 3 * state.at + 3) : state.rgb;
  const terms = weightsOf(state).map((weight, c) => `${signed(weight)} × ${rgb[c]}`);
  const [sum] = mix(rgb, weightsOf(state));
  const name = `Marked pixel, red ${rgb[0]}, green ${rgb[1]}, blue ${rgb[2]}`;
  return `${name}: ${terms.join(" + ")} = ${number(sum, 2)}.`;
}

/** @type {Record<string, number[]>} Mean colours of parts of the flower. */
let parts = {};

/** Mean colour at these distances from the heart, in sides. @param {number} from @param {number} to */
function ring(from, to) {
  const [n, sum] = [Math.sqrt(pixels.length / 3), [0, 0, 0, 0]];
  for (let at = 0; at < n * n; at++) {
    const far = Math.hypot((at % n) / n - 0.48, Math.floor(at / n) / n - 0.51);
    if (far >= from && far < to) [...pixels.slice(3 * at, 3 * at + 3), 1].forEach((v, c) => (sum[c] += v));
  }
  return sum.slice(0, 3).map((total) => total / sum[3]);
}

/** Where the parts lie, in words on the picture. @param {number} size */
const names = (size) =>
  [["heart", 0.48, 0.53], ["petals", 0.48, 0.76], ["leaves", 0.14, 0.12]].map(([name, x, y]) =>
    svg("text", { class: "part", x: size * Number(x), y: size * Number(y) }, `${name}`));

/**
 * Each dot a pixel, in its own colour, at its output; in the lowest row the greys, from black to white.
 * @param {HTMLCanvasElement} canvas @param {number[]} values @param {State} state
 * @param {(value: number) => number} x
 */
function drawDots(canvas, values, state, x) {
  const context = canvas.getContext("2d");
  const [width, height, dots] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
  if (!context) return;
  Object.assign(canvas, { width: width * dots, height: height * dots });
  context.scale(dots, dots);
  context.fillStyle = context.strokeStyle = getComputedStyle(canvas).color;
  context.fillRect(x(0) - 0.5, 0, 1, height);
  /** @param {number} value @param {number} y @param {number} radius @param {number[]} rgb */
  const disc = (value, y, radius, rgb) => {
    context.beginPath();
    context.arc(x(value), y, radius, 0, 7);
    context.fillStyle = `rgb(${rgb.join(" ")})`;
    context.fill();
  };
  /** @param {number} at @param {number} radius */
  const dot = (at, radius) => {
    const y = 8 + ((height - 32) * Math.floor(at / state.size)) / state.size;
    disc(values[at], y, radius, pixels.slice(3 * at, 3 * at + 3));
  };
  for (let grey = 0; grey < 256; grey += 15) {
    disc(mix([grey, grey, grey], weightsOf(state))[0], height - 9, 5, [grey, grey, grey]);
    context.stroke();
  }
  for (let y = 1; y < state.size; y += 3) for (let z = 1; z < state.size; z += 3) dot(y * state.size + z, 2);
  dot(state.at, 7);
  context.lineWidth = 2;
  context.stroke();
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const { size } = live.state;
  /** @param {string} name @param {HTMLElement} picture */
  const panel = (name, picture) => {
    const mark = svg("rect", { class: "mark", width: 3, height: 3 });
    const over = svg("svg", { viewBox: `0 0 ${size} ${size}` }, ...names(size), mark);
    const layers = html("div", { class: "layers" }, picture, over);
    live.stage.append(html("figure", { class: "panel" }, html("p", {}, name), layers));
    live.drag(over, (x, y) => {
      const { width } = over.getBoundingClientRect();
      go(Math.floor((y / width) * size), Math.floor((x / width) * size));
    });
    return { over, mark };
  };
  /** @param {number} y @param {number} x */
  const go = (y, x) => live.change({ at: clamp(y, 0, size - 1) * size + clamp(x, 0, size - 1) });
  const photo = html("img", { src: live.state.image, alt: "" });
  const [canvas, strip] = [html("canvas"), html("canvas", { class: "strip", "aria-hidden": true })];
  const [input, output] = [panel("three channels", photo), panel("one output channel", canvas)];
  const [plate, seen] = [html("img", { src: live.state.dots, alt: "" }), html("canvas")];
  for (const [name, picture] of Object.entries({ dots: plate, "one output channel": seen })) {
    const layers = html("div", { class: "layers" }, picture);
    live.stage.append(html("figure", { class: "panel plate" }, html("p", {}, name), layers));
  }
  const scale = html("div", { class: "scale" });
  const axis = html("p", {}, "Pixels and greys at their outputs:");
  live.stage.append(html("div", { class: "dots" }, axis, strip, scale));
  for (const key of CHANNELS) {
    const slider = live.slider(key, { name: key, min: -1, max: 1, step: 0.1 });
    let before = 0;
    /** A finger that goes on to scroll the page has moved the slider first. */
    slider.onpointerdown = () => (before = live.state[key]);
    slider.onpointercancel = () => live.change({ [key]: before });
  }
  const cost = `3 weights, ${number(size * size * 3)} multiply–adds.`;
  live.words.append(html("p", { class: "cost" }, cost));
  const where = () => [Math.floor(live.state.at / size), live.state.at % size];
  /** @param {number} down @param {number} along */
  const move = (down, along) => () => go(where()[0] + down, where()[1] + along);
  const along = { ArrowLeft: move(0, -2), ArrowRight: move(0, 2), Home: () => go(0, 0) };
  const down = { ArrowUp: move(-2, 0), ArrowDown: move(2, 0), End: () => go(size, size) };
  live.steer(output.over, "Marked pixel", { ...along, ...down }, () => {
    return { max: size * size - 1, now: live.state.at, text: `row ${where()[0]}, column ${where()[1]}` };
  });
  live.decode(live.state.image, (data) => {
    pixels = data.filter((_, at) => at % 4 !== 3);
    parts = { heart: ring(0, 0.1), petals: ring(0.15, 0.28), leaves: ring(0.36, 0.48) };
  });
  live.decode(live.state.dots, (data) => (dots = data.filter((_, at) => at % 4 !== 3)));

  return () => {
    const [y, x] = where();
    for (const { mark } of [input, output]) mark.setAttribute("transform", `translate(${x - 1} ${y - 1})`);
    const weights = weightsOf(live.state);
    const [low, high] = [-255, 255].map((grey) => weights.reduce((sum, w) => sum + Math.max(0, grey * w), 0));
    const most = Math.max(low, high, 1);
    /** @param {number} value */
    const colour = (value) => (low ? diverging((1.2 * value) / most) : Array(3).fill((255 * value) / most));
    if (dots.length) paint(seen, mix(dots, weights), colour);
    if (!pixels.length) return;
    const values = mix(pixels, weights);
    paint(canvas, values, colour);
    const width = strip.clientWidth - 36;
    /** @param {number} value */
    const place = (value) => 18 + (width * (value + low)) / (low + high || 1);
    drawDots(strip, values, live.state, place);
    scale.replaceChildren(...[...new Set([-low, 0, high])].map((value) => {
      const tick = html("span", {}, number(value));
      tick.style.left = `${place(value)}px`;
      return tick;
    }));
  };
}

/** @param {State} state */
function ignoresGrey(state) {
  const weights = weightsOf(state);
  return weights.some(Boolean) && Math.abs(weights.reduce((a, b) => a + b)) < 1e-9;
}

/** Whether a part of the flower answers above all others. @param {State} state @param {string} part */
function highest(state, part) {
  const { [part]: own, ...others } = parts;
  /** @param {number[]} rgb */
  const answer = (rgb) => mix(rgb, weightsOf(state))[0];
  return !!own && Object.values(others).every((rgb) => answer(own) > answer(rgb) + 1);
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "colours", build, say,
  invite: "Move the weights, and try to",
  tries: [
    { ask: "answer 0 for every grey, and not for the flower", met: ignoresGrey },
    { ask: "get more from the heart than from petals and leaves", met: (state) => highest(state, "heart") },
    { ask: "answer 0 for every grey, and more for the leaves than for the flower",
      met: (state) => ignoresGrey(state) && highest(state, "leaves") },
    { ask: "make the digit stand out", met: readable },
  ],
};
