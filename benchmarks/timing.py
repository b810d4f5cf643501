"""Time alternatives in turn, so that a noisy machine disturbs all of them alike."""

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

    Args:
        alternatives: What to time, by name.
        rounds: How often.
        fresh: Makes what every run starts from, a new network for example; it is not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(rounds):
        for name, run in alternatives.items():
            given = () if fresh is None else (fresh(),)
            wait()
            start = time.perf_counter()
            run(*given)
            wait()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(title: str, medians: Mapping[str, float], reference: str) -> None:
    """Print medians and each one's ratio to the reference."""
    print(f"\n{title}")
    for name, seconds in medians.items():
        ratio = seconds / medians[reference]
        print(f"  {name:<44}{seconds * 1e3:>12,.2f} ms {ratio:>10.2f} × {reference}")
