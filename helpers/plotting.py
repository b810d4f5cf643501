"""One visual system for all figures. Colour has a meaning, declared here once.

Images are grey. Activations and weights are diverging around 0, each in a map of its own.
Figures are SVG on white; the site's style sheet adapts them to dark mode.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib_inline.backend_inline import set_matplotlib_formats
from torch import Tensor

IMAGE_MAP = "gray"  # pixels: black is 0, white is 1
ACTIVATION_MAP = "RdBu_r"  # activations: blue is negative, white 0, red positive
WEIGHT_MAP = "PuOr_r"  # weights: violet is negative, white 0, orange positive
INK = "#24292f"
MUTED = "#6e7781"
SERIES = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#57606a")
HIGHLIGHT = "#ffd8a8"
PHONE = 3.7  # inches, the width of a figure that is not shrunk on a phone
MARKERS = "os^DvP"
KIND_COLOURS = {  # of boxes in diagrams; text on them is INK
    "convolution": "#ddf4ff", "activation": "#ffebe9", "pooling": "#dafbe1",
    "normalisation": "#fbefff", "dense": HIGHLIGHT, "sum": "#fff8c5",
}  # fmt: skip
Array = np.ndarray[Any, Any]
Values = Tensor | Array | Sequence[Any]

plt.rcParams.update({
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": MUTED, "xtick.labelcolor": INK, "ytick.color": MUTED,
    "ytick.labelcolor": INK, "axes.prop_cycle": cycler(color=SERIES),
    "axes.grid": True, "grid.alpha": 0.25, "lines.linewidth": 1.8,
    "axes.spines.right": False, "axes.spines.top": False, "legend.frameon": False,
    "figure.dpi": 100, "figure.facecolor": "white", "figure.figsize": (6, 3.2),
    "font.size": 10, "axes.titlesize": 10, "image.interpolation": "none",
    "svg.fonttype": "path", "svg.hashsalt": "book",
})  # fmt: skip
if get_ipython() is not None:
    set_matplotlib_formats("svg", metadata={"Date": None})


def as_array(values: Values) -> Array:
    """A NumPy array of whatever a page has at hand."""
    if isinstance(values, Tensor):
        return np.asarray(values.detach().float().cpu())
    return np.asarray([as_array(v) if isinstance(v, Tensor) else v for v in values])


def show_images(
    images: Values,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
    scale: float = 1.1,
    cmap: str = IMAGE_MAP,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw images (N, H, W) in rows of `columns`, each `scale` inches wide.

    `limits` are the values at the ends of the map; by default each image's own extremes.
    ValueError: `images` is not (N, H, W), or the numbers of images and titles differ.
    """
    images = as_array(images)
    if images.ndim != 3:
        raise ValueError(f"images have shape {images.shape}; (N, H, W) is wanted.")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images have {len(titles)} titles.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = scale * images.shape[1] / images.shape[2] + (0.25 if titles is not None else 0.05)
    size, (low, high) = (scale * columns, height * rows), limits or (None, None)
    _, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="compressed")
    for ax in axes.flat:
        ax.set_axis_off()
    for i, image in enumerate(images):
        axes.flat[i].imshow(image, cmap=cmap, vmin=low, vmax=high)
        if titles is not None:
            axes.flat[i].set_title(titles[i], fontsize=8, pad=3)


def photograph(name: str = "china.jpg") -> Tensor:
    """A photograph from scikit-learn, "china.jpg" or "flower.jpg", as (3, 427, 640) in [0, 1]."""
    from sklearn.datasets import load_sample_image

    return torch.from_numpy(load_sample_image(name).copy()).movedim(-1, 0) / 255


def symmetric(values: Array) -> tuple[float, float]:
    """Limits that put 0 in the middle of a diverging map."""
    largest = float(np.abs(values).max()) or 1.0
    return -largest, largest


def show_activations(maps: Values, titles: Sequence[str] | None = None, **kw: Any) -> None:
    """Draw feature maps (C, H, W), diverging around 0, on one scale; options as `show_images`."""
    maps = as_array(maps)
    show_images(maps, titles, cmap=ACTIVATION_MAP, limits=symmetric(maps), **kw)


