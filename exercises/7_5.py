"""Section 7.5, pooling: cases, usual mistakes and second answers."""

from random import Random
from typing import Any

from exercises import Code, Mistake, Part, Values


def nested(random: Random, *shape: int) -> Any:
    """Whole numbers at random, in nested lists."""
    if not shape:
        return random.randint(-9, 9)
    return [nested(random, *shape[1:]) for _ in range(shape[0])]


POOLING_COST = Values(
    "pooling-cost",
    name="cost",
    shows=(
        "Pooling takes few operations, as a layer without weights must. How much time that is, "
        "only a clock can tell: it also reads all of its input."
    ),
    parts={
        "3×3": Part(
            8,
            [
                (9, "the first value is compared with nothing: nine values, eight comparisons."),
                (36, "not every pair. Keep the largest so far, and compare it with the next."),
                (3, "three comparisons find the largest of four values. Here are nine."),
                (4, "four comparisons find the largest of five values. Here are nine."),
            ],
        ),
        "28×28": Part(
            3528,
            [
                (4704, "four values take three comparisons, not four."),
                (14112, "the stride is 2: there are 14×14 windows in a map, not 28×28."),
                (588, "that is one map. There are six."),
                (1176, "that is the number of windows. Each takes three comparisons."),
                (882, "that is 7×7 windows. The 28×28 maps become 14×14."),
            ],
        ),
        "times": Part(
            33,
            [
                (25, "25 products an output pixel; but the two layers differ in their outputs."),
                (100, "you compared with the number of windows, not with that of comparisons."),
                (200, "the maps that the convolution makes have 28×28 pixels, and one input map."),
                (0, "the other way round: how many times as much is the convolution?"),
                (7, "a 5×5 kernel has 25 products, not 5."),
                (67, "a product and its addition are one multiply–add, not two."),
            ],
            digits=0,
            otherwise="6 · 28 · 28 · 25 products against the comparisons of the pooling.",
        ),
        "padded": Part(
            1_605_632,
            [
                (1_806_336, "nine values take eight comparisons, not nine."),
                (1_548_800, "with padding 1 a map has 56×56 windows, not 55×55."),
                (6_422_528, "the stride is 2: a map has 56×56 windows, not 112×112."),
                (25_088, "that is one map. There are 64."),
                (200_704, "that is the number of windows. Each takes eight comparisons."),
            ],
            otherwise="64 maps, times the windows of a map, times the comparisons of a window.",
        ),
    },
)

