"""What holds for every live view: complete without its script, alive with it, for every hand."""

import gzip
import json
import re

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from bs4 import BeautifulSoup

from helpers import live
from helpers.live.view import HERE, View, emptied, filled, script

EXAMPLES = {name: lambda name=name: getattr(live, name)() for name in live.VIEWS}
LIGHT_VIEW = 12_000  # bytes, compressed
HEAVY = {"lenet_live": 130_000}  # it brings the weights of a network
HEAVY |= dict.fromkeys(("kernel_playground", "mix_colours"), 12_150)  # they bring a photograph
of_every_view = pytest.mark.parametrize("name", EXAMPLES)


@pytest.fixture(scope="module")
def bundles():
    return {name: make()._repr_mimebundle_() for name, make in EXAMPLES.items()}


def alive(page):
    page.wait_for_selector(".live .alive")
    return page.locator(".live")


def said(page) -> str:
    return page.locator(".said").inner_text()


# What Python makes.


@of_every_view
def test_a_view_is_a_complete_figure(bundles, name):
    bundle = bundles[name]
    soup = BeautifulSoup(bundle["text/html"], "html.parser")
    (root,) = soup.select("div.live[data-live][role=group][aria-label]")
    (image,) = root.select(".still img")
    assert image["src"].startswith("data:image/") and int(image["width"]) > 0
    assert image["alt"] == bundle["text/plain"] and "\n" not in bundle["text/plain"]
    assert json.loads(root.select_one("script.state").string)
    assert {"image/svg+xml", "image/png"} & set(bundle)


@of_every_view
def test_a_view_is_light(bundles, name):
    assert len(gzip.compress(bundles[name]["text/html"].encode())) <= HEAVY.get(name, LIGHT_VIEW)


@of_every_view
def test_a_script_survives_the_finishing_of_pages(name):
    """`extensions/page.py` makes a module of what searches, and empties what holds code."""
    code = script(live.VIEWS[name])
    assert not re.search(r"</|<pre|Search\.|DOCUMENTATION_OPTIONS", code)
    assert "import " not in code and "export " not in code


@of_every_view
def test_a_recording_has_no_script(bundles, name):
    html = emptied(bundles[name]["text/html"])
    assert "mount(" not in html and "container-type" not in html
    assert filled(html) == bundles[name]["text/html"]


def test_kernel_and_views_are_short():
    lengths = {path.name: path.read_text().count("\n") for path in HERE.glob("*.js")}
    assert lengths.pop("view.js") <= 300
    assert max(lengths.values()) <= 200, lengths


def test_what_stands_in_a_state_or_a_label_is_escaped():
    nasty = "</script><script>alert('\"')</script>"
    view = View(
        "padding", nasty, state={"a": nasty}, picture='<svg width="1" height="2"/>', says=nasty
    )
    soup = BeautifulSoup(view.html(), "html.parser")
    assert len(soup.select("script")) == 2
    assert soup.select_one(".live")["aria-label"] == soup.select_one("img")["alt"] == nasty
    assert json.loads(soup.select_one(".state").string) == {"a": nasty}


def test_an_unknown_view_is_named_with_those_that_exist():
    with pytest.raises(AttributeError, match="no view 'nothing'; it has: .*padding_stride"):
        live.nothing  # noqa: B018


# What a browser makes of it.


@of_every_view
def test_python_and_script_say_the_same(open_page, bundles, name):
    page = open_page(bundles[name]["text/html"])
    alive(page)
    assert said(page) == bundles[name]["text/plain"]
    assert not page.locator(".still").is_visible()
    assert page.faults == []


@of_every_view
def test_without_scripts_the_figure_stands(open_page, bundles, name):
    page = open_page(bundles[name]["text/html"], java_script_enabled=False)
    assert page.locator(".still img").is_visible() and page.locator(".hint").is_visible()
    assert page.locator(".still img").bounding_box()["height"] > 100


@of_every_view
def test_a_script_that_fails_leaves_the_figure_and_one_line(open_page, bundles, name):
    html = bundles[name]["text/html"]
    broken = re.sub(r'(class="state">).*?</script>', r"\1{broken</script>", html)
    page = open_page(broken)
    page.wait_for_function("document.querySelector('.hint').textContent.includes('failed')")
    assert page.locator(".still img").is_visible() and page.locator(".alive").count() == 0


@of_every_view
def test_a_script_that_fails_later_brings_the_figure_back(open_page, bundles, name):
    page = open_page(bundles[name]["text/html"])
    alive(page)
    page.evaluate("""() => {
        const { live } = document.querySelector(".live");
        live.draw = () => { throw new Error("no ink"); };
        live.change({});
    }""")
    page.wait_for_function("document.querySelector('.hint').textContent.includes('no ink')")
    assert page.locator(".still img").is_visible() and page.locator(".alive").count() == 0


