/** Two trained networks whose blocks can be switched off: one with shortcuts, one without. */
import { Pen, fill, html, list, number, plural, svg } from "./view.js";

/**
 * @typedef {{hits: number[], plain: (number | null)[]}} Counts How many of the images are classified
 *   right for each set of blocks, with shortcuts and without (null: nothing passes).
 * @typedef {{on: number, statistics: "stored" | "fresh", stored: Counts, fresh: Counts, images: number,
 *   seen?: number[]}} State
 *   Bit k of `on` tells whether block k is on; `seen`, which outlives a reset, the sets that were tried.
 */

const BLOCKS = 8;
const NAMES = Array.from({ length: BLOCKS }, (_, k) => `${Math.floor(k / 2) + 1}.${(k % 2) + 1}`);
const ALL = 2 ** BLOCKS - 1;

/** Whether block k is on. @param {number} on @param {number} k */
const isOn = (on, k) => ((on >> k) & 1) === 1;
/** Blocks that are off. @param {number} on */
export const missing = (on) => [...NAMES.keys()].filter((k) => !isOn(on, k));
/** Ways from the image to the classes: past each block, and through it if it is on. @param {number} on */
export const paths = (on) => 2 ** (BLOCKS - missing(on).length);
/** Whether a block changes the shape, so that its shortcut is a 1×1 convolution. @param {number} k */
const changes = (k) => k > 0 && k % 2 === 0;

/** The counts that the chosen statistics lead to. @param {State} state */
const counted = (state) => state[state.statistics];

/** The counts where so many blocks are off. @param {number[]} hits @param {number} off */
const without = (hits, off) => hits.filter((_, on) => missing(on).length === off);

/** Mean number of right answers for 0 to 8 blocks off. @param {State} state */
export const means = (state) =>
  Array.from({ length: BLOCKS + 1 }, (_, off) => {
    const counts = without(counted(state).hits, off);
    return counts.reduce((sum, count) => sum + count, 0) / counts.length;
  });

/** What each block that is off costs alone. @param {State} state */
function singly(state) {
  const { hits } = counted(state);
  return missing(state.on).map((k) => hits[ALL] - hits[ALL - (1 << k)]);
}

/** How many right answers it costs that blocks are off: together, and each alone, added up.
 * @param {State} state */
export function costs(state) {
  const { hits } = counted(state);
  const alone = singly(state).reduce((sum, cost) => sum + cost, 0);
  return { together: hits[ALL] - hits[state.on], alone };
}

/** Whether blocks were compared: four sets or more in which one is off. @param {State} state */
const compared = ({ seen }) => new Set(seen?.filter((on) => missing(on).length === 1)).size >= 4;

/** Whether of all sets with so many blocks off this one has the count that is picked.
 * @param {State} state @param {number[]} hits @param {number} off
 * @param {(...all: number[]) => number} pick */
const reached = ({ on }, hits, off, pick) =>
  missing(on).length === off && hits[on] === pick(...without(hits, off));

/** How many more are right with fresh statistics. @param {State} state */
const gains = ({ stored, fresh }) => fresh.hits.map((count, on) => count - stored.hits[on]);

/** @param {State} state */
export function say(state) {
  const { on, images, statistics } = state;
  const names = missing(on).map((k) => NAMES[k]);
  const left = `${plural(paths(on), "path")} of ${paths(ALL)} ${paths(on) === 1 ? "is" : "are"} left`;
  const off = `Block${names.length > 1 ? "s" : ""} ${list(names)} off`;
  const what = names.length ? `${off}: ${left}` : "All blocks on";
  const behind = statistics === "fresh" ? ", statistics are fresh" : "";
  const { hits, plain } = counted(state);
  const other = plain[on] === null ? "without them nothing passes" : `without them ${number(plain[on] ?? 0)}`;
  const { together, alone } = costs(state);
  const sum = `${singly(state).map((cost) => number(cost)).join(" + ")} = ${number(alone)}`;
  const cost = ` Together they cost ${number(together)}; singly ${sum}.`;
  const right = `With shortcuts ${number(hits[on])} of ${number(images)} are right, ${other}.`;
  return `${what}${behind}. ${right}${names.length > 1 ? cost : ""}`;
}

const [TOP, STEP, BAR] = [58, 132, 16]; // of the first chain, between both, of a bar
const CURVE = TOP + STEP + 92; // upper end of the plot

/** Middle of each block, and its width. @param {number} width */
function places(width) {
  const wide = Math.min(46, (width - 40) / BLOCKS - 8);
  const x = NAMES.map((_, k) => 20 + (k + 0.5) * ((width - 40) / BLOCKS));
  return { wide, x };
}

