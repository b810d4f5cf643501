"""Compare the recorded outputs of a notebook cell with those of a new run.

Pure functions: no pytest, no nbval, no kernel. ``final_state`` turns what a kernel sent into what
a reader sees; ``compare`` sets two of these side by side and says in words how they differ.

What is compared, and how:

* words exactly, numbers and coordinates within a tolerance: see ``text.py``;
* pictures within a tolerance: see ``pictures.py``;
* SVG by its elements, whatever its ids and its date: coordinates as drawn, the rest as printed;
* a live view by its figure and its state, without its script.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from helpers.live.view import SLOT, emptied
from tests.regression.pictures import compare_pictures
from tests.regression.text import (
    COORDINATE,
    DATA_URI,
    DRAWN,
    NUMBER,
    PRINTED,
    SVG_URI,
    compare_text,
    short,
)

WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg")
EVIDENCE = "application/vnd.convnets."  # how the types of the book's own data begin
GEOMETRY = re.compile(  # the attributes of an SVG element that hold coordinates and lengths
    r"d|points|[xy][12]?|[cdf][xy]|r[xy]?|width|height|viewBox|(gradientT|patternT|t)ransform"
)
_LIVE = re.compile(r'<div class="live"')
_STATE = re.compile(r'<script\b[^>]*\bclass="state"[^>]*>(.*?)</script>', re.DOTALL)
_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_MAGIC_ERROR = re.compile(r"^UsageError: .*", re.MULTILINE)
_TIMING = re.compile(r"(?:CPU times|Wall time): .*|(?<!\S)\S+ \S+ ± .* per loop .*")
_UNSTABLE = {
    "a memory address": re.compile(r"0x[0-9a-fA-F]{8,}"),
    "an absolute path": re.compile(
        r"(?<![\w.~-])/(?:home|root|tmp|usr|opt|var|mnt|Users|work)/\S*|(?<!\S)\S*site-packages\S*"
        r"|\b[A-Z]:\\Users\\\S*"
    ),
}


@dataclass
class Shown:
    """One output as a reader sees it: its kind and its contents by MIME type."""

    kind: str  # stdout, stderr, display, result, error
    data: dict[str, str]
    display_id: str | None = None

    @property
    def label(self) -> str:
        """The kind, and for displays and results the MIME types."""
        return (
            f"{self.kind} ({', '.join(self.data)})"
            if self.kind in ("display", "result")
            else self.kind
        )


def final_state(events: Iterable[Mapping[str, Any]], earlier: Sequence[Shown] = ()) -> list[Shown]:
    """Reduce the outputs of a cell, recorded or as sent by a kernel, to what a reader sees.

    Applies ``clear_output`` and updates of displays, also of those that an ``earlier`` cell has
    shown, carriage returns and backspaces; drops widgets, whose ids are random, and streams of
    white space; merges the pieces of a stream where the first one stands, as the recordings have
    it, and puts stdout before an adjacent stderr, because their order is an accident of buffering.
    """
    shown: list[Shown] = []
    clear_next = False
    for event in events:
        kind = event["output_type"]
        if kind == "clear_output":
            clear_next = bool(event.get("wait"))
            if not clear_next:
                shown = []
            continue
        output = _shown(event)
        for old in (*earlier, *shown):
            if old.display_id is not None and old.display_id == output.display_id:
                old.data = output.data
        if kind == "update_display_data":
            continue
        if clear_next:
            shown, clear_next = [], False
        shown.append(output)

    merged: list[Shown] = []
    streams: dict[str, Shown] = {}
    for output in shown:
        if output.kind in streams:
            streams[output.kind].data["text/plain"] += output.data["text/plain"]
        elif WIDGET not in output.data:
            merged.append(output)
            if output.kind in ("stdout", "stderr"):
                streams[output.kind] = output
    for stream in streams.values():
        stream.data["text/plain"] = _as_on_a_terminal(stream.data["text/plain"])
        if not stream.data["text/plain"].strip():
            merged.remove(stream)
    for first, second in itertools.pairwise(range(len(merged))):
        if (merged[first].kind, merged[second].kind) == ("stderr", "stdout"):
            merged[first], merged[second] = merged[second], merged[first]
    return merged


def _shown(event: Mapping[str, Any]) -> Shown:
    kind = event["output_type"]
    if kind == "stream":
        return Shown(event["name"], {"text/plain": _joined(event["text"])})
    if kind == "error":
        return Shown("error", {"text/plain": f"{event['ename']}: {event['evalue']}"})
    data = {mime: _joined(event["data"][mime]) for mime in sorted(event["data"])}
    display_id = (event.get("transient") or {}).get("display_id")
    return Shown("result" if kind == "execute_result" else "display", data, display_id)


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return json.dumps(value, sort_keys=True)


def _as_on_a_terminal(text: str) -> str:
    """Apply backspaces and carriage returns."""
    while (shorter := re.sub(r"[^\n\x08]\x08", "", text)) != text:
        text = shorter
    lines = []
    for line in text.split("\n"):
        visible = ""
        for part in line.split("\r"):
            visible = part + visible[len(part) :]
        lines.append(visible)
    return "\n".join(lines)


def compare(recorded: Sequence[Shown], new: Sequence[Shown]) -> tuple[int, list[str]]:
    """Compare two final states.

    Returns:
        The number of outputs compared (both sides present), and one text for each difference.
    """
    if [output.label for output in recorded] != [output.label for output in new]:
        sides = f"\n  recorded: {_overview(recorded)}\n  new:      {_overview(new)}"
        return 0, [f"other outputs{sides}"]
    differences = []
    for old, fresh in zip(recorded, new, strict=True):
        for mime, value in old.data.items():
            if mime in PICTURES:
                difference = compare_pictures(
                    base64.b64decode(value), base64.b64decode(fresh.data[mime])
                )
            elif mime == "image/svg+xml":
                difference = compare_svg(value, fresh.data[mime])
            elif mime == "text/html":
                difference = compare_html(value, fresh.data[mime])
            else:
                difference = compare_text(value, fresh.data[mime])
            if difference:
                where = mime if old.kind in ("display", "result") else old.kind
                differences.append(f"{where}: {difference}")
    return len(recorded), differences


def compare_kinds(recorded: Sequence[Shown], new: Sequence[Shown]) -> list[str]:
    """Compare which outputs there are, in order, not what they say; stderr does not count.

    Of a live view, the form of its state is compared: names, types, and lengths of lists.
    """
    old, fresh = ([o for o in side if o.kind != "stderr"] for side in (recorded, new))
    if [output.label for output in old] != [output.label for output in fresh]:
        sides = f"\n  recorded: {_overview(old)}\n  new:      {_overview(fresh)}"
        return [f"other kinds of outputs{sides}"]
    states = [[s for o in side for s in _STATE.findall(_html(o))] for side in (old, fresh)]
    if len(states[0]) != len(states[1]):
        return [f"{len(states[0])} states of live views recorded, {len(states[1])} new"]
    pairs = zip(states[0], states[1], strict=True)
    return [found for a, b in pairs if (found := compare_state(a, b, form=True))]


def compare_keys(recorded: Sequence[Shown], new: Sequence[Shown]) -> list[str]:
    """Compare the keys under which the book's own data (histories) was recorded.

    A key stands for all the code that made the data, so it is equal in every profile.
    """
    problems = []
    for (mime, old), (_, fresh) in itertools.zip_longest(
        _evidence(recorded), _evidence(new), fillvalue=("", {})
    ):
        problems += [
            f"{mime}: {name} {old[name]!r} recorded, {fresh.get(name)!r} new; "
            "the code behind this evidence has changed"
            for name in ("key", "keys")
            if name in old and old[name] != fresh.get(name)
        ]
    return problems


def _evidence(outputs: Sequence[Shown]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (mime, json.loads(value))
        for output in outputs
        for mime, value in output.data.items()
        if mime.startswith(EVIDENCE) and value.startswith("{")
    ]


def live_problems(recorded: Sequence[Shown], tagged: bool) -> list[str]:
    """What is wrong with the recorded live views of a cell, tagged ``live`` or not."""
    problems = [
        f"the {slot[1]} of the live view {slot[2]!r} is recorded; recordings leave it out"
        for output in recorded
        for slot in SLOT.finditer(_html(output))
        if slot[0] != emptied(slot[0])
    ]
    parts = (_LIVE, SLOT, _STATE)
    if tagged and not any(all(p.search(_html(output)) for p in parts) for output in recorded):
        problems.append("the cell is tagged live and shows no live view (div, script, state)")
    return problems


def _html(output: Shown) -> str:
    return output.data.get("text/html", "")


def _overview(outputs: Sequence[Shown]) -> str:
    return (
        "; ".join(
            f"{output.label} {short(output.data['text/plain'])!r}"
            if "text/plain" in output.data
            else output.label
            for output in outputs
        )
        or "nothing"
    )


def compare_html(recorded: str, new: str) -> str | None:
    """Compare two pieces of HTML: text as text, drawings and states of live views as such.

    Returns:
        None if they show the same, else the first difference in words.
    """
    sides = [emptied(side) for side in (recorded, new)]
    for pattern, compare_part in (
        (_STATE, compare_state),
        (SVG_URI, lambda *pair: compare_svg(*map(_decoded, pair))),
        (_SVG, compare_svg),
    ):
        for pair in zip(*map(pattern.findall, sides), strict=False):
            if difference := compare_part(*pair):
                return difference
        sides = [pattern.sub("<part/>", side) for side in sides]  # their number is compared as text
    return compare_text(sides[0], sides[1])


def _decoded(address: tuple[str, str]) -> str:
    base64_, data = address
    return base64.b64decode(data).decode() if base64_ else unquote(data)


def compare_state(recorded: str, new: str, form: bool = False) -> str | None:
    """Compare the states of two live views, JSON: integers exactly, other numbers to 1e-4.

    Args:
        recorded: The recorded state.
        new: The new one.
        form: Compare names, types, and lengths of lists only.

    Returns:
        None if they are the same, else the first difference in words.
    """

    def difference(old: Any, fresh: Any, where: str) -> str | None:
        if type(old) is not type(fresh):
            return f"{where}: {short(repr(old))} recorded, {short(repr(fresh))} new"
        if isinstance(old, (dict, list)):
            names = [list(s) if isinstance(s, dict) else range(len(s)) for s in (old, fresh)]
            if names[0] != names[1]:
                return f"{where}: {names[0]} recorded, {names[1]} new"
            parts = (difference(old[n], fresh[n], f"{where}[{n!r}]") for n in names[0])
            return next(filter(None, parts), None)
        near = isinstance(old, float) and math.isclose(old, fresh, rel_tol=1e-4, abs_tol=1e-4)
        if form or near or old == fresh:
            return None
        return f"{where}: {short(repr(old))} recorded, {short(repr(fresh))} new"

    if recorded == new:
        return None
    try:
        return difference(json.loads(recorded), json.loads(new), "state")
    except json.JSONDecodeError as error:
        return f"the state of a live view is not JSON: {error}"


def compare_svg(recorded: str, new: str) -> str | None:
    """Compare two SVG documents: elements, attributes, coordinates, embedded pictures.

    Metadata (the date of creation) is dropped, and ids are numbered by first appearance.

    Returns:
        None if they draw the same, else the first difference in words.
    """
    if recorded == new:
        return None
    try:
        old, fresh = _flattened(recorded), _flattened(new)
    except ElementTree.ParseError as error:
        return f"not an SVG document: {error}"
    for number, ((tag, old_items), (new_tag, new_items)) in enumerate(
        zip(old, fresh, strict=False), start=1
    ):
        if (tag, list(old_items)) != (new_tag, list(new_items)):
            return f"element {number} is {tag} {list(old_items)}, new {new_tag} {list(new_items)}"
        for name, value in old_items.items():
            tolerance = DRAWN if GEOMETRY.fullmatch(name) else PRINTED
            pattern = COORDINATE if name in ("d", "points") else NUMBER
            if difference := compare_text(value, new_items[name], tolerance, pattern):
                return f"element {number} ({tag}), {name}: {difference}"
    if len(old) != len(fresh):
        return f"{len(old)} elements recorded, {len(fresh)} new"
    return None


def _flattened(document: str) -> list[tuple[str, dict[str, str]]]:
    """Every element in order: depth and tag, and its attributes and text with canonical ids."""
    ids: dict[str, str] = {}
    elements: list[tuple[str, dict[str, str]]] = []

    def number(name: str) -> str:
        return ids.setdefault(name, str(len(ids)))

    def walk(element: ElementTree.Element, depth: int) -> None:
        tag = element.tag.rpartition("}")[2]
        if tag == "metadata":
            return
        items = {}
        for name, value in sorted(element.attrib.items()):
            name = name.rpartition("}")[2]
            if name == "id":
                value = number(value)
            elif name == "href" and value.startswith("#"):
                value = "#" + number(value[1:])
            items[name] = _REFERENCE.sub(lambda match: f"url(#{number(match[1])})", value)
        items["text"] = (element.text or "").strip()
        items["tail"] = (element.tail or "").strip()
        elements.append((f"{'.' * depth}{tag}", items))
        for child in element:
            walk(child, depth + 1)

    walk(ElementTree.fromstring(document), 0)
    return elements


def magic_errors(*sides: Sequence[Shown]) -> list[str]:
    """The errors of magics that IPython prints instead of raising, each once."""
    texts = [
        output.data["text/plain"]
        for side in sides
        for output in side
        if output.kind in ("stdout", "stderr")
    ]
    return list(dict.fromkeys(error for text in texts for error in _MAGIC_ERROR.findall(text)))


def unstable(outputs: Sequence[Shown], timings: bool = True) -> list[str]:
    """What in recorded outputs belongs to one machine or one run: addresses, paths, timings."""
    patterns = {**_UNSTABLE, "a timing": _TIMING} if timings else _UNSTABLE
    found = []
    for output in outputs:
        for mime, value in output.data.items():
            text = "" if mime in PICTURES else SVG_URI.sub("", DATA_URI.sub("", value))
            found += [
                f"{what} in the recorded {output.label}: {short(match[0])!r}"
                for what, pattern in patterns.items()
                if (match := pattern.search(text))
            ]
    return found
