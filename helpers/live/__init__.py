"""Live views: figures that answer to a hand, in a notebook and on the site.

Each view is a function that returns a `View`, the last expression of a cell:

    from helpers.live import padding_stride

    padding_stride(n=8, k=3, p=1, s=2)

This module needs the standard library alone, since the site is built without the packages that
the views need.
"""

from importlib import import_module
from typing import Any

VIEWS = {  # function: the module, the script and the style it is in
    "cover_places": "occlusion",
    "dense_to_local": "matrix",
    "drag_a_batch": "minibatch",
    "edit_network": "architecture",
    "inception_widths": "inception",
    "kernel_playground": "playground",
    "lenet_live": "lenet",
    "mix_colours": "colours",
    "padding_stride": "padding",
    "shift_and_pool": "pooling",
    "switch_blocks": "blocks",
    "turn_gabor": "gabor",
}


def __getattr__(name: str) -> Any:
    """Import a view when it is first asked for: a notebook may carry only those it shows."""
    if name in VIEWS:
        return getattr(import_module(f"helpers.live.{VIEWS[name]}"), name)
    raise AttributeError(f"helpers.live has no view {name!r}; it has: {', '.join(VIEWS)}")
