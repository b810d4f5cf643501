"""Section 8.4, GoogLeNet: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def values(random: Random, *shape: int) -> list | int:
    """Nested lists of small whole numbers."""
    if not shape:
        return random.randint(-5, 5)
    return [values(random, *shape[1:]) for _ in range(shape[0])]


SMALL = Values(
    "googlenet-small",
    name="small",
    shows=(
        "Without enlarging, stage 5 would work on a single place. A stem for small images halves "
        "once; that is what the small networks of this page do."
    ),
    parts={
        "stage 3": Part(
            4,
            [
                (3, "the poolings are padded: 7 places become 4, not 3."),
                (7, "the stem halves three times: the first convolution and two poolings."),
                (14, "the stem halves three times: the first convolution and two poolings."),
            ],
        ),
        "stage 4": Part(
            2,
            [
                (4, "between stages 3 and 4 stands a pooling that halves."),
                (1, "one halving less: the pooling behind stage 4 comes later."),
                (7, "it follows from stage 3: mend that first."),
            ],
        ),
        "stage 5": Part(
            1,
            [
                (2, "between stages 4 and 5 stands a pooling that halves."),
                (4, "it follows from stages 3 and 4: mend those first."),
                (0, "padding keeps at least one place."),
            ],
        ),
        "meet": Part(
            12.25,
            [
                (16, "a window in the corner meets 9 of the 16 places, not all of them."),
                (25, "no 5×5 window fits on a map of 4×4 places."),
                (9, "that is a window in the corner. Take the mean over all 16 places."),
                (3.5, "along one axis. There are two."),
                (12.3, "right so far. Now to the nearest 0.01."),
                (12.2, "right so far. Now to the nearest 0.01."),
            ],
            digits=2,
        ),
        "halvings": Part(
            1,
            [
                (3, "that is GoogLeNet's stem."),
                (2, "28, 14, 7: one less."),
                (0, "then stage 3 has 28×28 places."),
            ],
        ),
    },
)

BREAK_EVEN = Code(
    "googlenet-break-even",
    name="widest",
    shows=(
        "A reduction pays long before it is narrow: for the 5×5 of block 3a up to 154 of 192 "
        "channels. GoogLeNet takes 16."
    ),
    cases=[
        ("widest(192, 32, 5)", {}),
        ("widest(192, 128, 3)", {}),
        ("widest(4, 4, 1)", {}),
        ("widest(1, 1, 3)", {}),
        ("widest(10, 2, 3)", {}),
        ("widest(6, 30, 5)", {}),
        ("widest(18, 2, 3)", {}),
    ],
    mistakes=[
        Mistake(
            "The 1×1 convolution is free",
            "The reduction has weights of its own: c_i for each channel that it leaves.",
            {"c_i + k * k * c_o": "k * k * c_o"},
        ),
        Mistake(
            "The two sides of the reduction are exchanged",
            "A channel of the reduction costs c_i in front of the window, k · k · c_o behind it.",
            {"c_i + k * k * c_o": "c_o + k * k * c_i"},
        ),
        Mistake(
            "The side in place of the area",
            "A k×k window has k · k weights for each pair of channels.",
            {"k * k * c_i * c_o": "k * c_i * c_o", "c_i + k * k * c_o": "c_i + k * c_o"},
        ),
        Mistake(
            "Equal counts as cheaper",
            "With as many weights nothing is saved. Ask for fewer.",
            {"< direct": "<= direct"},
        ),
        Mistake(
            "One too many",
            "That is the first width that does not pay. The one before it still does.",
            {"return r": "return r + 1"},
        ),
        Mistake(
            "Not a whole number",
            "A number of channels is whole: round down, and ask for fewer weights, not as many.",
            """
def widest(c_i, c_o, k):
    return k * k * c_i * c_o / (c_i + k * k * c_o)
""",
        ),
    ],
    second="""
def widest(c_i, c_o, k):
    return (k * k * c_i * c_o - 1) // (c_i + k * k * c_o)
