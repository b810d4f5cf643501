import nbformat
import pytest

from helpers import pages


def page(folder):
    """A page with its recording."""
    chapter = folder / "chapters" / "some"
    chapter.mkdir(parents=True)
    (chapter / "9-1-page.md").write_text("# Page")
    cell = nbformat.v4.new_code_cell("fit()")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), chapter / "9-1-page.ipynb")


def test_an_unknown_page_is_named():
    with pytest.raises(FileNotFoundError, match="no page 9-9-nothing.md"):
        pages.find_page("9-9-nothing")


def test_definitions_come_from_the_recording_where_there_is_no_source(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    page(tmp_path)
    (tmp_path / "chapters" / "some" / "9-1-page.md").unlink()
    found = pages.find_page("9-1-page")
    assert found.suffix == ".ipynb" and pages.code_cells(found) == ["fit()"]
