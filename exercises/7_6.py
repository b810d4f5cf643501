"""Section 7.6, LeNet: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def matrix(random: Random, height: int, width: int, low: int = -9) -> list[list[int]]:
    return [[random.randint(low, 9) for _ in range(width)] for _ in range(height)]


KNOBS = Values(
    "lenet-knobs",
    name="knobs",
    shows=(
        "Smaller kernels gave a larger network: the maps shrink less, and the first dense layer "
        "pays for every place that is left."
    ),
    parts={
        "small": Part(
            81_194,
            [
                (60_074, "the maps are larger now: the first dense layer no longer reads 400."),
                (80_958, "the biases are missing: one for each output channel or unit."),
                (69_240, "that is the first dense layer alone."),
                (61_706, "that is LeNet as it stands on the page."),
            ],
        ),
        "wide": Part(
            117_078,
            [
                (112_278, "the second convolution also reads twice as many maps."),
                (116_820, "the biases are missing: one for each output channel or unit."),
                (69_078, "32 maps of 5×5 arrive at the first dense layer, not 16."),
                (123_412, "not everything doubles: the second and third dense layers stay."),
            ],
            otherwise="not this. In which layers does the number of maps that are read double?",
        ),
        "bare": Part(
            44_426,
            [
                (61_706, "without padding the maps are 24, 12, 8 and 4 pixels wide."),
                (44_190, "the biases are missing: one for each output channel or unit."),
                (30_840, "that is the first dense layer alone."),
            ],
        ),
        "work": Part(
            4,
            [
                (2, "the kernels double twice: in the channels they read, and in those they make."),
                (8, "the maps keep their size; only the two numbers of channels double."),
                (1, "the maps keep their size, but each place costs more."),
            ],
        ),
        "sees": Part(
            10,
            [
                (16, "that is LeNet with its 5×5 kernels."),
                (8, "the second pooling adds one step of two pixels."),
                (6, "behind the first pooling, neighbours lie two pixels apart."),
                (12, "a pooling of 2 adds one step, not two."),
                (14, "that is LeNet's 5×5 kernels, before the second pooling."),
            ],
        ),
    },
)

MODERNISE = Values(
    "lenet-modernise",
    name="modern",
    shows=(
        "The modern network is larger in parameters, but what it really buys is work: more than "
        "twice the products, nearly all of them in convolutions."
    ),
    parts={
        "parameters": Part(
            105_866,
            [
                (105_744, "the biases are missing."),
                (100_416, "that is the first dense layer alone."),
                (101_370, "the second convolution reads 16 maps, not one."),
                (61_706, "that is LeNet."),
            ],
        ),
        "work": Part(
            1_117_056,
            [
                (1_016_064, "the dense layers multiply and add as well."),
                (270_336, "the second convolution reads 16 maps, not one."),
                (416_520, "that is LeNet."),
                (105_866, "these are parameters: each weight of a kernel is used at every place."),
            ],
        ),
        "share": Part(
            0.9096,
            [
                (0.8085, "that is the second convolution alone."),
                (0.1011, "that is the first convolution alone."),
                (0.0904, "that is the share of the dense layers."),
                (0.0453, "that is the convolutions' share of the parameters."),
            ],
            digits=2,
        ),
    },
)

PRECISION = Code(
    "lenet-precision",
    name="recall_precision",
    inputs="int64",
    shows=(
        "Recall asks the rows: how many shirts were found? Precision asks the columns: how many of "
        "those called shirts are shirts? A network that calls everything a shirt has recall 1."
    ),
    cases=[
        ("recall_precision(C)", {"C": [[3, 1], [2, 4]]}),
        ("recall_precision(C)", {"C": [[1, 4], [0, 5]]}),
        ("recall_precision(C)", {"C": [[0, 5], [0, 3]]}),
        ("recall_precision(C)", {"C": [[0, 0], [1, 3]]}),
        ("recall_precision(C)", {"C": [[5, 1, 2], [0, 3, 3], [4, 0, 8]]}),
        ("recall_precision(C)", {"C": [[2, 0, 1], [0, 0, 4], [0, 0, 6]]}),
    ],
    mistakes=[
        Mistake(
            "Rows and columns are exchanged",
            "Row i holds what class i really is; column j what was called class j. Recall divides "
            "by the row.",
            {"C.sum(1), C.sum(0)": "C.sum(0), C.sum(1)"},
        ),
        Mistake(
            "Rows and columns are exchanged, and 0/0 is left",
            "Recall divides by the sum of a row. A class that is never there gives 0/0, which "
            "shall count as 0.",
            {"C.sum(1), C.sum(0)": "C.sum(0), C.sum(1)", ".clamp(min=1)": ""},
        ),
        Mistake(
            "Divided by all images",
            "The diagonal over all images is a share of the accuracy. Divide by the row, and by "
            "the column.",
            {"C.sum(1), C.sum(0)": "C.sum().expand(len(C)), C.sum().expand(len(C))"},
        ),
        Mistake(
            "Nothing divided by nothing",
            "A class that is never predicted, or never there, gives 0/0. It shall count as 0.",
            {".clamp(min=1)": ""},
        ),
        Mistake(
            "Recall twice",
            "The second list is the precision: divide by the sums of the columns.",
            {"C.sum(1), C.sum(0)": "C.sum(1), C.sum(1)"},
        ),
        Mistake(
            "The diagonal is not counted",
            "You divided by the others in the row only; what is right belongs to the row, too.",
            {"C.sum(1), C.sum(0)": "C.sum(1) - C.diag(), C.sum(0) - C.diag()"},
        ),
    ],
    second="""