""",
    draw=lambda random: (
        f"widest({random.randint(1, 30)}, {random.randint(1, 30)}, {random.choice([1, 3, 5, 7])})",
        {},
    ),
    inputs="",
)

WIDEN = Code(
    "googlenet-widen",
    name="widen",
    shows=(
        "Every window is a 5×5 window whose rim is held at 0. So three windows side by side are "
        "one 5×5 convolution, of which most weights are never paid for."
    ),
    cases=[
        ("widen(W, 3)", {"W": [[[[2]]]]}),
        ("widen(W, 5)", {"W": [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]}),
        ("widen(W, 3)", {"W": [[[[1]], [[-2]]], [[[3]], [[4]]], [[[5]], [[6]]]]}),
        ("widen(W, 3)", {"W": [[[[0, 1, 0], [2, -5, 3], [0, 4, 1]]]]}),
        ("widen(W, 5)", {"W": [[[[1]], [[2]]]]}),
    ],
    mistakes=[
        Mistake(
            "The kernel lies in a corner",
            "The window would look past the place. Its middle stays the middle.",
            {
                "wide[:, :, edge:k - edge, edge:k - edge] = W": (
                    "wide[:, :, :W.shape[-1], :W.shape[-1]] = W"
                )
            },
        ),
        Mistake(
            "The kernel lies in the last corner",
            "Half of the new weights go before the kernel, half of them behind it.",
            """
def widen(W, k):
    wide = torch.zeros(*W.shape[:2], k, k)
    wide[:, :, k - W.shape[-1]:, k - W.shape[-1]:] = W
    return wide
""",
        ),
        Mistake(
            "The new weights are not 0",
            "What the small window does not read must count for nothing.",
            {"torch.zeros": "torch.ones"},
        ),
        Mistake(
            "The kernel is stretched",
            "The weights stay as they are, side by side. Zeros are added around them.",
            """
def widen(W, k):
    return F.interpolate(W, size=(k, k))
""",
        ),
        Mistake(
            "The kernel is turned over",
            "The weights keep their places; nothing is mirrored.",
            {"= W": "= W.flip(2, 3)"},
        ),
    ],
    second="""
def widen(W, k):
    edge = (k - W.shape[-1]) // 2
    return F.pad(W, (edge, edge, edge, edge))
