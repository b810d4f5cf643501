"""Section 7.4, multiple channels: cases, usual mistakes and second answers."""

from random import Random
from typing import Any

from exercises import Code, Mistake, Part, Values


def tensor(random: Random, *shape: int) -> Any:
    """Nested lists of small integers."""
    if not shape:
        return random.randint(-9, 9)
    return [tensor(random, *shape[1:]) for _ in range(shape[0])]


LETTER = "give one of the letters a, b, c, d."

CHANNELS_BY_HAND = Values(
    "channels-by-hand",
    name="channels",
    shows=(
        "All channels end in one sum, so one kernel makes one output channel; and the weight has a "
        "slice for every pair of an output and an input channel."
    ),
    parts={
        "y": Part(
            (3, 7),
            [
                ((2, 5), "that is channel 0 alone. Add what channel 1 gives."),
                ((1, 2), "that is channel 1 alone. Add what channel 0 gives."),
                (((3, 7),), "the right numbers; take them out of the matrix: (left, right)."),
                (((2, 5), (1, 2)), "two results for two channels; now add them, place by place."),
                (((2, 1), (5, 2)), "the right sums of each channel; now add them up."),
                ((2, 10), "the results of the channels are added, not multiplied."),
                ((7, 3), "the left window comes first."),
                ((3, 6), "the right window holds the columns 1 and 2 of both channels."),
            ],
            otherwise="not this. Two windows, two channels, four products each.",
        ),
        "blue": Part(
            -2,
            [
                (0, "a grey of 1, 1, 1 would give 2."),
                (-1, "a grey of 1, 1, 1 would give 1."),
                (2, "a grey of 1, 1, 1 would give 4. Mind the sign."),
                (-0.5, "a grey of 1, 1, 1 would give 1.5."),
            ],
            otherwise="the weights have to add up to 0.",
        ),
        "shape": Part(
            (32, 16, 3, 5),
            [
                ((16, 32, 3, 5), "the output channels come first."),
                ((32, 16, 5, 3), "height comes before width."),
                ((16, 32, 5, 3), "the output channels come first, and height before width."),
                ((32, 3, 5), "each output channel has a slice for *each* of the 16 inputs."),
                ((16, 3, 5), "that is one kernel. There is one for each of the 32 outputs."),
                ((3, 5, 16, 32), "that is another framework's order. In PyTorch (c_o, c_i, …)."),
            ],
            otherwise="four numbers: output channels, input channels, height, width.",
        ),
        "parameters": Part(
            7712,
            [
                (7680, "the biases are missing: one for each output channel."),
                (7696, "one bias for each *output* channel, not for each input channel."),
                (8192, "a bias belongs to an output channel, not to each of its slices."),
                (512, "32 kernels of 15 weights? Each has 16 slices of 15."),
                (480, "32 kernels of 15 weights? Each has 16 slices of 15."),
                (15360, "one bias for each output channel, not for each weight."),
            ],
            otherwise="32 kernels of 16 slices of 15 weights, and the biases.",
        ),
        "work": Part(
            921_600,
            [
                (925_440, "the biases are additions, not products."),
                (7680, "each weight is used once at *each* of the 120 places."),
                (1_843_200, "that is in FLOPs: two for each multiply–add."),
                (57_600, "every output channel reads all 16 input channels."),
                (28_800, "all 32 output channels have to be made, each from all 16."),
            ],
            otherwise="the number of weights, times the number of places.",
        ),
    },
)