def recall_precision(C):
    n, answer = len(C), []
    for lines in (C.tolist(), C.T.tolist()):
        answer.append([line[k] / sum(line) if sum(line) else 0.0 for k, line in enumerate(lines)])
    return answer
""",
    draw=lambda random: ("recall_precision(C)", {"C": matrix(random, 3, 3, 0)}),
)

DEAD = Code(
    "lenet-dead",
    name="never_active",
    shows=(
        "With bias 0 one positive weight is enough to be active on some image: only 1 in 2²⁵ "
        "random 5×5 filters has none. A negative bias makes dead filters common."
    ),
    cases=[
        ("never_active(K, 0.0)", {"K": [[-1, -2], [-3, -1]]}),
        ("never_active(K, 0.0)", {"K": [[-1, -2], [-3, 1]]}),
        ("never_active(K, -1.0)", {"K": [[1, -2], [-3, 0]]}),
        ("never_active(K, -0.5)", {"K": [[1, -2], [-3, 0]]}),
        ("never_active(K, 0.5)", {"K": [[-1, -2], [-3, -1]]}),
        ("never_active(K, -2.5)", {"K": [[1, 1], [-9, 1]]}),
        ("never_active(K, -3.5)", {"K": [[1, 1], [-9, 1]]}),
        ("never_active(K, -1.0)", {"K": [[2, -2, 0]]}),
        ("never_active(K, 0.0)", {"K": [[0, 0], [0, 0]]}),
        ("never_active(K, -4.0)", {"K": [[-3, -3], [2, -4]]}),
        ("never_active(K, 2.0)", {"K": [[1, -2, -3]]}),
        ("never_active(K, -1.0)", {"K": [[-2, -1, -3]]}),
    ],
    mistakes=[
        Mistake(
            "All weights are added up",
            "That is one image, all white. An image that is black where the weights are negative "
            "does better.",
            {"K.clamp(min=0).sum()": "K.sum()"},
        ),
        Mistake(
            "The bias is left out",
            "The bias is added before the ReLU: it can kill a filter, or keep it alive.",
            {"K.clamp(min=0).sum() + b": "K.clamp(min=0).sum()"},
        ),
        Mistake(
            "The bias is subtracted",
            "The bias is added: a negative one can kill a filter.",
            {"K.clamp(min=0).sum() + b": "K.clamp(min=0).sum() - b"},
        ),
        Mistake(
            "Weights and bias are judged apart",
            "A positive weight may be too small to lift a negative bias above 0, and a positive "
            "bias is enough by itself: add them up.",
            {"K.clamp(min=0).sum() + b <= 0": "K.max() <= 0 and b <= 0"},
        ),
        Mistake(
            "Only the weights' signs are asked for",
            "A positive bias alone can make the filter active, and a negative one can keep a "
            "positive weight from it: add up the best window and the bias.",
            {"K.clamp(min=0).sum() + b <= 0": "(K < 0).all()"},
        ),
        Mistake(
            "Zero counts as active",
            "At exactly 0 the ReLU puts out 0: not active. The best image has to come above 0.",
            {"<= 0": "< 0"},
        ),
        Mistake(
            "One pixel only",
            "An image may be bright at several places at once: add up all that helps.",
            {"K.clamp(min=0).sum()": "K.max()"},
        ),
        Mistake(
            "The answer is turned round",
            "True is asked for where the filter is never active.",
            {"<= 0": "> 0"},
        ),
        Mistake(
            "The sign of a weight is lost",
            "A negative weight cannot help: pixels are never below 0.",
            {"K.clamp(min=0).sum()": "K.abs().sum()"},
        ),
    ],
    second="""
