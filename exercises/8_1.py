"""Section 8.1, AlexNet: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values

WORD = "give one of the words in the question, in quotes."


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-5, 5) for _ in range(width)] for _ in range(height)]


MEMORY = Values(
    "alexnet-memory",
    name="memory",
    shows=(
        "In prediction the dense weights are nearly all of the memory; in training the maps of the "
        "convolutions overtake them, by this bound from about a hundred images on."
    ),
    parts={
        "weights": Part(
            178.4,
            [
                (187.1, "a MiB is 2**20 bytes, not a million."),
                (44.6, "a number takes 4 bytes."),
                (164.2, "those are the dense layers alone."),
                (164.0, "those are the two large matrices alone."),
                (535.2, "that is with gradients and momentum: only the weights here."),
            ],
            digits=1,
        ),
        "outputs": Part(
            5.1,
            [
                (5.4, "a MiB is 2**20 bytes, not a million."),
                (5.0, "nearly: the rows from the flattening on have outputs as well."),
                (1.3, "a number takes 4 bytes."),
                (
                    2.7,
                    "the ReLUs, the flattening and the dropout have outputs as well: count them.",
                ),
                (654.3, "that is a batch of 128: give one image."),
            ],
            digits=1,
            otherwise="not this. Add up the outputs of every row of the table, 4 bytes a number.",
        ),
        "batch": Part(
            105,
            [
                (104, "at 104 the parameters are still ahead."),
                (35, "there are three numbers for each parameter: weight, gradient, momentum."),
                (36, "there are three numbers for each parameter: weight, gradient, momentum."),
                (70, "three numbers, not two: momentum as well."),
            ],
            otherwise="not this: a whole number, the first with batch × outputs > 3 × weights.",
        ),
        "most": Part(
            "weights",
            [("outputs", "for one image the outputs take a few MiB. And the weights?")],
            otherwise=WORD,
        ),
    },
)

CHIP = Code(
    "alexnet-chip",
    name="intensity",
    shows=(
        "For one image a dense layer does half an operation for each byte: every weight is fetched "
        "and used once. Only a batch lets a weight work more than once."
    ),
    cases=[
        ("intensity(1, 1, 1)", {}),
        ("intensity(6, 2, 1)", {}),
        ("intensity(3, 5, 4)", {}),
        ("intensity(6400, 4096, 1)", {}),
        ("intensity(100, 10, 128)", {}),
        ("intensity(10, 100, 128)", {}),
    ],
    mistakes=[
        Mistake(
            "A multiply–add is counted as one operation",
            "It is two: a product and a sum.",
            {"2 * batch": "batch"},
        ),
        Mistake(
            "The weights are moved once for each image",
            "One copy of the weights serves all images of the batch.",
            {"weights + batch * (n_in + n_out)": "batch * (weights + n_in + n_out)"},
        ),
        Mistake(
            "The inputs and outputs of one image only",
            "Each image of the batch brings its inputs, and takes its outputs away.",
            {"batch * (n_in + n_out)": "(n_in + n_out)"},
        ),
        Mistake(
            "Numbers in place of bytes",
            "A number in float32 has four bytes.",
            {"4 * (weights": "(weights"},
        ),
        Mistake(
            "The biases are forgotten",
            "The layer has a bias for each output, and they are moved as well.",
            {"n_in * n_out + n_out": "n_in * n_out"},
        ),
        Mistake(
            "The outputs are forgotten",
            "The outputs are written to memory, so they are moved, too.",
            {"batch * (n_in + n_out)": "batch * n_in"},
        ),
    ],
    second="""
def intensity(n_in, n_out, batch):
    parameters, values = (n_in + 1) * n_out, batch * n_in + batch * n_out
    operations = batch * n_out * (n_in + n_in)
    return operations / sum([4 * parameters, 4 * values])