CHOOSE_DIRECTION = Values(
    "choose-direction",
    name="direction",
    shows=(
        "Weights that add up to 0 ignore lightness; among them the direction decides which "
        "colours are told apart. One direction that shows two digits cannot keep them apart."
    ),
    parts={
        "best": Part(
            (0, 1, -1),
            [
                ((0, -1, 1), "the same direction turned round; the largest weight is 1 and green."),
                ((0.02, 0.12, -0.08), "they do not add up to 0: subtract the mean."),
                ((0, 0.1, -0.1), "the right direction; make its largest weight 1."),
                ((1, 0, -1), "that is best for orange and blue."),
                ((1, -2, 1), "that is best for magenta and green."),
                ((0, 1, 0), "green alone lets lightness through: add up to 0."),
            ],
            otherwise="the largest w·d for its length: along d minus its mean.",
        ),
        "gap": Part(
            0.4,
            [
                (0.2, "that is w·d. One colour lies at plus, the other at minus this."),
                (-0.4, "a distance is positive."),
                (0.1, "two channels contribute, and both colours."),
                (0.3, "do not divide by the length of w: it is (0, 1, −1) as it stands."),
            ],
            digits=1,
            otherwise="the outputs are w·d for lime and −w·d for violet, beside mid-grey.",
        ),
        "blind": Part(
            (1, -0.5, -0.5),
            [
                ((1, 1, 1), "these see nothing but lightness: they add up to 3."),
                ((1, 0, -1), "along these, lime gives 0.10."),
                ((1, -1, 0), "along these, lime gives −0.10."),
                *(
                    ((2 * t, -t, -t), "the right direction; make w_r = 1.")
                    for t in (1, -1, 0.1, -0.1, 0.2, -0.2, -0.5)
                ),
                ((0, 0, 0), "w_r = 1 is wanted."),
            ],
            otherwise="they add up to 0, w·d has to be 0 as well, and w_r = 1.",
        ),
        "both": Part(
            (1, 1, -2),
            [
                ((1, 0, -1), "contrasts of 0.10 and 0.20: not the same."),
                ((1, -1, 0), "contrasts of −0.10 and 0.10: one digit bright, the other dark."),
                *(
                    ((t, t, -2 * t), "the right direction; make w_r = 1.")
                    for t in (0.5, -0.5, -1, 0.1, -0.1, 0.2, -0.2, 0.05, -0.05, 2)
                ),
                ((1, -2, 1), "lime gives −0.30, orange 0."),
            ],
            otherwise="w·d has to be equal for both pairs, the weights add up to 0, and w_r = 1.",
        ),
        "levels": Part(
            3,
            [
                (4, "the contrasts are the same: two of the four sums are equal."),
                (2, "each digit adds its contrast c or takes it away: which sums are there?"),
                (1, "each digit adds its contrast c or takes it away: which sums are there?"),
            ],
            otherwise="write down the sums of ±c and ±c.",
        ),
    },
)

DOUBLE_IT = Values(
    "double-it",
    name="growth",
    shows=(
        "Width costs its square, and only through the channels; twice the channels on a quarter of "
        "the places keep the work of the next layer what it was."
    ),
    parts={
        "both": Part(
            (4, 4, 2),
            [
                ((2, 2, 2), "the weights hold the *product* of both numbers of channels."),
                ((4, 4, 4), "the outputs hold c_o alone."),
                ((2, 4, 2), "the weights, too, hold the product of both."),
                ((4, 2, 2), "multiply–adds are weights times places, and the places stay."),
                ((4, 8, 2), "the number of places does not change."),
            ],
            otherwise="three factors: weights, multiply–adds, output values.",
        ),
        "padding": Part(
            900 / 784,
            [
                (1, "the weights stay, but the output grows: it has more places."),
                (2, "the padding is a thin frame. How large is the output with it?"),
                (30 / 28, "that is the side. Places are an area."),
                (1024 / 900, "that is the padded input. Count the places of the output."),
                (784 / 900, "the other way round: the work grows."),
                (4, "doubling the padding does not double the side of the image."),
            ],
            digits=3,
            otherwise="one number is wanted. How large is the output before, and after?",
        ),
        "stage": Part(
            (2, 0.5, 0.5),
            [
                ((2, 1, 1), "stride 2 acts in both directions: a quarter of the places is left."),
                ((4, 1, 0.5), "c_i stays at 64 here: the weights double."),
                ((2, 0.5, 0.25), "a quarter of the places, but twice the channels."),
                ((2, 0.25, 0.5), "multiply–adds: twice the weights at a quarter of the places."),
                ((2, 2, 0.5), "each weight is used only at the places that are left."),
                ((1, 0.5, 0.5), "twice the output channels are twice the weights."),
            ],
            otherwise="three factors: weights, multiply–adds, output values.",
        ),
        "next": Part(
            1,
            [
                ((1,), "the right number; give it alone, without brackets."),
                (4, "that is the weights. The places are a quarter."),
                (2, "twice as many inputs *and* outputs, at a quarter of the places."),
                (0.5, "that is the layer with the stride. Here c_i has doubled as well."),
                (0.25, "that is the places. The weights are four times as many."),
            ],
            otherwise="multiply–adds are weights times places.",
        ),
    },
)