""",
    draw=lambda random: draw_kernel(random),
)


def draw_kernel(random: Random) -> tuple[str, dict]:
    side = random.choice([1, 3])
    shape = random.randint(1, 3), random.randint(1, 2), side, side
    return f"widen(W, {random.choice([3, 5, 7])})", {"W": values(random, *shape)}


FACTORISE = Values(
    "googlenet-factorise",
    name="pair",
    shows=(
        "Two 3×3 see what one 5×5 sees, for 18 weights in place of 25 where the channels are "
        "equal. Behind a reduction it depends on where the channels grow: late is half the price, "
        "early is dearer than the 5×5."
    ),
    parts={
        "sees": Part(
            5,
            [
                (6, "the windows overlap: the second adds one place on each side."),
                (9, "that is the area of one. Give the side of what both see together."),
                (25, "give the side, not the area."),
                (3, "the second reads 3×3 results, each of which has seen 3×3 places."),
            ],
        ),
        "one": Part(
            12_800,
            [
                (512, "times the 25 places of the window."),
                (400, "that is for one channel out. 5·5 weights for each of 16·32 pairs."),
                (800, "that is for one channel in. 5·5 weights for each of 16·32 pairs."),
                (153_600, "the 5×5 reads the 16 channels of its reduction, not all 192."),
                (4_608, "that is a 3×3. The question is for the 5×5."),
                (12_832, "without biases."),
            ],
        ),
        "early": Part(
            13_824,
            [
                (6_912, "that is the pair whose second convolution widens."),
                (9_216, "both have 32 channels out, but the second has 32 in as well."),
                (64_512, "the first reads the 16 channels of the reduction, not all 192."),
                (55_296, "the first reads the 16 channels of the reduction, and a second follows."),
                (4_608, "that is the first convolution alone."),
            ],
        ),
        "late": Part(
            6_912,
            [
                (13_824, "that is the pair whose first convolution widens."),
                (9_216, "the first goes from 16 to 16 channels, the second from 16 to 32."),
                (32_256, "the first reads the 16 channels of the reduction, not all 192."),
                (4_608, "that is the second convolution alone."),
                (2_304, "that is the first convolution alone."),
            ],
        ),
    },
)

SMALLEST = Values(
    "googlenet-smallest",
    name="smallest",
    shows=(
        "That a network runs says little: up to 32 pixels its last four layers of 5×5 and 3×3 are "
        "1×1 convolutions in disguise."
    ),
    parts={
        "ours": Part(
            1,
            [
                (32, "up to there the last maps have one place; below it they still have one."),
                (7, "the first convolution is padded by 3: its window fits around one pixel."),
                (16, "the poolings are padded: does any size fail? Try 1."),
                (33, "the poolings are padded: does any size fail? Try 1."),
                (0, "there has to be something to look at."),
            ],
        ),
        "single": Part(
            32,
            [
                (31, "five halvings that round up: 32 pixels become 1 place."),
                (33, "33 pixels become 17, 9, 5, 3 and 2 places."),
                (64, "64 pixels become 2 places."),
                (16, "larger ones have a single place as well: five halvings."),
            ],
        ),
        "meet": Part(
            1,
            [
                (9, "that is so on 3×3 places. Here there is one."),
                (25, "24 of them lie on padding."),
                (0, "the middle weight meets the one place."),
            ],
        ),
        "theirs": Part(
            15,
            [
                (14, "it raises an error there. Which is the first size that runs?"),
                (1, "its poolings have no padding: small maps become nothing."),
                (32, "try smaller ones."),
                (16, "nearly: try one pixel less."),
            ],
        ),
    },
)

SMOOTHING = Code(
    "googlenet-smoothing",
    name="smoothed_loss",
    shows=(
        "With ε = 0.1 and ten classes the loss is smallest where the right class has probability "
        "0.91: a lead of ln 91 = 4.5 over the others is enough, and a larger one costs."
    ),
    cases=[
        ("smoothed_loss(scores, Y, 0.2)", {"scores": [[1, 0]], "Y": [[1, 0]]}),
        (
            "smoothed_loss(scores, Y, 0.3)",
            {"scores": [[2, 0, -1], [1, 1, 3]], "Y": [[0, 1, 0], [0, 0, 1]]},
        ),
        ("smoothed_loss(scores, Y, 0)", {"scores": [[0, 3, 1]], "Y": [[0, 0, 1]]}),
        ("smoothed_loss(scores, Y, 1)", {"scores": [[4, 1, 0]], "Y": [[1, 0, 0]]}),
        (
            "smoothed_loss(scores, Y, 0.1)",
            {"scores": [[5, 0], [-1, 2], [0, 1]], "Y": [[1, 0], [1, 0], [0, 1]]},
        ),
    ],
    mistakes=[
        Mistake(
            "Nothing is taken from the right class",
            "The target has to sum to 1: what the others get is taken from the right class.",
            {"(1 - epsilon) * Y": "Y"},
        ),
        Mistake(
            "ε is not shared out",
            "Each of the K classes gets ε / K.",
            {"epsilon / scores.shape[1]": "epsilon"},
        ),
        Mistake(
            "The sum over the images",
            "A loss is a mean over the images of the batch.",
            {".mean()": ".sum()"},
        ),
        Mistake(
            "The mean over the classes as well",
            "Sum over the classes, then take the mean over the images.",
            {".sum(1).mean()": ".mean()"},
        ),
        Mistake(
            "The right class is left out",
            "The smoothing goes to all K classes, the right one among them.",
            {"+ epsilon / scores.shape[1]": "+ (1 - Y) * epsilon / scores.shape[1]"},
        ),
        Mistake(
            "Only the wrong classes share",
            "Here all K classes share ε, the right one too: each gets ε / K, not ε / (K − 1).",
            {"epsilon / scores.shape[1]": "epsilon * (1 - Y) / (scores.shape[1] - 1)"},
        ),
        Mistake(
            "Probabilities in place of their logarithms",
            "Cross-entropy takes the logarithm of the softmax.",
            {"log_softmax": "softmax"},
        ),
        Mistake(
            "The logarithm of the scores",
            "Scores are no probabilities yet: the softmax makes them, and its logarithm is taken.",
            {"scores.log_softmax(1)": "scores.log()"},
        ),
    ],
    second="""
