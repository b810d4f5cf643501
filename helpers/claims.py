"""Claims about training runs: made where a page is recorded, checked there ever after.

    @recorded
    def relu_leads(sigmoid, relu):
        gap = relu.val_acc[-1] - sigmoid.val_acc[-1]
        assert gap > 0.05
        return f"ReLU ends ahead of the sigmoid, by {gap:.2f}"

The parameters name runs or numbers of the page; the text returned is the verdict. The cell keeps
the numbers, so that a test can call the function on them again, without training.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import asdict
from inspect import signature
from types import FunctionType
from typing import Any

from IPython.display import display

from helpers.history import History
from helpers.profile import current_profile

CLAIM_TYPE = "application/vnd.convnets.claim+json"  # of a claim among a cell's outputs
LIBRARY = {"__builtins__": __builtins__, "math": math, "statistics": statistics}
NOT_HERE = "Claimed of the recorded runs, and checked on their numbers."
NOT_IN_THESE = "The recorded runs show it; these, which are shorter, do not."


def recorded(claim: Callable[..., str]) -> None:
    """Make a claim about runs and numbers of the page: show its verdict, keep what it rests on.

    The function sees its arguments, Python's built-ins, `math` and `statistics`, nothing else.
    At the profile `check`, which trains on little, it is not called.

    Raises:
        AssertionError: the claim does not hold, at the profile `full`.
        NameError: the page has no run or number of a parameter's name.
        TypeError: an argument is neither run nor number, nor made of these.
        ValueError: the verdict is not one line of text.
    """
    page, profile, shown = claim.__globals__, current_profile().name, NOT_HERE
    kept: dict[str, Any] = {"claim": claim.__name__, "verdict": None, "arguments": {}, "keys": []}
    if profile != "check":
        names = signature(claim).parameters
        if missing := names - page.keys():
            raise NameError(f"{claim.__name__} asks for {missing}: not on the page.")
        kept["arguments"] = {name: encode(page[name]) for name in names}
        kept["keys"] = run_keys([page[name] for name in names])
        try:
            kept["verdict"] = shown = verdict(claim, kept["arguments"])
        except AssertionError:
            if profile == "full":
                raise
            shown = NOT_IN_THESE
    display({"text/plain": shown, CLAIM_TYPE: kept}, raw=True)


def verdict(claim: Callable[..., str], arguments: dict[str, Any]) -> str:
    """What a claim says of encoded arguments; raises what `recorded` raises."""
    alone = FunctionType(claim.__code__, dict(LIBRARY), claim.__name__)
    text = alone(**{name: decode(value) for name, value in arguments.items()})
    if not isinstance(text, str) or not text.strip() or "\n" in text:
        raise ValueError(f"{claim.__name__} returns {text!r}: return one line of text.")
    return text


def run_keys(value: Any) -> list[str]:
    """Keys in the run store of the histories inside a value."""
    if isinstance(value, History):
        return list(filter(None, [getattr(value, "key", None)]))
    inside = list(value.values()) if isinstance(value, dict) else value
    return [k for v in inside for k in run_keys(v)] if isinstance(inside, list | tuple) else []


def encode(value: Any) -> Any:
    """As JSON; what JSON does not have becomes an object whose only key is the kind's name."""
    if hasattr(value, "tolist"):  # a tensor or an array
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, History):
        return {"history": {name: encode(v) for name, v in asdict(value).items()}}
    if isinstance(value, dict):
        return {"dict": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": encode(list(value))}
    if not isinstance(value, list):
        raise TypeError(f"a claim is about runs and numbers, not about {type(value).__name__}.")
    return [encode(v) for v in value]


def decode(value: Any) -> Any:
    """What was encoded; tensors and arrays come back as lists."""
    if not isinstance(value, dict):
        return [decode(v) for v in value] if isinstance(value, list) else value
    ((kind, inside),) = value.items()
    if kind == "history":
        return History(**{name: decode(v) for name, v in inside.items()})
    if kind == "dict":
        return {decode(k): decode(v) for k, v in inside}
    return float(inside) if kind == "float" else tuple(decode(inside))