FORWARD_BACKWARD = Values(
    "cost-forward-backward",
    name="passes",
    shows=(
        "Every product of the forward pass has two partners on the way back: training costs about "
        "three times a prediction, and keeps the inputs of all layers in memory."
    ),
    parts={
        "forward": Part(
            627_200,
            [
                (2_508_800, "stride 2 leaves 14·14 places, not 28·28."),
                (1_254_400, "that is in FLOPs; count a product and its addition as one."),
                (39_200, "there are 16 output channels, and each costs that much."),
                (78_400, "there are 8 input channels, and each costs that much."),
                (460_800, "mind the padding: the output is 14×14, not 12×12."),
                (9800, "each of the 16 outputs has a slice for each of the 8 inputs."),
                (3200, "these are the weights. Each is used at every place."),
            ],
            otherwise="weights, times places of the output.",
        ),
        "backward": Part(
            1_254_400,
            [
                (627_200, "that is one of the two gradients."),
                (1_881_600, "that is forward and backward together."),
                (2_508_800, "two partners for each product, each a multiply–add: twice, not four."),
            ],
            otherwise="compare it with the forward pass: each product has two partners.",
        ),
        "first": Part(
            627_200,
            [
                (1_254_400, "nobody asks for the gradient of the image."),
                (0, "its weights are learned: they need a gradient."),
            ],
            otherwise="which of the two gradients does nobody need?",
        ),
        "kept": Part(
            9472,
            [
                (6272, "the input alone. The gradient of the input needs the weight."),
                (3200, "the weight alone. The gradient of the weight needs the input."),
                (12_608, "the output is not needed for the gradients of this layer."),
                (9408, "input and output? Neither gradient needs the output."),
                (3136, "that is the output, which neither gradient needs."),
            ],
            otherwise="which numbers stand in the two sums of products?",
        ),
    },
)

TWO_KERNELS = Code(
    "two-kernels-as-one",
    name="compose",
    shows=(
        "Linear layers in a row are one linear layer: without something between them, depth adds "
        "no function."
    ),
    cases=[
        ("compose(K1, K2)", {"K1": [[[[1, 2]]]], "K2": [[[[3, 5]]]]}),
        ("compose(K1, K2)", {"K1": [[[[1], [2]]]], "K2": [[[[3, 5]]]]}),
        ("compose(K1, K2)", {"K1": [[[[2]], [[3]]]], "K2": [[[[1]]], [[[4]]]]}),
        ("compose(K1, K2)", {"K1": [[[[1]]], [[[2]]]], "K2": [[[[3]], [[5]]]]}),
        (
            "compose(K1, K2)",
            {"K1": [[[[1, 2, 0]]], [[[0, 1, -1]]]], "K2": [[[[1, 3]], [[2, 0]]]]},
        ),
        (
            "compose(K1, K2)",
            {"K1": [[[[1, 2], [3, 4]]]], "K2": [[[[1, 0], [2, 5]]], [[[0, 1], [1, 1]]]]},
        ),
        ("compose(K1, K2)", {"K1": [[[[1, 2], [3, 5]]]], "K2": [[[[1, 2, 4], [0, 3, 7]]]]}),
    ],
    mistakes=[
        Mistake(
            "The flip is missing",
            "Offsets add up: the first weights of both kernels meet at the first place. Without a "
            "flip you slide K2 over K1 the other way.",
            {"K2.flip(2, 3)": "K2"},
        ),
        Mistake(
            "Only the places where they overlap wholly",
            "Offsets from 0 to (k1 − 1) + (k2 − 1) occur: the kernel is larger than both.",
            {"padding = (k_h - 1, k_w - 1)": "padding = 0"},
        ),
        Mistake(
            "The channels are exchanged",
            "The result needs the shape (c_o, c_i, …): outputs first.",
            {"return K.transpose(0, 1)": "return K"},
        ),
        Mistake(
            "Flipped left and right only",
            "A true convolution turns the kernel in both directions.",
            {"K2.flip(2, 3)": "K2.flip(3)"},
        ),
        Mistake(
            "One padding for height and width",
            "The kernels need not be square: pad rows by k_h − 1 and columns by k_w − 1.",
            {"padding = (k_h - 1, k_w - 1)": "padding = k_h - 1"},
        ),
        Mistake(
            "No flip, and one padding for both",
            "Offsets add up, so K2 has to be flipped; and the kernels need not be square: pad rows "
            "by k_h − 1 and columns by k_w − 1.",
            {"K2.flip(2, 3)": "K2", "padding = (k_h - 1, k_w - 1)": "padding = k_h - 1"},
        ),
        Mistake(
            "The kernel is upside down",
            "All is right but turned by 180°: flip one of the two, not the other.",
            {"return K.transpose(0, 1)": "return K.transpose(0, 1).flip(2, 3)"},
        ),
        Mistake(
            "The middle channels are averaged",
            "The second layer adds its channels up; it does not take their mean.",
            {"return K.transpose(0, 1)": "return K.transpose(0, 1) / len(K1)"},
        ),
    ],
    second="""
def compose(K1, K2):
    (m, c_i, a_h, a_w), (c_o, _, b_h, b_w) = K1.shape, K2.shape
    K = K1.new_zeros(c_o, c_i, a_h + b_h - 1, a_w + b_w - 1)
    for i in range(b_h):
        for j in range(b_w):
            K[:, :, i : i + a_h, j : j + a_w] += torch.einsum("om,mcab->ocab", K2[:, :, i, j], K1)
    return K
""",
    draw=lambda random: (
        "compose(K1, K2)",
        {
            "K1": tensor(random, 2, 2, random.randint(1, 3), random.randint(1, 3)),
            "K2": tensor(random, 1, 2, random.randint(1, 3), random.randint(1, 3)),
        },
    ),
)