def draw_grid(
    ax: Axes,
    values: Values,
    title: str = "",
    highlight: Sequence[tuple[int, int]] = (),
    faint: Sequence[tuple[int, int]] = (),
    *,
    cmap: str | None = None,
    fmt: str = "{:g}",
) -> None:
    """Draw a matrix as a grid of cells with its numbers, one unit a cell.

    Cells (row, column) in `highlight` are marked, those in `faint` grey and dashed, for padding;
    `cmap` colours cells around 0, `fmt` writes their numbers. ValueError: it is no matrix.
    """
    values = as_array(values)
    if values.ndim != 2:
        raise ValueError(f"values have shape {values.shape}; a matrix is wanted.")
    rows, columns = values.shape
    for (i, j), value in np.ndenumerate(values):
        face = "white" if cmap is None else cell_colour(value, values, cmap)
        face = HIGHLIGHT if (i, j) in highlight else face
        style, width, ink = ("--", 0.6, MUTED) if (i, j) in faint else ("-", 1.0, legible_on(face))
        ax.add_patch(Rectangle((j, i), 1, 1, fc=face, ec=MUTED, ls=style, lw=width))
        ax.text(j + 0.5, i + 0.5, fmt.format(value), ha="center", va="center", c=ink, fontsize=9)
    ax.set(xlim=(-0.1, columns + 0.1), ylim=(rows + 0.1, -0.1), aspect="equal")
    ax.set_axis_off()
    ax.set_title(title)


def cell_colour(value: float, values: Array, cmap: str) -> Any:
    """Colour of a cell: pixels from black to white, signed values in pale tones around 0."""
    grey = cmap == IMAGE_MAP
    low, high = (float(values.min()), float(values.max())) if grey else symmetric(values)
    place = float((value - low) / (high - low or 1))
    return plt.get_cmap(cmap)(place if grey else place * 0.5 + 0.25)


def legible_on(face: Any) -> str:
    """The colour of a number that is read best on a cell of colour `face`."""
    red, green, blue = to_rgb(face)
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else "white"


def show_grids(
    grids: Mapping[str, Values],
    symbols: Sequence[str] = (),
    *,
    highlight: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    faint: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    cmap: str | None = None,
    fmt: str = "{:g}",
    cell: float = 0.42,
) -> None:
    """Draw matrices, by title, side by side, as in X ∗ K = Y, in lines no wider than a phone.

    Between neighbours stand the `symbols`, such as ("∗", "="); a cell is `cell` inches wide. Other
    options are as in `draw_grid`, cells to mark by title.
    """
    arrays = {title: as_array(values) for title, values in grids.items()}
    between, margin, head = 1.0, 0.1, 0.8  # in cells
    widths = {title: array.shape[1] + 2 * margin for title, array in arrays.items()}
    lines: list[list[str]] = [[]]
    for title in arrays:
        taken = sum(widths[each] + between for each in lines[-1]) + widths[title]
        if lines[-1] and taken * cell > PHONE:
            lines.append([])
        lines[-1].append(title)
    leading = between if len(lines) > 1 and symbols else 0  # for the symbol that begins a line
    tall = [max(arrays[t].shape[0] for t in line) + 2 * margin for line in lines]
    width = leading + max(sum(widths[t] + between for t in line) - between for line in lines)
    height = sum(tall) + head * len(lines)
    fig, signs, below = plt.figure(figsize=(width * cell, height * cell)), ["", *symbols], height
    for line, tallest in zip(lines, tall, strict=True):
        below -= tallest + head
        left = leading
        for title in line:
            sign = signs.pop(0) if signs else ""
            place = (left - between / 2) / width, (below + tallest / 2) / height
            fig.text(*place, sign, ha="center", va="center", fontsize=24 if sign == "⋆" else 14)
            rows = arrays[title].shape[0] + 2 * margin
            bottom = (below + (tallest - rows) / 2) / height
            ax = fig.add_axes((left / width, bottom, widths[title] / width, rows / height))
            marks = ((which or {}).get(title, ()) for which in (highlight, faint))
            draw_grid(ax, arrays[title], title, *marks, cmap=cmap, fmt=fmt)
            left += widths[title] + between


