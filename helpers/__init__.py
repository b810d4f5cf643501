"""What the pages import: the plumbing that would only distract from operators and models."""

from importlib.util import find_spec

if find_spec("d2l") is None:
    raise ModuleNotFoundError(
        "d2l is missing, on which this book builds: pip install --no-deps d2l==1.0.3", name="d2l"
    )
