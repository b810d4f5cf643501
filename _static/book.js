// What scrolls sideways says so (book.css) and can be reached by keyboard, only while it scrolls.
(() => {
  const scrollers = document.querySelectorAll(
    ".bd-article :is(.formula, .scrolls, pre, .cell_output, .cell_output > .output)",
  );
  // Asked of all before anything changes: else the page is laid out anew for each of them. What a
  // shut fold hides is asked when it opens; asked before, it would be laid out for nothing.
  const update = (boxes) => {
    const shown = boxes.filter((box) => box.checkVisibility());
    const wide = shown.map((box) => box.scrollWidth > box.clientWidth);
    shown.forEach((box, k) => {
      box.toggleAttribute("data-wide", wide[k]);
      if (wide[k]) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  };
  const observer = new ResizeObserver((entries) => update(entries.map((e) => e.target)));
  scrollers.forEach((box) => observer.observe(box));
  document.fonts?.ready.then(() => update([...scrollers]));
})();

// On paper, from the dark too: light colours, every picture. Those that wait are fetched at leisure,
// so that they are there when somebody prints or saves the page.
(() => {
  const root = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => {
    theme ??= root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme;
    theme = undefined;
  });
  addEventListener("load", () => {
    for (const image of document.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
  });
})();

// The keyboard keeps its place: the theme and the clipboard take it from the button that was
// pressed. Buttons say what they have done.
(() => {
  const root = document.documentElement;
  const status = document.createElement("p");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  document.body.append(status);
  const wide = matchMedia("(min-width: 992px)"); // else the side bar opens above the page
  const update = () => {
    const bar = document.querySelector("#pst-primary-sidebar");
    const shown = wide.matches && !bar?.classList.contains("pst-sidebar-hidden");
    document.querySelector(".primary-toggle")?.setAttribute("aria-expanded", shown);
    const mode = root.dataset.mode === "auto" ? "as the system" : root.dataset.mode;
    for (const button of document.querySelectorAll(".theme-switch-button"))
      button.setAttribute("aria-label", `Color mode: ${mode}`);
  };
  let last;
  const giveBack = () => {
    if (document.activeElement === document.body) last?.focus({ preventScroll: true });
  };
  const pressed = (event) => {
    const button = event.target.closest("button");
    status.textContent = "";
    setTimeout(() => {
      update();
      if (button?.matches(".copybtn")) status.textContent = button.dataset.tooltip;
      if (!button || event.detail) return; // a pointer keeps no place
      last = button;
      giveBack();
    });
  };
  addEventListener("click", pressed, true); // first: some handlers let nobody else know
  addEventListener("close", () => setTimeout(giveBack), true); // of a dialog
  wide.addEventListener("change", update);
  addEventListener("load", update);
})();
