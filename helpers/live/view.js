/** What all live views share: mounting, controls, pointer, keys, words. A view adds a model and a drawing. */

/** @template {Record<string, any>} S @typedef {object} View
 * @property {string} name The value of `data-live`.
 * @property {(live: Live<S>) => () => void} build Make the parts; the function it returns draws them.
 * @property {(state: S) => string} say The result, in one sentence.
 * @property {string} [invite] What stands before the goals.
 * @property {{ask: string, met: (state: S) => boolean}[]} [tries] Goals for the reader to reach.
 */

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */

const NAMESPACE = "http://www.w3.org/2000/svg";
export const QUIET = { "data-lm-suppress-shortcuts": "true" }; // else JupyterLab takes the keys

/** Set attributes (undefined, null and false leave one out) and append children.
 * @template {Element} E
 * @param {E} element @param {Attributes} attributes @param {(Node | string)[]} children */
export function fill(element, attributes, children = []) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** @param {string} tag @param {Attributes} [attributes] @param {(Node | string)[]} children */
export const svg = (tag, attributes = {}, ...children) =>
  /** @type {SVGElement} */ (fill(document.createElementNS(NAMESPACE, tag), attributes, children));

/** @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Attributes} [attributes] @param {(Node | string)[]} children */
export const html = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** 1234.5 → "1,234.5", -1 → "−1". @param {number} value @param {number} digits Decimals, at most. */
export function number(value, digits = 0) {
  const text = Math.abs(value).toLocaleString("en", { maximumFractionDigits: digits });
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** @param {number} count @param {string} one @param {string} many */
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** ["a", "b", "c"] → "a, b and c". @param {string[]} words */
export const list = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** The nearest integer in [low, high]. @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.max(low, Math.min(high, Math.round(value)));

/** From a blue (−1 and below) over white to a red (1 and above); or other hues. @param {number} t */
export const diverging = (t, low = [33, 102, 172], high = [178, 24, 43]) =>
  (t < 0 ? low : high).map((hue) => 247 + (hue - 247) * Math.min(1, Math.abs(t)));

/** Values as colours; what a panel shows is said, too: its name, the range, how much of it is near 0.
 * @param {HTMLCanvasElement} canvas @param {number[]} values @param {(v: number) => number[]} rgb */
export function paint(canvas, values, rgb, name = canvas.closest(".panel")?.firstChild?.textContent) {
  const known = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...known, 0), Math.max(...known, 0)];
  const near = known.filter((value) => Math.abs(value) <= (high - low) / 20).length / known.length || 0;
  const said = `${name}: ${number(low, 1)} to ${number(high, 1)}, ${number(100 * near)} % near 0`;
  if (name && !canvas.hasAttribute("tabindex")) fill(canvas, { role: "img", "aria-label": said });
  const n = (canvas.width = canvas.height = Math.sqrt(values.length));
  const image = new ImageData(n, n);
  image.data.fill(255); // opaque
  for (let at = 0; at < values.length; at++) image.data.set(rgb(values[at]), 4 * at);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** Collects the marks of a drawing; a kind is a class of the style sheet. */
export class Pen {
  marks = /** @type {SVGElement[]} */ ([]);

  /** @param {string} tag @param {string} kind @param {Attributes} of @param {(Node | string)[]} inside */
  put(tag, kind, of, ...inside) {
    const mark = svg(tag, { class: kind || null, ...of }, ...inside);
    this.marks.push(mark);
    return mark;
  }

  /** @param {string} kind @param {number} x @param {number} y @param {number} width @param {number} height */
  rect = (kind, x, y, width, height, rx = 0) =>
    this.put("rect", kind, { x, y, width: Math.max(0, width), height, rx: rx || null });
  /** @param {string} kind @param {number} x @param {number} y @param {string} words */
  text = (kind, x, y, words) => this.put("text", kind, { x, y }, words);
  /** @param {string} kind @param {string} d */
  path = (kind, d) => this.put("path", kind, { d });

  /** @param {SVGElement} picture @param {number} width @param {number} height In units, or pixels. */
  show(picture, width, height) {
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.replaceChildren(...this.marks);
  }
}

