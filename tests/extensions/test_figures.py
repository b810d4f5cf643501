"""Figures of one page on another, and photographs that weigh less."""

import base64
import io

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from extensions.figures import find_figure, started
from extensions.pictures import lighten


@pytest.fixture
def recording(tmp_path):
    options = {"figure": {"name": "fig-a"}, "image": {"alt": "a square", "classes": "photo"}}
    cell = new_code_cell("draw()", metadata={"mystnb": options})
    cell.outputs = [
        new_output("stream", text="drawn"),
        new_output("display_data", data={"image/svg+xml": "<svg/>"}),
    ]
    path = tmp_path / "7-2-page.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("x = 1"), cell]), path)
    return path


def test_a_figure_is_found_with_its_description(recording):
    ending, content, options = find_figure(recording, "fig-a")
    assert (ending, content) == ("svg", b"<svg/>")
    assert options == {"alt": "a square", "classes": "photo"}


def test_of_a_live_view_the_one_that_answers_is_taken(recording):
    notebook = nbformat.read(recording, as_version=4)
    notebook.cells[1].outputs[1].data["text/html"] = '<div data-live="a"></div>'
    nbformat.write(notebook, recording)
    assert find_figure(recording, "fig-a")[:2] == ("html", b'<div data-live="a"></div>')


def test_a_missing_figure_names_those_that_are_there(recording):
    with pytest.raises(ValueError, match="7-2-page has no figure 'fig-b'; it has: fig-a"):
        find_figure(recording, "fig-b")


def test_a_live_view_may_start_from_other_values():
    state = '<script type="application/json" class="state">%s</script>'
    html = f"<div>{state}<p>after</p></div>"
    kept = '{"K": [1, 2], "says": "<\\/b>"}'
    other = started(html % kept, '{"K": [0, 3]}')
    assert other == html % '{"K": [0, 3], "says": "<\\/b>"}'
    with pytest.raises(ValueError, match="has no W; it has: K, says"):
        started(html % kept, '{"W": 1}')
    with pytest.raises(ValueError, match="this figure is none"):
        started("<svg/>", '{"K": 1}')


def embedded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    return f'<image href="data:image/png;base64,\n{base64.b64encode(file.getvalue()).decode()}"/>'


def test_a_photograph_becomes_smaller_and_keeps_every_pixel():
    image = Image.radial_gradient("L").convert("RGBA")
    image.putpixel((3, 3), (1, 2, 3, 0))
    svg = embedded(image)
    lighter = lighten(svg)
    assert len(lighter) < len(svg) and "image/webp" in lighter
    data = base64.b64decode(lighter.split("base64,")[1].split('"')[0])
    assert Image.open(io.BytesIO(data)).convert("RGBA").tobytes() == image.tobytes()


def test_other_images_stay_as_they_are():
    svg = embedded(Image.new("1", (2, 2)))
    assert lighten(svg) == svg
