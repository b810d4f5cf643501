"""Compare two texts: words exactly, numbers within a tolerance, embedded pictures as pictures.

* White space counts, except for runs of spaces beside a number: numpy and torch align their
  columns by sign and width.
* Integers (``61706``, ``3.``, ``1e-08``: no digit after a point) are equal, but for a zero's sign.
* Names with digits (``2.1.0``, ``10.0.0.1``, ``25.11.2026``, ``conv2_10``) are words.
* Two ways of writing one value (``2.1`` and ``2.10``) differ: they can be names too.
* Other printed numbers (``PRINTED``) differ by at most 1e-4 of the recorded one; or both are at
  most 1e-6, which is zero for float32 at scale one; or both show the same number of decimals, at
  least three, and at least four significant digits, and differ by one in the last place
  (0.12344999 and 0.12345001 print as 0.1234 and 0.1235). A wrong third digit fails.
* Coordinates in an SVG (``DRAWN``) differ by at most 0.02 units plus 1e-4 of the recorded one.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass

from tests.regression.pictures import compare_pictures

NUMBER = re.compile(
    r"((?<![\w.#])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\.?\d)"
    r"|(?<![\w.])[-+]?(?:nan|NaN|inf)(?!\w))"
)
COORDINATE = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
DATA_URI = re.compile(r"data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=\s]+)")
SVG_URI = re.compile(r'data:image/svg\+xml(;base64)?,([^"]+)')
_PARTS = re.compile(r"([-+]?)(\d*)\.(\d+)(?:[eE]([-+]?\d+))?")


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers may be apart.

    Attributes:
        relative: Allowed difference as a fraction of the recorded number.
        absolute: Allowed difference, added to the relative one.
        zero: Two numbers no larger than this are both zero.
        printed: Integers and ways of writing are exact, the last digit may be off by one.
    """

    relative: float
    absolute: float = 0.0
    zero: float = 0.0
    printed: bool = True


PRINTED = Tolerance(relative=1e-4, zero=1e-6)
DRAWN = Tolerance(relative=1e-4, absolute=0.02, printed=False)


def compare_text(
    recorded: str, new: str, tolerance: Tolerance = PRINTED, pattern: re.Pattern[str] = NUMBER
) -> str | None:
    """Compare two texts, their numbers within a tolerance, their embedded pictures as pictures.

    Returns:
        None if they are equal, else the first difference in words.
    """
    if recorded == new:
        return None
    pictures = [DATA_URI.findall(text) for text in (recorded, new)]
    if len(pictures[0]) == len(pictures[1]):
        for old, fresh in zip(*pictures, strict=True):
            if difference := compare_pictures(base64.b64decode(old), base64.b64decode(fresh)):
                return f"embedded picture: {difference}"
        recorded, new = (DATA_URI.sub("picture", text) for text in (recorded, new))
    old_tokens, new_tokens = pattern.split(recorded), pattern.split(new)
    old_at = new_at = 0
    for index, (old, fresh) in enumerate(zip(old_tokens, new_tokens, strict=False)):
        if index % 2:
            difference = _number_difference(old, fresh, tolerance)
        else:
            ends = index > 0, index + 1 < len(old_tokens)
            same = _squeezed(old, *ends) == _squeezed(fresh, index > 0, index + 1 < len(new_tokens))
            difference = None if same else "text differs"
            if difference:
                common = len(_common_prefix(old, fresh))
                old_at, new_at = old_at + common, new_at + common
        if difference:
            line = recorded.count("\n", 0, old_at) + 1
            return (
                f"line {line}: {difference}\n  recorded: {_line_at(recorded, old_at)!r}"
                f"\n  new:      {_line_at(new, new_at)!r}"
            )
        old_at, new_at = old_at + len(old), new_at + len(fresh)
    if len(old_tokens) != len(new_tokens):
        counts = f"{len(old_tokens) // 2} numbers recorded, {len(new_tokens) // 2} new"
        return (
            f"{counts}\n  recorded: {_line_at(recorded, old_at)!r}"
            f"\n  new:      {_line_at(new, new_at)!r}"
        )
    return None


def _common_prefix(a: str, b: str) -> str:
    length = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    return a[: min(len(a), len(b)) if length is None else length]


def _line_at(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    return short(text[start:].split("\n", 1)[0])


def _squeezed(text: str, after_number: bool, before_number: bool) -> str:
    """Reduce the spaces between a number and a word to one, and drop those beside a sign."""
    if after_number and (rest := text.lstrip(" ")) != text:
        text = (" " if rest[:1].isalnum() else "") + rest
    if before_number and (rest := text.rstrip(" ")) != text:
        text = rest + (" " if rest[-1:].isalnum() else "")
    return text


def _number_difference(recorded: str, new: str, tolerance: Tolerance) -> str | None:
    if recorded == new:
        return None
    a, b = float(recorded), float(new)
    if tolerance.printed and not any(re.search(r"\.(\d|[eE])", side) for side in (recorded, new)):
        same = a == b == 0 and recorded.lstrip("+-") == new.lstrip("+-")
        return None if same else f"integer {recorded} recorded, {new} new (allowed: none)"
    if tolerance.printed and ("." in recorded) != ("." in new):
        return f"number {recorded} recorded, {new} new: an integer and a fraction"
    if tolerance.printed and a == b != 0:
        return f"number {recorded} recorded, {new} new: one value written in two ways"
    allowed = tolerance.absolute + tolerance.relative * abs(a)
    if abs(a - b) <= allowed or max(abs(a), abs(b)) <= tolerance.zero:
        return None
    if tolerance.printed and _one_in_last_place(recorded, new):
        return None
    return (
        f"number {recorded} recorded, {new} new, difference {abs(a - b):.3g}, allowed {allowed:.3g}"
    )


def _one_in_last_place(recorded: str, new: str) -> bool:
    old, fresh = _PARTS.fullmatch(recorded), _PARTS.fullmatch(new)
    if old is None or fresh is None or not math.isfinite(float(recorded)):
        return False
    if len(old[3]) != len(fresh[3]) or len(old[3]) < 3 or old[4] != fresh[4]:
        return False
    a, b = (int(part[1] + part[2] + part[3]) for part in (old, fresh))
    return abs(a - b) <= 1 and min(abs(a), abs(b)) >= 1000


def short(text: str, width: int = 120) -> str:
    """Cut a text to a width, with an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"
