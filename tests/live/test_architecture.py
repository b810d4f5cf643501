"""The view of VGG: its model is PyTorch's, and a hand edits a network as text."""

import gzip
import math
import random

import pytest
import torch
from torch import nn

from helpers.live import edit_network
from helpers.live.architecture import count, parse
from helpers.summary import summary

VGG_11 = "1x64 1x128 2x256 2x512 2x512 4096 4096 10"


def networks(draw: random.Random, number: int) -> list[tuple[str, int]]:
    """Random networks as text, in all spellings, and image sizes; some cannot be."""
    found = []
    for _ in range(number):
        parts = []
        for _ in range(draw.randint(1, 5)):
            n, c, k = draw.randint(1, 3), draw.randint(1, 40), draw.choice([0, 1, 3, 5, 7])
            tuples = f"({n}, {c}{f', {k}' if k else ''})", f"({n},{c}{f',{k}' if k else ''}),"
            parts.append(draw.choice([f"{n}x{c}" + f"k{k}" * (k > 0), f"{n} × {c}", *tuples]))
        parts += [str(draw.randint(1, 50)) for _ in range(draw.randint(0, 3))]
        found.append((draw.choice([" ", "  "]).join(parts), draw.randint(4, 64)))
    return found


def built(text: str) -> nn.Sequential:
    """The network that a text names, of PyTorch's layers."""
    blocks, dense = parse(text)
    layers = []
    for n, c, k in blocks:
        convs = [[nn.LazyConv2d(c, k, padding=k // 2), nn.ReLU()] for _ in range(n)]
        layers.append(nn.Sequential(*sum(convs, []), nn.MaxPool2d(2)))
    if dense:
        layers += [nn.Flatten(), *map(nn.LazyLinear, dense)]
    return nn.Sequential(*layers)


def test_the_model_is_pytorchs(call):
    cases = networks(random.Random(0), 80)
    possible = 0
    for (text, side), model in zip(cases, call("architecture", "count", cases), strict=True):
        try:
            with torch.device("meta"):
                table = summary(built(text), (1, side, side))
        except ValueError as error:
            assert "too small" in str(error) and "cannot halve it" in model["why"]
            continue
        possible += 1
        assert model["why"] == ""
        rows = iter(table.rows)
        for row in model["rows"]:
            kinds = ["Conv2d", "ReLU"] * row["convs"] + ["MaxPool2d"] if row["convs"] else []
            own = [next(rows) for _ in kinds]
            if not row["convs"]:
                own = [next(r for r in rows if r.kind == "Linear")]
            assert [r.kind for r in own] == (kinds or ["Linear"])
            assert row["params"] == sum(r.params for r in own)
            assert row["macs"] == sum(r.macs for r in own)
            values = [math.prod(r.output) for r in own if r.kind != "ReLU"]
            assert row["outputs"] == sum(values)
            if row["convs"]:
                assert own[-1].output == (row["out"], row["side"], row["side"])
                assert own[-1].field == (row["field"], row["field"])
            else:
                assert own[-1].output == (row["out"],)
    assert possible >= 50


WRONG = {
    "": "Begin with a block, such as 2x64.",
    "4096 10": "Begin with a block",
    "2x64 conv": "What is “conv”? Write a block as 2x64.",
    "((1, 64), (2, 128))": "What is “(”?",
    "(2) 10": "(2) is no block.",
    "(1, 2, 3, 4)": "(1, 2, 3, 4) is no block.",
    "-1x64": "What is “-”?",
    "1x64 10 1x64": "A block cannot follow a dense layer",
    "0x64": "Block 1 has 0 convolutions. Give it 1 to 8.",
    "1x8 9x64": "Block 2 has 9 convolutions.",
    "1x9999": "Block 1 has 9999 channels.",
    "1x64k4": "Block 1 has an even kernel, 4",
    "1x64k13": "Block 1 has a kernel of 13.",
    "1x64 0": "A dense layer has 0 units.",
    "1x2 " * 9: "This figure draws at most 8 blocks.",
    "1x2 1 1 1 1 1": "This figure draws at most 4 dense layers.",
    "1x64 " * 8: "7 poolings have left 1×1 of 224×224: block 8 cannot halve it.",
}


def test_what_cannot_be_says_why_in_python_as_in_the_script(call):
    answers = call("architecture", "count", [(text, 224) for text in WRONG])
    for (text, why), answer in zip(WRONG.items(), answers, strict=True):
        assert answer["why"].startswith(why), text
        with pytest.raises(ValueError) as caught:
            edit_network(text)
        assert str(caught.value) == answer["why"]


def test_python_and_script_say_the_same_of_every_network(call):
    cases = networks(random.Random(1), 80)
    spoken = call("architecture", "say", [[{"text": t, "side": s}] for t, s in cases])
    for (text, side), sentence in zip(cases, spoken, strict=True):
        try:
            assert edit_network(text, side).says == sentence
        except ValueError as error:
            assert f"Not drawn. {error}" == sentence


def test_short_numbers(call):
    values = [640, 999, 7_400, 73_856, 999_949, 102_764_544, 1_849_688_064]
    wanted = ["640", "999", "7.4 k", "73.9 k", "999.9 k", "102.8 M", "1,849.7 M"]
    assert call("architecture", "short", [[v] for v in values]) == wanted


def test_vgg_11_by_hand():
    rows = count(VGG_11, 224)
    assert sum(row.params for row in rows) == 128_806_154
    assert sum(row.macs for row in rows) == 7_547_232_256
    assert sum(row.outputs for row in rows[:1]) == 64 * (224**2 + 112**2)
    assert [row.field for row in rows[:5]] == [4, 10, 30, 70, 150]


def test_the_view_is_light():
    html = edit_network()._repr_mimebundle_()["text/html"]
    assert len(gzip.compress(html.encode())) <= 12_000


@pytest.fixture
def page(open_page):
    page = open_page(edit_network()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def labels(page) -> list[str]:
    return page.locator(".stage text.right").all_text_contents()


def test_it_starts_where_the_text_speaks(page):
    says(page, "5 blocks, 3 dense layers, image 224×224: 128,806,154 parameters, 7,547,232,256")
    assert labels(page)[:5] == [
        "64×112×112, sees 4", "128×56×56, sees 10", "256×28×28, sees 30", "512×14×14, sees 70",
        "512×7×7, sees 150",
    ]  # fmt: skip
    assert page.locator(".stage text", has_text="102.8 M, 80 %").count() == 1
    assert page.locator(".stage .conv").count() == 8 and page.locator(".aside .frame").count() == 5


def test_the_text_by_keyboard_and_a_network_that_cannot_be(page):
    field = page.get_by_role("textbox", name="Network")
    field.focus()
    page.keyboard.press("Control+Home")
    page.keyboard.type("2x8k5 ")
    says(page, "6 blocks, 3 dense layers")
    assert labels(page)[0] == "8×112×112, sees 10"
    before = labels(page)
    page.keyboard.type("oops ")
    says(page, "Not drawn. What is “oops”? Write a block as 2x64.")
    assert labels(page) == before and field.get_attribute("aria-invalid") == "true"
    for _ in range(5):
        page.keyboard.press("Backspace")
    says(page, "6 blocks, 3 dense layers")
    assert field.get_attribute("aria-invalid") is None


def test_buttons_by_mouse_and_touch(page):
    page.get_by_role("button", name="VGG-16").click()
    says(page, "134,300,362 parameters")
    page.get_by_role("button", name="56×56").tap()
    says(page, "image 56×56: 33,637,066 parameters")
    page.get_by_role("button", name="28×28").tap()
    says(page, "Not drawn. 4 poolings have left 1×1 of 28×28: block 5 cannot halve it.")
    assert labels(page)[4] == "512×1×1, sees 212"  # the last drawing
    page.get_by_role("button", name="Reset").click()
    says(page, "128,806,154 parameters")


def test_goals(page):
    page.get_by_role("button", name="56×56").click()
    says(page, "28,142,858 parameters")
    assert page.locator("li.met").count() == 0  # no single button reaches a goal
    page.get_by_role("button", name="Reset").click()
    field = page.get_by_role("textbox", name="Network")
    field.fill("2x64 2x128 3x256 3x512 3x512 10")
    page.wait_for_selector("li.met:has-text('more than 200×200')")
    field.fill("(1, 64), (1, 128), (2, 256), (2, 512), (2, 512)")
    says(page, "5 blocks, 0 dense layers")
    assert page.locator("li.met").count() == 1  # it has to end in the scores
    field.fill("(1, 64), (1, 128), (2, 256), (2, 512), (2, 512), 512, 10")
    page.wait_for_selector("li.met:has-text('10 scores')")
    field.fill("2x8 2x8 3x8 3x8 4x8 10")
    page.wait_for_selector("li.met:has-text('all of 224×224')")
    assert page.locator("li.met").count() == 3
    page.get_by_role("button", name="Reset").click()
    says(page, "128,806,154 parameters")
    assert page.locator("li.met").count() == 0


def test_a_phone_shows_the_whole_text(open_page):
    page = open_page(edit_network()._repr_mimebundle_()["text/html"], width=360, has_touch=True)
    field = page.get_by_role("textbox", name="Network")
    field.wait_for()
    assert field.evaluate("e => e.scrollHeight <= e.clientHeight")
    assert page.faults == []


def test_a_phone_shows_labels_that_do_not_meet(open_page):
    page = open_page(edit_network()._repr_mimebundle_()["text/html"], width=320, has_touch=True)
    page.wait_for_selector(".alive")
    boxes = [
        [box["x"], box["x"] + box["width"], box["y"]]
        for text in page.locator(".stage text").all()
        if (box := text.bounding_box())
    ]
    for left, right, y in boxes:
        assert left >= 0 and right <= 320
        assert not [b for b in boxes if b[2] == y and left < b[0] < right]
    assert page.faults == []
