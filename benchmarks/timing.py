"""Time alternatives in turn, so that a noisy machine disturbs all of them alike."""

import contextlib
import gc
import multiprocessing
import os
import random
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection

import torch


def wait() -> None:
    """Wait until the accelerator, if there is one, has done what it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def timed(run: Callable[[], object]) -> float:
    """Seconds that `run` takes."""
    gc.collect()
    wait()
    start = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - start


def alternate(alternatives: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median seconds of each alternative, over rounds in which every one runs once.

    The order changes from round to round: what one leaves behind, such as a busy disk or a warm
    processor, does not always fall to the same other one.

    Args:
        alternatives: By name, what runs once and returns its seconds.
        rounds: How often.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    shuffle = random.Random(0).sample
    for _ in range(rounds):
        for name in shuffle(list(alternatives), len(alternatives)):
            seconds[name].append(alternatives[name]())
    return {name: statistics.median(values) for name, values in seconds.items()}


@contextlib.contextmanager
def isolated(
    prepare: Callable[..., Callable[[], Callable[[], object]]],
    *args: object,
    environment: Mapping[str, str],
) -> Iterator[Callable[[], float]]:
    """An alternative in a process of its own, for what is set for a whole process.

    Args:
        prepare: Called once, in the new process, with `args`. What it returns is called before
            every run, untimed, and returns what is to be timed. All must be importable by name.
        environment: Variables that the new process sees besides those of this one.

    Yields:
        A function that runs the alternative once and returns its seconds.

    Raises:
        RuntimeError: the alternative has failed; the text holds its traceback.
    """
    here, there = multiprocessing.Pipe()
    spawn, usual = multiprocessing.get_context("spawn"), multiprocessing.get_start_method()
    process = spawn.Process(target=serve, args=(there, usual, prepare, args))
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    there.close()

    def receive() -> float:
        try:
            answer = here.recv()
        except EOFError:
            raise RuntimeError(f"{prepare.__name__}{args}: its process has ended") from None
        if isinstance(answer, str):
            raise RuntimeError(f"{prepare.__name__}{args} has failed\n{answer}")
        return answer

    def run() -> float:
        here.send("run")
        return receive()

    try:
        receive()  # it is ready
        yield run
    finally:
        here.close()
        process.join()


def serve(pipe: Connection, usual: str, prepare: Callable, args: tuple) -> None:
    """Run an alternative whenever it is asked for, until the other end hangs up.

    Processes that it starts in turn, such as a loader's workers, start in the `usual` way.
    """
    multiprocessing.set_start_method(usual, force=True)
    try:
        fresh = prepare(*args)
        pipe.send(0.0)
        while pipe.recv():
            pipe.send(timed(fresh()))
    except (EOFError, BrokenPipeError):  # the other end has hung up
        pass
    except Exception:
        pipe.send(traceback.format_exc())


def report(title: str, medians: Mapping[str, float], reference: str) -> None:
    """Print medians and each one's ratio to the reference."""
    print(f"\n{title}")
    for name, seconds in medians.items():
        ratio = seconds / medians[reference]
        print(f"  {name:<44}{seconds * 1e3:>12,.2f} ms {ratio:>10.2f} × {reference}")
