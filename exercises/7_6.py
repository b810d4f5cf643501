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
                (106_154, "padding 1 in the first only: the maps are 28, 14, 12 and 6 wide."),
                (61_706, "that is LeNet as it stands on the page."),
            ],
            otherwise="not this. How wide are the last maps, and how many values do they hold?",
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
            otherwise="not this. How wide are the last maps, and how many values do they hold?",
        ),
        "work": Part(
            4,
            [
                (2, "the kernels double twice: in the channels they read, and in those they make."),
                (8, "the maps keep their size; only the two numbers of channels double."),
                (1, "the maps keep their size, but each place costs more."),
            ],
            otherwise="not this. Write c_o c_i k² n² for both networks, and divide.",
        ),
        "sees": Part(
            10,
            [
                (16, "that is LeNet with its 5×5 kernels: go through the layers again with 3×3."),
                (8, "the second pooling adds one step of two pixels."),
                (6, "behind the first pooling, neighbours lie two pixels apart."),
                (12, "a pooling of 2 adds one step, not two."),
                (14, "that is LeNet's 5×5 kernels, before the second pooling."),
            ],
            otherwise="not this. Start from 1 pixel; each layer adds k − 1 steps.",
        ),
    },
)

MODERNISE = Values(
    "lenet-modernise",
    name="modern",
    shows=(
        "The modern network is larger in parameters, but what it really buys is work: 2.7 times "
        "the products, nine tenths of them in convolutions."
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
            otherwise="not this. Add four layers up: two convolutions, two dense ones.",
        ),
        "work": Part(
            1_117_056,
            [
                (1_016_064, "the dense layers multiply and add as well."),
                (270_336, "the second convolution reads 16 maps, not one."),
                (416_520, "that is LeNet."),
                (105_866, "these are parameters: each weight of a kernel is used at every place."),
            ],
            otherwise="not this. The kernels' weights times 28·28 and 14·14 places, then the rest.",
        ),
        "share": Part(
            0.9096,
            [
                (90.96, "a share lies between 0 and 1."),
                (91, "a share lies between 0 and 1."),
                (0.8085, "that is the second convolution alone."),
                (0.1011, "that is the first convolution alone."),
                (0.0904, "that is the share of the dense layers."),
                (0.0453, "that is the convolutions' share of the parameters."),
            ],
            digits=2,
            otherwise="not this. The products of both convolutions, divided by all products.",
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

COMMON = Code(
    "lenet-common",
    name="split_gradient",
    shows=(
        "Mean times mean is what all images push alike; the rest is a covariance. Where nothing "
        "differs between the images, on either side, the rest is 0."
    ),
    cases=[
        ("split_gradient(D, X)", {"D": [[1], [3]], "X": [[2, 0], [4, 2]]}),
        ("split_gradient(D, X)", {"D": [[1, -2], [-1, 2]], "X": [[3], [5]]}),
        ("split_gradient(D, X)", {"D": [[1, 2], [5, -2], [0, 3]], "X": [[4, 4], [4, 4], [4, 4]]}),
        ("split_gradient(D, X)", {"D": [[2, 0], [2, 0]], "X": [[1, 2, 3], [3, 0, 1]]}),
        ("split_gradient(D, X)", {"D": [[1, 0], [0, 3], [2, -4]], "X": [[1, 2], [0, 4], [3, 1]]}),
    ],
    mistakes=[
        Mistake(
            "A sum over the images",
            "The gradient is the mean over the images: divide by their number.",
            {"D.T @ X / len(X)": "D.T @ X"},
        ),
        Mistake(
            "Sums in both",
            "Take means over the images, of the products as of `D` and `X`.",
            {
                "D.T @ X / len(X)": "D.T @ X",
                "torch.outer(D.mean(0), X.mean(0))": "torch.outer(D.sum(0), X.sum(0))",
            },
        ),
        Mistake(
            "The rest comes first",
            "Both are right, but the product of the means shall come first.",
            {"[common, gradient - common]": "[gradient - common, common]"},
        ),
        Mistake(
            "The whole gradient in place of the rest",
            "The two must add up to the gradient: take away from it what is common.",
            {"[common, gradient - common]": "[common, gradient]"},
        ),
        Mistake(
            "Outputs and inputs are exchanged",
            "A weight has a row for each output and a column for each input.",
            {"[common, gradient - common]": "[common.T, (gradient - common).T]"},
        ),
        Mistake(
            "The means are multiplied place by place",
            "Row u, column i is the mean of `D[:, u]` times the mean of `X[:, i]`: a matrix, an "
            "outer product.",
            {"torch.outer(D.mean(0), X.mean(0))": "D.mean(0) * X.mean(0)"},
        ),
        Mistake(
            "`@` between the two means",
            "That is one number. Row u, column i is the mean of `D[:, u]` times the mean of "
            "`X[:, i]`: a matrix, an outer product.",
            {"torch.outer(D.mean(0), X.mean(0))": "D.mean(0) @ X.mean(0)"},
        ),
        Mistake(
            "Divided by one image less",
            "That is a sample's covariance. The gradient is a plain mean: divide by the number of "
            "images.",
            """
def split_gradient(D, X):
    rest = (D - D.mean(0)).T @ (X - X.mean(0)) / (len(X) - 1)
    return [torch.outer(D.mean(0), X.mean(0)), rest]
""",
        ),
    ],
    second="""
def split_gradient(D, X):
    u, x = D.mean(0), X.mean(0)
    return [u[:, None] * x, (D - u).T @ (X - x) / len(X)]
""",
    draw=lambda random: (
        "split_gradient(D, X)",
        {"D": matrix(random, 4, 2), "X": matrix(random, 4, 3)},
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
            otherwise="not this. Differentiate 2 · sigmoid(2z) − 1 at z = 0.",
        ),
        "step": Part(
            16,
            [
                (4, "W gets 4 times the gradient of V; and 4W moves 4 times as far as W."),
                (1, "the values are equal, but the gradient of W is not that of V."),
                (0.25, "the gradient of W is larger than that of V, not smaller."),
                (256, "that is all four layers; one step of one layer is asked for."),
            ],
            otherwise="not this. How much larger is W's gradient, and how far does 4W go for it?",
        ),
        "alive": Part(
            {"steep", "tanh"},
            [
                ({"tanh"}, "one more: run the cell that measures all three."),
                ({"steep"}, "one more: run the cell that measures all three."),
                ({"centred", "steep", "tanh"}, "moving a curve down does not change its slope."),
                ({"centred", "tanh"}, "moving a curve down does not change its slope."),
                ({"centred"}, "moving a curve down does not change its slope."),
                (set(), "a slope of 1 takes nothing away."),
            ],
            otherwise='not this. Give a set of names, such as {"centred"}.',
        ),
    },
)

EXERCISES = [KNOBS, PRECISION, COMMON, PERMUTE, RESCUE, MODERNISE]