/** @template {Record<string, any>} S */
export class Live {
  /** @param {HTMLElement} root @param {View<S>} view */
  constructor(root, view) {
    this.root = root;
    this.view = view;
    this.start = /** @type {S} */ (JSON.parse(root.querySelector(".state")?.textContent ?? "{}"));
    this.state = structuredClone(this.start);
    this.stage = html("div", { class: "stage" });
    this.aside = html("div", { class: "aside" });
    this.controls = html("div", { class: "controls" });
    this.words = html("div", { class: "words" });
    this.said = html("p", { class: "said", role: "status" });
    this.news = html("p", { class: "unseen", role: "status" });
    this.drawn = /** @type {(() => void)[]} */ ([]); // what follows each drawing
    this.waiting = false;
    this.draw = view.build(this);
    this.button("Reset", () => this.change(structuredClone(this.start)));
    this.words.append(this.said, this.news);
    const alive = html("div", { class: "alive" }, this.stage, this.controls, this.words, this.aside);
    alive.append(this.offer(view.invite ?? "Try to", view.tries));
    root.querySelector(".alive")?.remove();
    root.append(alive);
    /** @type {HTMLElement | null} */ (root.querySelector(".still"))?.setAttribute("hidden", "");
    this.paint();
    let width = alive.clientWidth;
    new ResizeObserver(() => {
      if (alive.clientWidth === width || !alive.clientWidth) return; // none while it is not shown
      width = alive.clientWidth;
      this.change({});
    }).observe(alive);
  }