def smoothed_loss(scores, Y, epsilon):
    log_p = scores - scores.exp().sum(1, keepdim=True).log()
    hit = (log_p * Y).sum(1)
    return -((1 - epsilon) * hit + epsilon * log_p.mean(1)).mean()
""",
    draw=lambda random: draw_scores(random),
    without=("cross_entropy",),
)


def draw_scores(random: Random) -> tuple[str, dict]:
    n, classes = random.randint(1, 3), random.randint(2, 4)
    Y = [[0] * classes for _ in range(n)]
    for row in Y:
        row[random.randrange(classes)] = 1
    epsilon = random.choice([0, 0.1, 0.25, 0.5, 1])
    return f"smoothed_loss(scores, Y, {epsilon})", {"scores": values(random, n, classes), "Y": Y}


THREE_IMAGES = [[[[1]], [[2]]], [[[3]], [[4]]], [[[5]], [[6]]]]
THREE_CHANNELS = [[[[1, 2]], [[3, 4]], [[5, 6]]], [[[7, 8]], [[9, 0]], [[2, 1]]]]
TWO_PLACES = [[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]], [[[9, 1]], [[2, 3]]]]
EXCHANGE = Code(
    "googlenet-mean",
    name="exchanged",
    shows=(
        "Now the next layer sees nothing unusual, channel by channel: same values, same pictures, "
        "of another image. Only what binds the branch to its own image is gone."
    ),
    cases=[
        ("exchanged(Y, [0])", {"Y": THREE_IMAGES}),
        ("exchanged(Y, [1, 2])", {"Y": THREE_CHANNELS}),
        ("exchanged(Y, [2, 0])", {"Y": THREE_CHANNELS}),
        ("exchanged(Y, [1])", {"Y": TWO_PLACES}),
        ("[exchanged(Y, [1]), Y]", {"Y": THREE_IMAGES}),
        ("exchanged(Y, [0, 1, 2])", {"Y": [[[[1]], [[2]], [[3]]], [[[4]], [[5]], [[6]]]]}),
    ],
    mistakes=[
        Mistake(
            "Y itself is changed",
            "Right, but the caller's Y has changed as well. Work on a copy: `Y.clone()`.",
            """
def exchanged(Y, own):
    Y[:, own] = Y[:, own].roll(1, 0)
    return Y
""",
        ),
        Mistake(
            "All channels are exchanged",
            "Only the channels `own` come from another image; the rest stay.",
            {"Z[:, own] = Y[:, own].roll(1, 0)": "Z = Y.roll(1, 0)"},
        ),
        Mistake(
            "From the next image",
            "Image n gets the branch of image n − 1, and image 0 that of the last.",
            {"roll(1, 0)": "roll(-1, 0)"},
        ),
        Mistake(
            "Channels change places",
            "The images change places: axis 0. A channel stays the channel it is.",
            {"roll(1, 0)": "roll(1, 1)"},
        ),
        Mistake(
            "The mean in place of another image",
            "That is what the page does. Here each image gets what another image has.",
            {"Y[:, own].roll(1, 0)": "Y[:, own].mean((0, 2, 3), keepdim=True)"},
        ),
        Mistake(
            "The other channels are exchanged",
            "The channels `own` come from another image; all others stay.",
            """
def exchanged(Y, own):
    Z = Y.roll(1, 0)
    Z[:, own] = Y[:, own]
    return Z
""",
        ),
    ],
    second="""
def exchanged(Y, own):
    other = torch.cat([Y[-1:], Y[:-1]])
    chosen = [k in list(own) for k in range(Y.shape[1])]
    return torch.where(torch.tensor(chosen)[:, None, None], other, Y)
