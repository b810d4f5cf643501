"""The pages by keyboard and by ear: where the focus is, what is spoken, what things are called."""

import re

import pytest

from tests.site.conftest import PATHS

LENET = next(path for path in PATHS if "7-6" in path)
FOCUSED = "document.activeElement.className"


@pytest.fixture
def lenet(page, address):
    page.goto(f"{address}/{LENET}.html")
    page.wait_for_selector(".copybtn", state="attached")
    return page


def press(page, button, key="Enter") -> None:
    button.focus()
    page.keyboard.press(key)
    page.wait_for_timeout(50)


def heard(page, role: str) -> list[dict]:
    """Name and properties of all elements of a role, as a screen reader gets them."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [
        {
            "name": node["name"]["value"],
            **{of["name"]: of["value"].get("value") for of in node["properties"]},
        }
        for node in tree
        if not node["ignored"] and node["role"].get("value") == role
    ]


def test_to_copy_code_says_so_and_the_keyboard_keeps_its_place(lenet):
    lenet.locator("article details").first.evaluate("fold => fold.open = true")
    button = lenet.locator("article details .copybtn").first
    for _ in range(2):
        press(lenet, button)
        assert button.evaluate("b => b === document.activeElement")
        assert lenet.locator("body > [role=status]").inner_text() == "Copied!"
    lenet.keyboard.press("Tab")
    assert button.evaluate("b => !!(b.compareDocumentPosition(document.activeElement) & 4)")


def test_buttons_of_the_header_keep_the_focus_and_say_their_state(lenet):
    said = []
    for _ in range(4):  # once round
        press(lenet, lenet.locator(".bd-header-article .theme-switch-button"))
        assert "theme-switch-button" in lenet.evaluate(FOCUSED)
        said += [node["name"] for node in heard(lenet, "button") if node.get("focused")]
    assert said[0] == said[3] and len(set(said)) == 3
    assert all(re.fullmatch("Color mode: (light|dark|as the system)", name) for name in said)
    for shown in (False, True):
        press(lenet, lenet.locator(".primary-toggle"))
        assert "primary-toggle" in lenet.evaluate(FOCUSED)
        (toggle,) = [n for n in heard(lenet, "button") if n["name"] == "Toggle primary sidebar"]
        assert toggle["expanded"] is lenet.locator(".bd-sidebar-primary").is_visible() is shown


@pytest.mark.parametrize("bar, says", [("primary", "expanded"), ("secondary", "haspopup")])
def test_on_a_phone_the_focus_comes_back_from_a_side_bar(lenet, bar, says):
    lenet.set_viewport_size({"width": 390, "height": 844})
    button = lenet.locator(f".{bar}-toggle")
    lenet.wait_for_timeout(50)
    assert button.get_attribute(f"aria-{says}") in ("false", "dialog")
    press(lenet, button)
    assert lenet.evaluate("document.activeElement.closest('dialog') !== null")
    lenet.keyboard.press("Escape")
    lenet.wait_for_function(f"document.activeElement.matches('.{bar}-toggle')")


def test_the_place_of_the_keyboard_is_seen_on_each_button_of_the_header(lenet):
    lenet.keyboard.press("Tab")  # from here on it is the keyboard that moves the focus
    press(lenet, lenet.locator(".bd-header-article .dropdown-toggle"))
    buttons = lenet.locator(".bd-header-article :is(a.btn, button.btn):visible").all()
    assert len(buttons) >= 7
    for button in buttons:
        button.focus()
        style = button.evaluate("b => [getComputedStyle(b).outlineStyle, b.className]")
        assert style[0] == "solid", style


def test_exercises_are_headings_and_say_how_hard_they_are(lenet):
    titles = [node for node in heard(lenet, "heading") if node["name"].startswith("Exercise 7.6.")]
    assert len(titles) == lenet.locator(".exercise").count() >= 8
    assert {title["level"] for title in titles} == {3}
    assert not [title["name"] for title in titles if re.search("[\ue000-\uf8ff]", title["name"])]
    said = " ".join(node["name"] for node in heard(lenet, "StaticText"))
    assert said.count("difficulty 1 of 3") >= 2 and "●" not in said


def test_folds_are_told_apart_by_their_names(lenet):
    lenet.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    names = [node["name"] for node in heard(lenet, "DisclosureTriangle")]
    assert len(names) > 60 and len(set(names)) == len(names)
    assert {"Predict first, then open Fig. 7.6.7", "Hint 1 of 2 to Exercise 7.6.1"} <= set(names)
