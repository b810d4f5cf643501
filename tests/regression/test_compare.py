"""The comparison of outputs: what is the same, and what is not."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import quote

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from tests.regression.compare import (
    EVIDENCE,
    WIDGET,
    compare,
    compare_html,
    compare_keys,
    compare_kinds,
    compare_svg,
    final_state,
    live_problems,
    magic_errors,
    unstable,
)
from tests.regression.pictures import compare_pictures
from tests.regression.text import compare_text


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def display(mime: str, value: object, kind: str = "display_data", display_id: str = "") -> dict:
    transient = {"display_id": display_id} if display_id else {}
    return {"output_type": kind, "data": {mime: value}, "transient": transient}


def texts(*events: dict) -> list[tuple[str, str]]:
    return [(o.kind, "".join(o.data.values())) for o in final_state(events)]


SAME = [
    ("loss 0.123456", "loss 0.123461"),  # 4e-5 of it
    ("0.1234", "0.1235"),  # one in the last of four significant digits
    ("1.234e-05", "1.235e-05"),
    ("tensor([-0.0000,  1.0000])", "tensor([0.0000, 1.0000])"),  # a sign, and its column
    ("-2.9802e-08", "1.4901e-08"),  # both zero for float32
    ("[   nan, 1.0000]", "[nan, 1.0000]"),
    ("  lr    0.5000\n", "  lr 0.5000\n"),
    ("[0.5000 ] of 1.5000   m", "[0.5000] of 1.5000 m"),
    ("3.", "3.00001"),
    ("<td>0.912345</td>", "<td>0.912346</td>"),
]
OTHER = [
    ("loss 0.12346", "loss 0.12546"),  # the third digit
    ("loss 1.23", "loss 1.24"),
    ("loss 0.01", "loss 0.02"),  # one in the last place, but no four digits
    ("loss 0.001", "loss 0.002"),
    ("accuracy 0.999", "accuracy 1.000"),
    ("0.1234", "0.1236"),
    ("0.1234", "-0.1234"),
    ("1e-05", "2e-05"),
    ("1.50e-06", "1.00e-06"),
    ("61706 parameters", "61707 parameters"),
    ("61706.", "61707."),
    ("1", "1.0"),
    ("conv1 28x28", "conv2 28x28"),
    ("28x28", "28x29"),
    ("2.14.1", "2.14.2"),
    ("2.1.0", "2.10.0"),  # names: versions, addresses, dates, hashes, identifiers
    ("torch 2.1", "torch 2.10"),
    ("10.0.0.1", "10.00.0.1"),
    ("2026-11-05", "2026-11-5"),
    ("550e8400-e29b", "551e8400-e29b"),  # both infinite, read as numbers
    ("10e4a07", "100e3a07"),
    ("conv2_10", "conv2_1"),
    ("bond 007", "bond 7"),
    ("nan", "0.5"),
    ("inf", "-inf"),
    ("nan", "inf"),
    ("loss 0.5", "lost 0.5"),
    ("loss 0.5", "loss0.5"),
    ("a  b", "a b"),  # no number beside it
    ("a\n1.0", "a 1.0"),
    ("1.0 2.0", "1.0 2.0 3.0"),
    ("1.0\n", "1.0\nmore"),
    ("tensor(1., grad_fn=<AddBackward0>)", "tensor(1., grad_fn=<MulBackward0>)"),
]


@pytest.mark.parametrize(("recorded", "new"), SAME)
def test_same_text(recorded: str, new: str) -> None:
    assert compare_text(recorded, new) is None
    assert compare_text(new, recorded) is None


@pytest.mark.parametrize(("recorded", "new"), OTHER)
def test_other_text(recorded: str, new: str) -> None:
    assert compare_text(recorded, new) is not None
    assert compare_text(new, recorded) is not None


def test_difference_names_line_number_and_tolerance() -> None:
    difference = compare_text("a\nloss 0.5000 at 3\n", "a\nloss 0.6000 at 3\n")
    assert difference == (
        "line 2: number 0.5000 recorded, 0.6000 new, difference 0.1, allowed 5e-05\n"
        "  recorded: 'loss 0.5000 at 3'\n  new:      'loss 0.6000 at 3'"
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("10%\r 50%\r100%\n", "100%\n"),
        ("long line\rshort\n", "shortline\n"),  # a terminal overwrites, it does not clear
        ("a\r\nb\r\n", "a\nb\n"),
        ("abc\b\bX", "aX"),
        ("\b\bX", "\b\bX"),
    ],
)
def test_carriage_returns_and_backspaces(text: str, seen: str) -> None:
    assert texts(stream(text)) == [("stdout", seen)]


def test_streams_are_merged_where_they_start() -> None:
    picture = display("text/plain", "picture")
    pieces = stream("e1", "stderr"), stream("a"), stream("e2", "stderr"), picture, stream("b")
    assert texts(*pieces) == [("stdout", "ab"), ("stderr", "e1e2"), ("display", "picture")]
    assert texts(picture, stream("a")) == [("display", "picture"), ("stdout", "a")]
    assert texts(stream("\n"), stream("  ", "stderr")) == []


def test_clear_output_and_update() -> None:
    wait = {"output_type": "clear_output", "wait": True}
    now = {"output_type": "clear_output", "wait": False}
    assert texts(stream("1"), wait, stream("2"), wait) == [("stdout", "2")]
    assert texts(stream("1"), now) == []
    update = display("text/plain", "new", "update_display_data", "x")
    assert texts(display("text/plain", "old", display_id="x"), update) == [("display", "new")]
    assert texts(display("text/plain", "old", display_id="y"), update) == [("display", "old")]
    assert texts(display("text/plain", "old"), update) == [("display", "old")]
    earlier = final_state([display("text/plain", "old", display_id="x")])
    assert final_state([update], earlier) == [] and earlier[0].data == {"text/plain": "new"}
    again = display("text/plain", "new", display_id="x")  # shown twice, both are brought up to date
    assert texts(display("text/plain", "old", display_id="x"), again) == [("display", "new")] * 2


def test_widgets_are_dropped_and_streams_around_them_merged() -> None:
    seen = texts(stream("a"), display(WIDGET, {"model_id": "random"}), stream("b"))
    assert seen == [("stdout", "ab")]


def test_compare_counts_outputs_of_both_sides() -> None:
    both = final_state([stream("a"), display("text/plain", "1.0", "execute_result")])
    assert compare(both, both) == (2, [])
    count, problems = compare(both, both[:1])
    assert count == 0 and "other outputs" in problems[0]
    shown = final_state([stream("a"), display("text/plain", "1.0")])
    assert compare(both, shown)[1], "a display is not a result"


def test_kinds() -> None:
    figure = final_state([stream("1.0"), display("image/png", "")])
    assert compare_kinds(figure, final_state([stream("2.0"), display("image/png", "x")])) == []
    assert compare_kinds(figure, figure + final_state([stream("warning", "stderr")])) == []
    assert compare_kinds(figure, figure[:1])
    assert compare_kinds(figure, final_state([stream("1.0"), display("text/html", "")]))


def axes_figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.8), dpi=100)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return figure, axes


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def line(shift: float) -> bytes:
    figure, axes = axes_figure()
    axes.plot([0, 1], [0.2 + shift, 0.7 + shift])
    return png(figure)


def marker(shift: float) -> bytes:
    figure, axes = axes_figure()
    axes.plot([0.2, 0.5, 0.8], [0.5, 0.5 + shift, 0.5], "o")
    return png(figure)


def dashboard(text: str, size: float = 6) -> bytes:
    """A large picture with one small number; two in the last place of it are four pixels."""
    figure = Figure(figsize=(10, 8), dpi=100)
    figure.subplots().plot(np.sin(np.arange(100)))
    figure.text(0.5, 0.95, text, fontsize=size)
    return png(figure)


def heat(change: float, everywhere: bool = False) -> bytes:
    figure = Figure(figsize=(6.4, 4.8), dpi=100)
    values = np.linspace(0, 1, 64).reshape(8, 8)
    values[slice(None) if everywhere else (3, 4)] += change
    figure.subplots().imshow(values, cmap="gray", vmin=0, vmax=2)
    return png(figure)


def test_same_pictures() -> None:
    assert compare_pictures(line(0), line(0.0013)) is None, "half a pixel is antialiasing"
    again = io.BytesIO()
    Image.open(io.BytesIO(line(0))).save(again, "png", compress_level=1)
    assert again.getvalue() != line(0)
    assert compare_pictures(line(0), again.getvalue()) is None
    jpeg = [io.BytesIO(), io.BytesIO()]
    for quality, buffer in zip((95, 97), jpeg, strict=True):
        Image.open(io.BytesIO(heat(0))).convert("RGB").save(buffer, "jpeg", quality=quality)
    assert compare_pictures(*(buffer.getvalue() for buffer in jpeg)) is None


@pytest.mark.parametrize(
    ("recorded", "new"),
    [
        (line(0), line(0.02)),
        (marker(0), marker(0.03)),
        (heat(0), heat(0.1)),  # one cell of 64 by a tenth of its range
        (heat(0), heat(0.03, everywhere=True)),
        (dashboard("0.93"), dashboard("0.98")),
        (dashboard("0.93", size=8), dashboard("0.95", size=8)),
    ],
    ids=["line", "marker", "one cell", "brighter", "small digit", "digit"],
)
def test_other_pictures(recorded: bytes, new: bytes) -> None:
    assert compare_pictures(recorded, new) is not None


def test_a_difference_of_pictures_says_where() -> None:
    difference = compare_pictures(dashboard("0.93"), dashboard("0.98"))
    assert re.fullmatch(r"pictures .* around row 3\d, column 51\d, allowed 30", str(difference))


def test_pictures_of_another_size_or_transparency() -> None:
    def plain(size: tuple[int, int], colour: tuple[int, int, int, int]) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGBA", size, colour).save(buffer, "png")
        return buffer.getvalue()

    assert "size 8 x 9 recorded" in str(
        compare_pictures(plain((8, 9), (0, 0, 0, 255)), plain((9, 8), (0, 0, 0, 255)))
    )
    assert compare_pictures(plain((8, 8), (0, 0, 0, 255)), plain((8, 8), (0, 0, 0, 0)))
    assert compare_pictures(plain((8, 8), (9, 9, 9, 0)), plain((8, 8), (200, 0, 0, 0))) is None


def test_embedded_pictures_in_html() -> None:
    def page(picture: bytes) -> str:
        return f'<img src="data:image/png;base64,{base64.b64encode(picture).decode()}"> 0.5'

    assert compare_text(page(line(0)), page(line(0.0013))) is None
    assert "embedded picture" in str(compare_text(page(line(0)), page(line(0.02))))
    assert compare_text(page(line(0)), page(line(0)) + "<br>")


def titled(title: str, fonttype: str = "path") -> str:
    figure, axes = axes_figure()
    axes.set_title(title)
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": fonttype}):
        FigureCanvasSVG(figure).print_svg(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("fonttype", ["path", "none"])
@pytest.mark.parametrize("new", ["lr 0.02", "lr 0.010", "lr 0.1", "Ir 0.01"])
def test_words_in_an_svg_are_words(fonttype: str, new: str) -> None:
    assert compare_svg(titled("lr 0.01", fonttype), titled("lr 0.01", fonttype)) is None
    assert compare_svg(titled("lr 0.01", fonttype), titled(new, fonttype)) is not None


def svg(shift: float = 0.0, colour: str = "C0", heat: float = 0.0) -> str:
    figure, axes = axes_figure()
    axes.plot([0, 1], [0.2 + shift, 0.7 + shift], "o-", color=colour)
    axes.imshow(np.full((4, 4), 0.5 + heat), extent=(0, 0.5, 0.5, 1), vmin=0, vmax=1)
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer)
    return buffer.getvalue()


def test_svg_drawn_again_is_the_same() -> None:
    first, second = svg(), svg()
    assert first != second, "matplotlib salts its ids"
    assert compare_svg(first, second) is None
    assert compare_svg(first, svg(shift=1e-6)) is None


@pytest.mark.parametrize("change", [{"shift": 0.005}, {"colour": "C1"}, {"heat": 0.1}])
def test_svg_of_other_data(change: dict) -> None:
    assert compare_svg(svg(), svg(**change)) is not None


def test_svg_elements_attributes_and_references() -> None:
    def drawing(body: str) -> str:
        return f'<svg xmlns="http://www.w3.org/2000/svg">{body}</svg>'

    base = drawing(
        '<title>61706 of 2.1.0</title><g id="a" opacity="0.30" aria-label="lr 0.01"/><g id="b"/>'
        '<use href="#a" fill="#1f77b4" x="7.00"/><text>7.0</text>'
    )
    assert compare_svg(base, base.replace('x="7.00"', 'x="7.01"')) is None
    assert compare_svg(base, base.replace('"b"', '"z"')) is None
    assert compare_svg(base, base.replace('"a"', '"q"').replace("#a", "#q")) is None
    for old, new in [("#a", "#b"), ("#1f77b4", "#1f78b4"), (">7.0", ">8.0"), ("fill", "stroke"),
                     ("61706", "61710"), ("2.1.0", "2.10.0"), ("lr 0.01", "lr 0.02"),
                     ("0.30", "0.31"), ('x="7.00"', 'x="7.03"'),
                     ("<text>", '<text x="1">'), ('<g id="b"/>', "")]:  # fmt: skip
        assert compare_svg(base, base.replace(old, new)) is not None, (old, new)
    assert "not an SVG" in str(compare_svg(base, "<svg>"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<Net object at 0x7f3c2a1b4d90>", "memory address"),
        ("saved to /home/ann/book/x.pt", "absolute path"),
        ("/tmp/x", "absolute path"),
        ("lib/site-packages/torch", "absolute path"),
        ("CPU times: user 3 s", "timing"),
        ("1.2 ms ± 3 µs per loop (mean ± std. dev. of 7 runs)", "timing"),
    ],
)
def test_unstable_recordings(text: str, what: str) -> None:
    found = unstable(final_state([stream(text)]))
    assert len(found) == 1 and what in found[0]


@pytest.mark.parametrize("text", ["0xff", "https://host/home/x", "and/or/home/x", "a/tmp/b"])
def test_stable_recordings(text: str) -> None:
    assert unstable(final_state([stream(text)])) == []


def test_magic_errors_are_found_in_streams_only_at_the_start_of_a_line() -> None:
    error = "UsageError: Line magic function `%x` not found."
    assert magic_errors(final_state([stream(f"a\n{error}\n", "stderr")])) == [error]
    assert magic_errors(final_state([stream(f"a {error}\n")])) == []


def view(state: str, script: str = "", x: str = "1.00") -> str:
    return (
        f'<div class="live" data-live="pad" role="group"><svg><path d="M 0 {x}"/></svg>'
        f'<script type="application/json" class="state">{state}</script>'
        f'<script data-of="pad">{script}</script></div>'
    )


STATE = '{"size": 3, "values": [0.5, 0.25], "name": "lr 0.01"}'


def test_a_live_view_is_compared_by_its_figure_and_state_without_its_script() -> None:
    for same in (view(STATE, "mount()"), view(STATE.replace("0.25", "0.25009"), x="1.01")):
        assert compare_html(view(STATE), same) is None
    for old, new in [("3", "4"), ("3", "3.0"), ("0.25", "0.2502"), ("0.25", "0.25, 0"),
                     ("size", "side"), ("lr 0.01", "lr 0.010"), ("3", "]")]:  # fmt: skip
        assert compare_html(view(STATE), view(STATE.replace(old, new, 1))), (old, new)
    assert compare_html(view(STATE), view(STATE, x="1.10"))
    assert compare_html(view(STATE), view(STATE).replace("pad", "pads"))
    assert compare_html(view(STATE), view(STATE) * 2)


def test_drawings_in_addresses_are_compared_as_drawings() -> None:
    def images(x: str) -> list[str]:
        drawing = f'<svg><path d="M 0 {x}"/></svg>'
        encoded = ";base64," + base64.b64encode(drawing.encode()).decode(), "," + quote(drawing)
        return [f'<img src="data:image/svg+xml{data}">' for data in encoded]

    for old, near, far in zip(images("1.00"), images("1.01"), images("1.10"), strict=True):
        assert compare_html(old, near) is None
        assert "path" in str(compare_html(old, far))


def test_a_live_view_that_is_not_compared_keeps_its_form() -> None:
    def problems(new: str) -> list[str]:
        sides = [final_state([display("text/html", view(s))]) for s in (STATE, new)]
        return compare_kinds(*sides)

    assert problems(STATE.replace("0.25", "0.9").replace("3", "4")) == []
    assert problems(STATE.replace("0.25", "0.25, 1.0")) and problems(STATE.replace("size", "side"))
    assert problems(STATE.replace("0.25", "1"))


def test_recorded_live_views() -> None:
    def problems(html: str, tagged: bool = True) -> list[str]:
        return live_problems(final_state([display("text/html", html)]), tagged)

    assert problems(view(STATE)) == problems("<b>1</b>", tagged=False) == []
    assert "'pad' is recorded" in problems(view(STATE, "mount()"), tagged=False)[0]
    assert "no live view" in problems("<b>1</b>")[0]
    assert "no live view" in problems(view(STATE).replace(' class="state"', ""))[0]


def test_keys_of_evidence() -> None:
    def problems(old: dict, new: dict, mime: str = EVIDENCE + "history+json") -> list[str]:
        return compare_keys(*(final_state([display(mime, value)]) for value in (old, new)))

    assert problems({"acc": 1}, {"acc": 2}) == problems({"key": "1e5"}, {"key": "1e5"}) == []
    assert problems({"acc": 1}, {"key": "a"}) == [], "recorded before there were keys"
    assert "key '1e5' recorded, '10e4' new" in problems({"key": "1e5"}, {"key": "10e4"})[0]
    assert "None new" in problems({"key": "a"}, {})[0]
    assert problems({"keys": ["a", "b"]}, {"keys": ["a"]}, EVIDENCE + "study")
    assert problems({"key": "a"}, {"key": "b"}, "application/json") == []
    assert compare_keys(final_state([display(EVIDENCE + "x", {"key": "a"})]), [])