""",
    draw=lambda random: draw_maps(random),
)


def draw_maps(random: Random) -> tuple[str, dict]:
    n, c, w = random.randint(2, 4), random.randint(2, 4), random.randint(1, 2)
    own = random.sample(range(c), random.randint(1, c))
    return f"exchanged(Y, {own})", {"Y": values(random, n, c, 1, w)}


STARTS = Values(
    "googlenet-starts",
    name="waits",
    shows=(
        "Images look equally alike to both starts. What Xavier's loses in a deep network of ReLUs "
        "is the size of the signal, and with it the gradient in every layer."
    ),
    parts={
        "Xavier": Part(
            0.5,
            [
                (1, "that would be right without the ReLU, which keeps half of the mean square."),
                (0.25, "n v is 2 n / (n + n) = 1 here; then the ReLU halves."),
                (0.707, "that is the factor of the root mean square."),
            ],
            digits=1,
        ),
        "Kaiming": Part(
            1,
            [
                (2, "n v is 2; and the ReLU keeps half of the mean square."),
                (0.5, "n v is 2, not 1; and the ReLU keeps half."),
            ],
        ),
        "depth": Part(
            14,
            [
                (7, "that is so for the mean square. Its root falls half as fast."),
                (13, "nearly: 0.5 ** 6.5 is 0.011."),
                (15, "one less is enough."),
                (10, "0.5 ** 5 is 0.031."),
            ],
        ),
        "repaired": Part(
            "size",
            [
                ("angle", "measure it: the cosines of both starts hardly differ."),
                ("both", "measure it: the cosines of both starts hardly differ."),
            ],
        ),
    },
)

PARAMETERS = Values(
    "googlenet-parameters",
    name="shares",
    shows=(
        "Where a head of dense layers has more than nine tenths of all weights, one that averages "
        "its maps first has a seventh. Against the network of 2012 we find 8.7 times fewer, not "
        "12; without the last layer it is 10.2."
    ),
    parts={
        "alexnet": Part(
            96,
            [
                (4, "that is the share of the convolutions."),
                (95, "round to the nearest."),
                (1, "in per cent, please, not as a fraction."),
            ],
            digits=0,
        ),
        "vgg": Part(
            93,
            [
                (7, "that is the share of the convolutions."),
                (94, "round to the nearest."),
                (1, "in per cent, please, not as a fraction."),
            ],
            digits=0,
        ),
        "googlenet": Part(
            15,
            [
                (85, "that is the share of the convolutions."),
                (0, "a fraction in place of per cent? Or ten classes in place of 1,000?"),
                (14, "round to the nearest."),
            ],
            digits=0,
        ),
        "ratio": Part(
            8.7,
            [
                (12.0, "that is what the paper says. Divide."),
                (10.2, "that leaves GoogLeNet's dense layer out."),
                (0.1, "the other way round: how many times fewer?"),
                (9.2, "that is torchvision's form. Take ours, without batch normalisation."),
            ],
            digits=1,
        ),
    },
)

COMPUTE = Values(
    "googlenet-compute",
    name="uses",
    shows=(
        "AlexNet waits for its weights: most of them sit in dense layers and are used once an "
        "image. GoogLeNet computes twice as much with a ninth of the weights, each used at many "
        "places."
    ),
    parts={
        "alexnet": Part(
            12,
            [
                (11, "round to the nearest."),
                (1, "that is so in the dense layers. Take all products and all weights."),
            ],
            digits=0,
        ),
        "googlenet": Part(
            226,
            [
                (251, "that is so for one colour channel and ten classes."),
                (227, "round to the nearest."),
            ],
            digits=0,
        ),
        "megabytes": Part(
            244,
            [
                (61, "each weight takes four bytes in float32."),
                (28, "that is GoogLeNet."),
                (233, "that is in MiB of 1,048,576 bytes. Take millions of bytes."),
            ],
            digits=0,
        ),
        "waits": Part(
            "memory",
            [("arithmetic", "12 products for each weight fetched, where the chip could do 40.")],
        ),
    },
)

EXERCISES = [
    SMALL, BREAK_EVEN, FACTORISE, WIDEN, SMALLEST, EXCHANGE, STARTS, SMOOTHING, PARAMETERS,
    COMPUTE,
]  # fmt: skip