  /** Change the state and draw it on the next frame. @param {Partial<S>} patch */
  change(patch) {
    Object.assign(this.state, patch);
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => this.guard(() => this.paint()));
  }

  paint() {
    this.waiting = false;
    this.draw();
    for (const update of this.drawn) update();
    const sentence = this.view.say(this.state);
    if (this.said.textContent !== sentence) this.said.textContent = sentence;
  }

  /** Run what a hand has asked for; if it fails, the still figure comes back. @param {() => void} action */
  guard(action) {
    try {
      action();
    } catch (error) {
      fail(this.root, error);
    }
  }

  /** Give the pixels of a picture (red, green, blue, opacity of each) to `use`, and draw.
   * @param {string} address @param {(data: number[]) => void} use */
  decode(address, use) {
    const image = new Image();
    image.onload = () =>
      this.guard(() => {
        const context = html("canvas", { width: image.width, height: image.height }).getContext("2d");
        context?.drawImage(image, 0, 0);
        use(Array.from(context?.getImageData(0, 0, image.width, image.height).data ?? []));
        this.change({});
      });
    image.src = address;
  }

  /** A slider for one number of the state. @param {keyof S & string} key
   * @param {{name: string, symbol?: string, min: number, max: number, step?: number,
   *   show?: (value: number) => string}} options */
  slider(key, { name, symbol = "", min, max, step = 1, show = (value) => number(value, 2) }) {
    const input = html("input", { type: "range", min, max, step, ...QUIET });
    const value = html("output");
    const words = html("span", { class: "name" }, name, symbol && " ", html("i", {}, symbol));
    const changed = () => /** @type {Partial<S>} */ ({ [key]: Number(input.value) });
    input.oninput = () => this.guard(() => this.change(changed()));
    this.drawn.push(() => {
      input.value = String(this.state[key]);
      input.ariaValueText = value.textContent = show(this.state[key]);
    });
    this.controls.append(html("label", { class: `slider ${key}` }, words, input, value));
    return input;
  }

  /** @param {string} name @param {() => void} action @param {() => boolean} [pressed] Whether it is down. */
  button(name, action, pressed) {
    const button = html("button", { type: "button", ...QUIET }, name);
    button.onclick = () => this.guard(action);
    if (pressed) this.drawn.push(() => (button.ariaPressed = String(pressed())));
    return this.controls.appendChild(button);
  }

  /** Buttons, each of which changes the state; the one whose first value the state has is down.
   * @param {string} name @param {Record<string, Partial<S>>} changes By the button's name. */
  choice(name, changes) {
    const group = html("div", { class: "choice", role: "group", "aria-label": name });
    for (const [label, patch] of Object.entries(changes)) {
      const [[key, value]] = Object.entries(patch);
      group.append(this.button(label, () => this.change(patch), () => `${this.state[key]}` === `${value}`));
    }
    return this.controls.appendChild(group);
  }

  /** Goals; one that is reached keeps its tick. @param {string} invite @param {View<S>["tries"]} tries */
  offer(invite, tries, said = "") {
    const goals = html("ul");
    this.drawn.push(() => void (said = "")); // what this drawing announces
    for (const { ask, met } of tries ?? []) {
      const tick = html("span", { class: "tick", role: "img" });
      const item = html("li", {}, tick, ask);
      this.drawn.push(() => {
        const before = item.classList.contains("met");
        const left = JSON.stringify(this.state) !== JSON.stringify(this.start);
        const now = item.classList.toggle("met", met(this.state) || (before && left));
        if (now !== before) this.news.textContent = said += now ? `${said && " "}Reached: ${ask}` : "";
        tick.textContent = now ? "✓ " : "– ";
        tick.ariaLabel = now ? "reached" : "open";
      });
      goals.append(item);
    }
    return html("div", { class: "try" }, html("p", {}, invite), goals);
  }

  /** Follow mouse, pen or finger over an element; a finger that moves up or down still scrolls.
   * @param {GlobalEventHandlers & Element} element
   * @param {(x: number, y: number, first: boolean) => void} move Gets pixels from the upper left corner. */
  drag(element, move) {
    let held = /** @type {PointerEvent?} */ (null); // a first touch, until it is known not to scroll
    const act = (/** @type {PointerEvent} */ { clientX, clientY, type }) => {
      const { left, top } = element.getBoundingClientRect();
      this.guard(() => move(clientX - left, clientY - top, type === "pointerdown"));
    };
    const release = () => (held = held && (act(held), null));
    element.onpointerdown = (event) => {
      if (event.button) return;
      element.setPointerCapture((held = event).pointerId);
      if (event.pointerType !== "touch" || getComputedStyle(element).touchAction === "none") release();
    };
    element.onpointermove = (event) => {
      const waits = held && Math.abs(event.clientX - held.clientX) < 5;
      if (waits || !element.hasPointerCapture(event.pointerId)) return;
      release();
      act(event);
    };
    element.onpointerup = release;
    element.onpointercancel = () => (held = null);
    element.classList.add("draggable");
  }

  /** Let an element be reached by Tab and moved by keys, as a slider is; Page ↑ and ↓ are four arrows.
   * @param {GlobalEventHandlers & Element} element @param {string} name
   * @param {Record<string, () => void>} actions By the key's name.
   * @param {() => {min?: number, max: number, now: number, text: string}} place @param {string} [how] */
  steer(element, name, actions, place, how = "The arrow keys move it.") {
    fill(element, { role: "slider", tabindex: 0, "aria-label": name, "aria-description": how, ...QUIET });
    element.onkeydown = (event) => {
      const action = actions[event.key.replace("Page", "Arrow")];
      if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.guard(() => Array(event.key.startsWith("Page") ? 4 : 1).fill(0).forEach(action));
    };
    this.drawn.push(() => {
      const { min = 0, max, now, text } = place();
      const range = { "aria-valuemin": min, "aria-valuemax": max, "aria-valuenow": now };
      fill(element, { ...range, "aria-valuetext": text });
    });
  }
}

/** Bring the still figure back, with one line below it. @param {HTMLElement} root @param {unknown} error */
function fail(root, error, why = "This figure stands still, because its script failed") {
  root.querySelector(".alive")?.remove();
  root.querySelector(".still")?.removeAttribute("hidden");
  root.querySelector(".hint")?.replaceChildren(`${why}: ${error}`);
}

/** Bring the figure around a script to life as soon as it is near the window.
 * @template {Record<string, any>} S @param {View<S>} view
 * @param {Element | null} script Its own element; in VS Code a copy of it stands beside the figure. */
export function mount(script, view) {
  const around = script?.closest("[data-live]");
  const beside = (script?.parentElement ?? document).querySelectorAll(`[data-live="${view.name}"]`);
  const root = /** @type {HTMLElement & {live?: unknown} | undefined} */ (around ?? [...beside].at(-1));
  if (!root || root.live) return;
  root.live = "waits until it is near";
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    try {
      root.live = new Live(root, view);
    } catch (error) {
      fail(root, error);
    }
  }, { rootMargin: "500px" });
  observer.observe(root);
}
