"""Sphinx extension: one style sheet with what the pages use, and a small font of icons.

The theme brings 600 kB of styles and 400 kB of icons, of which the book uses a tenth. When all
pages are written, their style sheets are joined into one, rules for classes that occur on no page
and in no script are left out, and the font is cut to the icons that these rules show. The book's
own sheet stays as it is, at the end.
"""

import base64
import hashlib
import io
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import tinycss2
from fontTools.subset import Options, Subsetter, load_font
from sphinx.application import Sphinx

from extensions.page import STYLE_SHEET

SHEETS = (
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "sphinx-design.min.css",
)
OWN = "book.css"
AFTER_THE_THEME = 900  # priority: the theme writes the colours of code at the end of a build
ICONS = "vendor/fontawesome/webfonts/fa-solid-900.ttf"
ICON_FAMILY = "Font Awesome 6 Free"


def write_assets(app: Sphinx, exception: Exception | None) -> None:
    """Write the style sheet for the pages as they are now, and let every page ask for it."""
    if exception is not None or app.builder.name != "html":
        return
    static = Path(app.outdir, "_static")
    pages = {path: path.read_text(encoding="utf-8") for path in find_pages(Path(app.outdir))}
    words = set(re.findall(r"[\w-]+", " ".join(class_attributes(pages.values()))))
    for script in static.rglob("*.js"):
        if "fontawesome" not in script.name:
            words |= set(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    styles = "\n".join(
        path.read_text(encoding="utf-8") for name in SHEETS for path in sorted(static.glob(name))
    )
    style = purge(styles, words)
    icons = "".join(re.findall("[\ue000-\uf8ff]", style))
    style = (
        '@charset "utf-8";'
        + font_face(ICON_FAMILY, static / ICONS, icons, weight=900)
        + style
        + (static / OWN).read_text(encoding="utf-8")
    )
    (static / STYLE_SHEET).write_text(style, encoding="utf-8")
    address = f"{STYLE_SHEET}?v={hashlib.sha256(style.encode()).hexdigest()[:8]}"
    for path, page in pages.items():
        new = re.sub(rf"{re.escape(STYLE_SHEET)}(\?v=\w+)?", address, page, count=1)
        if new != page:
            path.write_text(new, encoding="utf-8")


def follow_static(app: Sphinx, *_: object) -> list[str]:
    """A page to write anew if a style or script is newer than the site: else Sphinx copies none."""
    built, folders = Path(app.outdir, "index.html"), app.config.html_static_path
    files = [path for folder in folders for path in Path(app.srcdir, folder).rglob("*.*")]
    newest = max((path.stat().st_mtime for path in files), default=0)
    return [app.config.root_doc] if built.is_file() and built.stat().st_mtime < newest else []


def find_pages(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*.html")) if "_static" not in p.parts]


def class_attributes(pages: Iterable[str]) -> set[str]:
    """Values of all class attributes."""
    return {value for page in pages for value in re.findall(r'class="([^"]*)"', page)}


def purge(styles: str, words: set[str]) -> str:
    """Leave out what matches nothing: rules with classes that are not among `words`.

    Fonts and comments go as well; a rule whose selectors are a list keeps those that may match.
    """
    rules = tinycss2.parse_stylesheet(styles, skip_comments=True, skip_whitespace=True)
    return "".join(kept(rule, words) for rule in rules)


def kept(rule: tinycss2.ast.Node, words: set[str]) -> str:
    if rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        text = "".join(kept(r, words) for r in inner)
        prelude = tinycss2.serialize(rule.prelude).strip()
        return f"@{rule.at_keyword} {prelude}{{{text}}}" if text else ""
    if rule.type == "at-rule":
        return "" if rule.lower_at_keyword in ("font-face", "charset") else rule.serialize()
    if rule.type != "qualified-rule":
        return ""
    selectors = [s for s in split(rule.prelude) if may_match(s, words)]
    if not selectors:
        return ""
    body = re.sub(r"\s+", " ", tinycss2.serialize(rule.content)).strip()
    return f"{','.join(selectors)}{{{body}}}"


def split(prelude: list[tinycss2.ast.Node]) -> list[str]:
    """The selectors of a rule; commas inside brackets do not part them."""
    parts: list[list[tinycss2.ast.Node]] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return [tinycss2.serialize(part).strip() for part in parts]


def may_match(selector: str, words: set[str]) -> bool:
    """Whether the classes that a selector asks for all occur; those inside brackets are let be."""
    bare = re.sub(r"\([^()]*\)|\[[^\]]*\]", "", re.sub(r"\([^()]*\)", "", selector))
    return all(name.replace("\\", "") in words for name in re.findall(r"\.((?:[\w-]|\\.)+)", bare))


def font_face(family: str, path: Path, characters: str, weight: int = 400) -> str:
    """The rule for a font that is cut to some characters and stands inside the style sheet."""
    if not characters:
        return ""
    options = Options()
    options.flavor, options.name_IDs = "woff", []
    options.hinting, options.notdef_outline = False, True
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells every table that it cuts
    font = load_font(str(path), options)
    subsetter = Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(font)
    file = io.BytesIO()
    font.flavor = "woff"
    font.save(file)
    data = base64.b64encode(file.getvalue()).decode()
    source = f'url(data:font/woff;base64,{data}) format("woff")'
    return f'@font-face{{font-family:"{family}";font-weight:{weight};src:{source}}}'


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", follow_static)
    app.connect("build-finished", write_assets, priority=AFTER_THE_THEME)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
