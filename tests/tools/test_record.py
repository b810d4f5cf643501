"""The command that records pages: what it keeps of the outputs, and how it names pages."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import record


def cleaned(*outputs):
    cell = new_code_cell("x", execution_count=1, outputs=list(outputs))
    cell.metadata["execution"] = {"iopub.status.busy": "now"}
    notebook = record.clean(new_notebook(cells=[cell]), Path("/here/book"))
    assert "execution" not in cell.metadata
    return notebook.cells[0].outputs


def test_closed_progress_bars_and_empty_streams_go():
    bar = new_output(
        "display_data", data={"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0%"}
    )
    kept = new_output("display_data", data={"text/plain": "kept"})
    empty = new_output("stream", name="stderr", text="  \n")
    assert cleaned(bar, kept, empty) == [kept]


def test_paths_lose_the_part_that_names_the_machine():
    text = f"/here/book/chapters/x.md {Path.home()}/data /usr/lib/site-packages/torch/nn.py:3"
    (stream,) = cleaned(new_output("stream", name="stdout", text=text))
    assert stream.text == "chapters/x.md ~/data torch/nn.py:3"


def test_a_traceback_keeps_its_last_line():
    error = new_output("error", ename="ValueError", evalue="no", traceback=["a", "b", "c"])
    assert cleaned(error)[0].traceback == ["ValueError: no"]


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "chapters" / "a"
    folder.mkdir(parents=True)
    source = "# {0}\n\n```{{code-cell}} ipython3\nprint({0!r})\n```\n"
    for name in ("7-1-one", "7-2-two"):
        (folder / f"{name}.md").write_text(source.format(name))
    (folder / "index.md").write_text("# No code\n")
    return tmp_path


@pytest.mark.parametrize("name", ["7-2-two", "7-2", "chapters/a/7-2-two.md", "7-2-two.ipynb"])
def test_a_page_is_found_by_any_of_its_names(book, name):
    assert record.resolve(name, book).name == "7-2-two.md"


@pytest.mark.parametrize("name", ["7-3", "7-"])
def test_a_name_that_fits_none_or_several_pages_is_refused(book, name):
    with pytest.raises(ValueError, match=f"'{name}' names [02] pages; .* 7-1-one, 7-2-two"):
        record.resolve(name, book)


def test_a_recording_has_outputs_counts_and_conditions(book, monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "check")
    target = record.record(book / "chapters" / "a" / "7-1-one.md")
    recording = nbformat.read(target, as_version=4)
    code = recording.cells[-1]
    assert code.execution_count == 1 and code.outputs[0].text == "7-1-one\n"
    assert recording.metadata.book.profile == "check"
    again = record.record(book / "chapters" / "a" / "7-1-one.md")
    assert nbformat.read(again, as_version=4) == recording


def test_the_substitute_for_the_real_data_is_not_recorded(book):
    page = book / "chapters" / "a" / "7-1-one.md"
    announced = "print('Notice: no Fashion-MNIST in x')"
    page.write_text(page.read_text().replace("print('7-1-one')", announced))
    with pytest.raises(RuntimeError, match="not recorded: Notice"):
        record.record(page)
    assert not page.with_suffix(".ipynb").exists()


def test_changed_prose_is_taken_over_without_execution(book):
    page = book / "chapters" / "a" / "7-1-one.md"
    recording = record.record(page)
    marked = nbformat.read(recording, as_version=4)
    marked.cells[-1].outputs[0].text = "only in the recording\n"
    nbformat.write(marked, recording)
    page.write_text(page.read_text().replace("# 7-1-one", "# Another title"))
    after = nbformat.read(record.take_over_text(page), as_version=4)
    assert after.cells[0].source == "# Another title"
    assert after.cells[-1].outputs[0].text == "only in the recording\n"
    assert after.metadata == marked.metadata


def test_changed_code_is_never_taken_over_without_execution(book):
    page = book / "chapters" / "a" / "7-1-one.md"
    with pytest.raises(ValueError, match="differs from its recording"):
        record.take_over_text(page)
    record.record(page)
    page.write_text(page.read_text().replace("print(", "repr("))
    with pytest.raises(ValueError, match="7-1-one differs from its recording"):
        record.take_over_text(page)
