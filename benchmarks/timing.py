"""Time alternatives in turn, so that a noisy machine disturbs all of them alike."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def wait() -> None:
    """Wait until the accelerator, if there is one, has done what it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def alternate(
    alternatives: Mapping[str, Callable[..., object]],
    rounds: int,
    fresh: Callable[[], object] | None = None,
) -> dict[str, float]:
    """Median seconds of each alternative, over rounds in which every one runs once.

    The order changes from round to round: what one leaves behind, such as memory to be tidied up,
    does not always fall to the same other one.

    Args:
        alternatives: What to time, by name.
        rounds: How often.
        fresh: Makes what every run starts from, a new network for example; it is not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    shuffle = random.Random(0).sample
    for _ in range(rounds):
        for name in shuffle(list(alternatives), len(alternatives)):
            given = () if fresh is None else (fresh(),)
            gc.collect()
            wait()
            start = time.perf_counter()
            alternatives[name](*given)
            wait()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(title: str, medians: Mapping[str, float], reference: str) -> None:
    """Print medians and each one's ratio to the reference."""
    print(f"\n{title}")
    for name, seconds in medians.items():
        ratio = seconds / medians[reference]
        print(f"  {name:<44}{seconds * 1e3:>12,.2f} ms {ratio:>10.2f} × {reference}")