def plot_curves(
    curves: Mapping[str, Values | tuple[Values, Values]],
    xlabel: str,
    ylabel: str,
    *,
    ax: Axes | None = None,
    markers: bool = True,
    **axes_options: Any,
) -> None:
    """Draw named curves in one plot; colour and marker both tell them apart.

    Args:
        curves: Name → y (x counts from 1), or name → (x, y).
        axes_options: Passed to `Axes.set`, for example `xscale="log"`.
    """
    ax = ax or plt.subplots(layout="constrained")[1]
    for k, (name, curve) in enumerate(curves.items()):
        x, y = curve if isinstance(curve, tuple) else (range(1, len(curve) + 1), curve)
        marker = MARKERS[k % len(MARKERS)] if markers else None
        ax.plot(as_array(x), as_array(y), marker=marker, markersize=4, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, **axes_options)
    if len(curves) > 1:
        ax.legend()


def plot_runs(runs: Mapping[str, Any], measure: str, ax: Axes | None = None) -> Axes:
    """Draw a measure of named runs over their epochs: test images solid, training images dashed.

    The measure is "loss", in nats, or "acc", the accuracy; any other is a ValueError.
    """
    if measure not in ("loss", "acc"):
        raise ValueError(f"measure={measure!r} is unknown: it is 'loss' or 'acc'.")
    ax = ax or plt.subplots(figsize=(PHONE, 2.8), layout="constrained")[1]
    for k, (name, run) in enumerate(runs.items()):
        style: Any = {"color": SERIES[k % len(SERIES)], "markersize": 4}
        for part, dots in (("train", "--"), ("val", f"{MARKERS[k % len(MARKERS)]}-")):
            values = getattr(run, f"{part}_{measure}")
            label = name if part == "val" else None
            ax.plot(range(1, len(values) + 1), values, dots, label=label, **style)
    ax.plot([], [], "--", color=MUTED, label="training")
    ax.set(xlabel="epoch", ylabel="accuracy" if measure == "acc" else measure)
    locator: Any = ax.xaxis.get_major_locator()
    locator.set_params(integer=True)
    ax.legend(fontsize=8)
    return ax


def draw_box(
    ax: Axes,
    xy: tuple[float, float],
    width: float,
    height: float,
    text: str,
    *,
    face: str = "white",
    fontsize: float = 9,
) -> None:
    """Draw a rounded box from its lower left corner; `face` is one of KIND_COLOURS or a colour."""
    style, face = "round,pad=0,rounding_size=0.08", KIND_COLOURS.get(face, face)
    ax.add_patch(FancyBboxPatch(xy, width, height, boxstyle=style, fc=face, ec=INK, linewidth=1))
    place = xy[0] + width / 2, xy[1] + height / 2, text
    ax.text(*place, ha="center", va="center", fontsize=fontsize, color=INK)


def draw_arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow from `start` to `end`; for block diagrams."""
    style: Any = {"arrowstyle": "-|>", "mutation_scale": 10, "color": INK}
    ax.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style))


def new_canvas(width: float, height: float) -> Axes:
    """An empty drawing area for a diagram, one unit an inch, its origin at the lower left."""
    ax = plt.figure(figsize=(width, height)).add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return ax


def draw_columns(
    columns: Mapping[str, str],
    blocks: Mapping[str, Sequence[tuple[int, int]]],
    kinds: Mapping[str, str],
) -> Axes:
    """Draw networks as columns of boxes from top to bottom, joined by arrows.

    Args:
        columns: For each network its layers in words, with | between them.
        blocks: For each network the first and the last layer of what is framed.
        kinds: How a layer begins (four letters), and the kind that colours it; else a convolution.
    """
    ax = new_canvas(1.86 * len(columns) - 0.02, 5.7)
    for k, (name, layers) in enumerate(columns.items()):
        rows = layers.split("|")
        x, pitch = 0.08 + 1.86 * k, 5.3 / len(rows)
        ax.text(x + 0.85, 5.57, name, ha="center", va="center", fontweight="bold")
        for first, last in blocks[name]:
            corner, height = (x - 0.04, 5.37 - (last + 1) * pitch), (last - first) * pitch + 0.29
            ax.add_patch(Rectangle(corner, 1.76, height, fc="none", ec=MUTED, lw=0.8))
        for row, text in enumerate(rows):
            y, face = 5.4 - (row + 1) * pitch, kinds.get(text[:4], "convolution")
            draw_box(ax, (x, y), 1.68, 0.23, text, face=face, fontsize=8)
            if row:
                draw_arrow(ax, (x + 0.84, y + pitch), (x + 0.84, y + 0.23))
    return ax