EXACTLY_EQUAL = Values(
    "exactly-equal",
    name="rounding",
    shows=(
        "Up to 2 to the power of 24 sums of integers are exact in float32, and then the order "
        "cannot matter. Everywhere else compare with a tolerance."
    ),
    parts={
        "exact": Part(
            2**24,
            [
                (2**24 - 1, "one more: 2 to the power of 24 needs only one digit, its first."),
                (2**23, "there are 24 binary digits, with the leading 1 that is not stored."),
                (2**31, "that is for integers. A float32 gives eight bits to the exponent."),
                (2**31 - 1, "that is for integers. A float32 gives eight bits to the exponent."),
                (2**32, "of the 32 bits one is a sign, and eight are the exponent."),
                (2**25, "between 2 to the power of 24 and this, odd integers are missing."),
                (2**24 + 1, "this is the first integer that float32 does not have."),
            ],
        ),
        "lost": Part(
            2**24,
            [
                (2**24 + 2, "a + 1 is not there in float32: it is rounded before the next step."),
                (2**24 + 1, "this number does not exist in float32."),
            ],
        ),
        "kept": Part(
            2**24 + 2,
            [
                (2**24, "1 + 1 is exact, and a + 2 exists in float32."),
                (2**24 + 1, "this number does not exist in float32."),
            ],
        ),
        "safe": Part(
            "b",
            [
                ("a", "addition of rounded numbers is commutative, but not associative."),
                ("c", "their sums are rounded nearly always."),
                ("d", "for small integers nothing is rounded; and that test depends on luck."),
            ],
            otherwise=LETTER,
        ),
    },
)

