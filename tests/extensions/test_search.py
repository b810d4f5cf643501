"""The text that the search looks through."""

import pytest

from extensions.search import read_terms, sections

PAGE = """<article><section id="a"><h1>7.2. A<a class="headerlink">#</a></h1>
<p>Text, <em>kernel</em> <strong>Predict:</strong> <a>here</a> .</p>
<div class="highlight"><pre>def corr2d(X):\n    return X_out</pre></div>
<section id="b"><h2>B</h2><span id="label"></span><p>Inner</p><div class="cell_output">9</div>
</section></section></article>"""


def test_each_section_has_its_own_text_names_and_anchors():
    (outer, anchors), (inner, inside) = sections(PAGE)
    assert (outer["id"], outer["title"], outer["text"]) == (
        "a",
        "7.2. A",
        "Text, kernel Predict: here.",
    )
    assert outer["defined"] == "corr2d, kernel" and outer["code"] == "X_out def return"
    assert (inner["title"], inner["text"], inner["code"]) == ("B", "Inner", "")
    assert anchors == {"a"} and inside == {"b", "label"}


def test_titles_of_works_among_the_sources_define_nothing():
    page = PAGE.replace("<h1>7.2. A<", "<h1>Sources, and what is not reproduced<")
    outer, _ = next(sections(page))
    assert "kernel" in outer["text"] and outer["defined"] == "corr2d"


def test_terms_are_read_by_label(tmp_path):
    file = tmp_path / "terms.txt"
    file.write_text("# names\nsec-a: one; two\n\nsec-b: three\n")
    assert read_terms(file) == {"sec-a": "one; two", "sec-b": "three"}
    file.write_text("sec-a: one\nsec-a: two\n")
    with pytest.raises(ValueError, match="terms.txt:2: .*sec-a: two"):
        read_terms(file)
