"""What makes a figure out of a drawing, a state and a script; needs the standard library alone."""

import json
import re
from base64 import b64encode
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

HERE = Path(__file__).parent
# Read once: a notebook that is run again has moved its copies of these files elsewhere.
SOURCES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted(HERE.iterdir())
    if path.suffix in (".js", ".css")
}
SLOT = re.compile(r'<(script|style) data-of="([\w-]+)">.*?</\1>', re.S)
COMMENT = re.compile(r"/\*.*?\*/| +// [^\"'`\n]*$", re.S | re.M)
INDENT = re.compile(r"^\s+", re.M)
MODULE = re.compile(r"^export |^import [^;]*;\n", re.M)
HINT = "This figure answers to your hand where scripts run; in a notebook, run its cell."


class View:
    """A figure that a script brings to life, and that is complete without it.

    Args:
        name: The script is `NAME.js` beside this module; `NAME.css`, if there is one, its style.
        label: What the figure is, for a screen reader, in a few words.
        state: What the script starts from; goes through JSON.
        picture: The figure without a script: an SVG document with width and height, or a PNG.
        says: What it shows, in one sentence.
    """

    def __init__(
        self, name: str, label: str, *, state: dict[str, Any], picture: str | bytes, says: str
    ):
        self.name, self.label, self.state = name, label, state
        self.picture, self.says = picture, says

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/html": filled(self.html()), "text/plain": self.says}
        if isinstance(self.picture, str):
            return bundle | {"image/svg+xml": self.picture}
        return bundle | {"image/png": b64encode(self.picture).decode()}

    def html(self) -> str:
        """The figure and the state, with empty places for the script and the style."""
        source, width, height = address(self.picture)
        size = f'width="{width}" height="{height}"'
        state = json.dumps(self.state, ensure_ascii=False).replace("</", "<\\/")
        return f"""\
<div class="live" data-live="{self.name}" role="group" aria-label="{escape(self.label)}">
<style data-of="{self.name}"></style>
<div class="still">
<img src="{source}" {size} alt="{escape(self.says)}">
<p class="hint">{HINT}</p>
</div>
<script type="application/json" class="state">{state}</script>
<script data-of="{self.name}"></script>
</div>"""


def address(picture: str | bytes) -> tuple[str, int, int]:
    """Data address, width and height of a picture; an image survives where inline SVG does not."""
    if isinstance(picture, str):
        width, height = re.findall(r'\b(?:width|height)="([\d.]+)"', picture)[:2]
        source = "data:image/svg+xml," + quote(picture, safe=" =:/,.;()-'!*+@")
        return source, round(float(width)), round(float(height))
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    return "data:image/png;base64," + b64encode(picture).decode(), width, height


def emptied(html: str) -> str:
    """Without the scripts and styles of views: as a recording holds it."""
    return SLOT.sub(r'<\1 data-of="\2"></\1>', html)


def filled(html: str) -> str:
    """With the scripts and styles of views as they are now."""

    def fill(slot: re.Match[str]) -> str:
        tag, name = slot.groups()
        text = script(name) if tag == "script" else style(name)
        return f'<{tag} data-of="{name}">\n{text}\n</{tag}>'

    return SLOT.sub(fill, html)


def script(name: str) -> str:
    """The kernel and one view as a classic script, which runs where modules are blocked."""
    code = f"{code_of('view.js')}\n{code_of(f'{name}.js')}"
    code = f'(() => {{\n"use strict";\n{code}\nmount(document.currentScript, view);\n}})();'
    return code.replace("</", "<\\/")


def code_of(file: str) -> str:
    """A module without its comments, indents, imports and exports."""
    return MODULE.sub("", INDENT.sub("", COMMENT.sub("", SOURCES[file]))).strip()


def style(name: str) -> str:
    """The style of all views, and of one, without comments and indents."""
    code = "\n".join(SOURCES[file].strip() for file in files(name) if file.endswith(".css"))
    return INDENT.sub("", COMMENT.sub("", code))


def files(name: str) -> list[str]:
    """What the script and the style of a view are made of, beside this module."""
    return [f for f in ("view.js", "view.css", f"{name}.js", f"{name}.css") if f in SOURCES]