ONE_CHANNEL_EACH = Code(
    "one-channel-each",
    name="unmix",
    shows=(
        "Two channels keep two digits apart that one channel would mix; lightness takes the third "
        "direction of the three colours."
    ),
    cases=[
        ("unmix(D)", {"D": [[1, 0, -1], [1, -2, 1]]}),
        ("unmix(D)", {"D": [[2, 0, -2], [2, -4, 2]]}),
        ("unmix(D)", {"D": [[1, 0, 0], [0, 1, 0]]}),
        ("unmix(D)", {"D": [[0, 0, 1], [1, 0, 0]]}),
        ("unmix(D)", {"D": [[1, 2, 0], [1, 0, 1]]}),
    ],
    mistakes=[
        Mistake(
            "Lightness comes through",
            "The weights have to add up to 0, as a third condition: a grey dot, lighter or darker, "
            "must not change the output.",
            """
def unmix(D):
    return torch.linalg.pinv(D).T
""",
        ),
        Mistake(
            "The other digit comes through",
            "Subtracting the mean gets rid of lightness, but the weights of one digit still answer "
            "to the colours of the other where the two are not perpendicular.",
            """
def unmix(D):
    W = D - D.mean(1, keepdim=True)
    return W / (W * D).sum(1, keepdim=True)
""",
        ),
        Mistake(
            "The size is not 1",
            "The directions are right. Divide each by what it gives for its own d.",
            """
def unmix(D):
    return D - D.mean(1, keepdim=True)
""",
        ),
        Mistake(
            "The size is not 1, and the other digit comes through",
            "These are the colours themselves. Each row needs three conditions: 1 for its own d, "
            "0 for the other, 0 for grey.",
            """
def unmix(D):
    return D.clone()
""",
        ),
        Mistake(
            "Rows and columns of C are exchanged",
            "In W C, each column of C is one colour: d_0, d_1, and (1, 1, 1).",
            {"torch.cat([D, torch.ones(1, 3)]).T": "torch.cat([D, torch.ones(1, 3)])"},
        ),
        Mistake(
            "The row of grey is returned, too",
            "Two digits, two channels: leave out the row for lightness.",
            {"[:2]": ""},
        ),
        Mistake(
            "The digits are exchanged",
            "Channel 0 is for the first row of D.",
            {"[:2]": "[:2].flip(0)"},
        ),
    ],
    second="""
def unmix(D):
    grey = torch.ones(3, dtype=D.dtype)
    rows = [torch.linalg.cross(D[1], grey), torch.linalg.cross(D[0], grey)]
    return torch.stack([w / (w @ d) for w, d in zip(rows, D)])
""",
    draw=lambda random: (
        "unmix(D)",
        {"D": [[random.randint(1, 4), random.randint(5, 9), 0], [random.randint(1, 9), 0, 0]]},
    ),
)

FAST_STRIPS = Values(
    "fast-strips",
    name="strips",
    shows=(
        "Neighbouring strips share k − 1 rows, and load them twice. Higher strips share less "
        "often, as long as they fit into fast memory, and more channels fill it sooner."
    ),
    parts={
        "one": Part(
            300,
            [
                (64, "that is every row once. Each strip is thrown away before the next comes."),
                (60, "to make a row of output takes k rows of input."),
                (240, "a kernel of 5 rows needs all five of them, not four."),
            ],
            otherwise="60 strips; how many rows does each of them load?",
        ),
        "best": Part(
            12,
            [
                (16, "16 output rows need 20 input rows."),
                (11, "a kernel of k rows needs k − 1 rows more than it makes outputs, not k."),
                (3, "the strips overlap inside the memory: Δ output rows need Δ + 4 rows, not 5Δ."),
            ],
            otherwise="the largest Δ whose input rows fit: Δ + k − 1 of them.",
        ),
        "rows": Part(
            80,
            [
                (64, "the rows between the strips are loaded twice."),
                (60, "count the rows of the input that each strip loads, not those of the output."),
                (16, "that is one strip. How many are there?"),
                (76, "each strip, the first one too, loads k − 1 rows more than it makes."),
                (85, "a strip needs k − 1 rows more than it makes, not k."),
            ],
            otherwise="the number of strips, times the rows that each of them loads.",
        ),
        "wide": Part(
            120,
            [
                (80, "only 8 rows fit now, so Δ is smaller."),
                (160, "Δ does not halve: of 16 rows four were overlap, and so are four of 8."),
                (100, "with Δ = 6 a strip has 10 rows; they do not fit."),
                (64, "the rows between the strips are loaded twice."),
            ],
            otherwise="Δ = 8 − 4, and as many strips as that takes.",
        ),
        "short": Part(
            85,
            [
                (81, "the last output row needs a strip of its own, with five input rows."),
                (80, "the last output row needs a strip of its own, with five input rows."),
                (96, "the last strip makes one row only, and loads no more than that needs."),
            ],
            otherwise="five strips, and a last one for a single row.",
        ),
    },
)

