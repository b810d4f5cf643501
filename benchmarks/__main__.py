"""Run every benchmark, or those that are named: python -m benchmarks [convolution] …."""

import sys

from benchmarks import convolution, training, views

BENCHMARKS = {
    "convolution": convolution.main,
    "training": training.main,
    "views": views.main,
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
