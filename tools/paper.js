/* Fewer half-empty pages: the function that tools/pdf.py calls before the book is printed.

Each article stands for a moment in columns of a page's size, which break where its pages do. Where one
ends early since a figure just misses it, pictures shrink by up to a seventh, or what follows passes in
front; else the page before hands its last block on. */
({ width, height, smallest = 0.85, enough = 0.15, most = 0.24 }) => {
  const LEAVES = "p, li, pre, img, svg, tr, h1, h2, h3, h4, summary, .math, figcaption";
  const BREAKS = "ul, ol, .fold.aside, div.cell"; // may begin where they do not end
  const PASSES = `p, div.math, div.formula, ${BREAKS}`;
  const SHOWS = "div.cell:not(.tag_export):has(> .cell_output, > .fold), .tag_starter, .tag_check";
  const READS = ".fold.more, .fold.verdict, div.cell:has(> .fold.verdict)"; // a figure, and stays below it
  const tall = (element) => element.getBoundingClientRect().height;

  /** Where each page ends, what stands first on it, and its pictures. */
  function measure(article) {
    const origin = article.getBoundingClientRect();
    const pages = [];
    for (const leaf of article.querySelectorAll(LEAVES))
      for (const box of leaf.getClientRects()) {
        if (!box.height) continue;
        const at = Math.floor((box.left - origin.left + 1) / width);
        const page = (pages[at] ??= { foot: 0, head: Infinity, first: leaf, images: [] });
        page.foot = Math.max(page.foot, box.bottom - origin.top);
        if (box.top - origin.top < page.head) [page.head, page.first] = [box.top - origin.top, leaf];
        if (leaf.matches("img, svg")) page.images.push(leaf);
      }
    return pages;
  }

  /** The largest element that begins where its page does. */
  function grow(block, article) {
    const page = (element) =>
      Math.floor((element.getClientRects()[0].left - article.getBoundingClientRect().left + 1) / width);
    const own = page(block);
    while (block.parentElement !== article && page(block.parentElement) === own) block = block.parentElement;
    return block;
  }

  /** Whether pictures could shrink, each a little, so that the page needs less. */
  function shrink(images, need) {
    if (need <= 0) return true; // a margin more is needed: the next try takes it
    for (const image of images) image.dataset.own ??= tall(image);
    const before = images.map(tall);
    const spare = images.map((image, i) => before[i] - smallest * image.dataset.own);
    const share = need / spare.reduce((sum, one) => sum + one, 0);
    if (!(share <= 1)) return false;
    images.forEach((image, i) =>
      image.style.setProperty("max-height", `${before[i] - share * spare[i]}px`, "important"));
    return images.some((image, i) => tall(image) < before[i]);
  }

  /** Put what follows a figure in front of it, as much as there is room for. */
  function pass(block, room) {
    const cell = block.closest("div.cell");
    let unit = block.closest(".beside") ?? cell ?? block;
    if (cell === unit && cell !== block && !block.closest(".sealed")) { // its code stays where it is
      unit = cell.cloneNode(false);
      unit.append(block);
      cell.after(unit);
    }
    let last = unit;
    while (last.nextElementSibling?.matches(READS)) last = last.nextElementSibling;
    let moved = false;
    for (let next; (next = last.nextElementSibling)?.matches(PASSES) && !next.matches(SHOWS); moved = true) {
      room -= tall(next) + 12;
      if (room < 0 && !(next.matches(BREAKS) && room + tall(next) > 80)) break;
      unit.before(next);
      if (room < 0) return true;
    }
    return moved;
  }

  function mend(article, page, next, room, tries) {
    if (next.first.matches("pre")) { // a long output
      next.first.style.setProperty("break-inside", "auto", "important");
      return true;
    }
    const block = grow(next.first, article);
    const picture = block.matches("img, svg") ? block : block.querySelector("img, svg");
    if (!picture) return false;
    const end = (picture.closest("figure") ?? picture).getBoundingClientRect().bottom;
    const need = end - block.getBoundingClientRect().top + 20 * (tries + 1) - room;
    return shrink([picture, ...page.images], need) || pass(block, room);
  }

  /** Let the page before, too, end a little early, so that neither is very empty. */
  function spread(article, at, gap) {
    const origin = article.getBoundingClientRect();
    let last = null;
    for (const block of article.querySelectorAll("section > *, .inside > *, li")) {
      const [box] = block.getClientRects();
      if (!box || Math.floor((box.left - origin.left + 1) / width) !== at - 1) continue;
      const share = 1 - (box.top - origin.top) / height;
      const before = block.previousElementSibling;
      if (share <= most && share >= gap - most && before && !before.matches("h1, h2, h3, h4")) last = block;
    }
    last?.style.setProperty("break-before", "column");
    last?.classList.add("begins-page");
    return last !== null;
  }

  for (const article of document.querySelectorAll("article")) {
    const style = article.getAttribute("style") ?? "";
    article.style.cssText = `width: ${width}px; height: ${height}px; columns: ${width}px; column-gap: 0;
      column-fill: auto; margin: 0; padding: 0; overflow: visible`;
    for (let at = 0, tries = 0, pages = measure(article); at < pages.length - 1; pages = measure(article)) {
      const room = height - (pages[at]?.foot ?? height);
      const empty = room > enough * height && tries < 5;
      if (empty && mend(article, pages[at], pages[at + 1], room, tries)) tries += 1;
      else {
        if (room > most * height && at) spread(article, at, room / height);
        [at, tries] = [at + 1, 0];
      }
    }
    for (const block of article.querySelectorAll(".begins-page")) block.style.breakBefore = "page";
    article.setAttribute("style", style);
  }
}
