"""Everything that folds, in the browser: by tap, by keyboard, without a script, on paper."""

import re

import pytest

from tests.extensions.test_folds import PAGE, make_book
from tests.extensions.test_recordings import build
from tests.site.test_browser import switch_to, violations

KINDS = ["code", "verdict", "sealed", "more", "aside", "hint", "solution"]
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
COLUMNS = """pre => {
    const line = document.createElement('span');
    line.textContent = '0'.repeat(100);
    pre.append(line);
    const width = line.getBoundingClientRect().width / 100, style = getComputedStyle(pre);
    line.remove();
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    return (pre.clientWidth - padding) / width;
}"""
WIDE = f"```{{code-cell}} ipython3\nwide = {'+'.join('1' * 60)}\n```\n"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Address of a page with one of each kind, compiled."""
    text = PAGE.replace("## Exercises", f"## Wide\n\n{WIDE}\n## Exercises")
    folder = make_book(tmp_path_factory.mktemp("folds") / "book", text)
    run, log, _ = build(folder)
    assert run.returncode == 0, log[-5000:]
    return (folder / "_build" / "html" / "chapters" / "folds.html").as_uri()


def first(page, kind: str):
    return page.locator(f"article details.{kind}").first


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_fold_opens_wherever_its_bar_is_tapped(page, book, kind, size):
    page.set_viewport_size(size)
    page.goto(book)
    fold = first(page, kind)
    inside, bar = fold.locator("> .inside"), fold.locator("> summary")
    assert not inside.is_visible()
    box = bar.bounding_box()
    places = [{"x": 4, "y": 4}, {"x": box["width"] / 2, "y": box["height"] / 2}]
    for place in [*places, {"x": box["width"] - 4, "y": box["height"] - 4}]:
        bar.click(position=place)
        assert inside.is_visible()
        bar.click(position=place)
        assert not inside.is_visible()
    for key in ("Enter", "Space"):
        bar.focus()
        page.keyboard.press(key)
        assert inside.is_visible() == (key == "Enter")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_link_into_a_closed_fold_opens_it(allow_loopback, browser, book, script):
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    for target in ("fig-inside", "why-shift", "sol-half"):
        page.goto(book)
        place = page.locator(f'[id="{target}"]')
        assert not place.is_visible()
        page.locator(f'article a[href="#{target}"]').first.click()
        place.wait_for(state="visible", timeout=3000)
    page.goto(f"{book}#fig-inside")
    page.locator("#fig-inside").wait_for(state="visible", timeout=3000)
    context.close()


def test_axe_finds_nothing_with_folds_shut_and_open(page, book):
    page.goto(book)
    for scheme in ("light", "dark"):
        switch_to(page, scheme)
        for shown in (False, True):
            page.evaluate(f"document.querySelectorAll('details').forEach(d => d.open = {shown:d})")
            assert violations(page) == {}


def test_a_title_is_the_name_of_its_toggle(page, book):
    page.goto(book)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    toggles = [n["name"]["value"] for n in tree if n["role"].get("value") == "DisclosureTriangle"]
    names = [
        "✓ equals math.floor on 36 cases",
        "Hint 1 of 2 to Exercise 7.1.1",
        "Predict first, then open the output",
        "Imports",
    ]
    assert set(names) <= set(toggles)
    assert not [name for name in toggles if re.search("show|hide|content|toggle", name)]


def test_folded_code_is_one_line_and_an_output_stands_close_to_its_code(page, book):
    page.set_viewport_size(DESKTOP)
    page.goto(book)
    for kind in ("verdict", "code"):
        assert all(
            bar.bounding_box()["height"] <= 27 for bar in page.locator(f".fold.{kind}").all()
        )
    code = page.locator("article div.cell > .cell_input").first
    top = code.locator("+ .cell_output").bounding_box()["y"]
    assert top - code.bounding_box()["y"] - code.bounding_box()["height"] == pytest.approx(4, abs=1)


@pytest.mark.parametrize(
    ("size", "columns"), [(DESKTOP, 72), (PHONE, 56)], ids=["desktop", "phone"]
)
def test_code_has_its_columns_and_what_is_wider_says_so(page, book, size, columns):
    page.set_viewport_size(size)
    page.goto(book)
    for pre in page.locator("article .cell_input pre:visible").all():
        assert pre.evaluate(COLUMNS) >= columns
    wide = page.locator("article pre", has_text="wide = 1")
    page.wait_for_function("document.querySelector('article pre[data-wide]') !== null")
    assert "gradient" in wide.evaluate("pre => getComputedStyle(pre).backgroundImage")
    narrow = page.locator("article pre", has_text="half = ")
    assert narrow.evaluate("pre => getComputedStyle(pre).backgroundImage") == "none"


def test_small_figures_stand_in_a_row_where_there_is_room(page, book):
    page.goto(book)
    for size, row in ((DESKTOP, True), (PHONE, False)):
        page.set_viewport_size(size)
        left, right = (
            page.locator(f"#fig-{side} img").bounding_box() for side in ("left", "right")
        )
        assert (left["y"] == right["y"]) == row


def test_paper_shows_text_and_the_lines_of_proofs(page, book):
    page.goto(book)
    page.emulate_media(media="print")
    for kind in ("aside", "sealed", "more"):  # the text speaks of the figures inside
        assert first(page, kind).locator("> .inside").is_visible()
    assert first(page, "verdict").locator("> summary").is_visible()
    assert not first(page, "verdict").locator("> .inside").is_visible()
    assert not first(page, "code").is_visible()


@pytest.mark.parametrize("kind", ["hint", "solution"])
def test_a_hint_or_solution_is_printed_if_it_is_open(page, book, kind):
    page.goto(book)
    solution = first(page, kind)
    page.emulate_media(media="print")
    assert not solution.is_visible()
    page.emulate_media(media="screen")
    solution.locator("> summary").click()
    page.emulate_media(media="print")
    assert solution.locator("> .inside").is_visible()