def never_active(K, b):
    best = b
    for row in K:
        for weight in row:
            best = max(best, best + float(weight))
    return not best > 0
""",
    draw=lambda random: (
        f"never_active(K, {random.choice([-9.0, -4.5, -2.0, 0.0, 0.5])})",
        {"K": matrix(random, random.randint(1, 3), random.randint(1, 3))},
    ),
)

SHIFT = Code(
    "lenet-shift",
    name="shift",
    shows=(
        "What leaves the image is lost, and zeros come in: after this a network sees a true shift, "
        "and no copy at the other end."
    ),
    cases=[
        ("shift(X, 1, 0)", {"X": [[1, 2], [3, 4], [5, 6]]}),
        ("shift(X, 0, 1)", {"X": [[1, 2, 3]]}),
        ("shift(X, -1, 0)", {"X": [[1, 2], [3, 4], [5, 6]]}),
        ("shift(X, 1, -2)", {"X": [[1, 2, 3], [4, 5, 6]]}),
        ("shift(X, 0, 0)", {"X": [[1, 2]]}),
        ("shift(X, 0, 3)", {"X": [[1, 2, 3]]}),
        ("shift(X, -2, 1)", {"X": [[1, 2], [3, 4], [5, 6]]}),
    ],
    mistakes=[
        Mistake(
            "It comes back at the other end",
            "`roll` brings what leaves the image in again on the far side. Zeros shall come in.",
            "def shift(X, down, right):\n    return X.roll((down, right), (0, 1))\n",
        ),
        Mistake(
            "Up and left",
            "The image moves the wrong way: `down` = 1 brings a row of zeros in at the top.",
            {"(right, -right, down, -down)": "(-right, right, -down, down)"},
        ),
        Mistake(
            "Rows and columns are exchanged",
            "`F.pad` takes the columns first: left, right, then top, bottom.",
            {"(right, -right, down, -down)": "(down, -down, right, -right)"},
        ),
        Mistake(
            "The image has grown",
            "What is added on one side must be cut off on the other.",
            {"(right, -right, down, -down)": "(right, 0, down, 0)"},
        ),
        Mistake(
            "The edge is repeated",
            "You let the last row or column in once more. Zeros shall come in.",
            """
def shift(X, down, right):
    n_h, n_w = X.shape
    rows = (torch.arange(n_h) - down).clamp(0, n_h - 1)
    columns = (torch.arange(n_w) - right).clamp(0, n_w - 1)
    return X[rows][:, columns]
""",
        ),
    ],
    second="""
