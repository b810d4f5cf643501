"""Section 7.3, padding and stride: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-9, 9) for _ in range(width)] for _ in range(height)]


PAIR = "not this. Height and width are two separate sums: work out each, one may be right."

PREDICT_SHAPE = Values(
    "predict-shape",
    name="sizes",
    shows=(
        "The floor is not a detail: it decides which pixels nobody reads, in b 15 of 63. And one "
        "window is there before any step is made: hence the + 1."
    ),
    parts={
        "a": Part(
            (5, 2),
            [
                ((4, 1), "you counted the steps. The window where they begin is one more."),
                ((6, 2), "a window that hangs over the end does not count: round down."),
                ((4, 2), "padding (1, 0) adds a row above *and* one below: 10 + 2 · 1 rows."),
                ((5, 3), "padding (1, 0) adds rows alone; the columns stay 8."),
                ((2, 5), "right numbers; the height comes first."),
                ((5, 1), "the height is right. The width has one step, and so two windows."),
                ((5, 4), "the height is right. The width moves with stride 3."),
                ((10, 2), "the width is right. The height moves with stride 2."),
                ((10, 4), "that is with stride 1."),
            ],
            otherwise=PAIR,
        ),
        "b": Part(
            (3, 4),
            [
                ((2, 3), "you counted the steps. The window where they begin is one more."),
                ((4, 5), "the last row and column hold half a window: round down."),
                ((4, 4), "7 rows hold three whole windows of two; a half one does not count."),
                ((4, 3), "the height comes first: 7 rows, 9 columns."),
                ((6, 8), "that is with stride 1. Stride 2 makes half as many."),
                ((3, 3), "the height is right. In the width you counted the steps, not windows."),
                ((2, 4), "the width is right. In the height you counted the steps, not windows."),
                ((3, 5), "the height is right. The last column holds half a window: round down."),
            ],
            otherwise=PAIR,
        ),
        "c": Part(
            (3, 3),
            [
                (3, "right number. Write the pair (height, width)."),
                ((2, 2), "the windows stand at 0, 3 and 6. You counted the steps between them."),
                (
                    (4, 4),
                    "the windows stand at 0, 3 and 6; the next one, at 9, has left the image.",
                ),
                ((8, 8), "a kernel of 1 keeps the size only with stride 1."),
            ],
            otherwise=PAIR,
        ),
        "d": Part(
            (4, 4),
            [
                (4, "right number. Write the pair (height, width)."),
                (
                    (3, 3),
                    "either the padding was counted on one side only (8 + 1), or the first window "
                    "was left out.",
                ),
                ((2, 2), "without padding it would be 3; padding never takes windows away."),
                ((5, 5), "8 + 2 − 4 = 6 cells are left for steps of 2. That is three steps."),
            ],
            otherwise=PAIR,
        ),
        "e": Part(
            (112, 112),
            [
                (112, "right number. Write the pair (height, width)."),
                (
                    (111, 111),
                    "either the padding was counted on one side only, or the first window was "
                    "left out.",
                ),
                ((113, 113), "223 is odd: half a step is none. Round down before you add 1."),
                ((109, 109), "there is padding here: 224 + 2 · 3 cells."),
                ((111.5, 111.5), "a map has no half pixels: round down, then add 1."),
                ((112.5, 112.5), "a map has no half pixels: round down."),
                ((1, 1, 112, 112), "right; leave batch and channels out."),
            ],
            otherwise=PAIR,
        ),
        "f": Part(
            (3, 3),
            [
                (
                    3,
                    "right number. Write the pair (height, width).",
                ),
                (
                    (4, 4),
                    "the gaps belong to the window. A dilated kernel of 3 covers more than 3.",
                ),
                (
                    (2, 2),
                    "three cells have two gaps, not three: the window covers 5 cells, not 6. (Or "
                    "the first window was left out.)",
                ),
                ((5, 5), "that is with stride 1."),
            ],
            otherwise=PAIR,
        ),
        "g": Part(
            15,
            [
                (
                    16,
                    "7 + 9 counts the corner twice: it lies in the last row and the last column.",
                ),
                (14, "one too few. Is the corner among them?"),
                (2, "one row and one column are unread. How many pixels is that?"),
                (48, "these are the pixels that are read."),
                (63, "these are all pixels. The windows of b do read most of them."),
                (0, "stride 2 and kernel 2 leave no gaps, but look at the end of each row."),
                (7, "the last column alone. Is there an unread row as well?"),
                (9, "the last row alone. Is there an unread column as well?"),
            ],
            otherwise="the windows of b cover how many rows, how many columns? Count what is left.",
        ),
    },
)

DARK_FRAME = Code(
    "dark-frame",
    name="mean_inside",
    shows=(
        "White stays white up to the border. You divide by what was really read; this is what "
        "count_include_pad=False does in average pooling."
    ),
    cases=[
        ("mean_inside(X, 3)", {"X": [[1, 1], [1, 1], [1, 1]]}),
        ("mean_inside(X, 3)", {"X": [[8, 0, 4]]}),
        ("mean_inside(X, 3)", {"X": [[0, 6], [12, 0], [0, -3]]}),
        ("mean_inside(X, 1)", {"X": [[1, 0], [5, 7]]}),
        ("mean_inside(X, 5)", {"X": [[1, 2, 3], [4, 5, 7]]}),
        ("mean_inside(X, 3)", {"X": [[1, 2, 3, 4], [0, 0, 0, 8], [9, 5, 0, 1]]}),
        ("mean_inside(X, 5)", {"X": [[3], [1], [0], [2], [4], [9], [7]]}),
    ],
    mistakes=[
        Mistake(
            "The frame is still dark",
            "You divide by k² everywhere, but a window in a corner holds fewer pixels than that.",
            {"return total / count": "return total / k**2"},
        ),
        Mistake(
            "A black pixel is not a missing one",
            "You count the cells that are not 0. A pixel of value 0 lies inside and counts too.",
            {"torch.ones_like(X)[None": "(X != 0).to(X.dtype)[None"},
        ),
        Mistake(
            "The border has gone",
            "You took the windows that lie wholly inside. The output should be as large as X.",
            {
                "total = F.conv2d(X[None, None], ones, padding=k // 2)": "total = F.conv2d(X[None, "
                "None], ones)",
                "count = F.conv2d(torch.ones_like(X)[None, None], ones, padding=k // 2)": "count = "
                "F.conv2d(torch.ones_like(X)[None, None], ones)",
            },
        ),
        Mistake(
            "Invented pixels are in the mean",
            "You continued the image with its last pixels, so these weigh more than once. Cells "
            "outside should not count at all.",
            """