AVERAGE = Code(
    "average-convolution",
    name="average_by_convolution",
    shows=(
        "A mean is a convolution with equal weights, one group for each channel. So average "
        "pooling is linear, and a network of convolutions can compute it."
    ),
    cases=[
        ("average_by_convolution(X, (1, 2))", {"X": [[[[2, 4]]]]}),
        ("average_by_convolution(X, (1, 2))", {"X": [[[[2, 4, 6, 0]], [[1, 1, 5, 7]]]]}),
        ("average_by_convolution(X, (2, 1))", {"X": [[[[1, 2, 3], [3, 6, 9]]]]}),
        ("average_by_convolution(X, (2, 3))", {"X": [[[[1, 2, 3], [3, 6, 9]]]]}),
        ("average_by_convolution(X, (2, 2))", {"X": [[[[1, 3, 8], [5, 7, 8], [9, 9, 9]]]]}),
        (
            "average_by_convolution(X, (1, 3))",
            {"X": [[[[3, 0, 0]], [[0, 6, 3]]], [[[1, 1, 1]], [[9, 0, 0]]]]},
        ),
        ("average_by_convolution(X, (2, 1))", {"X": [[[[1], [3]], [[5], [7]], [[2], [4]]]]}),
    ],
    mistakes=[
        Mistake(
            "The channels are mixed",
            "Your kernel adds up all channels. Pooling treats each one alone: see `groups`.",
            """
def average_by_convolution(X, pool_size):
    C, (k_h, k_w) = X.shape[1], pool_size
    return F.conv2d(X, X.new_full((1, C, k_h, k_w), 1 / (k_h * k_w)), stride=pool_size)
""",
        ),
        Mistake(
            "One channel works, two do not",
            "A kernel (1, 1, k_h, k_w) reads one channel. Give each channel a kernel, so "
            "(C, 1, k_h, k_w), and a group of its own: see `groups`.",
            {"(C, 1, k_h, k_w)": "(1, 1, k_h, k_w)", ", groups=C": ""},
        ),
        Mistake(
            "All channels hold the same mean",
            "You averaged over the channels too. Pooling treats each one alone: see `groups`.",
            """
def average_by_convolution(X, pool_size):
    C, (k_h, k_w) = X.shape[1], pool_size
    K = X.new_full((C, C, k_h, k_w), 1 / (C * k_h * k_w))
    return F.conv2d(X, K, stride=pool_size)
""",
        ),
        Mistake(
            "The channels are added up",
            "Every output channel reads every input channel. With one group for each channel the "
            "kernel has one input channel: (C, 1, k_h, k_w).",
            """
def average_by_convolution(X, pool_size):
    C, (k_h, k_w) = X.shape[1], pool_size
    return F.conv2d(X, X.new_full((C, C, k_h, k_w), 1 / (k_h * k_w)), stride=pool_size)
""",
        ),
        Mistake(
            "This is the sum",
            "A mean divides by the number of values: the weights are 1 / (k_h · k_w).",
            {"1 / (k_h * k_w)": "1.0"},
        ),
        Mistake(
            "The windows overlap",
            "Windows that tile the image move by their own size: the stride is the window.",
            {", stride=pool_size": ""},
        ),
        Mistake(
            "Height and width are exchanged",
            "The height comes first, in pool_size, in the kernel and in the stride.",
            {
                "K, stride=pool_size,": "K.mT, stride=pool_size[::-1],",
            },
        ),
        Mistake(
            "The stride is the height in both directions",
            "A window may be wider than it is high: the stride is (k_h, k_w).",
            {", stride=pool_size": ", stride=pool_size[0]"},
        ),
        Mistake(
            "Divided by k_h + k_w",
            "A window has k_h · k_w values.",
            {"1 / (k_h * k_w)": "1 / (k_h + k_w)"},
        ),
        Mistake(
            "Divided by the height alone",
            "A window has k_h · k_w values, not k_h.",
            {"1 / (k_h * k_w)": "1 / k_h"},
        ),
    ],
    second="""
def average_by_convolution(X, pool_size):
    maps, area = X.flatten(0, 1)[:, None], pool_size[0] * pool_size[1]
    means = F.conv2d(maps, torch.ones(1, 1, *pool_size), stride=pool_size) / area
    return means.reshape(*X.shape[:2], *means.shape[2:])
""",
    without=(
        *("pool2d", "avg_pool2d", "AvgPool2d", "adaptive_avg_pool2d", "avg_pool1d", "avg_pool3d"),
        *("mean", "nanmean"),
    ),
    draw=lambda random: (
        f"average_by_convolution(X, ({random.randint(1, 3)}, {random.randint(1, 3)}))",
        {"X": nested(random, random.randint(1, 2), random.randint(1, 3), random.randint(3, 5), 4)},
    ),
)

NO_CONVOLUTION = Values(
    "max-no-convolution",
    name="law",
    shows=(
        "One pair of windows is enough: what breaks a law once does not obey it. No weights and no "
        "bias can mend that; it takes a nonlinearity, as in the next exercise."
    ),
    parts={
        "left": Part(
            1,
            [
                (2, "f(A + B) is the maximum of (1, 1), and f(0) that of (0, 0)."),
                (0, "the maximum of (1, 1) is 1."),
            ],
        ),
        "right": Part(
            2,
            [
                (1, "f(A) is the maximum of (1, 0), f(B) that of (0, 1); add them."),
                (0, "f(A) is the maximum of (1, 0), f(B) that of (0, 1); add them."),
            ],
        ),
        "why": Part(
            "c",
            [
                (
                    "a",
                    "with a bias this is false: f(A) + f(B) has the bias twice, f(A + B) once. The "
                    "law mends it with f(0).",
                ),
                ("b", "true, and not what is needed: it says nothing of two inputs added up."),
                ("d", "true, and max-pooling obeys it as well. It does not tell the two apart."),
            ],
            otherwise="write one letter: a, b, c or d.",
        ),
    },
)

