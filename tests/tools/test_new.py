"""`make new`: what a new section consists of, and which names it refuses."""

import shutil

import pytest

from tools.new import begin
from tools.pages import ROOT, find_pages, read_source


@pytest.fixture
def book(tmp_path):
    """The sources that a new section changes, without recordings."""
    for name in ("_toc.yml", "tools/style.py", *(p.relative_to(ROOT) for p in find_pages())):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for index in (ROOT / "chapters").glob("*/index.md"):
        shutil.copy(index, tmp_path / index.relative_to(ROOT))
    (tmp_path / "tests").mkdir()
    return tmp_path


def test_a_section_has_a_page_a_test_and_three_entries(book):
    page, test, toc, style, index = begin("8-7-dense-nets", book)
    assert page.parent.name == "modern-convolutional-networks"
    assert "# Dense nets" in page.read_text()
    kinds = [tag for cell in read_source(page).cells for tag in cell.metadata.get("tags", [])]
    assert kinds == ["hide-cell", "export", "proof"]
    assert "from helpers.sections.dense_nets import double" in test.read_text()
    lines = toc.read_text().splitlines()
    assert lines.index(
        "          - file: chapters/modern-convolutional-networks/8-7-dense-nets"
    ) == (lines.index("          - file: chapters/modern-convolutional-networks/8-6-resnet") + 1)
    assert 'BEGUN: list[str] = ["8-7", ' in style.read_text()
    assert "{ref}`sec-dense-nets` | the question" in index.read_text()


@pytest.mark.parametrize(
    ("stem", "text"),
    [
        ("densenet", "write it like 8-7-densenet"),
        ("8-7-Dense.net", "write it like 8-7-densenet"),
        ("9-1-rnn", "there is no chapter 9"),
        ("8-6-other", "8.6 is taken by 8-6-resnet"),
    ],
)
def test_a_name_that_cannot_be_is_refused(book, stem, text):
    with pytest.raises(ValueError, match=text):
        begin(stem, book)
