import nbformat
import pytest

from helpers import pages
from helpers.history import HISTORY_TYPE, History

RUN = History(
    "LeNet", "", "digits", "CPU", 10, (28, 28), 3, 4, 5, [2.0], [0.1], [1.9], [0.2], [0.5]
)


def page(folder, *outputs):
    """A page with its recording, whose one cell has these outputs."""
    chapter = folder / "chapters" / "some"
    chapter.mkdir(parents=True)
    (chapter / "9-1-page.md").write_text("# Page")
    cell = nbformat.v4.new_code_cell("fit()", outputs=list(outputs))
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), chapter / "9-1-page.ipynb")


def test_a_history_comes_back_from_a_recording_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    shown = nbformat.v4.new_output("display_data", data=RUN._repr_mimebundle_())
    printed = nbformat.v4.new_output("stream", name="stdout", text="LeNet")
    page(tmp_path, printed, shown)
    assert pages.recorded_histories("9-1-page") == [RUN]


def test_a_history_is_text_and_data():
    bundle = RUN._repr_mimebundle_()
    assert bundle["text/plain"] == str(RUN) and "3 parameters" in str(RUN)
    assert bundle[HISTORY_TYPE]["val_acc"] == [0.2]


def test_an_unknown_page_is_named():
    with pytest.raises(FileNotFoundError, match="no page 9-9-nothing.md"):
        pages.recorded_histories("9-9-nothing")


def test_definitions_come_from_the_recording_where_there_is_no_source(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    page(tmp_path)
    (tmp_path / "chapters" / "some" / "9-1-page.md").unlink()
    found = pages.find_page("9-1-page")
    assert found.suffix == ".ipynb" and pages.code_cells(found) == ["fit()"]