ROWS = """
def max_from_relu(X, k):
    for _ in range(2):
        X = X[: len(X) // k * k]
        t = X[0::k]
        for r in range(1, k):
            v = X[r::k]
            t = STEP
        X = t.T
    return X
"""
CELLS = """
def max_from_relu(X, k):
    X = X[: X.shape[0] // k * k, : X.shape[1] // k * k]
    cells = [X[i::k, j::k] for i in range(k) for j in range(k)]
    t = cells[0]
    for v in cells[1:]:
        t = STEP
    return t
"""
NOT_ADDED = "ReLU(a − b) says by how much a is larger. The maximum is that, and b."
WRONG_ADDED = "If a > b the ReLU gives a − b, so b must be added to give a."

MAX_FROM_RELU = Code(
    "max-from-relu",
    name="max_from_relu",
    shows=(
        "Differences are convolutions. So a network of convolutions and ReLU can compute a "
        "maximum. Now count your ReLUs."
    ),
    cases=[
        ("max_from_relu(X, 2)", {"X": [[1, 2], [4, 3]]}),
        ("max_from_relu(X, 2)", {"X": [[-5, -3], [-4, -6]]}),
        ("max_from_relu(X, 2)", {"X": [[1, -2, 0, 7], [3, 3, 5, -1]]}),
        ("max_from_relu(X, 2)", {"X": [[9, 1], [2, 2], [3, 8], [4, 4]]}),
        ("max_from_relu(X, 3)", {"X": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}),
        ("max_from_relu(X, 3)", {"X": [[-1, -2, -3], [-9, -5, -6], [-4, -8, -7]]}),
        ("max_from_relu(X, 3)", {"X": [[1, 2, 0, 3], [4, 0, 5, 9], [0, 1, 2, 8]]}),
        ("max_from_relu(X, 1)", {"X": [[-1, 2, 3]]}),
        ("max_from_relu(X, 2)", {"X": [[5, 1, 4], [0, 3, 9], [8, 8, 8]]}),
    ],
    mistakes=[
        Mistake(
            "Nothing falls below 0",
            "A ReLU stands at the very end, or you began with 0. The maximum of negative numbers "
            "is negative.",
            """
def max_from_relu(X, k):
    return F.relu(F.max_pool2d(X[None], k)[0])
""",
        ),
        Mistake("b is not added again", NOT_ADDED, ROWS.replace("STEP", "F.relu(t - v)")),
        Mistake("b is never added", NOT_ADDED, CELLS.replace("STEP", "F.relu(t - v)")),
        Mistake("Nothing is added again", NOT_ADDED, ROWS.replace("STEP", "F.relu(v - t)")),
        Mistake("Nothing is added", NOT_ADDED, CELLS.replace("STEP", "F.relu(v - t)")),
        Mistake(
            "The wrong one is added again", WRONG_ADDED, ROWS.replace("STEP", "F.relu(t - v) + t")
        ),
        Mistake("The wrong one is added", WRONG_ADDED, CELLS.replace("STEP", "F.relu(t - v) + t")),
        Mistake("The wrong value is added", WRONG_ADDED, ROWS.replace("STEP", "F.relu(v - t) + v")),
        Mistake(
            "Each time the wrong one is added",
            WRONG_ADDED,
            CELLS.replace("STEP", "F.relu(v - t) + v"),
        ),
        Mistake(
            "This is the minimum",
            "a − ReLU(a − b) is the smaller one. Begin with b: ReLU(a − b) + b.",
            """
def max_from_relu(X, k):
    return -F.max_pool2d(-X[None], k)[0]
""",
        ),
        Mistake(
            "Only the first two of each window",
            "For k = 3 there is a third value: the maximum of two is compared with it in turn.",
            """
def max_from_relu(X, k):
    for _ in range(2):
        X = X[: len(X) // k * k]
        X = (F.relu(X[0::k] - X[1::k]) + X[1::k] if k > 1 else X).T
    return X
""",
        ),
        Mistake(
            "Every window is 2×2",
            "Right for k = 2. Let the number of rows and columns in a window be k.",
            """
def max_from_relu(X, k):
    return F.max_pool2d(X[None], 2)[0]
""",
        ),
        Mistake(
            "Rows are pooled, columns are not",
            "Do the same once more in the other direction.",
            """
def max_from_relu(X, k):
    return F.max_pool2d(X[None], (k, 1))[0]
""",
        ),
        Mistake(
            "Columns are pooled, rows are not",
            "Do the same once more in the other direction.",
            """
def max_from_relu(X, k):
    return F.max_pool2d(X[None], (1, k))[0]
""",
        ),
        Mistake(
            "Right along the rows; the columns are still to do",
            "Do the same once more in the other direction. Cut off what does not fill a window.",
            ROWS.replace("range(2)", "range(1)")
            .replace("X[: len(X) // k * k]", "X")
            .replace("t.T", "t")
            .replace("STEP", "F.relu(t - v) + v"),
        ),
        Mistake(
            "The windows overlap",
            "The windows tile the matrix: the stride is k.",
            """
def max_from_relu(X, k):
    return F.max_pool2d(X[None], k, stride=1)[0]
""",
        ),
        Mistake(
            "A window that is not whole is in",
            "Rows and columns that do not fill a window are left out, as in PyTorch.",
            """
def max_from_relu(X, k):
    return F.max_pool2d(X[None], k, ceil_mode=True)[0]
""",
        ),
    ],
    second="""
def max_from_relu(X, k):
    X = X[: X.shape[0] // k * k, : X.shape[1] // k * k]
    cells = [X[i::k, j::k] for i in range(k) for j in range(k)]
    Y = cells[0]
    for cell in cells[1:]:
        Y = F.relu(Y - cell) + F.relu(cell) - F.relu(-cell)
    return Y
""",
    without=(  # the page's own, PyTorch's, and all that chooses a value
        *("pool2d", "max_pool", "max_pool2d", "MaxPool2d", "adaptive_max_pool2d", "max_pool1d"),
        *("max_pool3d", "fractional_max_pool2d", "max", "amax", "maximum", "fmax", "nanmax"),
        *("cummax", "argmax", "aminmax", "min", "amin", "minimum", "fmin", "where", "sort"),
        *("sorted", "msort", "argsort", "topk", "kthvalue", "quantile", "clamp", "clamp_min"),
        "clip",
    ),
    draw=lambda random: (
        f"max_from_relu(X, {random.randint(1, 3)})",
        {"X": nested(random, random.randint(3, 6), random.randint(3, 6))},
    ),
)