def mean_inside(X, k):
    padded = F.pad(X[None, None], (k // 2,) * 4, mode="replicate")
    return F.avg_pool2d(padded, k, 1)[0, 0]
""",
        ),
        Mistake(
            "A window that begins before the image",
            "A negative index counts from the end in Python, so the slice is empty or wrong. Begin "
            "it at max(i − k // 2, 0).",
            """
def mean_inside(X, k):
    Y, p = torch.zeros(X.shape), k // 2
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Y[i, j] = X[i - p : i + p + 1, j - p : j + p + 1].mean()
    return Y
""",
        ),
        Mistake(
            "The last row and column of the window are missing",
            "A slice ends before its second number: let it end at i + k // 2 + 1.",
            """
def mean_inside(X, k):
    Y, p = torch.zeros(X.shape), k // 2
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Y[i, j] = X[max(i - p, 0) : i + p, max(j - p, 0) : j + p].mean()
    return Y
""",
        ),
        Mistake(
            "The windows lie side by side",
            "Pooling moves by k cells unless you say stride=1. Every pixel needs a window.",
            """
def mean_inside(X, k):
    return F.avg_pool2d(X[None], k, padding=k // 2, count_include_pad=False)[0]
""",
        ),
        Mistake(
            "Two dimensions too many",
            "Right values, but batch and channel still stand in front: take [0, 0] of the result.",
            """
def mean_inside(X, k):
    return F.avg_pool2d(X[None, None], k, 1, k // 2, count_include_pad=False)
""",
        ),
        Mistake(
            "The image is taken for a square",
            "`use_count` counts for n×n pixels. X may have other numbers of rows and of columns.",
            """
def mean_inside(X, k):
    total = F.conv2d(X[None, None], torch.ones(1, 1, k, k), padding=k // 2)[0, 0]
    return total / use_count(X.shape[0], k, k // 2)
""",
        ),
        Mistake(
            "This is the sum",
            "The number of pixels by which to divide is missing.",
            {"return total / count": "return total"},
        ),
    ],
    second="""
def mean_inside(X, k):
    n_h, n_w = X.shape
    half, rows = k // 2, []
    for i in range(n_h):
        window = X[max(i - half, 0) : i + half + 1]
        rows.append([float(window[:, max(j - half, 0) : j + half + 1].mean()) for j in range(n_w)])
    return rows
""",
    draw=lambda random: (
        f"mean_inside(X, {random.choice([1, 3, 5])})",
        {"X": matrix(random, random.randint(1, 5), random.randint(1, 5))},
    ),
)

SLICES = """
def mirror(X, p, repeat=False):
    first = 0 if repeat else 1
    for _ in range(2):
        n = X.shape[0]
        before = X[first : first + p].flip(0)
        after = X[max(n - first - p, 0) : n - first].flip(0)
        X = torch.cat([before, X, after]).T
    return X
"""

SHORT = SLICES.replace("max(n - first - p, 0)", "n - first - p")
NO_TEST = (
    "Here p is too large for the smaller side: one row, for example, has no other row to show. A "
    "slice beyond the end is merely shorter, and says nothing. Test p first, by the smaller side."
)
ONE_LIMIT = (
    "Your limit for p is right with `repeat`. Without it the mirror stands on the last cell, and "
    "one cell fewer is left to show: of one row none."
)
TEST = "    if p > min(X.shape):\n        raise ValueError\n    for _ in range(2):"

MIRROR = Code(
    "mirror",
    name="mirror",
    shows=(
        "The mirror that stands on the last cell can show n − 1 others, the one behind it n. "
        "Neither invents a value: a constant image stays constant."
    ),
    cases=[
        ("mirror(X, 1)", {"X": [[1, 2, 3], [4, 5, 6]]}),
        ("mirror(X, 0)", {"X": [[1, 2]]}),
        ("mirror(X, 1, repeat=True)", {"X": [[1, 2], [3, 4], [5, 6]]}),
        ("mirror(X, 1, repeat=True)", {"X": [[1, 2, 3]]}),
        ("mirror(X, 2)[2]", {"X": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 8, 7, 5]]}),
        ("mirror(X, 2, repeat=True)[2]", {"X": [[1, 2, 3], [4, 5, 7]]}),
        ("mirror(X, 1)", {"X": [[1, 2, 3]]}),
        ("mirror(X, 2)", {"X": [[1, 2], [3, 4], [5, 6]]}),
        ("mirror(X, 2)", {"X": [[1, 2, 3], [4, 5, 7]]}),
        ("mirror(X, 3, repeat=True)", {"X": [[1, 2], [3, 4], [5, 6]]}),
        ("mirror(X, 3, repeat=True)[0]", {"X": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 8, 7, 5]]}),
        ("mirror(X, 2)", {"X": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 8, 7, 5]]}),
    ],
    mistakes=[
        Mistake(
            "The last cell shows twice",
            "Without `repeat` the mirror stands on the last cell: the first cell that you see in "
            "it is the one before.",
            {"first = 0 if repeat else 1": "first = 0"},
        ),
        Mistake(
            "`repeat` changes nothing",
            "With repeat=True the mirror stands behind the last cell, which then shows twice.",
            {"first = 0 if repeat else 1": "first = 1"},
        ),
        Mistake(
            "The two mirrors are exchanged",
            "With repeat=True the last cell shows twice, without it once.",
            {"0 if repeat else 1": "1 if repeat else 0"},
        ),
        Mistake(
            "Copied, but not turned round",
            "A mirror reverses the order: what lies nearest to the border shows nearest to it.",
            SLICES.replace(".flip(0)", ""),
        ),
        Mistake(
            "The last cell is repeated again and again",
            "That is `replicate`. A mirror goes back into the image, one cell further at each "
            "step.",
            """
def mirror(X, p, repeat=False):
    return F.pad(X[None, None], (p,) * 4, mode="replicate")[0, 0]
""",
        ),
        Mistake(
            "It continues at the other end",
            "That is `circular`. A mirror shows what lies beside the border, not the far end.",
            """
def mirror(X, p, repeat=False):
    rows, columns = (torch.arange(-p, n + p) % n for n in X.shape)
    return X[rows][:, columns]
""",
        ),
        Mistake(
            "One limit for both mirrors",
            ONE_LIMIT,
            SLICES.replace("    for _ in range(2):", TEST),
        ),
        Mistake(
            "One limit for two mirrors",
            ONE_LIMIT,
            SHORT.replace("    for _ in range(2):", TEST),
        ),
        Mistake(
            "Too large a p passes in silence",
            NO_TEST,
            SLICES,
        ),
        Mistake(
            "Too large a p gives something else",
            NO_TEST,
            SHORT,
        ),
        Mistake(
            "A p that is allowed is refused",
            "With repeat=True the mirror stands behind the last cell and can show all n of them.",
            {
                "largest = min(X.shape) - first": "largest = min(X.shape) - 1",
                "<= min(X.shape) - first": "<= min(X.shape) - 1",
            },
        ),
        Mistake(
            "Columns yes, rows no",
            "Left and right are right. Above and below are missing.",
            {"X[rows][:, columns]": "X[:, columns]"},
        ),
        Mistake(
            "Columns yes, rows no, and any p",
            "Left and right are right. Above and below are missing, and so is the test of p.",
            """
def mirror(X, p, repeat=False):
    first, n = 0 if repeat else 1, X.shape[1]
    before, after = X[:, first : first + p], X[:, max(n - first - p, 0) : n - first]
    return torch.cat([before.flip(1), X, after.flip(1)], 1)
""",
        ),
        Mistake(
            "Rows yes, columns no",
            "Above and below are right. Left and right are missing.",
            {"X[rows][:, columns]": "X[rows]"},
        ),
        Mistake(
            "There are zeros at the border",
            "That is zero padding. A mirror needs no zeros: every cell outside shows one inside.",
            """
def mirror(X, p, repeat=False):
    return F.pad(X, (p,) * 4)
""",
        ),
    ],
    second="""
def mirror(X, p, repeat=False):
    if p > min(X.shape) - (not repeat):
        raise ValueError
    def cell(i, n):
        if i < 0:
            i = -i - repeat
        return i if i < n else 2 * n - 2 + repeat - i
    n_h, n_w = X.shape
    return [
        [X[cell(i, n_h), cell(j, n_w)] for j in range(-p, n_w + p)] for i in range(-p, n_h + p)
    ]
""",
    draw=lambda random: (
        f"mirror(X, {random.randint(0, 4)}, {random.choice([True, False])})",
        {"X": matrix(random, random.randint(1, 4), random.randint(1, 4))},
    ),
    without=("pad", "mirrored"),
)

STRIDE_AUDIO = Code(
    "stride-audio",
    name="alias",
    inputs="",
    shows=(
        "Stride does not remove the high tones, it renames them: what lies above r/(2s) comes back "
        "below, and the samples alone cannot tell."
    ),
    cases=[
        (f"alias({f}, {r}, {s})", {})
        for f, r, s in [
            (500, 8000, 2),
            (3000, 8000, 2),
            (2500, 8000, 2),
            (2000, 8000, 2),
            (4000, 8000, 2),
            (2900, 8000, 4),
            (3900, 8000, 5),
            (1600, 8000, 5),
            (7000, 16000, 4),
            (3000, 8000, 1),
            (0, 8000, 3),
            (440.5, 1000, 2),
            (3000, 8000, 3),
        ]
    ],
    mistakes=[
        Mistake(
            "Not folded back",
            "The remainder is right up to half of the new rate r/s. A tone above that half sounds "
            "like the one as far below the rate.",
            {"abs(f - round(f / rate) * rate)": "f % rate"},
        ),
        Mistake(
            "Always folded",
            "A tone below half of the new rate is not touched: r/s − f is right above it alone.",
            {"abs(f - round(f / rate) * rate)": "abs(rate - f)"},
        ),
        Mistake(
            "Folded once only",
            "A tone above r/s itself is first brought down by whole multiples of r/s.",
            {"abs(f - round(f / rate) * rate)": "rate - f if f > rate / 2 else f"},
        ),
        Mistake(
            "Folded once, and no more",
            "A tone above r/s itself is first brought down by whole multiples of r/s.",
            {"abs(f - round(f / rate) * rate)": "min(f, abs(rate - f))"},
        ),
        Mistake(
            "Reckoned with the old rate",
            "After the stride there are only r/s samples a second; that is where tones fold.",
            {"rate = r / s": "rate = r"},
        ),
        Mistake(
            "The tone is slowed down",
            "The samples that are kept are s times as far apart, and still as many seconds long: "
            "a low tone keeps its hertz.",
            {"abs(f - round(f / rate) * rate)": "f / s"},
        ),
        Mistake(
            "A negative frequency",
            "It sounds like the positive one: sin(−x) = −sin x. Only the distance counts.",
            {"abs(f - round(f / rate) * rate)": "f - round(f / rate) * rate"},
        ),
        Mistake(
            "Cut off at the limit",
            "Higher tones are not brought down to r/(2s), they are mirrored there.",
            {"abs(f - round(f / rate) * rate)": "min(f, rate / 2)"},
        ),
        Mistake(
            "Folded at the wrong place",
            "You mirrored at r/s. The highest tone that r/s samples a second can hold has half of "
            "that frequency, and there lies the mirror.",
            {"abs(f - round(f / rate) * rate)": "rate - f % rate"},
        ),
        Mistake(
            "The distance to the limit",
            "r/(2s) is the highest tone that is left. A tone below it stays where it is.",
            {"abs(f - round(f / rate) * rate)": "abs(rate / 2 - f)"},
        ),
        Mistake(
            "The new rate is cut to a whole number",
            "r/s need not be whole: divide with / and not with //.",
            {"rate = r / s": "rate = r // s"},
        ),
        Mistake(
            "Begun again where it should turn back",
            "You wrapped at r/(2s), as if tones began again at 0 there. They are mirrored there.",
            {"rate = r / s": "rate = r / (2 * s)", "round(f / rate)": "(f // rate)"},
        ),
    ],
    second="""
def alias(f, r, s):
    new = r / s
    rest = f % new
    return min(rest, new - rest)
""",
    draw=lambda random: (
        f"alias({random.randint(0, 400) * 10}, {random.choice([8000, 12000])}, "
        f"{random.randint(1, 6)})",
        {},
    ),
)

STRIDE_SAVES = Values(
    "stride-saves",
    name="saved",
    shows=(
        "All in one table: a 64th of the dense weights, to be learned from the same images, a "
        "ninth of the work, a larger field, and neighbours that share fewer pixels."
    ),
    parts={
        "work": Part(
            3072 / 336,
            [
                (4.0, "that is one layer. The second and third begin on maps that shrank before."),
                (64.0, "only the third layer saves that much; the first one saves 4."),
                (28.0, "not the mean of 4, 16 and 64: add up the work first, then divide."),
                (84.0, "do not add factors: add up the work, then divide."),
                (3.0, "with stride 2 *in both directions* a layer has a quarter of the outputs."),
                (12.0, "factors do not add up: add up the work, then divide."),
                (336 / 3072, "the other way round: how many times less?"),
                (2.3, "the first layer with stride 2 writes 16² values, not 32²."),
            ],
            digits=1,
            otherwise="count the output pixels of all three layers, once with each stride.",
        ),
        "weights": Part(
            64,
            [
                (4, "three strides of 2, in two directions each."),
                (8, "the side shrinks by 8. The dense layer reads an area."),
                (16, "that is the last map's number of places: 4 · 4, where there were 32 · 32."),
                (1024, "that is how many places there were. How many are left?"),
                (1 / 64, "the other way round: how many times less?"),
            ],
            otherwise="compare the number of places of the last map, with each stride.",
        ),
        "sees": Part(
            15,
            [
                (7, "that is with stride 1. With stride 2, a step in a later map is a longer one."),
                (9, "the three kernels put side by side. Go back layer by layer: 1, 3, 7, …"),
                (27, "fields do not multiply. Go back from one value, layer by layer: 1, 3, 7, …"),
                (31, "one layer too many: 1, 3, 7, 15."),
                (13, "the last of the three steps is 4 pixels long: 2 · 4 come to the field."),
                (225, "right as an area; the side was asked for."),
                (8, "that is how far apart two neighbouring values look."),
            ],
            otherwise="one value reads 3 of the map before; they read 2 · 3 + 1 of the one before.",
        ),
        "stride 1": Part(
            6 / 9,
            [
                (3 / 9, "that share is new. The correlation is the share that both have."),
                (0, "noise is independent from pixel to pixel, but these windows share pixels."),
                (1, "they are not the same numbers: three of nine pixels differ."),
                (0.5, "6 shared pixels of 9 in each window, not 6 of the 12 in both."),
                (4 / 9, "this is one step down *and* one to the right."),
            ],
            digits=2,
            otherwise="how many of its nine pixels does a window share with the next one?",
        ),
        "stride 2": Part(
            3 / 9,
            [
                (4 / 9, "not the square of 6/9. Count the shared pixels again."),
                (6 / 9, "that share is new. The correlation is the share that both have."),
                (0, "two steps on, one column of three pixels is still shared."),
                (0.2, "3 shared pixels of 9 in each window, not 3 of the 15 in both."),
                (1 / 9, "this is two steps down *and* two to the right."),
            ],
            digits=2,
            otherwise="how many of its nine pixels does a window share with the next one?",
        ),
        "stride 3": Part(
            0,
            [(1 / 9, "three steps on, windows of three do not touch any more.")],
            digits=2,
            otherwise="three steps on, how many pixels do windows of three share?",
        ),
    },
)

OTHER_FRAMEWORK = Code(
    "other-framework",
    name="same_padding",
    inputs="",
    shows=(
        "The total depends on the size of the image. Compare your pairs with padding=1, which is "
        "always (1, 1): equal shapes prove nothing."
    ),
    cases=[
        (f"same_padding({n}, {k}, {s})", {})
        for n, k, s in [
            (8, 3, 2),
            (7, 3, 2),
            (8, 4, 1),
            (7, 5, 1),
            (10, 1, 3),
            (9, 2, 3),
            (5, 7, 2),
            (224, 7, 2),
            (6, 3, 4),
            (7, 1, 4),
            (4, 1, 1),
        ]
    ],
    mistakes=[
        Mistake(
            "The odd cell stands on the wrong side",
            "TensorFlow adds it after the image: to the right and below.",
            {"total // 2, total - total // 2": "total - total // 2, total // 2"},
        ),
        Mistake(
            "The odd cell is lost",
            "Both sides got the half, rounded down. Their sum must be the total.",
            {"total // 2, total - total // 2": "total // 2, total // 2"},
        ),
        Mistake(
            "One cell too many",
            "Both sides got the half, rounded up. An odd total cannot be shared evenly.",
            {"total // 2, total - total // 2": "-(-total // 2), -(-total // 2)"},
        ),
        Mistake(
            "A negative padding",
            "Where the stride is larger than the kernel the image can be too long already. Then "
            "nothing is added.",
            {"max((windows - 1) * s + k - n, 0)": "(windows - 1) * s + k - n"},
        ),
        Mistake(
            "The padding of PyTorch",
            "k // 2 on both sides does not depend on n. Add only what the last window still needs.",
            {"total // 2, total - total // 2": "k // 2, k // 2"},
        ),
        Mistake(
            "One padding for all sizes",
            "That is PyTorch's padding, (k − 1) // 2 on both sides: it does not depend on n. This "
            "one does.",
            {"total // 2, total - total // 2": "(k - 1) // 2, (k - 1) // 2"},
        ),
        Mistake(
            "The padding of stride 1",
            "k − 1 cells keep the size at stride 1. With a larger stride the last window starts "
            "elsewhere, and fewer cells may do.",
            {"max((windows - 1) * s + k - n, 0)": "k - 1"},
        ),
        Mistake(
            "This keeps the size",
            "That many cells give n values. With stride s only n/s of them are wanted, rounded up.",
            {"max((windows - 1) * s + k - n, 0)": "max((n - 1) * s + k - n, 0)"},
        ),
        Mistake(
            "k − s is not always the total",
            "It is where s divides n. Elsewhere the last window starts nearer to the end: where?",
            {"max((windows - 1) * s + k - n, 0)": "max(k - s, 0)"},
        ),
        Mistake(
            "k − s alone is not the total",
            "It is where s divides n and k ≥ s. Elsewhere the last window starts nearer to the "
            "end: where?",
            {"max((windows - 1) * s + k - n, 0)": "k - s"},
        ),
        Mistake(
            "One window is missing",
            "n/s is rounded up: a rest at the end gets a window of its own.",
            {"math.ceil(n / s)": "(n // s)"},
        ),
        Mistake(
            "One window too many",
            "n/s is rounded up; n // s + 1 adds one even where s divides n.",
            {"math.ceil(n / s)": "n // s + 1"},
        ),
        Mistake(
            "Half a cell",
            "Cells cannot be split: use //, and give the odd one to the side after.",
            {"total // 2, total - total // 2": "total / 2, total / 2"},
        ),
        Mistake(
            "A step too many",
            "m windows are m − 1 steps apart, from the first to the last.",
            {"(windows - 1) * s": "windows * s"},
        ),
        Mistake(
            "The total alone",
            "It is right. Now share it between the two sides, the odd cell after the image.",
            {"total // 2, total - total // 2": "total"},
        ),
    ],
    second="""
def same_padding(n, k, s):
    added = 0
    while n + added < k or (n + added - k) // s + 1 < (n + s - 1) // s:
        added += 1
    return [added // 2, (added + 1) // 2]
""",
    draw=lambda random: (
        f"same_padding({random.randint(1, 30)}, {random.randint(1, 9)}, {random.randint(1, 6)})",
        {},
    ),
)

HALF_STRIDE = Code(
    "half-stride",
    name="transposed2d",
    shows=(
        "Each value writes one kernel, and overlaps add up. Now the two guesses: is it the "
        "gradient of strided_corr2d, and does it undo it?"
    ),
    cases=[
        ("transposed2d(Y, K)", {"Y": [[1, 2]], "K": [[1, 10, 100]]}),
        ("transposed2d(Y, K)", {"Y": [[1], [2]], "K": [[1, 10], [3, 5]]}),
        ("transposed2d(Y, K, stride=2)", {"Y": [[1, 2]], "K": [[1, 10, 100]]}),
        ("transposed2d(Y, K, stride=3)", {"Y": [[1, 2]], "K": [[5], [7]]}),
        (
            "transposed2d(Y, K, padding=1)",
            {"Y": [[1, 2]], "K": [[1, 2, 3], [4, 10, 5], [6, 7, 8]]},
        ),
        ("transposed2d(Y, K, 1, 2)", {"Y": [[1, 2, 3], [4, 5, 6]], "K": [[1, 2], [3, 4], [5, 6]]}),
        ("transposed2d(Y, K, 0, 2)", {"Y": [[1, 2], [-3, 4]], "K": [[1, 2, 3], [4, 5, 6]]}),
        ("transposed2d(Y, K, 2, 3)", {"Y": [[1, 2], [3, 4]], "K": [[1, 2, 3, 4], [5, 6, 7, 8]]}),
    ],
    mistakes=[
        Mistake(
            "Overwritten where it should add up",
            "Where two kernels overlap, your last one wipes out the one before. Use += in place "
            "of =.",
            {"] += Y[i, j] * K": "] = Y[i, j] * K"},
        ),
        Mistake(
            "The kernel is upside down",
            "Your kernel is turned by 180°. Each value writes K as it stands.",
            {"+= Y[i, j] * K": "+= Y[i, j] * K.flip(0, 1)"},
        ),
        Mistake(
            "The kernel is transposed",
            "The operator's name means the matrix of the whole layer, not K. Each value writes K "
            "as it stands.",
            {"Y.shape, K.shape": "Y.shape, K.T.shape", "* K\n": "* K.T\n"},
        ),
        Mistake(
            "The stride is ignored",
            "This is the result for stride 1. One row down in Y means `stride` rows down in the "
            "output.",
            {"full = Y.new_zeros(": "stride = 1\n    full = Y.new_zeros("},
        ),
        Mistake(
            "The stride makes room, but is not used to write",
            "The size is right. The value in row i writes from row i · stride on, and likewise in "
            "its column.",
            {"i * stride, j * stride": "i, j"},
        ),
        Mistake(
            "m · stride cells are not the size",
            "Between m values there are m − 1 steps, and the last kernel needs k cells: "
            "(m − 1) · stride + k.",
            {
                "full = Y.new_zeros((m_h - 1) * stride + k_h, (m_w - 1) * stride + k_w)": "full = "
                "Y.new_zeros(m_h * stride, m_w * stride)"
            },
        ),
        Mistake(
            "Nothing is cut off",
            "This is the result without padding. Here padding takes cells away, on all four sides.",
            {"return full[padding:height - padding, padding:width - padding]": "return full"},
        ),
        Mistake(
            "Padding adds cells",
            "In corr2d padding makes the output larger. Here all runs backwards: it cuts off.",
            {
                "return full[padding:height - padding, padding:width - padding]": "return "
                "F.pad(full, (padding,) * 4)"
            },
        ),
        Mistake(
            "Cut on two sides only",
            "Padding is per side: the right and the lower margin go as well.",
            {"padding:height - padding, padding:width - padding": "padding:, padding:"},
        ),
        Mistake(
            "Padding and stride are exchanged",
            "The order of the arguments is padding, then stride.",
            {"padding: int=0, stride: int=1": "stride: int=1, padding: int=0"},
        ),
        Mistake(
            "Kernels side by side",
            "You wrote the kernels side by side, k cells apart. They begin `stride` cells apart, "
            "and may overlap or leave gaps.",
            {
                "full = Y.new_zeros((m_h - 1) * stride + k_h, (m_w - 1) * stride + k_w)": "full = "
                "Y.new_zeros(m_h * k_h, m_w * k_w)",
                "i * stride, j * stride": "i * k_h, j * k_w",
            },
        ),
        Mistake(
            "This is corr2d",
            "You read windows and add them up. Turn it round: each value of Y writes a kernel.",
            """
def transposed2d(Y, K, padding=0, stride=1):
    return F.conv2d(Y[None, None], K[None, None], padding=padding, stride=stride)[0, 0]
""",
        ),
        Mistake(
            "Nothing is left where padding is 0",
            "A slice that ends at −0 ends at 0 and is empty. Let it end at the size minus padding.",
            {
                "padding:height - padding, padding:width - padding": "padding:-padding, "
                "padding:-padding"
            },
        ),
        Mistake(
            "The output is a row and a column too large",
            "Between m values there are m − 1 steps: (m − 1) · stride + k cells.",
            {"(m_h - 1) * stride + k_h, (m_w - 1) * stride": "m_h * stride + k_h, m_w * stride"},
        ),
    ],
    second="""
def transposed2d(Y, K, padding=0, stride=1):
    (m_h, m_w), (k_h, k_w) = Y.shape, K.shape
    up = Y.new_zeros((m_h - 1) * stride + 1, (m_w - 1) * stride + 1)
    up[::stride, ::stride] = Y
    room = F.pad(up, (k_w - 1, k_w - 1, k_h - 1, k_h - 1))
    full = F.conv2d(room[None, None], K.flip(0, 1)[None, None])[0, 0]
    return full[padding : full.shape[0] - padding, padding : full.shape[1] - padding]
""",
    draw=lambda random: (
        f"transposed2d(Y, K, {random.randint(0, 1)}, {random.randint(1, 3)})",
        {
            "Y": matrix(random, random.randint(1, 3), random.randint(1, 3)),
            "K": matrix(random, random.randint(1, 4), random.randint(1, 4)),
        },
    ),
    without=("conv_transpose2d", "ConvTranspose2d", "fold", "Fold"),
)

CHECKERBOARD = Values(
    "checkerboard",
    name="board",
    shows=(
        "The stride must divide the kernel. And a stride of one half gives back the size, not the "
        "values: what was thrown away has to be learned anew."
    ),
    parts={
        "equal": Part(
            {3, 6, 9},
            [
                ({4, 6, 8}, "even numbers are the rule for stride 2. What is it for 3?"),
                ({3, 5, 7, 9}, "odd or even does not matter. Count the kernels over one cell."),
                (set(range(3, 10)), "every cell is covered from k = 3 on, but not equally often."),
                ({3}, "right for 3, where no kernels overlap. Some larger ones overlap evenly."),
                ({6, 9}, "also with k = 3: kernels that just touch cover every cell once."),
                ({3, 6}, "9 as well."),
                ({4, 5, 7, 8}, "these are the ones that leave a pattern."),
                (set(range(4, 10)), "overlap alone does not help: it must be the same everywhere."),
            ],
            otherwise="put kernels of k cells at 0, 3, 6, 9 … and count them over 9, 10 and 11.",
        ),
        "helps": Part(
            "b",
            [
                ("a", "for that a map is made smaller: strides above 1 widen the field."),
                (
                    "c",
                    "the shape comes back, the values do not: a quarter of the numbers cannot hold "
                    "all that was there.",
                ),
                (
                    "d",
                    "it makes more outputs from the same inputs: the later layers become dearer.",
                ),
            ],
            otherwise="write one letter: a, b, c or d.",
        ),
    },
)

EXERCISES = [
    PREDICT_SHAPE,
    DARK_FRAME,
    MIRROR,
    STRIDE_AUDIO,
    STRIDE_SAVES,
    OTHER_FRAMEWORK,
    HALF_STRIDE,
    CHECKERBOARD,
]
