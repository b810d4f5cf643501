"""Cross-correlation by loops, by im2col, and by PyTorch: the operators of the page, lifted."""

from functools import partial

import torch
from torch.nn import functional as F

from benchmarks.timing import alternate, report, timed
from tools.lift import lift


def main(side: int = 128, kernel: int = 5, rounds: int = 7) -> None:
    page = lift("7-2-convolutions-for-images")
    torch.manual_seed(0)
    X, K = torch.randn(side, side), torch.randn(kernel, kernel)
    alternatives = {
        "loops (corr2d)": lambda: page.corr2d(X, K),
        "im2col (corr2d_im2col)": lambda: page.corr2d_im2col(X, K),
        "F.conv2d": lambda: F.conv2d(X[None, None], K[None, None]),
    }
    for run in alternatives.values():
        torch.testing.assert_close(run().reshape(-1), alternatives["F.conv2d"]().reshape(-1))
    title = f"cross-correlation, {side}×{side} with {kernel}×{kernel}, median of {rounds}"
    seconds = {name: partial(timed, run) for name, run in alternatives.items()}
    report(title, alternate(seconds, rounds), "F.conv2d")


if __name__ == "__main__":
    main()
