"""What the site says of a page and of its own address."""

from types import SimpleNamespace

import pytest

from extensions.site import (
    ALL_NOTEBOOKS,
    MARK,
    conditions_line,
    offer_all_notebooks,
    set_address,
    write_sitemap,
)

MADE_ON = {"profile": "full", "device": "CPU, <2> threads", "python": "3.12.1", "torch": "2.14.1"}


def test_the_line_names_all_conditions_and_explains_the_profile():
    line = conditions_line(MADE_ON, "../how-to-run.html")
    for value in ("CPU, &lt;2&gt; threads", ">full</a>", "3.12.1", "2.14.1"):
        assert value in line
    assert 'href="../how-to-run.html#profiles"' in line


@pytest.mark.parametrize(
    "extensions, text", [({}, ""), ({"extensions.notebooks.standalone": 1}, ALL_NOTEBOOKS)]
)
def test_all_notebooks_are_offered_where_they_are_made(extensions, text):
    content = [f"before {MARK} after"]
    offer_all_notebooks(SimpleNamespace(extensions=extensions), "how-to-run", content)
    assert content == [f"before {text} after"]


def test_a_known_address_becomes_canonical(monkeypatch):
    monkeypatch.setenv("BOOK_URL", "https://example.org/book")
    config = SimpleNamespace()
    set_address(None, config)
    assert config.html_baseurl == config.ogp_site_url == "https://example.org/book/"


def test_without_an_address_nothing_is_set(monkeypatch):
    monkeypatch.delenv("BOOK_URL", raising=False)
    config = SimpleNamespace()
    set_address(None, config)
    assert vars(config) == {}


def test_an_address_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("BOOK_URL", "example.org/book")
    with pytest.raises(ValueError, match="BOOK_URL='example.org/book'.*https://host/book/"):
        set_address(None, SimpleNamespace())


def test_the_map_lists_every_page(tmp_path):
    app = SimpleNamespace(
        config=SimpleNamespace(html_baseurl="https://example.org/book/"),
        builder=SimpleNamespace(name="html", get_target_uri=lambda name: f"{name}.html"),
        env=SimpleNamespace(found_docs={"index", "chapters/a"}),
        outdir=tmp_path,
    )
    write_sitemap(app, None)
    written = (tmp_path / "sitemap.xml").read_text()
    assert "<loc>https://example.org/book/chapters/a.html</loc>" in written
    assert written.count("<url>") == 2
    app.config.html_baseurl, app.outdir = "", tmp_path / "none"
    write_sitemap(app, None)
