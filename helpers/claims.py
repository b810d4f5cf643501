"""Claims about training runs: made where a page is recorded, checked there ever after.

    @recorded
    def relu_leads(sigmoid, relu):
        assert (gap := relu.val_acc[-1] - sigmoid.val_acc[-1]) > 0.05
        return f"ReLU ends ahead of the sigmoid, by {gap:.2f}"

The parameters name runs or numbers of the page, which the cell keeps, so that a test can call the
function on them again, without training. The text returned is the verdict.
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
    At the profile `check`, which trains on little, it is not called; at `quick` it may fail.

    Raises:
        AssertionError: the claim does not hold.
        NameError: the page has nothing of a parameter's name.
        TypeError, ValueError: an argument is not made of numbers; the verdict is not one line.
    """
    page, profile, shown = claim.__globals__, current_profile().name, NOT_HERE
    if missing := signature(claim).parameters - page.keys():
        raise NameError(f"{claim.__name__} asks for {missing}: not on the page.")
    used = {name: page[name] for name in signature(claim).parameters}
    kept = dict[str, Any](claim=claim.__name__, verdict=None, arguments={}, keys=run_keys(used))
    if profile != "check":
        kept["arguments"] = {name: encode(value) for name, value in used.items()}
        try:
            kept["verdict"] = shown = verdict(claim, kept["arguments"])
        except AssertionError:
            if profile == "full":
                raise
            shown = NOT_IN_THESE
    display({"text/plain": shown, CLAIM_TYPE: kept}, raw=True)


def verdict(claim: Callable[..., str], arguments: dict[str, Any]) -> str:
    """What a claim says of encoded arguments; raises what `recorded` raises."""
    alone = FunctionType(claim.__code__, dict(LIBRARY))
    text = alone(**{name: decode(value) for name, value in arguments.items()})
    if not isinstance(text, str) or len(text.splitlines()) != 1:
        raise ValueError(f"{claim.__name__} returns {text!r}: return one line of text.")
    return text


def run_keys(value: Any) -> list[str]:
    """Keys in the run store of the histories inside a value."""
    if isinstance(value, History):
        return [value.key] if value.key else []
    inside = list(value.values()) if isinstance(value, dict) else value
    return sum(map(run_keys, inside), []) if isinstance(inside, list | tuple) else []


def encode(value: Any) -> Any:
    """As JSON; what JSON does not have becomes an object whose only key is the kind's name."""
    value = value.tolist() if hasattr(value, "tolist") else value  # of a tensor or an array
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, History):
        return {"history": {name: encode(v) for name, v in asdict(value).items()}}
    if isinstance(value, dict):
        return {"dict": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        inside = [encode(v) for v in value]
        return inside if isinstance(value, list) else {"tuple": inside}
    raise TypeError(f"a claim is about runs and numbers, not about {type(value).__name__}.")


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
