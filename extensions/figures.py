"""Sphinx extension: the directive `recorded`, which shows a figure of a page on another page.

    ```{recorded} 7-2-convolutions-for-images fig-edges
    ```

shows the figure with that name from the recording of that page, with its description, as a link to
it; a live view answers to the hand here, too, and `:state: {"W": [1, -1]}` changes what it starts
from. So an overview has the pictures of the book as they are now, and no file is kept twice.
"""

import base64
import json
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.pages import read_recording, recording_of, resolve

STATE = re.compile(r'(?<=<script type="application/json" class="state">).*?(?=</script>)', re.S)
ENDINGS = {"text/html": "html", "image/svg+xml": "svg", "image/png": "png"}


def find_figure(recording: Path, name: str) -> tuple[str, bytes, dict[str, str]]:
    """Ending, content and options (alt, classes) of the figure `name` of a recording.

    Raises:
        ValueError: the recording has no figure of that name; the text lists those it has.
    """
    names = []
    for cell in read_recording(recording).cells:
        options = cell.metadata.get("mystnb", {})
        names.append(options.get("figure", {}).get("name"))
        if names[-1] != name:
            continue
        for output in cell.get("outputs", []):
            for mime, ending in ENDINGS.items():
                if mime in output.get("data", {}):
                    data = output.data[mime]
                    content = base64.b64decode(data) if ending == "png" else data.encode()
                    return ending, content, options["image"]
    known = ", ".join(filter(None, names))
    raise ValueError(f"{recording.stem} has no figure {name!r}; it has: {known}")


def started(html: str, state: str) -> str:
    """A live view that starts with other values; `state` is JSON.

    Raises:
        ValueError: `state` is no JSON, or the figure has no value of such a name.
    """
    new = json.loads(state)

    def merge(slot: re.Match[str]) -> str:
        old = json.loads(slot[0].replace("<\\/", "</"))
        if unknown := new.keys() - old.keys():
            raise ValueError(f"the view has no {', '.join(unknown)}; it has: {', '.join(old)}")
        return json.dumps(old | new, ensure_ascii=False).replace("</", "<\\/")

    made, found = STATE.subn(merge, html)
    if not found:
        raise ValueError("a state is for a live view, and this figure is none")
    return made


class Recorded(SphinxDirective):
    required_arguments = 2  # page, name of the figure
    option_spec = {"state": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        page, name = self.arguments
        try:
            source = resolve(page, Path(self.env.srcdir))
            ending, content, options = find_figure(recording_of(source), name)
            html = content.decode() if ending == "html" else ""
            if "state" in self.options:
                html = started(html, self.options["state"])
        except (ValueError, OSError) as error:
            raise self.error(str(error)) from error
        self.env.note_dependency(str(recording_of(source)))
        docname = source.relative_to(self.env.srcdir).with_suffix("").as_posix()
        if ending == "html":  # a live view
            view = nodes.raw("", html, format="html")
            return [nodes.container("", view, classes=["recorded"])]
        folder = Path(self.env.srcdir, "_build", "recorded")
        folder.mkdir(parents=True, exist_ok=True)
        picture = folder / f"{name}.{ending}"
        if not picture.is_file() or picture.read_bytes() != content:
            picture.write_bytes(content)  # else another build may be reading it
        uri = "/" + picture.relative_to(self.env.srcdir).as_posix()
        image = nodes.image(uri=uri, alt=options["alt"], classes=options.get("classes", "").split())
        link = nodes.reference("", "", image, refuri=self.target(docname, name))
        return [nodes.container("", nodes.paragraph("", "", link), classes=["recorded"])]

    def target(self, docname: str, name: str) -> str:
        builder = self.env.app.builder
        return f"{builder.get_relative_uri(self.env.docname, docname)}#{name}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("recorded", Recorded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