""",
    draw=lambda random: (
        f"intensity({random.randint(1, 9)}, {random.randint(1, 9)}, {random.randint(1, 9)})",
        {},
    ),
    inputs="",
)

CROPS = Code(
    "alexnet-crops",
    name="ten_crops",
    shows=(
        "Ten views of one image, always the same ten: averaging a network's answers over them "
        "costs ten passes, and no training."
    ),
    cases=[
        ("ten_crops(X, 1)", {"X": [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]}),
        ("ten_crops(X, 2)", {"X": [[[1, 2, 3, 4], [5, 6, 7, 8]]]}),
        ("ten_crops(X, 2)", {"X": [[[1, 2], [3, 4], [5, 6], [7, 8]]]}),
        ("ten_crops(X, 1)", {"X": [[[1, 2, 3]], [[4, 5, 6]]]}),
        ("ten_crops(X, 2)", {"X": [[[1, 0], [2, 3]]]}),
        (
            "ten_crops(X, 2)",
            {"X": [[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]]},
        ),
    ],
    mistakes=[
        Mistake(
            "Upside down",
            "A mirror image swaps left and right, the last axis.",
            {"crop.flip(-1)": "crop.flip(-2)"},
        ),
        Mistake(
            "The mirror images in another order",
            "The sixth crop is the mirror image of the first, and so on. (Torchvision mirrors the "
            "whole image first, which swaps left corners and right ones.)",
            {"[crop.flip(-1) for crop in crops]": ("[crops[k].flip(-1) for k in (1, 0, 3, 2, 4)]")},
        ),
        Mistake(
            "Mirror images right behind their crops",
            "First all five crops, then all five mirror images.",
            {
                "crops + [crop.flip(-1) for crop in crops]": (
                    "[c for crop in crops for c in (crop, crop.flip(-1))]"
                )
            },
        ),
        Mistake(
            "The middle crop begins in the middle",
            "Its upper left corner lies half of H − side, and of W − side, from the edges.",
            {"(bottom // 2, right // 2)": "(X.shape[1] // 2, X.shape[2] // 2)"},
        ),
        Mistake(
            "The lower left and upper right corners are exchanged",
            "The order is upper left, upper right, lower left, lower right, middle.",
            {"(0, right), (bottom, 0)": "(bottom, 0), (0, right)"},
        ),
    ],
    second="""
def ten_crops(X, side):
    def five(X):
        h, w = (X.shape[1] - side) // 2, (X.shape[2] - side) // 2
        return [
            X[:, :side, :side], X[:, :side, X.shape[2] - side:], X[:, X.shape[1] - side:, :side],
            X[:, X.shape[1] - side:, X.shape[2] - side:], X[:, h:h + side, w:w + side],
        ]
    mirrored = five(X.flip(2))
    return torch.stack([*five(X), *(mirrored[k] for k in (1, 0, 3, 2, 4))])
""",
    draw=lambda random: draw_crops(random),
    without=("ten_crop", "five_crop", "TenCrop", "FiveCrop"),
)


def draw_crops(random: Random) -> tuple[str, dict]:
    side = random.randint(1, 3)
    height, width = (side + 2 * random.randint(0, 2) for _ in range(2))
    return f"ten_crops(X, {side})", {"X": [matrix(random, height, width)]}


COLOUR = Code(
    "alexnet-colour",
    name="recolour",
    shows=(
        "One colour for all pixels of an image: a new light, not noise. Along the first direction, "
        "the brightness, it may be strong, because photographs differ most there."
    ),
    cases=[
        (
            "recolour(X, P, lam, alpha)",
            {"X": [[[0]], [[0]], [[0]]], "P": [[1], [2], [0]], "lam": [4], "alpha": [1]},
        ),
        (
            "recolour(X, P, lam, alpha)",
            {
                "X": [[[1, 2]], [[3, 4]], [[5, 6]]],
                "P": [[1, 0], [0, 1], [2, 0]],
                "lam": [3, 2],
                "alpha": [1, -1],
            },
        ),
        (
            "recolour(X, P, lam, alpha)",
            {
                "X": [[[1], [0]], [[0], [2]], [[0], [0]]],
                "P": [[2, 1], [1, -2], [0, 3]],
                "lam": [4, 2],
                "alpha": [0.5, -1],
            },
        ),
        (
            "recolour(X, P, lam, alpha)",
            {
                "X": [[[1]], [[0]], [[3]]],
                "P": [[1, 2], [0, 1], [2, 0]],
                "lam": [3, 2],
                "alpha": [1, -1],
            },
        ),
        (
            "recolour(X, P, lam, alpha)",
            {
                "X": [[[1, 1]], [[1, 0]], [[2, 5]]],
                "P": [[1, 2], [0, 1], [0, -1]],
                "lam": [5, 3],
                "alpha": [0, 2],
            },
        ),
    ],
    mistakes=[
        Mistake(
            "The eigenvalues are left out",
            "Each direction is scaled by its eigenvalue as well as by its random number.",
            {"alpha * lam": "alpha"},
        ),
        Mistake(
            "The random numbers are left out",
            "Without alpha every image gets the same colour.",
            {"alpha * lam": "lam"},
        ),
        Mistake(
            "Standard deviations in place of eigenvalues",
            "The paper multiplies by the eigenvalue itself, not by its root.",
            {"alpha * lam": "alpha * lam.sqrt()"},
        ),
        Mistake(
            "The colour is multiplied",
            "The colour is added to each pixel.",
            {"X + colour": "X * colour"},
        ),
        Mistake(
            "The colour lies along the last axis",
            "It has to lie along the first one: give it two axes more, `[:, None, None]`.",
            {"X + colour[:, None, None]": "X + colour"},
        ),
        Mistake(
            "Only the first direction",
            "All directions are added up.",
            {"P @ (alpha * lam)": "P[:, 0] * alpha[0] * lam[0]"},
        ),
    ],
    second="""
