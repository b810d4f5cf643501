"""Section 7.2, convolutions for images: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-9, 9) for _ in range(width)] for _ in range(height)]


DIAGONAL = Values(
    "diagonal",
    name="diagonal",
    shows=(
        "Transpose image and kernel, and the output is transposed. And to each direction belongs "
        "a kernel that is blind to it: here the difference along the diagonal."
    ),
    parts={
        "count": Part(
            5,
            [
                (6, "the first row is 1 from end to end: no edge in it."),
                (30, "that is the number of all outputs, 6×5. How many of each row are not 0?"),
                (36, "the image is flat away from the diagonal, and there the answer is 0."),
                (10, "one edge a row, and a kernel of two weights answers to it once."),
                (0, "the edge is not horizontal: most rows do change once."),
                (4, "draw all six rows. How many of them change?"),
            ],
        ),
        "value": Part(
            -1,
            [
                (1, "along a row the image rises from 0 to 1, and [1, −1] is left minus right."),
                (0, "these are the values that are *not* 0."),
            ],
        ),
        "empty": Part(
            0,
            [
                (5, "the last row is 0 0 0 0 0 1: it does change."),
                (6, "rows count from 0, and there are six."),
                (1, "rows count from 0, so row 1 is the second: 0 1 1 1 1 1."),
            ],
        ),
        "transposed": Part(
            1,
            [
                (-1, "in the transpose a row falls, from 1 to 0."),
                (0, "these are the values that are *not* 0."),
            ],
        ),
        "same": Part(
            "c",
            [
                ("a", "the shapes differ already: 6×5 and 5×6."),
                ("b", "the signs differ: a row of X rises, a column of X falls."),
                ("d", "the image does change down its columns."),
            ],
            otherwise="give one of the letters a, b, c, d.",
        ),
        "blind": Part(
            [[1, 0], [0, -1]],
            [
                ([[2, 0], [0, -2]], "right up to a factor; put 1 at the upper left."),
                ([[-1, 0], [0, 1]], "right up to a factor; put 1 at the upper left."),
                ([[0.5, 0], [0, -0.5]], "right up to a factor; put 1 at the upper left."),
                ([[1, -1], [0, 0]], "that is [1, −1] with a row of zeros: it sees every row rise."),
                ([[1, 0], [-1, 0]], "that is the difference down a column, which sees the edge."),
                ([[1, 0], [0, 1]], "on the white part it gives 2: its weights do not add up to 0."),
                ([[0, 1], [-1, 0]], "this is the difference *across* the diagonal: it sees best."),
                ([[1, -1], [-1, 1]], "windows on the diagonal are [[1, 1], [0, 1]]: it gives 1."),
            ],
            otherwise="not this. Try it on the window [[1, 1], [0, 1]], and on a white one.",
        ),
    },
)

DESIGN = Values(
    "design",
    name="design",
    shows=(
        "A second derivative answers to thin lines and to both sides of an edge, not to ramps. And "
        "against noise a mean *along* an edge helps; a mean of three across it weakens both alike."
    ),
    parts={
        "ramp": Part(
            0,
            [
                (3, "that is the first derivative, the slope."),
                (6, "left plus right, minus *twice* the middle."),
                *(([0] * n, "right; one number is enough.") for n in (2, 3, 4, 5, 6)),
            ],
            otherwise="not this. Take three neighbours, such as 1, 4 and 7; give one number.",
        ),
        "square": Part(
            2,
            [
                (1, "take three neighbours: 1 − 2·4 + 9."),
                (0, "the slope of j² grows, so its second derivative is not 0."),
                (4, "take three neighbours: 1 − 2·4 + 9."),
                *(([2] * n, "right; one number is enough.") for n in (2, 3, 4, 5, 6)),
            ],
        ),
        "line": Part(
            -2,
            [
                (1, "that stands on both sides of the line. What stands on it?"),
                (0, "zero stands far from the line. What stands on it?"),
                (2, "the weight in the middle is −2."),
                (-1, "on the line itself the middle weight, −2, meets the 1."),
            ],
        ),
        "step": Part(
            [0, 1, -1, 0],
            [
                ([0, -1, 1, 0], "the signs: before the edge only the last weight meets a 1."),
                ([0, 1, 0, 0], "that is a first difference. Behind the edge: 0 − 2 + 1."),
                ([0, 0, 1, 0], "that is a first difference. The window has three cells."),
                ([0, 1, -2, 1], "that is the answer to a line. Behind the edge it stays bright."),
                ([1, -1], "right where the edge is; give all four outputs."),
            ],
            otherwise="not this. Four windows of three cells; write them all down.",
        ),
        "blur": Part(
            [0.25, 0.5, 0.25],
            [
                ([0.333, 0.333, 0.333], "on 0 1 0 it gives 1/3, on 1 0 1 it gives 2/3."),
                ([1, 2, 1], "in the right proportion, but these weights add up to 4."),
                (
                    [0.5, 0, 0.5],
                    "on 0 1 0 it gives 0, on 1 0 1 it gives 1: black and white change.",
                ),
                ([0, 0.5, 0], "that only darkens: the weights add up to ½."),
                ([0.5, 0.5, 0.5], "these weights add up to 1½."),
            ],
            digits=3,
            otherwise="not this. Two windows occur, 0 1 0 and 1 0 1, and both must give ½.",
        ),
        "blurred": Part(
            6**0.5 / 4,
            [
                (1.5, "blurred neighbours share pixels: they are not independent any more."),
                (6**0.5, "that is without the blur."),
                (0.38, "that is the variance. Take the root."),
                (0.0, "the weights add up to 0, but noise does not cancel: squares add up."),
            ],
            digits=2,
            otherwise="not this. Put blur and derivative into one kernel of five weights.",
        ),
        "alone": Part(
            0.5**0.5,
            [
                (1.0, "that is the answer to the edge. Divide it by that of the noise."),
                (2**0.5, "that is the noise, or the ratio upside down."),
                (0.5, "the noise has the variance 2; take its root."),
                (-(0.5**0.5), "right but for the sign: the *size* of the answer was asked for."),
            ],
            digits=2,
            otherwise="not this. [1, −1] answers 1 at the edge. What is the noise of a difference?",
        ),
        "along": Part(
            1.5**0.5,
            [
                (0.5**0.5, "three pixels along the edge are alike, but their noise is not."),
                (3 * 0.5**0.5, "the mean of three has a third of the variance; take its root."),
                (3**0.5, "that is the gain. Multiply it with the ratio of [1, −1] alone."),
                (0.82, "that is the noise. What does the edge give?"),
                (0.41, "the edge is not weakened: above and below it looks the same."),
                (-(1.5**0.5), "right but for the sign: the *size* of the answer was asked for."),
            ],
            digits=2,
        ),
        "across": Part(
            0.5**0.5,
            [
                (1.5**0.5, "the mean also flattens the edge: [1, −1] then finds 1/3 of it."),
                (0.41, "blurred neighbours share two pixels of three; they are not independent."),
                (0.47, "that is the noise. What does the edge give?"),
                (0.24, "the edge gives 1/3, and the noise is 0.47."),
                (-(0.5**0.5), "right but for the sign: the *size* of the answer was asked for."),
            ],
            digits=2,
            otherwise="not this. Put mean and difference into one kernel of four weights.",
        ),
    },
)

STRIPES = (
    "the start 0 has nothing along [[1, −1], [−1, 1]], so the end has nothing there either; this "
    "kernel has."
)

NEAREST = Values(
    "nearest",
    name="ends",
    shows=(
        "Descent changes only what the windows see. The rest of the kernel stays as the start made "
        "it, so zero loss need not mean the true kernel."
    ),
    parts={
        "zeros": Part(
            [[0.5, -0.5], [0.5, -0.5]],
            [
                ([[1, -1], [0, 0]], "the two rows began alike, and on the band they stay alike."),
                ([[1, -1], [1, -1]], "the columns have to add up to 1 and −1, not to 2 and −2."),
                ([[0, 0], [1, -1]], "the two rows began alike, and on the band they stay alike."),
                ([[0, 0], [0, 0]], "there the loss is not 0: the edges are missed."),
            ],
            otherwise="not this. What are the sums down the columns, and how do the rows differ?",
        ),
        "apart": Part(
            [[1.5, 0.5], [-0.5, -1.5]],
            [
                ([[1, -1], [0, 0]], "the rows began 2 apart, and stay 2 apart."),
                ([[0.5, -0.5], [0.5, -0.5]], "the rows began 2 apart, and stay 2 apart."),
                ([[1, 1], [-1, -1]], "its columns add up to 0, and should to 1 and −1."),
                ([[2, 0], [-1, -1]], "both weights of a column change by the same amount."),
                ([[2, 0], [0, -2]], "its columns add up to 2 and −2, and should to 1 and −1."),
            ],
            otherwise="not this. What are the sums down the columns, and how do the rows differ?",
        ),
        "stripes": Part(
            [[0.5, -0.5], [0.5, -0.5]],
            [
                ([[1, -1], [0, 0]], STRIPES),
                ([[0, 0], [1, -1]], STRIPES),
                ([[0, 0], [0, 0]], "there the loss is not 0: the edges are missed."),
                ([[1.5, -1.5], [-0.5, 0.5]], "you added the unseen part; take it away."),
                ([[0.75, -0.75], [0.25, -0.25]], "take away twice as much of the unseen part."),
            ],
            otherwise="not this. It has to be at right angles to [[1, −1], [−1, 1]].",
        ),
        "flat": Part(
            1,
            [
                (0, "the sum of all weights does show."),
                (4, "all windows are the same one."),
                (2, "all windows are the same one."),
                (3, "that is how many it leaves open."),
            ],
        ),
        "ramp": Part(
            2,
            [
                (4, "there are four windows, but they are not independent."),
                (3, "take the difference of two windows: it is always a multiple of ones."),
                (1, "windows 0, 1, 3, 4 and 1, 2, 4, 5 are no multiples of each other."),
            ],
        ),
        "true": Part(
            "b",
            [
                ("a", "its rows are alike, and those of [[1, −1], [0, 0]] are not."),
                ("c", "its loss is 0 already, so descent stays there."),
                ("d", "look at the difference of the rows: it has to be [1, −1]."),
            ],
            otherwise="give one of the letters a, b, c, d.",
        ),
    },
)

ORDER = Code(
    "order",
    name="derivative_kernel",
    inputs="",
    shows=(
        "Binomial coefficients with alternating signs, the last one +1: d + 1 weights, and fewer "
        "cannot give 0 for d powers."
    ),
    cases=[(f"derivative_kernel({d})", {}) for d in (1, 2, 3, 4, 6)],
    mistakes=[
        Mistake(
            "The sign of the odd orders",
            "You began with [1, −1], which is left minus right. On a ramp that rises it gives −1.",
            {"F.pad(K, (1, 0)) - F.pad(K, (0, 1))": "F.pad(K, (0, 1)) - F.pad(K, (1, 0))"},
        ),
        Mistake(
            "All weights are positive",
            "These are the binomial coefficients of a blur. A derivative needs weights that add up "
            "to 0.",
            {"F.pad(K, (1, 0)) - F.pad(K, (0, 1))": "F.pad(K, (1, 0)) + F.pad(K, (0, 1))"},
        ),
        Mistake(
            "One order too few",
            "This is the kernel of order d − 1. The order d needs d + 1 weights.",
            {"range(d)": "range(d - 1)"},
        ),
        Mistake(
            "One order too many",
            "This is the kernel of order d + 1. The order d needs d + 1 weights, not d + 2.",
            {"range(d)": "range(d + 1)"},
        ),
        Mistake(
            "Differences over two cells",
            "You repeated [−1, 0, 1]. It needs more weights than necessary, and gives 2 on a ramp "
            "of slope 1.",
            {"F.pad(K, (1, 0)) - F.pad(K, (0, 1))": "F.pad(K, (2, 0)) - F.pad(K, (0, 2))"},
        ),
        Mistake(
            "Central differences",
            "You repeated [−½, 0, ½]. It is right on the powers of j, but has three weights "
            "where two will do.",
            {"F.pad(K, (1, 0)) - F.pad(K, (0, 1))": "(F.pad(K, (2, 0)) - F.pad(K, (0, 2))) / 2"},
        ),
        Mistake(
            "Divided by d!",
            "These weights give 1 for j to the power d; d! was asked for, as for a derivative.",
            {"return K": "return K / math.factorial(d)"},
        ),
        Mistake(
            "One axis too many",
            "These are the right weights in a matrix of one row, (1, d + 1). Return them alone, "
            "(d + 1,).",
            {"return K": "return K[None]"},
        ),
        Mistake(
            "Only the two ends",
            "Between −1 and 1 you left zeros. That is one difference over d cells, not d "
            "differences.",
            """