def shift(X, down, right):
    n_h, n_w = X.shape
    def at(i, j):
        return float(X[i, j]) if 0 <= i < n_h and 0 <= j < n_w else 0.0
    return [[at(i - down, j - right) for j in range(n_w)] for i in range(n_h)]
""",
    draw=lambda random: (
        f"shift(X, {random.randint(-2, 2)}, {random.randint(-2, 2)})",
        {"X": matrix(random, random.randint(2, 4), random.randint(2, 4))},
    ),
)

PERMUTE = Code(
    "lenet-permute",
    name="permuted_weight",
    inputs="int64",
    shows=(
        "For the MLP scrambled pixels are the same problem in another order: a scrambled start is "
        "as likely as a plain one. It does not know that pixels have neighbours. LeNet does."
    ),
    cases=[
        ("permuted_weight(W, order)", {"W": [[1, 2, 3], [4, 5, 6]], "order": [1, 2, 0]}),
        ("permuted_weight(W, order)", {"W": [[1, 2], [3, 4], [5, 6]], "order": [1, 0]}),
        ("permuted_weight(W, order)", {"W": [[1, 2, 3, 4]], "order": [2, 3, 1, 0]}),
        ("permuted_weight(W, order)", {"W": [[7, 8, 9]], "order": [0, 1, 2]}),
        ("permuted_weight(W, order)", {"W": [[1, 2, 3], [4, 5, 6], [7, 8, 0]], "order": [2, 0, 1]}),
    ],
    mistakes=[
        Mistake(
            "The inverse order",
            "New pixel i is old pixel order[i], so new column i is old column order[i]. You put "
            "them back the other way round.",
            {"W[:, order]": "W[:, order.argsort()]"},
        ),
        Mistake(
            "Rows for columns",
            "A row of W belongs to a hidden unit, a column to a pixel. The pixels have moved.",
            {"W[:, order]": "W[order]"},
        ),
        Mistake(
            "Nothing has moved",
            "This is W itself. It would multiply each weight by another pixel than before.",
            {"W[:, order]": "W"},
        ),
        Mistake(
            "Reversed",
            "You turned the columns round; they follow `order`.",
            {"W[:, order]": "W.flip(1)"},
        ),
    ],
    second="""
def permuted_weight(W, order):
    return torch.stack([W.T[i] for i in order]).T
""",
    draw=lambda random: (
        "permuted_weight(W, order)",
        {"W": matrix(random, 2, 4), "order": random.sample(range(4), 4)},
    ),
)

RESCUE = Values(
    "lenet-rescue",
    name="rescue",
    shows=(
        "Centring alone leaves every gradient small; slopes of 1 make them large. tanh has both, "
        "and learns fastest."
    ),
    parts={
        "slope": Part(
            1,
            [
                (0.25, "that is the sigmoid's. tanh(z) = 2 · sigmoid(2z) − 1."),
                (0.5, "in 2 · sigmoid(2z) both twos count."),
                (2, "2 · 2 · ¼: which factor is missing?"),
            ],
        ),
        "product": Part(
            1,
            [
                (0.00390625, "that is with the plain weights; four of them are 4 times larger."),
                (256, "the four slopes of at most ¼ are still there."),
                (4, "the fifth weight has no sigmoid behind it, and is not made larger."),
                (0.015625, "one weight is 4 times larger at each of the four steps."),
            ],
        ),
        "alive": Part(
            {"steep", "tanh"},
            [
                ({"tanh"}, "one more: look at the second cell."),
                ({"steep"}, "one more: look at the second cell."),
                ({"centred", "steep", "tanh"}, "moving a curve down does not change its slope."),
                ({"centred", "tanh"}, "moving a curve down does not change its slope."),
                ({"centred"}, "moving a curve down does not change its slope."),
                (set(), "a slope of 1 takes nothing away."),
            ],
        ),
    },
)

EXERCISES = [KNOBS, PRECISION, DEAD, SHIFT, PERMUTE, RESCUE, MODERNISE]
