// Looks through the text of all pages, which stands in the search page.
(() => {
  const field = document.querySelector(".book-search input");
  const list = document.getElementById("search-results");
  const status = document.getElementById("search-status");
  const SHOWN = 30;

  // One spelling for what is typed in several: 3×3, 3 x 3 and 3*3; -isation and -ization; accents.
  const plain = (text) =>
    text
      .normalize("NFKD")
      .replace(/\p{M}/gu, "")
      .toLowerCase()
      .replace(/(\d)\s*[×x*]\s*(?=\d)/g, "$1x")
      .replace(/is(e|ed|es|ing|ation|ations)\b/g, "iz$1")
      .replace(/[‐-―−]/g, "-");
  const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // A word is found where a word of the text begins with it; its own ending may be another.
  const stem = (word) =>
    /^[a-z]{5,}$/.test(word) ? word.replace(/(?:ing|ed|es|s|e)$/, "") : word;
  const pattern = (words) =>
    new RegExp(`(?<![\\p{L}\\p{N}_])${words.map((w) => escape(stem(w))).join("[\\p{L}]*[\\s-]+")}`, "u");

  const sections = JSON.parse(document.getElementById("search-text").textContent).map((s) => ({
    ...s,
    first: s.title === s.page,
    lookedUp: s.uri.includes("appendix/"), // errata, notation, bibliography: after the lectures
    searched: Object.fromEntries(
      ["page", "title", "text", "code", "defined", "also"].map((part) => [part, plain(s[part])]),
    ),
  }));

  // What a match is worth, by the part of the section that it stands in.
  const WORTH = { title: 40, defined: 36, also: 30, text: 4, code: 3, page: 2 };

  const score = ({ searched, first, lookedUp }, words, phrase, every) => {
    let sum = 0;
    for (const word of words) {
      const parts = Object.keys(WORTH).filter((part) => word.test(searched[part]));
      if (!parts.length && every) return 0;
      if (parts.length) sum += Math.max(...parts.map((part) => WORTH[part])) / words.length;
    }
    if (!sum) return 0;
    for (const part of ["title", "defined", "also", "text"])
      if (phrase.test(searched[part])) sum += WORTH[part] * (part === "text" ? 3 : 1);
    const mentions = searched.text.split(new RegExp(phrase.source, "u")).length - 1;
    return (sum + Math.min(mentions, 8) + (first ? 1 : 0)) * (lookedUp ? 0.5 : 1);
  };

  const find = (query) => {
    const words = plain(query).match(/[^\s,;"()]+/g) ?? [];
    if (!words.length) return [];
    const patterns = words.map((word) => pattern([word]));
    const phrase = pattern(words);
    const ranked = (every) =>
      sections
        .map((section) => ({ section, worth: score(section, patterns, phrase, every) }))
        .filter(({ worth }) => worth > 0)
        .sort((a, b) => b.worth - a.worth);
    const found = ranked(true); // where no section has all words, those that have some
    return (found.length ? found : ranked(false)).map(({ section }) => ({
      section,
      patterns: [phrase, ...patterns],
    }));
  };

  // The sentence around the first match.
  const excerpt = (text, patterns) => {
    const at = patterns.map((p) => plain(text).search(p)).find((place) => place >= 0) ?? 0;
    const from = at < 80 ? 0 : text.lastIndexOf(" ", at - 60) + 1;
    const piece = text.slice(from, text.length > from + 180 ? text.lastIndexOf(" ", from + 180) : undefined);
    return `${from ? "… " : ""}${piece}${from + piece.length < text.length ? " …" : ""}`;
  };

  const show = () => {
    const query = field.value.trim();
    const found = find(query);
    list.replaceChildren(
      ...found.slice(0, SHOWN).map(({ section, patterns }) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = section.uri + (section.first ? "" : `#${section.id}`);
        link.textContent = section.first ? section.page : `${section.page} › ${section.title}`;
        const text = document.createElement("p");
        text.textContent = excerpt(section.text, patterns);
        item.append(link, text);
        return item;
      }),
    );
    const count = found.length === 1 ? "1 section" : `${found.length} sections`;
    const best = found.length > SHOWN ? `, the best ${SHOWN} of them` : "";
    status.textContent = !query ? "" : found.length ? `${count}${best}` : "Nothing found.";
  };

  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.addEventListener("input", () => {
    show();
    const address = new URL(location.href);
    address.searchParams.set("q", field.value);
    try {
      history.replaceState(null, "", address);
    } catch {
      // A browser may refuse this to a page that is read from a folder.
    }
  });
  field.form.addEventListener("submit", (event) => event.preventDefault());
  field.focus();
  show();
})();