def derivative_kernel(d):
    return [-1] + [0] * (d - 1) + [1]
""",
        ),
    ],
    second="""
def derivative_kernel(d):
    return [(-1) ** (d - m) * math.comb(d, m) for m in range(d + 1)]
""",
    draw=lambda random: (f"derivative_kernel({random.randint(1, 7)})", {}),
)

DIRECTION = Code(
    "direction",
    name="slope_kernel",
    inputs="",
    shows=(
        "Two kernels span all directions: cos φ S + sin φ Sᵀ. A network with these two can tell "
        "the angle of any even ramp."
    ),
    cases=[(f"slope_kernel({phi})", {}) for phi in (0, 90, 30, 135, 180, -60, 400)],
    mistakes=[
        Mistake(
            "Degrees taken for radians",
            "math.cos and math.sin want radians: math.radians(phi).",
            {"math.radians(phi)": "phi"},
        ),
        Mistake(
            "Cosine and sine exchanged",
            "At 0° the kernel is S itself, and cos 0 = 1.",
            {"math.radians(phi)": "math.radians(90 - phi)"},
        ),
        Mistake(
            "The angle turns upwards",
            "Rows count downwards, and so does the angle here: at 90° the kernel is +Sᵀ.",
            {"+ math.sin(angle)": "- math.sin(angle)"},
        ),
        Mistake(
            "The factor 1/8 is missing",
            "Without it a ramp of slope 1 gives 8.",
            {" / 8": ""},
        ),
        Mistake(
            "The weights 1, 1, 1 in place of 1, 2, 1",
            "That is the kernel of Prewitt. The middle row of S counts twice.",
            {"[-2, 0, 2]": "[-1, 0, 1]"},
        ),
        Mistake(
            "Left minus right",
            "S has −1 on the left: it is positive where the image gets brighter to the right.",
            {"return math.cos": "return -math.cos", "* S + math.sin": "* S - math.sin"},
        ),
        Mistake(
            "Only one of the two kernels",
            "A slope to the lower right has a part across the columns and a part down the rows: "
            "add both.",
            {" + math.sin(angle) * S.T": ""},
        ),
        Mistake(
            "Angles are cut to whole quarters",
            "Between 0° and 90° the kernel is a mixture of S and its transpose.",
            """