def recolour(X, P, lam, alpha):
    Y = X.clone()
    for c in range(3):
        Y[c] += sum(P[c, i] * alpha[i] * lam[i] for i in range(len(lam)))
    return Y
""",
    draw=lambda random: draw_colour(random),
)


def draw_colour(random: Random) -> tuple[str, dict]:
    height, width, d = (random.randint(1, 3) for _ in range(3))
    inputs = {
        "X": [matrix(random, height, width) for _ in range(3)],
        "P": matrix(random, 3, d),
        "lam": [random.randint(1, 5) for _ in range(d)],
        "alpha": [random.randint(-3, 3) for _ in range(d)],
    }
    return "recolour(X, P, lam, alpha)", inputs


SMALL = Values(
    "alexnet-small",
    name="small",
    shows=(
        "The work grows with the square of the channels: with half of them it is more than three "
        "times cheaper, and so far as good as LeNet."
    ),
    parts={
        "side": Part(
            2,
            [
                (3, "windows of 3×3 on 13 pixels, 2 apart, find 6 places; on 6 pixels, 2."),
                (1, "the convolutions are padded: only the poolings shrink the maps."),
                (4, "how many places has a window of 3 on 13 pixels, if it moves by 2?"),
            ],
            otherwise="not this. How many places has a window of 3 on 28 pixels, if it moves by 2?",
        ),
        "times": Part(
            2.9,
            [
                (0.3, "the other way round: how many times LeNet's?"),
                (2.8, "the dense layers count as well."),
                (0.9, "those are the parameters. Count multiply–adds."),
            ],
            digits=1,
            otherwise="not this. Each place costs 9 c_i c_o; the maps are 28, 13, 6, 6 and 6 wide.",
        ),
        "c": Part(
            4,
            [
                (5, "with 5 it is 498,699 multiply–adds: too many."),
                (3, "that is cheap enough, but there is a larger one."),
                (2, "that is cheap enough, but there is a larger one. The work grows with c²."),
                (2.8, "the work grows with c², not with c; and c is a whole number."),
            ],
            otherwise="not this. For each c add up the layers, or let `summary` do it.",
        ),
        "against": Part(
            "level",
            [
                (
                    "ahead",
                    "two points are 40 of 2,000 images. It has fewer multiply–adds and half of the "
                    "parameters: what would put it 40 images ahead?",
                ),
                (
                    "behind",
                    "two points are 40 of 2,000 images. It is cheaper, but deeper: must it be 40 "
                    "images behind?",
                ),
            ],
            otherwise=WORD,
        ),
    },
)

INGREDIENTS = Values(
    "alexnet-lenet",
    name="ingredients",
    shows=(
        "Whether it learns at all comes first, and at this rate the activation decides that. At "
        "one rate a larger batch makes fewer steps of the same length: raise the rate with it."
    ),
    parts={
        "decides": Part(
            "ReLU",
            [
                (
                    "dropout",
                    "it changes the accuracy by a few points. Is LeNet with sigmoids above chance?",
                ),
                (
                    "shifts",
                    "they change it by a few points. Is LeNet with sigmoids above chance at all?",
                ),
            ],
            otherwise=WORD,
        ),
        "ahead": Part(
            "neither",
            [
                (
                    "dropout",
                    "not in every seed. Three epochs are too few to learn by heart.",
                ),
                (
                    "shifts",
                    "not in every seed. Three epochs are too few to learn by heart.",
                ),
                ("both", "the solution, on the page of the book, has them seed by seed."),
            ],
            otherwise=WORD,
        ),
        "factor": Part(
            0.8,
            [
                (
                    0.2,
                    "that is the share of zeros. What share of the values was there in training?",
                ),
                (1.25, "that is what today's dropout does in training, with those it keeps."),
                (0.5, "halving is right for p = ½."),
                (5, "that is 1 / p: must the outputs become larger or smaller?"),
                (1, "in training only the values that are kept arrive; in prediction all of them."),
            ],
            digits=1,
        ),
        "steps": Part(
            72,
            [
                (24, "that is one epoch; there are three."),
                (69, "the last batch of an epoch is smaller, and is a step as well."),
                (70, "the last batch of an epoch is smaller, and is a step as well."),
                (71, "each epoch ends with a batch of its own that is smaller."),
            ],
        ),
        "accurate": Part(
            16,
            [
                (256, "its steps are surer, but there are far fewer of them, at the same rate."),
                (64, "in between. Which batch makes most steps?"),
                (32, "in between. Which batch makes most steps?"),
            ],
        ),
        "cure": Part(
            "raise",
            [("lower", "a mean over more images is surer. So may the step be longer or shorter?")],
            otherwise=WORD,
        ),
    },
)

PATCHES = Values(
    "alexnet-patches",
    name="space",
    shows=(
        "What a first layer can become is decided by its patches, before any label is read. A "
        "pattern that mixtures of them show as well is no news from the training."
    ),
    parts={
        "constant": Part(
            1,
            [
                (9, "that is all filters. Every patch here is one number times nine ones."),
                (0, "a patch of ones is not zero: the filter can become any multiple of it."),
                (5, "other images have other constants, and they are multiples of one patch."),
                (64, "those are the pixels of an image; a patch has nine, here all equal."),
            ],
        ),
        "rows": Part(
            3,
            [
                (9, "the three rows of each patch are equal."),
                (1, "the rows are equal, but the numbers along them differ."),
                (8, "a patch sees three of the eight numbers of a row."),
                (5, "how many different numbers does one patch of 3×3 hold?"),
            ],
        ),
        "padded": Part(
            9,
            [
                (1, "that is without padding. A patch at a corner has zeros on two of its sides."),
                (2, "corners and edges differ, and the four sides do as well."),
                (4, "four corners, and what of the edges and the inside?"),
                (8, "nearly: eight on the border, and what of the inside?"),
                (
                    3,
                    "inside, edges and corners are nine patches: is any a mixture of the others?",
                ),
                (
                    5,
                    "inside, edges and corners are nine patches: is any a mixture of the others?",
                ),
            ],
            otherwise="not this. Write down the nine patches: how many are linearly independent?",
        ),
        "shuffled": Part(
            "yes",
            [("no", "labels only choose δ. Do they occur in the patches?")],
            otherwise=WORD,
        ),
        "noise": Part(
            "no",
            [("yes", "the change is a constant. What is it added to?")],
            otherwise=WORD,
        ),
    },
)

OVERFIT = Values(
    "alexnet-overfit",
    name="overfit",
    shows=(
        "A network that passes this test is wired correctly and has room for the images. Whether "
        "it has understood anything, only other images can tell."
    ),
    parts={
        "true": Part(
            "yes",
            [("no", "61,706 parameters have room for twenty images.")],
            otherwise=WORD,
        ),
        "random": Part(
            "yes",
            [("no", "the labels need not make sense to be learned by heart. Run it.")],
            otherwise=WORD,
        ),
        "says": Part(
            "room",
            [("understood", "random labels hold nothing to understand, and the loss is as low.")],
            otherwise=WORD,
        ),
        "breaks": Part(
            "start",
            [
                ("ReLUs", "then it is a linear network, and that has room for twenty images."),
                ("pooling", "then there is more to compute, and more room. Run it."),
            ],
            otherwise=WORD,
        ),
    },
)

BENCHMARK = Values(
    "alexnet-benchmark",
    name="benchmark",
    shows=(
        "Nineteen in twenty of AlexNet's parameters are dense weights, each fetched and used once "
        "for an image: on a fast card its timing is a timing of the memory."
    ),
    parts={
        "points": Part(
            13.2,
            [
                (10.0, "that is the top-five accuracy. Take acc@1."),
                (0.1, "in percentage points, please."),
                (-13.2, "ResNet-18 is the more accurate one."),
            ],
            digits=1,
        ),
        "weights": Part(
            5.2,
            [(0.2, "the other way round: AlexNet's over ResNet-18's.")],
            digits=1,
        ),
        "dense": Part(
            0.96,
            [
                (0.04, "that is the share of the convolutions."),
                (0.62, "that is the first dense layer alone."),
                (0.92, "that is the network of this page. Take torchvision's, with 9,216 inputs."),
                (95.96, "give a share between 0 and 1."),
            ],
            digits=2,
        ),
        "times": Part(
            "memory",
            [("arithmetic", "it fetches 244 million bytes for 1.4 thousand million operations.")],
            otherwise=WORD,
        ),
    },
)

EXERCISES = [
    MEMORY, CHIP, CROPS, COLOUR, SMALL, INGREDIENTS, PATCHES, OVERFIT, BENCHMARK,
]  # fmt: skip