/** @param {import("./view.js").Live<State>} live */
function build(live) {
  const picture = svg("svg", {});
  live.stage.append(picture);
  const toggle = (/** @type {number} */ k) => {
    const on = live.state.on ^ (1 << k);
    live.change({ on, seen: [...new Set([...(live.state.seen ?? []), on])] });
  };
  picture.addEventListener("click", (event) => // no drag: a swipe that scrolls ends without a click
    live.guard(() => {
      const box = picture.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const near = (/** @type {number} */ middle) => Math.abs(y - middle) <= 22;
      if (!near(TOP) && !near(TOP + STEP)) return;
      const distance = places(live.stage.clientWidth).x.map((middle) => Math.abs(middle - x));
      toggle(distance.indexOf(Math.min(...distance)));
    }));
  const group = html("div", { class: "choice eight", role: "group", "aria-label": "Blocks that are on" });
  for (const [k, name] of NAMES.entries()) {
    const button = live.button(name, () => toggle(k), () => isOn(live.state.on, k));
    group.append(fill(button, { "aria-label": `block ${name}` }));
  }
  live.controls.append(group);
  live.choice("Statistics of batch normalisation", {
    "stored statistics": { statistics: "stored" }, "fresh statistics": { statistics: "fresh" },
  });
  return () => draw(picture, live.state, live.stage.clientWidth);
}

/** @param {SVGElement} picture @param {State} state @param {number} width */
function draw(picture, state, width) {
  const [pen, { wide, x }] = [new Pen(), places(width)];
  const { hits, plain: bare } = counted(state);
  const chains = /** @type {const} */ ([["with shortcuts", hits], ["without", bare]]);
  for (const [row, [name, counts]] of chains.entries()) {
    const [y, plain] = [TOP + row * STEP, row === 1];
    const [count, whole] = [counts[state.on], counts[ALL] ?? 0];
    const cost = (count ?? 0) - whole ? `, all on ${number(whole)}` : "";
    pen.text("left name", 0, y - 46, `${name}: ${count === null ? "cut" : `${number(count)} right${cost}`}`);
    pen.path("wire", `M0 ${y}H${x[0] - wide / 2}M${x[BLOCKS - 1] + wide / 2} ${y}H${width}`);
    for (const [k, middle] of x.entries()) {
      const [on, left, right] = [isOn(state.on, k), middle - wide / 2, middle + wide / 2];
      if (k) pen.path("wire", `M${x[k - 1] + wide / 2} ${y}H${left}`);
      const around = `M${left - 3} ${y}v-18q0 -8 8 -8H${right - 5}q8 0 8 8v18`;
      if (!plain) pen.path(`arc${on ? "" : " used"}`, around);
      if (plain && !on && !changes(k)) pen.path("arc used", `M${left} ${y}H${right}`);
      if (plain && !on && changes(k)) pen.text("cut", middle, y - 26, "✕");
      pen.rect(`block${on ? "" : " off"}`, left, y - 14, wide, 28, 5);
      pen.text(`tick${on ? "" : " faint"}`, middle, y, NAMES[k]);
      if (!plain && changes(k)) {
        pen.rect("convolution", middle - 11, y - 34, 22, 15, 4);
        pen.text("tick", middle, y - 26, "1×1");
      }
    }
    pen.rect("track", 0, y + 28, width, BAR, 3);
    pen.rect("bar", 0, y + 28, (width * (count ?? 0)) / state.images, BAR, 3);
    pen.path("whole", `M${(width * whole) / state.images} ${y + 24}v${BAR + 8}`);
  }
  curve(pen, state, width);
  const height = CURVE + 142;
  fill(picture, { width, height });
  pen.show(picture, width, height);
}

/** Accuracy by the number of blocks off: the mean, the sets that were tried, and this one.
 * @param {Pen} pen @param {State} state @param {number} width */
function curve(pen, state, width) {
  const x = (/** @type {number} */ off) => 36 + (off * (width - 60)) / BLOCKS;
  const y = (/** @type {number} */ count) => CURVE + 100 * (1 - count / state.images);
  pen.text("left", 0, CURVE - 20, "right answers: mean of all sets, and what you tried");
  for (const count of [0, state.images]) pen.text("left tick", 0, y(count), number(count));
  pen.path("wire", `M28 ${y(0)}H${width - 12}`);
  pen.path("mean", `M${means(state).map((mean, off) => `${x(off)} ${y(mean)}`).join("L")}`);
  for (let off = 0; off <= BLOCKS; off++) pen.text("tick", x(off), y(0) + 12, String(off));
  pen.text("", width / 2, y(0) + 30, "blocks off");
  for (const on of [...(state.seen ?? []), state.on]) {
    const [cx, cy] = [x(missing(on).length), y(counted(state).hits[on])];
    pen.put("circle", on === state.on ? "dot now" : "dot", { cx, cy, r: on === state.on ? 6 : 4 });
  }
}

/** @type {import("./view.js").View<State>} */
export const view = {
  name: "blocks",
  build,
  say,
  invite: "Tap blocks to switch them off and on (dotted: all on). Try four, one at a time; then switch off",
  tries: [
    {
      ask: "the block that costs the network with shortcuts least",
      met: (state) => compared(state) && reached(state, counted(state).hits, 1, Math.max),
    },
    {
      ask: "the block that costs it most",
      met: (state) => compared(state) && reached(state, counted(state).hits, 1, Math.min),
    },
    {
      ask: "the block whose cost shrinks most with fresh statistics",
      met: (state) => state.statistics === "fresh" && reached(state, gains(state), 1, Math.max),
    },
    {
      ask: "two blocks that together cost twice the sum of their single costs",
      met: (state) => {
        const { together, alone } = costs(state);
        return missing(state.on).length === 2 && together > 0 && together >= 2 * alone;
      },
    },
  ],
};