MAX_OR_AVERAGE = Values(
    "max-or-average",
    name="better",
    shows=(
        "The mean beats noise where the feature is everywhere; the maximum does not dilute what is "
        "in one place. Which one is better is a question to the data."
    ),
    parts={
        "spread": Part(
            "mean",
            [
                (
                    "maximum",
                    "sixteen noises average out, and the feature stays. The maximum picks one.",
                )
            ],
            otherwise='write "mean" or "maximum".',
        ),
        "sparse": Part(
            "maximum",
            [("mean", "the mean divides the one strong value by 16, and keeps noise of 1/4.")],
            otherwise='write "mean" or "maximum".',
        ),
        "mean, spread": Part(
            0.9214,
            [
                (0.98, "two noisy means are compared: their difference has √2 times the noise."),
                (0.69, "the mean of 16 has a noise of 1/4, not of 1."),
                (0.64, "the mean of 16 has a noise of 1/4, not of 1."),
                (92, "as a share from 0 to 1, please: per cent divided by 100."),
                (0.5, "the feature does raise the mean, by 0.5 with noise of 1/4 in each."),
                (1.0, "not always: 0.5 is only two standard deviations of one mean."),
            ],
            digits=2,
            otherwise="0.5 over a noise of √2 / 4; look it up in the normal distribution.",
        ),
        "mean, sparse": Part(
            0.7602,
            [
                (0.84, "two noisy means are compared: their difference has √2 times the noise."),
                (1.0, "4 is divided by 16 before it is compared."),
                (0.5, "the feature still raises the mean, by 4/16."),
                (0.57, "the mean of 16 has a noise of 1/4, not of 1."),
                (76, "as a share from 0 to 1, please: per cent divided by 100."),
            ],
            digits=2,
            otherwise="4/16 over a noise of √2 / 4; look it up in the normal distribution.",
        ),
    },
)

