"""Make the font that formulas are drawn with: STIX Two Math, cut to the ranges that a book needs.

    python -m tools.font

Run it when a formula needs a character outside `RANGES` (a test of the site draws every formula
with the complete font as well, and says which ones differ) or when ziamath brings a newer font.
What grows with a formula (roots, brackets, sums) and what shrinks in an exponent comes along.
Needs brotli beside the book's requirements.
"""

from importlib.util import find_spec
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font, save_font

from tools.pages import ROOT

FONT = ROOT / "_static" / "fonts" / "STIXTwoMath.woff2"
RANGES = {
    "Latin": "20-7E A0 AC B0 B1 B7 D7 F7 2C6 2C7 2D8-2DD",
    "Greek": "393-3C9 3D1 3D5 3D6 3F0 3F1 3F5",
    "punctuation, primes": "2010-2016 2018-201D 2020-2022 2026 2032-2034 2061-2064 FE00",
    "letters of their own": "2102 210A-2113 2115 2118 211A-211D 2124 212C 212F-2131 2133 2134",
    "arrows": "2190-2199 21A6 21A9 21AA 21BB 21D0-21D5 27F5-27FC",
    "operators": "2200-2238 223C-223F 2243-224B 2260-2292 2295-22A5 22C0-22C6 22EE-22F1",
    "brackets, braces": "2308-230B 239B-23B4 23DC-23E1 27E6-27EB",
    "alphabets: bold, italic, script, doubled, sans": "1D400-1D4CF 1D538-1D56B 1D5A0-1D5D3",
    "alphabets: Greek, bold digits": "1D6A8-1D755 1D7CE-1D7D7",
}


def complete_font() -> Path:
    """STIX Two Math as it was published; ziamath carries it, and serves the book for nothing else.

    Raises:
        ModuleNotFoundError: ziamath is not installed.
    """
    package = find_spec("ziamath")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("ziamath has the font: pip install -r requirements.txt")
    return Path(package.origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"


def characters() -> set[int]:
    """All code points of `RANGES`."""
    points: set[int] = set()
    for span in " ".join(RANGES.values()).split():
        first, _, last = span.partition("-")
        points |= set(range(int(first, 16), int(last or first, 16) + 1))
    return points


def main() -> None:
    options = Options()
    options.flavor, options.hinting, options.notdef_outline = "woff2", False, True
    options.layout_features.append("ssty")  # forms for exponents and indices
    options.name_IDs = ["*"]  # names of those who made it, and the licence
    font = load_font(str(complete_font()), options)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=characters())
    subsetter.subset(font)
    FONT.parent.mkdir(parents=True, exist_ok=True)
    save_font(font, str(FONT), options)
    print(f"{FONT.relative_to(ROOT)}: {FONT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