@of_every_view
def test_a_cell_that_is_run_twice_leaves_one_view(open_page, bundles, name):
    page = open_page(f"<div id='cell'>{bundles[name]['text/html']}</div>")
    alive(page)
    page.evaluate("""() => {
        const run = () => {  // as JupyterLab runs the scripts of an output
            for (const old of document.querySelectorAll("#cell script[data-of]")) {
                const copy = document.createElement("script");
                copy.textContent = old.textContent;
                old.replaceWith(copy);
            }
        };
        document.querySelector(".alive").id = "first";
        run();
        setTimeout(() => {
            window.kept = document.querySelector("#first") !== null;
            document.querySelector("#cell").innerHTML += "";
            run();
        }, 200);
    }""")
    page.wait_for_function("window.kept !== undefined")
    assert page.evaluate("window.kept")  # with what a hand has done to it
    page.wait_for_timeout(200)
    assert page.locator(".alive").count() == 1
    sentence = said(page)
    page.keyboard.press("Tab")
    for key in ("End", "ArrowLeft", "ArrowRight", "Home"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(50)
    assert said(page) == sentence and page.faults == []


def violations(page) -> dict:
    page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"][:3]] for rule in found}


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1000])
@of_every_view
def test_a_view_is_accessible(open_page, bundles, name, theme, width):
    page = open_page(bundles[name]["text/html"], theme=theme, width=width)
    alive(page)
    assert violations(page) == {}


@of_every_view
def test_a_view_fits_on_a_phone(open_page, bundles, name):
    """320 pixels wide: nothing sticks out, labels are legible, controls can be hit."""
    page = open_page(bundles[name]["text/html"], width=320, has_touch=True)
    alive(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    sizes = page.evaluate("""() => [...document.querySelectorAll(".alive text")].map((text) => {
        const picture = text.ownerSVGElement;
        const scale = picture.getBoundingClientRect().width / picture.viewBox.baseVal.width;
        return parseFloat(getComputedStyle(text).fontSize) * scale;
    })""")
    assert min(sizes, default=11) >= 11
    for control in page.locator(".alive :is(button, input):visible").all():
        box = control.bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44, control.get_attribute("aria-label")


@of_every_view
def test_keys_reach_everything_and_jupyter_does_not_take_them(open_page, bundles, name):
    page = open_page(bundles[name]["text/html"])
    alive(page)
    controls = page.locator(".alive :is(button, input, [tabindex]):visible")
    for number in range(controls.count()):
        page.keyboard.press("Tab")
        control = controls.nth(number)
        assert control.evaluate("e => e === document.activeElement"), number
        assert control.get_attribute("data-lm-suppress-shortcuts") == "true"
        assert control.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


STEERED = ".alive [role=slider]"
NAMELESS = """() => [...document.querySelectorAll(".alive canvas:not(button *)")]
    .filter((c) => c.checkVisibility() && !c.ariaLabel && c.ariaHidden !== "true")
    .map((c) => c.outerHTML)"""


@of_every_view
def test_what_is_moved_by_keys_says_how_and_pages_do_not_scroll(open_page, bundles, name):
    page = open_page(bundles[name]["text/html"] + "<p style='height: 3000px'>Below</p>")
    alive(page)
    for steered in page.locator(STEERED).all():
        assert "keys move it" in (how := steered.get_attribute("aria-description")) or "up" in how
        steered.focus()
        place = page.evaluate("scrollY")
        for key in ("PageDown", "PageUp", "PageDown"):
            page.keyboard.press(key)
            page.wait_for_timeout(30)
            text = steered.get_attribute("aria-valuetext")
            assert len(text) <= 60 and text != said(page), text
        assert page.evaluate("scrollY") == place
    assert page.evaluate(NAMELESS) == []
    assert page.faults == []


@of_every_view
def test_a_goal_says_whether_it_is_reached_and_that_it_has_been_once(open_page, bundles, name):
    forced = "(window.forced === ask || met(this.state))"
    page = open_page(bundles[name]["text/html"].replace("met(this.state)", forced))
    alive(page)
    goals = page.locator(".try li")
    assert goals.first.get_by_role("img").get_attribute("aria-label") == "open"
    ask = goals.first.inner_text().removeprefix("–").strip()
    page.evaluate("""() => {
        const { live } = document.querySelector(".live");
        window.spoken = [];
        new MutationObserver(() => spoken.push(live.news.textContent))
            .observe(live.news, { childList: true });
        window.forced = live.view.tries[0].ask;
        live.change({});
        requestAnimationFrame(() => live.change({}));
    }""")
    page.wait_for_timeout(100)
    assert goals.first.get_by_role("img").get_attribute("aria-label") == "reached"
    assert page.evaluate("spoken") == [f"Reached: {ask}"]
    assert page.locator("[role=status]", has_text="Reached: ").count() == 1


def test_goals_reached_in_one_step_are_all_announced(open_page, bundles):
    page = open_page(
        bundles["cover_places"]["text/html"].replace(
            "met(this.state)", "window.all || met(this.state)"
        )
    )
    alive(page)
    news = "document.querySelector('.live').live.news.textContent"
    page.evaluate("window.all = true, document.querySelector('.live').live.change({})")
    page.wait_for_function(f"{news} !== ''")
    asks = [goal.inner_text().lstrip("✓ ") for goal in page.locator(".try li").all()]
    assert len(asks) > 1
    assert page.evaluate(news) == " ".join(f"Reached: {ask}" for ask in asks)


@of_every_view
def test_paper_shows_the_figure_and_no_controls(open_page, bundles, name):
    page = open_page(bundles[name]["text/html"])
    alive(page)
    page.emulate_media(media="print")
    assert not page.locator(".controls").is_visible() and not page.locator(".try").is_visible()
    assert page.locator(".stage").is_visible() and page.locator(".said").is_visible()