BLOCK_DIAGONAL = Code(
    "block-diagonal",
    name="block_diagonal",
    shows=(
        "A grouped layer is a plain one with a share of 1 − 1/g of zeros, which it neither stores "
        "nor multiplies."
    ),
    cases=[
        ("block_diagonal(K, 2)", {"K": [[[[1]]], [[[2]]]]}),
        ("block_diagonal(K, 1)", {"K": [[[[1]], [[2]]]]}),
        ("block_diagonal(K, 2)", {"K": [[[[1]], [[2]]], [[[3]], [[4]]]]}),
        ("block_diagonal(K, 2)", {"K": [[[[1]]], [[[2]]], [[[3]]], [[[4]]]]}),
        ("block_diagonal(K, 2)", {"K": [[[[1, 2]]], [[[3, 4]]]]}),
        ("block_diagonal(K, 3)", {"K": [[[[1]]], [[[2]]], [[[3]]]]}),
        (
            "block_diagonal(K, 2)",
            {"K": [[[[1]], [[2]]], [[[3]], [[4]]], [[[5]], [[6]]], [[[7]], [[8]]]]},
        ),
    ],
    mistakes=[
        Mistake(
            "Every block stands at the first inputs",
            "Block b reads its own inputs: move it to the columns from b · c_i/g on.",
            {"b * width:(b + 1) * width": "0:width"},
        ),
        Mistake(
            "The blocks stand in reverse order",
            "The first outputs belong to the first inputs.",
            {"b * width:(b + 1) * width": "(groups - 1 - b) * width:(groups - b) * width"},
        ),
        Mistake(
            "The same weights in every block",
            "Each block has weights of its own.",
            {"] = block": "] = K.chunk(groups)[0]"},
        ),
        Mistake(
            "All inputs are read",
            "Outside its block a weight is 0; you have repeated the weights there.",
            """
def block_diagonal(K, groups):
    return K.repeat(1, groups, 1, 1)
""",
        ),
        Mistake(
            "Outputs and inputs are exchanged",
            "The outputs come first: (c_o, c_i, k_h, k_w).",
            {"return plain": "return plain.transpose(0, 1)"},
        ),
        Mistake(
            "This is the grouped weight",
            "It has c_i/g input channels. The plain one has all of them, most of them zeros.",
            {"return plain": "return K"},
        ),
        Mistake(
            "The outputs take turns",
            "A group is a block of neighbours, not every g-th channel.",
            """
def block_diagonal(K, groups):
    c_o, width, k_h, k_w = K.shape
    plain = K.new_zeros(c_o, groups * width, k_h, k_w)
    for d in range(c_o):
        b = d % groups
        plain[d, b * width : (b + 1) * width] = K[d]
    return plain
""",
        ),
    ],
    second="""
def block_diagonal(K, groups):
    c_o, width, k_h, k_w = K.shape
    output = torch.arange(c_o)[:, None] // (c_o // groups)
    source = torch.arange(groups * width)[None] // width
    same = (output == source)[:, :, None, None].to(K.dtype)
    return K.repeat(1, groups, 1, 1) * same
""",
    draw=lambda random: (
        f"block_diagonal(K, {(groups := random.randint(1, 3))})",
        {"K": tensor(random, groups * random.randint(1, 2), random.randint(1, 3), 1, 2)},
    ),
)

CHANNEL_SHUFFLE = Code(
    "channel-shuffle",
    name="shuffle",
    shows=(
        "A transposition, and no weight: after it every new group holds one channel of each old "
        "group, so two grouped layers reach them all."
    ),
    cases=[
        ("shuffle(X, 2)", {"X": [[[0]], [[1]], [[2]], [[3]], [[4]], [[5]]]}),
        ("shuffle(X, 3)", {"X": [[[0]], [[1]], [[2]], [[3]], [[4]], [[5]]]}),
        ("shuffle(X, 1)", {"X": [[[1]], [[2]]]}),
        ("shuffle(X, 2)", {"X": [[[1, 2]], [[3, 4]], [[5, 6]], [[7, 8]]]}),
        ("shuffle(X, 4)", {"X": [[[1]], [[2]], [[3]]]}),
        ("shuffle(X, 4)", {"X": [[[8]], [[7]], [[6]], [[5]], [[4]], [[3]], [[2]], [[1]]]}),
    ],
    mistakes=[
        Mistake(
            "Dealt the wrong way round",
            "The matrix has one row for each *group*: g rows, not rows of g.",
            {"(groups, -1)": "(-1, groups)"},
        ),
        Mistake(
            "Dealt the wrong way round, and for any number of groups",
            "X[g::groups] takes every g-th channel: that collects what lies apart. And where g "
            "does not divide the channels, raise a ValueError.",
            """
def shuffle(X, groups):
    return torch.cat([X[g::groups] for g in range(groups)])
""",
        ),
        Mistake(
            "Nothing has moved",
            "Reading the matrix row by row gives the channels back as they were.",
            {".transpose(0, 1)": ""},
        ),
        Mistake(
            "The groups are exchanged as wholes",
            "Reversing the groups leaves each group what it was: no channel meets another one.",
            {".transpose(0, 1)": ".flip(0)"},
        ),
        Mistake(
            "Any number of groups is taken",
            "Where g does not divide the channels no even deal exists: raise a ValueError.",
            """
def shuffle(X, groups):
    return X[[i for g in range(max(len(X) // groups, 1)) for i in
              range(g, len(X), max(len(X) // groups, 1))]]
""",
        ),
        Mistake(
            "Turned round as well",
            "The channels keep their order: 0 comes first, then the first one of the next group.",
            {"return X.unflatten": "return X.flip(0).unflatten"},
        ),
    ],
    second="""
def shuffle(X, groups):
    if len(X) % groups:
        raise ValueError("no even deal")
    width = len(X) // groups
    order = [g * width + i for i in range(width) for g in range(groups)]
    return X[order]
""",
    draw=lambda random: (
        f"shuffle(X, {(groups := random.randint(1, 4))})",
        {"X": tensor(random, groups * random.randint(1, 3), 1, 1)},
    ),
)

