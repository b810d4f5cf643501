"""A redraw of each live view, drawn by Chromium, against a frame on a slow processor.

A phone's processor is taken as four times slower than this one: a frame of 16 ms there is 4 ms
here. The clock is that of the page's own thread, so that other work on the machine counts little.
"""

import tempfile
from functools import partial
from pathlib import Path

from playwright.sync_api import CDPSession, Page

from benchmarks.timing import alternate, report
from helpers import live
from tools.browser import browser

FRAME = "a slow phone's frame"
SECONDS = 0.016 / 4
REDRAW = """(times) => {
    const root = document.querySelector(".live");
    const input = root.querySelector(".alive input");
    const slider = root.querySelector("[role=slider]");
    for (let k = 0; k < times; k++) {
        if (input) {
            input.value = k % 2 ? input.min : input.max;
            input.dispatchEvent(new Event("input"));
        } else if (slider) {
            const key = k % 2 ? "ArrowLeft" : "ArrowRight";
            slider.dispatchEvent(new KeyboardEvent("keydown", { key }));
        } else {
            root.querySelector(".alive button").click();
        }
        root.live.paint();
        root.getBoundingClientRect();  // lay it out
    }
}"""


def busy(clock: CDPSession) -> float:
    """Seconds that the page's thread has worked so far."""
    metrics = clock.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def redraw(page: Page, clock: CDPSession, times: int = 50) -> float:
    """Seconds of the page's thread for one change of the view's state, drawn and laid out."""
    start = busy(clock)
    page.evaluate(REDRAW, times)
    return (busy(clock) - start) / times


def main(rounds: int = 7) -> None:
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        alternatives = {FRAME: lambda: SECONDS}
        for name in live.VIEWS:
            path = Path(folder) / f"{name}.html"
            shown = getattr(live, name)()._repr_mimebundle_()["text/html"]
            path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{shown}", encoding="utf-8")
            page = chromium.new_page()
            page.goto(path.as_uri(), wait_until="load")
            page.wait_for_selector(".live .alive")
            clock = page.context.new_cdp_session(page)
            clock.send("Performance.enable", {"timeDomain": "threadTicks"})
            redraw(page, clock)  # warm
            alternatives[name] = partial(redraw, page, clock)
        report(f"a redraw, median of {rounds}", alternate(alternatives, rounds), FRAME)


if __name__ == "__main__":
    main()