MINIMUM = Code(
    "minimum-pooling",
    name="min_pool2d",
    shows=(
        "PyTorch has no layer for it, and needs none. With which value does yours pad, and what "
        "does a ReLU in front of it leave to find?"
    ),
    cases=[
        ("min_pool2d(X, 2)", {"X": [[1, 2], [4, 3]]}),
        ("min_pool2d(X, 2)", {"X": [[5, -2, 0, 7], [3, 3, 5, -1]]}),
        ("min_pool2d(X, 2, 1)", {"X": [[5, 2, 8], [3, 9, 4]]}),
        ("min_pool2d(X, 3, 1, 1)", {"X": [[5, 2, 8]]}),
        (
            "min_pool2d(X, 3, stride=2, padding=1)",
            {"X": [[5, 2, 8, 6], [3, 9, 4, 7], [6, 6, 9, 9]]},
        ),
        ("min_pool2d(X, 2, padding=1)", {"X": [[-5, -2], [-3, -9]]}),
        ("min_pool2d(X, 1)", {"X": [[5], [-2], [0]]}),
    ],
    mistakes=[
        Mistake(
            "There are zeros at the border",
            "Padded with 0, a border of positive numbers becomes 0. Nothing at the border may win: "
            "let `F.max_pool2d` pad −X.",
            """
def min_pool2d(X, k, stride=None, padding=0):
    return -F.max_pool2d(F.pad(-X[None], (padding,) * 4), k, stride)[0]
""",
        ),
        Mistake(
            "This is the maximum",
            "Turn the signs before, so that the smallest becomes the largest, and back after.",
            {"-F.max_pool2d(-X[None]": "F.max_pool2d(X[None]"},
        ),
        Mistake(
            "The sign is not turned back",
            "The largest of −X is minus the smallest of X.",
            {"-F.max_pool2d(-X[None]": "F.max_pool2d(-X[None]"},
        ),
        Mistake(
            "One dimension too many",
            "Right values, but the channel still stands in front: take [0] of the result.",
            {"padding)[0]": "padding)"},
        ),
        Mistake(
            "The largest with its sign turned",
            "Turn the signs before the pooling, too.",
            {"-F.max_pool2d(-X[None]": "-F.max_pool2d(X[None]"},
        ),
        Mistake(
            "The stride is ignored",
            "Without a stride the windows tile; with one they move by it.",
            {"k, stride, padding": "k, None, padding"},
        ),
        Mistake(
            "The padding is ignored",
            "Padding gives the border windows of its own.",
            {"k, stride, padding": "k, stride"},
        ),
        Mistake(
            "Stride and padding are ignored",
            "Pass both on to `F.max_pool2d`: they say where the windows stand.",
            {"k, stride, padding": "k"},
        ),
        Mistake(
            "Padding and stride are exchanged",
            "The order is stride, then padding, as in max-pooling.",
            """
def min_pool2d(X, k, padding=0, stride=None):
    return -F.max_pool2d(-X[None], k, stride, padding)[0]
""",
        ),
        Mistake(
            "Without a stride it moves by 1",
            "The default of pooling is not that of a convolution: the stride is the window.",
            {"k, stride, padding": "k, stride or 1, padding"},
        ),
    ],
    second="""
def min_pool2d(X, k, stride=None, padding=0):
    s = k if stride is None else stride
    padded = F.pad(X, (padding,) * 4, value=float("inf"))
    return padded.unfold(0, k, s).unfold(1, k, s).amin((-1, -2)).double().numpy()
""",
    draw=lambda random: (
        f"min_pool2d(X, {(k := random.randint(2, 3))}, {random.choice([None, 1, 2])}, "
        f"{random.randint(0, k // 2)})",
        {"X": nested(random, random.randint(3, 5), random.randint(3, 5))},
    ),
)

