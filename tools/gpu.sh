#!/bin/sh
# Record pages at profile `full` on a machine that has a GPU and no network.
#
#   sh tools/gpu.sh pack 3.12            where there is a network: fill wheels/ and data/ for a
#                                             GPU machine with Linux, x86-64 and that Python
#   sh tools/gpu.sh record 7-6-lenet …   on the GPU machine, in a copy of this folder with
#                                             wheels/ and data/; without a page: all of them
#   sh tools/gpu.sh bench                there too: the table of the appendix
#
# The GPU machine needs Python 3.11, 3.12 or 3.13 with venv, PyTorch and torchvision as a pair.
# wheels/ brings what else requirements.txt lists for computation, d2l and notebooks; what that
# machine has already is taken from there. Afterwards copy back chapters/*/*.ipynb (benchmarks/results)
# and run `make test`. BOOK_DATA names another folder for the data, BOOK_PROFILE another profile.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
needed() { sed -e '/^# site/,$d' -e '/^torch/d' -e '/^#/d' -e '/^$/d' requirements.txt; }
export BOOK_DATA="${BOOK_DATA:-$PWD/data}" BOOK_PROFILE="${BOOK_PROFILE:-full}" PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

case "${1:-}" in
pack)
    version=${2:-3.12}
    platforms='--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64'
    needed | "$PYTHON" -m pip download --quiet --dest wheels --only-binary :all: \
        --python-version "$version" $platforms --requirement /dev/stdin
    "$PYTHON" -m pip download --quiet --dest wheels --no-deps --python-version "$version" \
        --only-binary :all: "$(sed -n 's/^D2L *:= *//p' Makefile)"
    "$PYTHON" -c 'from helpers.data import fetch, data_root; fetch(data_root())'
    ;;
record | bench)
    command=$1
    shift
    environment=${GPU_ENVIRONMENT:-.venv-gpu}
    [ -x "$environment/bin/python" ] || "$PYTHON" -m venv --system-site-packages "$environment"
    python=$environment/bin/python
    "$python" -c 'import torch, torchvision' ||
        { echo "gpu.sh: $PYTHON has no PyTorch with torchvision: name another one, PYTHON=…" >&2; exit 1; }
    needed | sed 's/==.*//' | "$python" -m pip install --quiet --no-index --find-links wheels --requirement /dev/stdin
    "$python" -m pip install --quiet --no-index --find-links wheels --no-deps d2l
    "$python" -m ipykernel install --sys-prefix --name python3 >/dev/null
    if [ "$command" = bench ]; then exec "$python" -m benchmarks "${@:-training}"; fi
    exec "$python" -m tools.record "$@"
    ;;
*)
    echo "gpu.sh: say pack, record or bench; the first lines of this file tell how" >&2
    exit 2
    ;;
esac
