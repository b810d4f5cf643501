"""The live view of occlusion: a grey square on an image, and what two networks make of it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from helpers.data import DIGIT_CLASSES, read_digits, to_float
from helpers.live.pooling import STYLE, png, tint
from helpers.live.view import View

SIDE, PLACES, STEP, HALF = 28, 6, 4, 3  # pixels; places of a map a side, their distance; square
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
FINEST = 31  # steps from 0 to the largest value of a map
START = 21  # the place that is covered first: row 4, column 4
PANELS = "image", "bare class map", "fall of the score"


def cover_places(
    images: Tensor | None = None,
    trained: Tensor | None = None,
    untrained: Tensor | None = None,
    names: Sequence[str] = DIGIT_CLASSES,
) -> View:
    """A grey square that covers one place of an image; class map and score of two networks.

    Args:
        images: uint8, shape (N, 1, 28, 28), at most four; default: three digits.
        trained: Class maps of the trained network, shape (N, 37, K, 6, 6): of the bare image, then
            with a square of 7×7 pixels, in the image's mean grey, on each place of the map. Their
            means are the scores. Default: made-up maps, to try the view.
        untrained: The same of the untrained network.
        names: The K classes.

    Raises:
        ValueError: there are no images, or more than four, or the maps do not go with them.
    """
    if images is None:
        digits = read_digits()[1].images[[3, 0, 6]]
        images = (to_float(digits, (SIDE, SIDE)) * 255).round().byte()
    if not 1 <= len(images) <= 4:
        raise ValueError(f"{len(images)} images: give one to four.")
    trained = made_up(images, len(names), 0) if trained is None else trained
    untrained = made_up(images, len(names), 1) if untrained is None else untrained
    wanted = (len(images), PLACES**2 + 1, len(names), PLACES, PLACES)
    for name, maps in {"trained": trained, "untrained": untrained}.items():
        if tuple(maps.shape) != wanted:
            raise ValueError(f"{name} has shape {tuple(maps.shape)}; {wanted} is wanted.")
    state: dict[str, Any] = {
        "item": 0, "net": "trained", "at": START, "tried": [], "names": list(names),
        "images": [letters(image.flatten() // 16) for image in images.cpu()],
        "trained": [packed(maps) for maps in trained], "untrained": [packed(m) for m in untrained],
    }  # fmt: skip
    own = trained[0, :, int(state["trained"][0]["answers"][0])]  # the class that it says
    falls = own[0].mean() - own[1:].mean((1, 2))
    seen = torch.zeros(PLACES**2)
    seen[START] = falls[START] / falls.abs().max().clamp(min=1e-9)
    picture = draw(
        images[0, 0], own[0] / own[0].abs().max().clamp(min=1e-9), seen.reshape(PLACES, PLACES)
    )
    return View("occlusion", "A square on an image", state=state, picture=picture, says=say(state))


def letters(levels: Tensor) -> str:
    """Whole numbers from 0 to 63, a letter each."""
    return "".join(LETTERS[int(level)] for level in levels)


def packed(maps: Tensor) -> dict[str, Any]:
    """Maps (37, K, 6, 6) of one image, cut down to what is shown of them.

    `scores` are those of the class that the bare image gets; `leads` what they are above the best
    of the others; `answers` the class that each cover gets; `map` the bare image's map, in steps.
    """
    scores = maps.float().mean((2, 3)).cpu()
    said = int(scores[0].argmax())
    others = torch.cat([scores[:, :said], scores[:, said + 1 :]], 1)
    own = maps[0, said].float().cpu().flatten()
    steps = (FINEST * own / own.abs().max().clamp(min=1e-9)).round()
    return {
        "map": letters(steps + 32),
        "scores": [round(float(score), 2) for score in scores[:, said]],
        "leads": [round(float(lead), 2) for lead in scores[:, said] - others.amax(1)],
        "answers": scores.argmax(1).tolist(),
    }


def made_up(images: Tensor, count: int, seed: int) -> Tensor:
    """Class maps (N, 37, count, 6, 6) of a network of one random layer, for 28×28 pixels."""
    X = to_float(images, (SIDE, SIDE))
    drawn = torch.Generator().manual_seed(seed)
    K = torch.randn(count, 1, 9, 9, generator=drawn) / 9
    maps = [torch.nn.functional.conv2d(covered(x), K, stride=STEP, padding=2) for x in X]
    return torch.stack(maps)


def covered(x: Tensor, level: float | None = None) -> Tensor:
    """An image (1, 28, 28), bare, then with each place covered: (37, 1, 28, 28).

    The squares have the mean grey of the image, or that of `level`, from 0, black, to 1.
    """
    out = x.repeat(PLACES**2 + 1, 1, 1, 1)
    for at in range(PLACES**2):
        rows, columns = (slice(max(0, STEP * k - 1), STEP * k + 6) for k in divmod(at, PLACES))
        out[at + 1, :, rows, columns] = x.mean() if level is None else level
    return out


def say(state: dict[str, Any]) -> str:
    """What the square does, in words, as the script says it."""
    found, at = state[state["net"]][state["item"]], state["at"]
    bare, score = found["scores"][0], found["scores"][at + 1]
    said, now = (state["names"][found["answers"][k]] for k in (0, at + 1))
    row, column = divmod(at, PLACES)
    way = "down" if score <= bare else "up"
    text = (
        f"The {state['net']} network says {said}, score {bare:.2f}. With row {row + 1}, column "
        f"{column + 1} covered the score is {score:.2f}, {way} by {abs(bare - score):.2f}, and it "
        f"{'still ' * (said == now)}says {now}: the lead is {found['leads'][at + 1]:.2f}."
    )
    return text.replace(" -", " −")


def draw(image: Tensor, own: Tensor, falls: Tensor) -> str:
    """Image with its square, class map and the fall, side by side, as an SVG document."""
    grey = image.float().cpu().clone()
    row, column = (STEP * k - 1 for k in divmod(START, PLACES))
    grey[row : row + 7, column : column + 7] = image.float().mean()
    pixels = grey[..., None].expand(-1, -1, 3).numpy(), tint(own.cpu()), tint(falls.cpu())
    marks = "".join(
        f'<image href="{png(panel)}" x="{180 * k}" y="24" width="{size}" height="{size}" '
        f'style="image-rendering: pixelated"/><text x="{180 * k + 84}" y="14">{name}</text>'
        f'<rect x="{180 * k + 6 * column}" y="{24 + 6 * row}" width="42" height="42" fill="none" '
        f'stroke="#bc4c00" stroke-width="2"/>'
        for k, (name, panel, size) in enumerate(zip(PANELS, pixels, (168, 144, 144), strict=True))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="528" height="196" viewBox="0 0 528 196">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{marks}</svg>'
    )
