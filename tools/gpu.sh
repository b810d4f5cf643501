#!/bin/sh
# Fill the store of runs on a machine that has a GPU and no network.
#
#   sh tools/gpu.sh pack 3.12            where there is a network: fill wheels/ and data/ for a
#                                             GPU machine with Linux, x86-64 and that Python
#   sh tools/gpu.sh train 8-6-resnet …   on the GPU machine, in a copy of this folder with
#                                             wheels/ and data/: these pages at once, into runs/
#   sh tools/gpu.sh record 8-6-resnet …  there too: execute these pages and record them
#   sh tools/gpu.sh bench                there too: the table of the appendix
#
# The GPU machine needs Python 3.11, 3.12 or 3.13 with venv, PyTorch and torchvision as a pair.
# wheels/ brings what else requirements.txt lists for computation, d2l and notebooks; what that
# machine has already is taken from there. Afterwards copy back runs/ and record here, with
# BOOK_RUNS=runs: a run found there is not trained again, if the versions of PyTorch in the names
# of its files and here agree. One GPU has room for several pages: a run leaves most of it idle.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
needed() {  # for computation and notebooks: no tests, nothing of the site but what reads pages
    sed -e '/^# tests/,$d' -e '/^-r/d' -e '/^torch/d' -e '/^lightning/d' -e 's/#.*//' -e '/^ *$/d' requirements.txt
    sed -n -e 's/#.*//' -e '/^\(jupytext\|nbformat\|nbclient\|ipykernel\)==/p' requirements-site.txt
    printf '%s\n' fsspec lightning-utilities
}
# without what they ask for: PyTorch in gigabytes, and pins that no longer install
alone() { grep '^lightning-fabric==' requirements.txt; sed -n 's/^D2L *:= *//p' Makefile; }
export BOOK_DATA="${BOOK_DATA:-$PWD/data}" BOOK_PROFILE="${BOOK_PROFILE:-full}"
export BOOK_RUNS="${BOOK_RUNS:-$PWD/runs}" PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

case "${1:-}" in
pack)
    version=${2:-3.12}
    platforms='--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64'
    needed | "$PYTHON" -m pip download --quiet --dest wheels --only-binary :all: \
        --python-version "$version" $platforms --requirement /dev/stdin
    alone | "$PYTHON" -m pip download --quiet --dest wheels --no-deps --only-binary :all: \
        --python-version "$version" --requirement /dev/stdin
    "$PYTHON" -c 'from helpers.data import data_root, download; download(data_root() / "FashionMNIST" / "raw")'
    ;;
train | record | bench)
    command=$1
    shift
    environment=${GPU_ENVIRONMENT:-.venv-gpu}
    [ -x "$environment/bin/python" ] || "$PYTHON" -m venv --system-site-packages "$environment"
    python=$environment/bin/python
    "$python" -c 'import torch, torchvision' ||
        { echo "gpu.sh: $PYTHON has no PyTorch with torchvision: name another one, PYTHON=…" >&2; exit 1; }
    needed | sed 's/==.*//' | "$python" -m pip install --quiet --no-index --find-links wheels --requirement /dev/stdin
    alone | "$python" -m pip install --quiet --no-index --find-links wheels --no-deps --requirement /dev/stdin
    case $command in
    bench) exec "$python" -m benchmarks "${@:-training}" ;;
    record)
        "$python" -m ipykernel install --sys-prefix --name python3 >/dev/null
        exec "$python" -m tools.record "$@"
        ;;
    esac
    for page in "$@"; do OMP_NUM_THREADS=1 "$python" -m tools.train "$page" & done
    wait
    ;;
*)
    echo "gpu.sh: say pack, train, record or bench; the first lines of this file tell how" >&2
    exit 2
    ;;
esac
