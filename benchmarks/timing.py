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
from multiprocessing.connection import wait as wait_for

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


def alternate(
    alternatives: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Seconds of each alternative, in rounds in which every one runs once.

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
    return seconds


@contextlib.contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def isolated(
    prepare: Callable[..., Callable[[], Callable[[], object]]],
    *args: object,
    environment: Mapping[str, str],
) -> Iterator[Callable[[], float]]:
    """An alternative in a process of its own, for what is set for a whole process.

    Args:
        prepare: A function that can be imported by name. It is called once, in the new process,
            with `args`, which are pickled. What it returns is called before every run, untimed,
            and returns what is to be timed.
        environment: Variables that the new process sees besides those of this one.

    Yields:
        A function that runs the alternative once and returns its seconds.

    Raises:
        RuntimeError: the alternative has failed, and the text holds its traceback, or its process
            has ended.
    """
    name = f"{prepare.__name__}{args}"
    here, there = multiprocessing.Pipe()
    usual = multiprocessing.get_start_method(allow_none=True)
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, usual, prepare, args)
    )
    with variables(environment):
        process.start()
    there.close()

    def receive() -> float:
        wait_for([here, process.sentinel])
        try:
            seconds, failure = here.recv() if here.poll() else (None, None)
        except (EOFError, OSError):
            seconds, failure = None, None
        if failure is not None:
            raise RuntimeError(f"{name} has failed\n{failure}")
        if seconds is None:
            process.join()
            raise RuntimeError(f"{name}: its process has ended, exit code {process.exitcode}")
        return seconds

    def run() -> float:
        with contextlib.suppress(OSError):  # of a process that has ended: receive says so
            here.send("run")
        return receive()

    try:
        receive()  # it is ready
        yield run
    finally:
        here.close()
        process.join()


def serve(pipe: Connection, usual: str | None, prepare: Callable, args: tuple) -> None:
    """Run an alternative whenever it is asked for, until the other end hangs up.

    Processes that it starts in turn, such as a loader's workers, start in the `usual` way.
    """
    multiprocessing.set_start_method(usual, force=True)
    seconds, failure = 0.0, None
    try:
        fresh = prepare(*args)
    except Exception:
        failure = traceback.format_exc()
    with contextlib.suppress(EOFError, OSError):  # the other end has hung up
        pipe.send((seconds, failure))
        while failure is None and pipe.recv():
            try:
                seconds = timed(fresh())
            except Exception:
                failure = traceback.format_exc()
            release()
            pipe.send((seconds, failure))


def release() -> None:
    """Leave the accelerator's memory to the processes that run next."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def report(title: str, seconds: Mapping[str, list[float]], reference: str) -> None:
    """Print each one's median, its ratio to the reference's, and all rounds."""
    print(f"\n{title}")
    base = statistics.median(seconds[reference])
    for name, rounds in seconds.items():
        median = statistics.median(rounds)
        every = " ".join(f"{value:.3g}" for value in rounds)
        print(f"  {name:<24}{median:>10.4g} s {median / base:>8.2f} × {reference}  [{every}]")