SOFTMAX = Code(
    "softmax-pooling",
    name="softmax_pool2d",
    shows=(
        "Now the paper: try β = 0 and a large β, and raise the smallest value of a window a little."
    ),
    cases=[
        ("softmax_pool2d(X, 2, 1.0)", {"X": [[1, 2], [4, 3]]}),
        ("softmax_pool2d(X, 2, 0.0)", {"X": [[1, 2], [4, 3]]}),
        ("softmax_pool2d(X, 2, 100.0)", {"X": [[1, 2], [4, 3]]}),
        ("softmax_pool2d(X, 2, 1.0)", {"X": [[0, 5, 1, 1], [5, 5, 1, 1]]}),
        ("softmax_pool2d(X, 2, 0.5)", {"X": [[-3, 2], [0, 1], [9, 7], [8, 8]]}),
        ("softmax_pool2d(X, 1, 1.0)", {"X": [[3, -2]]}),
        ("softmax_pool2d(X, 3, 0.5)", {"X": [[1, 2, 0], [0, 3, 1], [2, 2, 4]]}),
        ("softmax_pool2d(X, 2, 1.0)", {"X": [[0, 1, 200, 201], [2, 3, 202, 203]]}),
    ],
    mistakes=[
        Mistake(
            "The weights of a window do not sum to 1",
            "The softmax runs over the whole matrix. Take it over each window alone.",
            """
def softmax_pool2d(X, k, beta):
    q = torch.softmax(beta * X.flatten(), 0).reshape(X.shape)
    return k * k * F.avg_pool2d((q * X)[None], k)[0]
""",
        ),
        Mistake(
            "The softmax runs along rows only",
            "A window is one list of k · k values: flatten it first.",
            """
def softmax_pool2d(X, k, beta):
    A = X.unfold(0, k, k).unfold(1, k, k)
    return (torch.softmax(beta * A, -1) * A).sum((-1, -2))
""",
        ),
        Mistake(
            "The softmax runs along columns only",
            "A window is one list of k · k values: flatten it first.",
            """
def softmax_pool2d(X, k, beta):
    A = X.unfold(0, k, k).unfold(1, k, k)
    return (torch.softmax(beta * A, -2) * A).sum((-1, -2))
""",
        ),
        Mistake(
            "The windows start at i and j",
            "They start at i · k and j · k, since they tile the matrix.",
            """
def softmax_pool2d(X, k, beta):
    Y = torch.zeros(X.shape[0] // k, X.shape[1] // k)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            w = X[i : i + k, j : j + k].flatten()
            Y[i, j] = (torch.softmax(beta * w, 0) * w).sum()
    return Y
""",
        ),
        Mistake(
            "A list, not a matrix",
            "The values are right. Give them the shape (n_h // k, n_w // k).",
            {".sum(-1)": ".sum(-1).flatten()"},
        ),
        Mistake(
            "β is ignored",
            "This is the result for β = 1.",
            {"torch.softmax(beta * A, -1)": "torch.softmax(A, -1)"},
        ),
        Mistake(
            "Weighted by βx, not by the softmax of it",
            "Weights must be positive and sum to 1: that is what the softmax is for.",
            """
def softmax_pool2d(X, k, beta):
    A = X.unfold(0, k, k).unfold(1, k, k).flatten(-2)
    return (beta * A * A).sum(-1)
""",
        ),
        Mistake(
            "The values are scaled as well",
            "β belongs into the weights alone. What they weigh is x, not βx.",
            {"(torch.softmax(beta * A, -1) * A)": "(torch.softmax(beta * A, -1) * beta * A)"},
        ),
        Mistake(
            "These are the weights",
            "Multiply each by its value before you add them up.",
            {"(torch.softmax(beta * A, -1) * A)": "torch.softmax(beta * A, -1)"},
        ),
        Mistake(
            "Divided twice",
            "The weights sum to 1: their sum is the mean already.",
            {".sum(-1)": ".mean(-1)"},
        ),
        Mistake(
            "It overflows",
            "exp(βx) is infinite in float32 above 88. Subtract the largest βx of each window "
            "first, or let torch.softmax do it.",
            """
def softmax_pool2d(X, k, beta):
    A = X.unfold(0, k, k).unfold(1, k, k).flatten(-2)
    q = torch.exp(beta * A)
    return (q * A).sum(-1) / q.sum(-1)
""",
        ),
        Mistake(
            "One maximum for all windows",
            "A window far below the largest value of X has exp(…) = 0 everywhere, and 0/0 is nan. "
            "Subtract the largest βx of each window.",
            """
def softmax_pool2d(X, k, beta):
    q = torch.exp(beta * (X - X.max()))
    return (F.avg_pool2d((q * X)[None], k) / F.avg_pool2d(q[None], k))[0]
""",
        ),
        Mistake(
            "This is logsumexp",
            "log Σ exp(βx) / β is another soft maximum. Here each value is weighted and added.",
            {"(torch.softmax(beta * A, -1) * A).sum(-1)": "torch.logsumexp(beta * A, -1) / beta"},
        ),
        Mistake(
            "This is logsumexp of βx",
            "It is another soft maximum, of other numbers. Here each value is weighted and added.",
            {"(torch.softmax(beta * A, -1) * A).sum(-1)": "torch.logsumexp(beta * A, -1)"},
        ),
        Mistake(
            "β stands before the softmax",
            "It belongs inside: softmax(βx), not β softmax(x).",
            {"torch.softmax(beta * A, -1)": "beta * torch.softmax(A, -1)"},
        ),
        Mistake(
            "The windows overlap",
            "The windows tile the matrix: they move by k.",
            {"unfold(0, k, k).unfold(1, k, k)": "unfold(0, k, 1).unfold(1, k, 1)"},
        ),
    ],
    second="""
def softmax_pool2d(X, k, beta):
    q = torch.exp(beta * (X - X.max()).double())
    q = torch.where(q == 0, 1e-300, q)
    pool = torch.nn.AvgPool2d(k)
    return (pool((q * X)[None]) / pool(q[None]))[0].requires_grad_()
""",
    draw=lambda random: (
        f"softmax_pool2d(X, {random.randint(1, 3)}, {random.choice([0.0, 0.3, 1.0, 2.0])})",
        {"X": nested(random, random.randint(3, 6), random.randint(3, 6))},
    ),
)

