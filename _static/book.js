// What scrolls sideways says so (book.css) and can be reached by keyboard, only while it scrolls.
(() => {
  const scrollers = document.querySelectorAll(
    ".bd-article :is(.formula, .scrolls, pre, .cell_output, .cell_output > .output)",
  );
  const update = (box) => {
    const wide = box.toggleAttribute("data-wide", box.scrollWidth > box.clientWidth);
    if (wide) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const observer = new ResizeObserver((entries) => entries.forEach((e) => update(e.target)));
  scrollers.forEach((box) => observer.observe(box));
  document.fonts?.ready.then(() => scrollers.forEach(update));
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
