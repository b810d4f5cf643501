/** A network as a line of text: its layers, where its parameters and its work sit, what it sees. */
import { Pen, QUIET, fill, html, number, plural, svg } from "./view.js";

/** @typedef {{text: string, side: number}} State */
/** @typedef {{convs: number, kernel: number, out: number, side: number, params: number, macs: number,
 *   outputs: number, field: number}} Row Of a block, or, with 0 convolutions, of a dense layer. */

const MOST = { blocks: 8, convs: 8, dense: 4, units: 8192, kernel: 11 };
const SHORT = /(\d+)\s*[x×]\s*(\d+)(?:\s*k\s*(\d+))?/gi;
const INSIDE = /^\s*\d+\s*,\s*\d+\s*(,\s*\d+\s*)?$/;
const PART = /\(([^()]*)\)|(\d+)|[^\s,;()\d]+|[()]/g;

/** The blocks (convolutions, channels, kernel) and the dense layers of a text, or why there are none.
 * @param {string} text */
export function parse(text) {
  const blocks = /** @type {number[][]} */ ([]);
  const dense = /** @type {number[]} */ ([]);
  const long = text.replace(SHORT, (_, n, c, k) => ` (${n},${c}${k ? `,${k}` : ""}) `);
  /** @param {string} why */
  const refuse = (why) => ({ blocks, dense, why });
  for (const [part, inside, units] of long.matchAll(PART)) {
    if (units) dense.push(Number(units));
    else if (inside === undefined) return refuse(`What is “${part}”? Write a block as 2x64.`);
    else {
      if (!INSIDE.test(inside)) return refuse(`(${inside}) is no block. Write 2x64.`);
      const [n, c, k = 3] = inside.split(",").map(Number);
      if (dense.length) return refuse("A block cannot follow a dense layer: that has no maps.");
      blocks.push([n, c, k]);
    }
  }
  if (!blocks.length) return refuse("Begin with a block, such as 2x64.");
  if (blocks.length > MOST.blocks) return refuse(`This figure draws at most ${MOST.blocks} blocks.`);
  if (dense.length > MOST.dense) return refuse(`This figure draws at most ${MOST.dense} dense layers.`);
  for (const [at, [n, c, k]] of blocks.entries()) {
    const name = `Block ${at + 1}`;
    if (n < 1 || n > MOST.convs) return refuse(`${name} has ${n} convolutions. Give it 1 to ${MOST.convs}.`);
    if (c < 1 || c > MOST.units) return refuse(`${name} has ${c} channels. Give it 1 to ${MOST.units}.`);
    if (k % 2 === 0) return refuse(`${name} has an even kernel, ${k}: no padding would keep the size.`);
    if (k > MOST.kernel) return refuse(`${name} has a kernel of ${k}. Give it ${MOST.kernel} at most.`);
  }
  const wrong = dense.find((units) => units < 1 || units > MOST.units);
  if (wrong !== undefined) return refuse(`A dense layer has ${wrong} units. Give it 1 to ${MOST.units}.`);
  return refuse("");
}

/** What every block and dense layer costs and sees, for one grey image, or why the network cannot be.
 * @param {string} text @param {number} side Pixels of the image. */
export function count(text, side) {
  const { blocks, dense, why } = parse(text);
  const rows = /** @type {Row[]} */ ([]);
  let [inputs, now, field, step] = [1, side, 1, 1];
  for (const [convs, out, kernel] of why ? [] : blocks) {
    if (now < 2) {
      const left = `${plural(rows.length, "pooling has", "poolings have")} left 1×1 of ${side}×${side}`;
      return { rows, why: `${left}: block ${rows.length + 1} cannot halve it.` };
    }
    let [params, macs, outputs] = [0, 0, out * Math.floor(now / 2) ** 2];
    for (let at = 0; at < convs; at++) {
      const weights = kernel * kernel * (at ? out : inputs) * out;
      params += weights + out;
      macs += weights * now * now;
      outputs += out * now * now;
      field += (kernel - 1) * step;
    }
    [inputs, now, field, step] = [out, Math.floor(now / 2), field + step, 2 * step];
    rows.push({ convs, kernel, out, side: now, params, macs, outputs, field });
  }
  inputs *= now * now;
  for (const out of why ? [] : dense) {
    const costs = { params: (inputs + 1) * out, macs: inputs * out, outputs: out };
    rows.push({ convs: 0, kernel: 0, out, side: 1, ...costs, field: side });
    inputs = out;
  }
  return { rows, why };
}

const NAMES = { params: "parameters", macs: "multiply–adds", outputs: "outputs" };
const COSTS = /** @type {(keyof typeof NAMES)[]} */ (Object.keys(NAMES));

/** @param {Row[]} rows @param {keyof typeof NAMES} key */
const total = (rows, key) => rows.reduce((sum, row) => sum + row[key], 0);
/** @param {Row[]} rows */
const blocksOf = (rows) => rows.filter((row) => row.convs);

/** @param {State} state */
export function say({ text, side }) {
  const { rows, why } = count(text, side);
  if (why) return `Not drawn. ${why}`;
  const blocks = blocksOf(rows);
  const parts = `${plural(blocks.length, "block")}, ${plural(rows.length - blocks.length, "dense layer")}`;
  const costs = COSTS.map((key) => `${number(total(rows, key))} ${NAMES[key]}`).join(", ");
  const seen = blocks.at(-1)?.field;
  return `${parts}, image ${side}×${side}: ${costs}. A value after the last block sees ${seen}×${seen}.`;
}