GLOBAL_AVERAGE = Values(
    "global-average",
    name="head",
    shows=(
        "49 times fewer weights, and maps of any size; the price is that all places "
        "are forgotten, not only shifts."
    ),
    parts={
        "without": Part(
            250_890,
            [
                (250_880, "ten biases are missing: one for each class."),
                (5_130, "that is with it. Without it the layer reads every place of every map."),
                (35_850, "a map has 7 · 7 places, not 7."),
            ],
        ),
        "with": Part(
            5_130,
            [
                (5_120, "ten biases are missing: one for each class."),
                (5_632, "a bias for each class, not for each channel."),
                (250_890, "that is without it."),
            ],
        ),
        "blind": Part(
            {"a", "c"},
            [
                (
                    {"a"},
                    "right, but not all: the mean of a map does not know any order of its pixels.",
                ),
                ({"c"}, "right, but a shift that wraps around is also an exchange of places."),
                *(
                    (blind, "b exchanges two channels; the dense layer has weights for each.")
                    for blind in ({"b"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"})
                ),
                *(
                    (blind, "d doubles every mean. The layer sees that.")
                    for blind in ({"d"}, {"a", "d"}, {"c", "d"}, {"a", "c", "d"})
                ),
                *(
                    (blind, "b exchanges two means, and d doubles all. The layer sees both.")
                    for blind in ({"b", "d"}, {"a", "b", "d"}, {"b", "c", "d"}, {*"abcd"})
                ),
            ],
            otherwise='a set of letters, such as {"a", "b"}: what leaves every mean as it is?',
        ),
    },
)

STRIDED = Values(
    "strided-convolution",
    name="learned",
    shows=(
        "What a network may learn is more than what pooling fixes, and costs 16,448 numbers here. "
        "The stride aliases either way."
    ),
    parts={
        "parameters": Part(
            16_448,
            [
                (16_384, "64 biases are missing."),
                (320, "each of the 64 outputs reads all 64 channels, not one."),
                (
                    256,
                    "each of the 64 outputs reads all 64 channels, not one; and there are biases.",
                ),
                (4_160, "each weight of a 1×1 layer is now four: the window has 2 · 2 cells."),
            ],
        ),
        "mean": Part(
            "yes",
            [("no", "1/4 from each channel to itself, all other weights and the biases 0.")],
            otherwise='write "yes" or "no".',
        ),
        "maximum": Part(
            "no",
            [
                (
                    "yes",
                    "it is linear but for its bias, and the maximum is not.",
                )
            ],
            otherwise='write "yes" or "no".',
        ),
        "move": Part(
            4,
            [
                (2, "that moves the first output by one cell. The second needs two of those."),
                (1, "a move by one pixel puts other pixels into each window."),
                (3, "a move by three pixels puts other pixels into each window."),
                (0, "0 is no move. What is the smallest one that works?"),
                (8, "less is enough: one stride after the other."),
            ],
        ),
    },
)

EXERCISES = [
    POOLING_COST,
    AVERAGE,
    NO_CONVOLUTION,
    MAX_FROM_RELU,
    MINIMUM,
    MAX_OR_AVERAGE,
    GLOBAL_AVERAGE,
    STRIDED,
    SOFTMAX,
]
