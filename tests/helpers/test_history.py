from dataclasses import replace

import nbformat
import pytest

import tools.pages
from helpers.history import COLUMNS, HISTORY_TYPE, History, recorded_histories

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


def test_a_history_comes_back_from_a_recording_as_it_was(tmp_path):
    shown = nbformat.v4.new_output("display_data", data=RUN._repr_mimebundle_())
    printed = nbformat.v4.new_output("stream", name="stdout", text="LeNet")
    page(tmp_path, printed, shown)
    assert recorded_histories("9-1-page", tmp_path / "chapters") == [RUN]


def test_a_history_is_text_and_data():
    bundle = RUN._repr_mimebundle_()
    assert bundle["text/plain"] == str(RUN) and "3 parameters" in str(RUN)
    assert bundle[HISTORY_TYPE]["val_acc"] == [0.2]


def test_a_recording_made_before_runs_had_keys_is_read(tmp_path):
    data = RUN._repr_mimebundle_()
    for name in ("key", "dtype", "max_epochs"):
        del data[HISTORY_TYPE][name]
    page(tmp_path, nbformat.v4.new_output("display_data", data=data))
    (found,) = recorded_histories("9-1-page", tmp_path / "chapters")
    assert found == RUN and found.size == (28, 28)


def test_the_tools_look_for_the_type_that_histories_have():
    assert tools.pages.HISTORY_TYPE == HISTORY_TYPE


def test_no_line_of_a_history_is_wider_than_a_phone():
    setting = "Fashion-MNIST, 60,000 + 10,000 images of 224×224, batches of 128, a GPU, bfloat16"
    lines = str(replace(RUN, setting=setting)).split("\n")
    assert max(map(len, lines)) <= COLUMNS and setting in " ".join(lines)


def test_an_unknown_recording_is_named():
    with pytest.raises(FileNotFoundError, match="no recording 9-9-nothing.ipynb below chapters/"):
        recorded_histories("9-9-nothing")


def test_a_run_that_is_not_finished_says_so():
    assert "1 of 10 epochs in 0.5 s" in str(replace(RUN, max_epochs=10))
    assert "1 epochs in 0.5 s" in str(replace(RUN, max_epochs=1))