/** 7,400 → "7.4 k", 1,849,688,064 → "1,849.7 M". @param {number} value */
export const short = (value) =>
  value < 1000 ? number(value) : value < 1e6 ? `${number(value / 1e3, 1)} k` : `${number(value / 1e6, 1)} M`;

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const [picture, map] = [svg("svg"), svg("svg", { class: "map", "aria-hidden": "true" })];
  const plain = { spellcheck: "false", autocomplete: "off", autocapitalize: "off" };
  const input = html("textarea", { rows: 2, "aria-label": "Network", ...plain, ...QUIET });
  const how = "2x64: a block of two convolutions, 64 channels. 2x64k5: 5×5 kernels. Last: dense layers.";
  const label = html("label", { class: "net" }, html("span", {}, "Network"), input);
  live.words.append(label, html("p", { class: "how" }, how));
  live.stage.append(picture);
  live.aside.append(map, html("p", {}, "Frames: what a value after each block sees. Grey: the image."));
  const ends = "4096 4096 10";
  live.choice("Networks", {
    "VGG-11": { text: `1x64 1x128 2x256 2x512 2x512 ${ends}` },
    "VGG-16": { text: `2x64 2x128 3x256 3x512 3x512 ${ends}` },
    "one 5×5": { text: `1x64 1x128 1x256k5 1x512k5 1x512k5 ${ends}` },
  });
  live.choice("Image", { "28×28": { side: 28 }, "56×56": { side: 56 }, "224×224": { side: 224 } });
  input.addEventListener("input", () => live.guard(() => live.change({ text: input.value })));
  let shown = { rows: /** @type {Row[]} */ ([]), side: 0 }; // the last network that can be
  return () => {
    const { text, side } = live.state;
    const { rows, why } = count(text, side);
    if (input.value !== text) input.value = text;
    fill(input, { "aria-invalid": why ? "true" : null });
    if (!why) shown = { rows, side };
    live.root.classList.toggle("old", Boolean(why));
    draw(picture, shown.rows, shown.side, Math.min(520, live.stage.clientWidth));
    drawMap(map, shown.rows, shown.side);
  };
}

const [TALL, LEFT, RIGHT] = [58, 92, 100]; // of a row; where its bars begin; room for their numbers

/** @param {SVGElement} picture @param {Row[]} rows @param {number} side @param {number} width */
function draw(picture, rows, side, width) {
  const [pen, height] = [new Pen(), 20 + TALL * rows.length];
  for (const [k, key] of COSTS.entries()) {
    pen.rect(key, [0, 92, 202][k], 3, 10, 10);
    pen.text("left", [14, 106, 216][k], 9, NAMES[key]);
  }
  for (const [at, { convs, kernel, out, side: now, field, ...costs }] of rows.entries()) {
    const y = 20 + TALL * at;
    pen.path("rule", `M0 ${y}H${width}`);
    pen.text("left", 0, y + 10, convs ? `${convs} × conv ${kernel}×${kernel}` : "dense");
    pen.text("right", width, y + 10, convs ? `${out}×${now}×${now}, sees ${field}` : number(out));
    const before = at ? rows[at - 1].side : side;
    for (let k = 0; k <= convs; k++) { // convolutions and their pooling, or one dense layer
      const maps = Math.sqrt((k < convs ? before : now) / side);
      const share = convs ? maps : 0.15 + 0.85 * Math.min(1, out / 4096);
      const kind = !convs ? "dense" : k < convs ? "conv" : "pool";
      pen.rect(`sheet ${kind}`, 2 + 9 * k, y + 37 - 12 * share, 7, 24 * share, 1);
    }
    for (const [k, key] of COSTS.entries()) {
      const part = costs[key] / total(rows, key);
      const end = LEFT + (width - LEFT - RIGHT) * part;
      pen.rect(key, LEFT, y + 20 + 12 * k, Math.max(1, end - LEFT), 9);
      pen.text("left", end + 5, y + 25 + 12 * k, `${short(costs[key])}, ${number(100 * part, 0)} %`);
    }
  }
  fill(picture, { width, height, role: "img", "aria-label": "Layers and what they cost" });
  pen.show(picture, width, height);
}

/** @param {SVGElement} picture @param {Row[]} rows @param {number} side */
function drawMap(picture, rows, side) {
  const [pen, fields] = [new Pen(), blocksOf(rows).map((row) => row.field)];
  const size = 1.04 * Math.max(side, ...fields);
  /** @param {string} kind @param {number} long */
  const square = (kind, long) => pen.rect(kind, (size - long) / 2, (size - long) / 2, long, long);
  square("image", side);
  for (const [at, field] of fields.entries()) square(at < fields.length - 1 ? "frame" : "frame last", field);
  pen.show(picture, size, size);
}

/** None where the network cannot be. @param {State} state */
const rowsOf = ({ text, side }) => (count(text, side).why ? [] : count(text, side).rows);
/** @param {State} state */
const sees = (state) => Math.max(0, ...blocksOf(rowsOf(state)).map((row) => row.field));

/** The blocks and the last layer of a network that can be, as text. @param {State} state */
const plan = (state) => `${parse(state.text).blocks}, ${rowsOf(state).at(-1)?.out}`;
const VGG_11 = "1,64,3,1,128,3,2,256,3,2,512,3,2,512,3, 10";

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "architecture",
  build,
  say,
  invite: "Change the text, and try to (a tick stays: done once)",
  tries: [
    {
      ask: "see more than 200×200 with fewer than 20 million parameters",
      met: (now) => sees(now) > 200 && total(rowsOf(now), "params") < 20e6,
    },
    {
      ask: "keep VGG-11's blocks and 10 scores at 224×224, with fewer than 30 million parameters",
      met: (now) => now.side === 224 && plan(now) === VGG_11 && total(rowsOf(now), "params") < 30e6,
    },
    { ask: "see all of 224×224", met: (now) => now.side === 224 && sees(now) >= 224 },
  ],
};