def slope_kernel(phi):
    S = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    return [S, S.T, -S, -S.T][phi // 90 % 4]
""",
        ),
    ],
    second="""
def slope_kernel(phi):
    t = phi * math.pi / 180
    c, s = math.cos(t) / 8, math.sin(t) / 8
    return [
        [-c - s, -2 * s, c - s],
        [-2 * c, 0, 2 * c],
        [-c + s, 2 * s, c + s],
    ]
""",
    draw=lambda random: (f"slope_kernel({random.randint(-360, 720)})", {}),
)

WRITING = """
def gradient_of_image(G, K):
    (m_h, m_w), (k_h, k_w) = G.shape, K.shape
    X = torch.zeros(m_h + k_h - 1, m_w + k_w - 1)
    for i in range(m_h):
        for j in range(m_w):
            X[i : i + k_h, j : j + k_w] += G[i, j] * K
    return X
"""

AUTOGRAD = Code(
    "autograd",
    name="gradient_of_image",
    shows=(
        "The way back of a cross-correlation is a convolution: zeros around G, and a kernel that "
        "is flipped. That is all a framework does here."
    ),
    cases=[
        ("gradient_of_image(G, K)", {"G": [[1]], "K": [[1, 2], [3, 4]]}),
        ("gradient_of_image(G, K)", {"G": [[1, 0, 2]], "K": [[1, -1]]}),
        ("gradient_of_image(G, K)", {"G": [[1], [2]], "K": [[3, 5], [0, 1]]}),
        ("gradient_of_image(G, K)", {"G": [[1, 2], [0, 3]], "K": [[1, 2, 4]]}),
        ("gradient_of_image(G, K)", {"G": [[2, 1], [4, 3]], "K": [[1], [-2], [5]]}),
        ("gradient_of_image(G, K)", {"G": [[1, 2, 3], [4, 5, 7]], "K": [[3]]}),
        ("gradient_of_image(G, K)", {"G": [[1, 2, 0], [3, -1, 4]], "K": [[1, 2, 0], [0, 1, 7]]}),
        (
            "gradient_of_image(G, K)",
            {"G": [[1, 2], [3, 4], [5, 8]], "K": [[2, 1], [0, 3], [1, -1]]},
        ),
    ],
    mistakes=[
        Mistake(
            "The kernel is not flipped",
            "A pixel enters the output on its upper left with the *last* weight. Read backwards. "
            "Or try a single 1: ⋆ lays K backwards around it. Flip K first, and K comes out.",
            {"K.flip(0, 1)": "K"},
        ),
        Mistake(
            "A cross-correlation, as on the way forward",
            "Two things are missing. The border pixels enter outputs, too: put k − 1 zeros on each "
            "side of G. And a pixel enters the output on its upper left with the *last* weight.",
            "def gradient_of_image(G, K):\n    return corr2d(G, K)",
        ),
        Mistake(
            "One zero on each side, whatever the kernel",
            "A kernel of k needs k − 1 zeros on each side, and the two directions may differ.",
            {"(k_w - 1, k_w - 1, k_h - 1, k_h - 1)": "(1, 1, 1, 1)"},
        ),
        Mistake(
            "One zero on each side, and the kernel is not flipped",
            "A kernel of k needs k − 1 zeros on each side. And a pixel enters the output on its "
            "upper left with the *last* weight: read backwards.",
            {"(k_w - 1, k_w - 1, k_h - 1, k_h - 1)": "(1, 1, 1, 1)", "K.flip(0, 1)": "K"},
        ),
        Mistake(
            "Transposed, not flipped",
            "Turn the kernel by 180°: the first row becomes the last, and each row is reversed.",
            {"K.flip(0, 1)": "K.T"},
        ),
        Mistake(
            "Only the columns are flipped",
            "The rows have to be reversed as well.",
            {"K.flip(0, 1)": "K.flip(1)"},
        ),
        Mistake(
            "Only the rows are flipped",
            "The columns have to be reversed as well.",
            {"K.flip(0, 1)": "K.flip(0)"},
        ),
        Mistake(
            "No zeros around G",
            "The border pixels enter fewer outputs, and the gradient has the size of the image. "
            "Put k − 1 zeros on each side of G.",
            {"F.pad(G, (k_w - 1, k_w - 1, k_h - 1, k_h - 1))": "G"},
        ),
        Mistake(
            "The paddings are exchanged",
            "F.pad begins with the last axis: left, right, top, bottom.",
            {"(k_w - 1, k_w - 1, k_h - 1, k_h - 1)": "(k_h - 1, k_h - 1, k_w - 1, k_w - 1)"},
        ),
        Mistake(
            "Zeros on one side only",
            "A pixel at the far end needs zeros as well: k − 1 on each of the four sides.",
            {"(k_w - 1, k_w - 1, k_h - 1, k_h - 1)": "(k_w - 1, 0, k_h - 1, 0)"},
        ),
        Mistake(
            "The last window wins",
            "Where windows overlap, what they send back adds up: += and not =.",
            WRITING.replace("+=", "="),
        ),
    ],
    second=WRITING,
    draw=lambda random: (
        "gradient_of_image(G, K)",
        {
            "G": matrix(random, random.randint(1, 4), random.randint(1, 4)),
            "K": matrix(random, random.randint(1, 3), random.randint(1, 3)),
        },
    ),
)

ROWS = """
def correlation_matrix(K, n_h, n_w):
    k_h, k_w = K.shape
    rows = []
    for i in range(n_h - k_h + 1):
        for j in range(n_w - k_w + 1):
            row = [0.0] * (n_h * n_w)
            for a in range(k_h):
                for b in range(k_w):
                    row[(i + a) * n_w + j + b] = float(K[a, b])
            rows.append(row)
    return rows
"""

MATRIX = Code(
    "matrix",
    name="correlation_matrix",
    shows=(
        "A convolution is a dense layer whose matrix is nearly empty and repeats the same few "
        "weights in each row."
    ),
    cases=[
        ("correlation_matrix(K, 1, 3)", {"K": [[1, 2]]}),
        ("correlation_matrix(K, 3, 1)", {"K": [[1], [2]]}),
        ("correlation_matrix(K, 2, 3)", {"K": [[1, 2], [3, 4]]}),
        ("correlation_matrix(K, 3, 2)", {"K": [[1, 2], [3, 4]]}),
        ("correlation_matrix(K, 2, 2)", {"K": [[1, 2], [3, 5]]}),
        ("correlation_matrix(K, 2, 2)", {"K": [[3]]}),
        ("correlation_matrix(K, 2, 4)", {"K": [[5, 1, 2]]}),
        ("correlation_matrix(K, 4, 3)", {"K": [[1, 2], [0, 3], [7, 4]]}),
        ("correlation_matrix(K, 3, 4)", {"K": [[1, 2, 6], [0, 3, 5]]}),
    ],
    mistakes=[
        Mistake(
            "The kernel is flipped",
            "That is the matrix of a convolution, ∗. The cross-correlation takes K as it is.",
            {"= K\n": "= K.flip(0, 1)\n"},
        ),
        Mistake(
            "This is the transpose of the matrix",
            "Each *row* makes one output. Yours carries gradients back to the image.",
            {"M.reshape(m_h * m_w, n_h * n_w)": "M.reshape(m_h * m_w, n_h * n_w).T"},
        ),
        Mistake(
            "Written column by column",
            "vec writes *rows* one after the other: the pixel (i, j) has the number i · n_w + j.",
            ROWS.replace("(i + a) * n_w + j + b", "(j + b) * n_h + i + a"),
        ),
        Mistake(
            "A step down is a whole row of pixels",
            "From one row of the kernel to the next there are n_w entries in vec(X), not k_w.",
            ROWS.replace("(i + a) * n_w + j + b", "i * n_w + j + a * k_w + b"),
        ),
        Mistake(
            "Each row is one step further than the last",
            "At the end of an image row the window does not wrap: output (i, j) starts at pixel "
            "i · n_w + j, so a new row of outputs begins k_w steps further, not one.",
            ROWS.replace("(i + a) * n_w + j + b", "(i + a) * n_w + j + b - i * (k_w - 1)"),
        ),
        Mistake(
            "The outputs stand in the wrong order",
            "The outputs, too, are written row by row: the column index runs fastest.",
            {"M.reshape(m_h * m_w, n_h * n_w)": "M.transpose(0, 1).reshape(m_h * m_w, n_h * n_w)"},
        ),
        Mistake(
            "Windows that hang over the edge",
            "There are n − k + 1 places in each direction, not n.",
            ROWS.replace("n_h - k_h + 1", "n_h")
            .replace("n_w - k_w + 1", "n_w")
            .replace(
                "row[(i + a)",
                "if i + a < n_h and j + b < n_w: row[(i + a)",
            ),
        ),
        Mistake(
            "The last place is missing",
            "A kernel of k fits in n − k + 1 places, one more than n − k.",
            ROWS.replace("n_h - k_h + 1", "n_h - k_h").replace("n_w - k_w + 1", "n_w - k_w"),
        ),
        Mistake(
            "The matrix still has four axes",
            "Write the two axes of the outputs as one, and the two of the image as well.",
            {"M.reshape(m_h * m_w, n_h * n_w)": "M"},
        ),
    ],
    second=ROWS,
    draw=lambda random: (
        f"correlation_matrix(K, {random.randint(3, 5)}, {random.randint(3, 5)})",
        {"K": matrix(random, random.randint(1, 3), random.randint(1, 3))},
    ),
)

FIELD = Values(
    "field",
    name="reach",
    shows=(
        "The field grows with the depth, the width of the gradient with its root only. Stride "
        "reaches far in few layers."
    ),
    parts={
        "plain": Part(
            15,
            [
                (10, "fields do not stand side by side: each layer adds k − 1 = 2."),
                (16, "one too many: the first layer sees 3, not 1."),
                (14, "one too few: after 14 layers it is 29."),
                (30, "each layer adds 2 pixels, one on each side."),
                (31, "each layer adds 2 pixels."),
            ],
        ),
        "strided": Part(
            4,
            [
                (5, "one too many: after 5 layers it is 63."),
                (3, "one too few: after 3 layers it is 15."),
                (8, "the distance doubles with every layer."),
                (15, "that is without a stride."),
            ],
        ),
        "wide": Part(
            65,
            [
                (64, "a pixel too few: before the first layer the field is 1, not 0."),
                (96, "fields do not stand side by side: each layer adds 2."),
                (63, "that is 31 layers."),
                (33, "each layer adds a pixel on *each* side."),
            ],
        ),
        "spread": Part(
            (2 * 32 / 3) ** 0.5,
            [
                (2 * 32 / 3, "that is the variance. Take the root."),
                (32**0.5, "steps of ±1 have the variance 1, but a third of these is 0."),
                (65 / 12**0.5, "that would be an even field. Each layer blurs it anew."),
                (32.5, "that is half the field. Most of the gradient lies nearer."),
                ((2 / 3) ** 0.5 * 32, "variances add up, not standard deviations."),
            ],
            digits=1,
            otherwise="not this. Add up the variances of 32 steps, and take the root.",
        ),
        "share": Part(
            "c",
            [
                ("a", "the columns do not count alike: most paths end near the middle."),
                ("b", "that is one standard deviation to each side; 9.5 pixels are two."),
                ("d", "nearly, but a few per cent lie further out."),
            ],
            otherwise="give one of the letters a, b, c, d.",
        ),
    },
)

EXERCISES = [DIAGONAL, DESIGN, NEAREST, ORDER, DIRECTION, AUTOGRAD, MATRIX, FIELD]