LOW_RANK = Code(
    "low-rank",
    name="narrow",
    shows=(
        "The singular values say what each direction is worth; a bottleneck keeps the first m. "
        "Trained, it chooses them for the task in place of the squared error."
    ),
    cases=[
        ("torch.matmul(*narrow(W, 1))", {"W": [[1, 2], [2, 4]]}),
        ("torch.matmul(*narrow(W, 1))", {"W": [[3, 0], [0, 1]]}),
        ("torch.matmul(*narrow(W, 1))", {"W": [[0, 0], [0, 0], [5, 1]]}),
        ("torch.matmul(*narrow(W, 2))", {"W": [[2, 0, 0], [0, 7, 0], [0, 0, 4]]}),
        ("torch.matmul(*narrow(W, 2))", {"W": [[1, 2, 3], [4, 5, 7]]}),
        ("torch.matmul(*narrow(W, 1))", {"W": [[1, 0, -1], [1, -2, 1], [2, -2, 0]]}),
        (
            "[list(A.shape) for A in narrow(W, 2)]",
            {"W": [[1, 0, 2, 1], [1, -2, 1, 0], [2, -2, 0, 3]]},
        ),
    ],
    mistakes=[
        Mistake(
            "The singular values are missing",
            "Both factors have directions of length 1. One of them has to carry the values.",
            {"left[:, :m] * values[:m]": "left[:, :m]"},
        ),
        Mistake(
            "The values are counted twice",
            "Only one of the two factors may carry them (or both their square roots).",
            {"right[:m]": "values[:m, None] * right[:m]"},
        ),
        Mistake(
            "The smallest directions are kept",
            "The singular values come sorted, the largest first: keep the first m.",
            {
                "left[:, :m] * values[:m]": "left[:, -m:] * values[-m:]",
                "right[:m]": "right[-m:]",
            },
        ),
        Mistake(
            "The first channels are kept",
            "You kept m inputs as they are and dropped the others. A direction mixes all channels.",
            """
def narrow(W, m):
    return W[:, :m], torch.eye(W.shape[1])[:m]
""",
        ),
        Mistake(
            "Rows of `right` are columns here",
            "The directions of the inputs are *rows* of the third factor of torch.linalg.svd, but "
            "columns of that of torch.svd.",
            {"right[:m]": "right.T[:m]"},
        ),
        Mistake(
            "Nothing is narrowed",
            "The product is right, but there are more than m channels in between.",
            """
def narrow(W, m):
    left, values, right = torch.linalg.svd(W, full_matrices=False)
    values[m:] = 0
    return left * values, right
""",
        ),
    ],
    second="""
def narrow(W, m):
    values, vectors = torch.linalg.eigh(W.T @ W)
    U = vectors[:, -m:].T
    return W @ U.T, U
""",
    draw=lambda random: (
        "torch.matmul(*narrow(W, 1))",
        {"W": [[4 + random.randint(0, 5), 1], [random.randint(-2, 2), random.randint(0, 2)]]},
    ),
)

EXERCISES = [
    CHANNELS_BY_HAND,
    CHOOSE_DIRECTION,
    DOUBLE_IT,
    FORWARD_BACKWARD,
    TWO_KERNELS,
    EXACTLY_EQUAL,
    ONE_CHANNEL_EACH,
    FAST_STRIPS,
    BLOCK_DIAGONAL,
    CHANNEL_SHUFFLE,
    LOW_RANK,
]
