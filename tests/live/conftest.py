"""A browser for the views; the functions of a view's model, called from Python."""

import json

import pytest

from helpers.live.view import code_of

SIDES = "width", "height"


@pytest.fixture
def open_page(browser, monkeypatch, tmp_path):
    """Open HTML from a folder, every request refused; `page.faults` collects what goes wrong."""
    monkeypatch.undo()  # the driver of the browser needs the loopback connections
    contexts = []

    def open_page(html: str, *, theme="light", width=800, background="#fff", **options):
        options.setdefault("reduced_motion", "reduce")
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=theme, **options)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(
            f'<!DOCTYPE html><html lang="en" data-theme="{theme}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><title>A page</title>'
            "<style>body { margin: 1rem; font: 16px sans-serif }"
            '[data-theme="dark"] { background: #121212; color: #ced6dd }</style>'
            f"<body><main><h1>A page</h1>{html}</main></body></html>",
            encoding="utf-8",
        )

        def check(route):
            if route.request.url.startswith((path.as_uri(), "data:")):
                route.continue_()
            else:
                page.faults.append(f"asked for {route.request.url}")
                route.abort()

        page.route("**/*", check)
        page.goto(path.as_uri(), wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def swipe():
    """Draw a finger over an element, from one share of its width and height to another.

    Returns by how many pixels that has scrolled the page.
    """

    def swipe(page, element, start: tuple[float, float], end: tuple[float, float]) -> int:
        page.evaluate("document.body.style.padding = '2000px 0'")
        element.evaluate("e => e.scrollIntoView({ block: 'center' })")
        box, before = element.bounding_box(), page.evaluate("scrollY")
        touch = page.context.new_cdp_session(page)
        for step, kind in enumerate(("touchStart", *["touchMove"] * 8, "touchEnd")):
            shares = (a + (b - a) * step / 8 for a, b in zip(start, end, strict=True))
            x, y = (box[k] + s * box[of] for s, k, of in zip(shares, "xy", SIDES, strict=True))
            points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(100)
        return abs(page.evaluate("scrollY") - before)

    return swipe


@pytest.fixture
def call(open_page):
    """Call a function of a view's model for each tuple of arguments, in one go."""

    def call(view: str, function: str, arguments: list):
        page = open_page("")
        code = "\n".join(map(code_of, ("view.js", f"{view}.js")))
        calls = f"{json.dumps(arguments)}.map((a) => {function}(...a))"
        # as one text: the driver hands over long lists number by number
        return json.loads(page.evaluate(f"(() => {{ {code}\nreturn JSON.stringify({calls}); }})()"))

    return call
