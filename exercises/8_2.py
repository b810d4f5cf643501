"""Section 8.2, VGG: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def numbers(random: Random, *shape: int) -> list:
    """Whole numbers from -9 to 9 in nested lists."""
    if not shape:
        return random.randint(-9, 9)
    return [numbers(random, *shape[1:]) for _ in range(shape[0])]


DEEPER = Values(
    "vgg-deeper",
    name="growth",
    shows=(
        "Depth is cheap in parameters, since most of them lie in the dense layers, but costs "
        "work: 4 % more of the one, 27 % more of the other."
    ),
    parts={
        "parameters": Part(
            5_309_696,
            [
                (5_308_416, "the biases are missing: one for each output channel."),
                (5.31e6, "right to three digits. Give the whole number."),
                (5.3e6, "right to two digits. Give the whole number."),
                (5.309696, "that is in millions. Give the whole number."),
                (589_824 + 2_359_296, "the last block has one more as well."),
                (590_080 + 2_359_808, "the last block has one more as well."),
                (4_719_616, "the third block has one more as well."),
            ],
        ),
        "work": Part(
            4_161_798_144,
            [
                (4.16e9, "right to three digits. Give the whole number."),
                (4.162e9, "right to four digits. Give the whole number."),
                (4.2e9, "right to two digits. Give the whole number."),
                (4_161.798144, "that is in millions. Give the whole number."),
                (4.161798144, "that is in billions. Give the whole number."),
                (
                    4_163_102_720,
                    "a bias is an addition, not a multiply–add. Leave the biases out.",
                ),
                (8_323_596_288, "a multiplication and its addition count once, together."),
                (
                    266_355_081_216,
                    "each convolution keeps the size, but a pooling halves it after each block.",
                ),
                (16_647_192_576, "one pooling more lies before each of these blocks."),
                (1_040_449_536, "these are the maps after the pooling, which ends its block."),
                (3_699_376_128, "the last block has one more as well, on maps of 14×14."),
                (2_312_110_080, "the third block has one more as well, on maps of 56×56."),
                (5_549_064_192, "block 5 has maps of half the side of block 4."),
                (5_308_416, "each weight is used at every place of its map."),
                (5_309_696, "each weight is used at every place of its map."),
            ],
        ),
        "block": Part(
            5,
            [
                (3, "its layer is used at 56×56 places, but has 256 channels: fewer weights."),
                (4, "it has as many parameters as in another block. Which does less work?"),
            ],
            otherwise="not this. In which three blocks are there more convolutions?",
        ),
    },
)

SEVEN = Code(
    "vgg-seven",
    name="against_one",
    shows=(
        "A stack never needs more: three layers little more than half, five little more than a "
        "third. In general (2n + 1)² − 9n = (4n − 1)(n − 1), which is never negative."
    ),
    cases=[
        ("against_one(1, 1)", {}),
        ("against_one(2, 1)", {}),
        ("against_one(3, 1)", {}),
        ("against_one(2, 3)", {}),
        ("against_one(3, 64)", {}),
        ("against_one(5, 2)", {}),
    ],
    mistakes=[
        Mistake(
            "You let each layer add three pixels",
            "The first layer sees 3, and each further one adds 2: one pixel on each side.",
            {"2 * n + 1": "3 * n"},
        ),
        Mistake(
            "You count the channels once",
            "Each of the c outputs reads all c inputs: c² kernels in a layer.",
            "def against_one(n, c):\n    r = 2 * n + 1\n    return [r, 9 * n * c, r * r * c]\n",
        ),
        Mistake(
            "The middle pixel is missing",
            "n pixels on each side, and one in the middle.",
            {"2 * n + 1": "2 * n"},
        ),
        Mistake(
            "You add two pixels too many",
            "The first layer alone sees 3, and each of the n adds 2: 1 + 2n.",
            {"2 * n + 1": "2 * n + 3"},
        ),
        Mistake(
            "One layer of the stack",
            "The stack has n layers, each with 9 c² weights.",
            {"9 * n * c ** 2": "9 * c ** 2"},
        ),
        Mistake(
            "The large kernel has a row only",
            "A kernel is a square: r² weights for each pair of channels.",
            {"r ** 2 * c ** 2": "r * c ** 2"},
        ),
        Mistake(
            "The channels are left out",
            "Each layer reads c channels and makes c: there are c² kernels in it.",
            "def against_one(n, c):\n    r = 2 * n + 1\n    return [r, 9 * n, r * r]\n",
        ),
    ],
    second="""
def against_one(n, c):
    field, weights = 1, 0
    for _ in range(n):
        field += 3 - 1
        weights += c * c * 3 * 3
    return field, weights, (c * field) * (c * field)
""",
    draw=lambda random: (f"against_one({random.randint(1, 6)}, {random.randint(1, 9)})", {}),
    inputs="",
)

NATIVE = Code(
    "vgg-native",
    name="sides",
    shows=(
        "28 pixels allow four poolings, 224 allow seven. And the second number of a block never "
        "mattered: channels do not change the size."
    ),
    cases=[
        ("sides(8, ((1, 4),))", {}),
        ("sides(8, ((1, 4), (2, 4)))", {}),
        ("sides(7, ((1, 2), (3, 5)))", {}),
        ("sides(28, ((2, 16), (2, 32), (2, 64)))", {}),
        ("sides(5, ((2, 1), (1, 9)))", {}),
        ("sides(3, ((1, 8), (1, 8)))", {}),
        ("sides(224, ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)))", {}),
        ("sides(28, ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)))", {}),
    ],
    mistakes=[
        Mistake(
            "It never refuses",
            "A pooling of 2×2 needs at least two pixels. PyTorch raises an error there; so should "
            "you.",
            "def sides(side, arch):\n"
            "    found = []\n"
            "    for _ in arch:\n"
            "        side = side // 2\n"
            "        found.append(side)\n"
            "    return found\n",
        ),
        Mistake(
            "The list is shorter in place of an error",
            "An image too small needs `raise ValueError`, not a shorter list.",
            "def sides(side, arch):\n"
            "    found = []\n"
            "    for _ in arch:\n"
            "        if side < 2:\n"
            "            break\n"
            "        side = side // 2\n"
            "        found.append(side)\n"
            "    return found\n",
        ),
        Mistake(
            "Halves are rounded up",
            "A pooling reads whole windows only: of 7 pixels it makes 3, and the last is not read.",
            "def sides(side, arch):\n"
            "    found = []\n"
            "    for _ in arch:\n"
            "        if side < 2:\n"
            "            raise ValueError('too small')\n"
            "        side = -(-side // 2)\n"
            "        found.append(side)\n"
            "    return found\n",
        ),
        Mistake(
            "Half pixels",
            "Pixels are whole, and a pooling reads whole windows only: `//`.",
            {"side // 2": "side / 2"},
        ),
        Mistake(
            "The convolutions shrink the maps",
            "They are padded by 1, so a 3×3 kernel keeps the size.",
            "def sides(side, arch):\n"
            "    found = []\n"
            "    for n, c in arch:\n"
            "        side = (side - 2 * n) // 2\n"
            "        if side < 1:\n"
            "            raise ValueError('too small')\n"
            "        found.append(side)\n"
            "    return found\n",
        ),
        Mistake(
            "Only the last side",
            "The side after *each* block is wanted, in a list.",
            "def sides(side, arch):\n"
            "    for _ in arch:\n"
            "        if side < 2:\n"
            "            raise ValueError('too small')\n"
            "        side = side // 2\n"
            "    return side\n",
        ),
        Mistake(
            "The side before each block",
            "The side that a block leaves is wanted, not the one that it gets.",
            "def sides(side, arch):\n"
            "    found = []\n"
            "    for _ in arch:\n"
            "        if side < 2:\n"
            "            raise ValueError('too small')\n"
            "        found.append(side)\n"
            "        side = side // 2\n"
            "    return found\n",
        ),
        Mistake(
            "It refuses too early",
            "Two pixels are enough for a pooling: one is left.",
            "def sides(side, arch):\n"
            "    found = []\n"
            "    for _ in arch:\n"
            "        if side <= 2:\n"
            "            raise ValueError('too small')\n"
            "        side = side // 2\n"
            "        found.append(side)\n"
            "    return found\n",
        ),
    ],
    second="""
def sides(side, arch):
    found = [side >> at for at in range(1, len(arch) + 1)]
    assert min(found) > 0, "too small"
    return found
""",
    draw=lambda random: (
        f"sides({random.randint(4, 40)}, {tuple((1, 2) for _ in range(random.randint(1, 2)))})",
        {},
    ),
    inputs="",
)

HEAD = Code(
    "vgg-gap",
    name="pooled_head",
    shows=(
        "The mean has no weights and takes maps of every size. With it 92.8 % of VGG-11's "
        "parameters are gone, and 1.6 % of its work."
    ),
    cases=[
        ("pooled_head(maps, W, b)", {"maps": [[[[2, 4]]]], "W": [[3]], "b": [1]}),
        (
            "pooled_head(maps, W, b)",
            {"maps": [[[[1, 3]], [[0, -4]]]], "W": [[1, 2], [3, -1]], "b": [0, 5]},
        ),
        (
            "pooled_head(maps, W, b)",
            {"maps": [[[[1, 5]]], [[[4, -2]]]], "W": [[2], [3], [-1]], "b": [1, 0, 2]},
        ),
        (
            "pooled_head(maps, W, b)",
            {"maps": [[[[1, 2, 6]], [[3, 3, -9]]]], "W": [[1, 2], [0, 1], [4, -3]], "b": [1, 2, 3]},
        ),
        (
            "pooled_head(maps, W, b)",
            {
                "maps": [[[[1, 5], [2, 0], [3, 1]], [[4, 4], [-2, 0], [0, 0]]]],
                "W": [[2, 1]],
                "b": [-1],
            },
        ),
    ],
    mistakes=[
        Mistake(
            "The maximum in place of the mean",
            "Take the mean of each map, over all of its places.",
            {"maps.mean((2, 3))": "maps.amax((2, 3))"},
        ),
        Mistake(
            "The sum in place of the mean",
            "Divide by the number of places, or a larger image gets larger scores.",
            {"maps.mean((2, 3))": "maps.sum((2, 3))"},
        ),
        Mistake(
            "The bias is missing",
            "A dense layer adds its bias to each score.",
            {" + b": ""},
        ),
        Mistake(
            "The mean goes over the channels",
            "Channels stay apart: the dense layer weighs them. Average over rows and columns.",
            "def pooled_head(maps, W, b):\n"
            "    return maps.mean(1).flatten(1)[:, :W.shape[1]] @ W.T + b\n",
        ),
        Mistake(
            "Only the rows are averaged",
            "A map has two directions: average over both.",
            "def pooled_head(maps, W, b):\n    return maps.mean(2)[:, :, 0] @ W.T + b\n",
        ),
        Mistake(
            "W is turned round",
            "W has a row for each class and a column for each channel, as in `nn.Linear`.",
            {"W.T": "W"},
        ),
    ],
    second="""
def pooled_head(maps, W, b):
    scores = []
    for image in maps:
        means = torch.stack([channel.sum() / channel.numel() for channel in image])
        scores.append(torch.stack([(w * means).sum() + bias for w, bias in zip(W, b)]))
    return torch.stack(scores)
""",
    draw=lambda random: (
        "pooled_head(maps, W, b)",
        {
            "maps": numbers(random, 2, 3, random.randint(1, 3), random.randint(1, 4)),
            "W": numbers(random, 2, 3),
            "b": numbers(random, 2),
        },
    ),
)

SLIDE = Code(
    "vgg-dense-as-conv",
    name="slide",
    shows=(
        "Where the maps are larger than the layer was made for, it answers at each place, and all "
        "answers share the maps below. The authors tested their networks so."
    ),
    cases=[
        ("slide(W, b, maps, 1, 2)", {"W": [[1, 10]], "b": [3], "maps": [[[[1, 2]]]]}),
        ("slide(W, b, maps, 1, 2)", {"W": [[1, 10]], "b": [3], "maps": [[[[1, 2, 5]]]]}),
        (
            "slide(W, b, maps, 1, 2)",
            {"W": [[1, 0, 2, 5], [3, 1, 1, 4]], "b": [0, 2], "maps": [[[[1, 2]], [[3, 7]]]]},
        ),
        (
            "slide(W, b, maps, 2, 1)",
            {"W": [[1, 4]], "b": [1], "maps": [[[[1, 2], [3, 5], [0, 9]]]]},
        ),
        (
            "slide(W, b, maps, 2, 1)",
            {"W": [[1, 4, 2, 6]], "b": [-1], "maps": [[[[1, 2], [3, 5]], [[2, 8], [7, 1]]]]},
        ),
        (
            "slide(W, b, maps, 1, 2)",
            {"W": [[2, -3]], "b": [1], "maps": [[[[1, 2, 4]]], [[[0, 5, 3]]]]},
        ),
    ],
    mistakes=[
        Mistake(
            "The bias is missing",
            "Each unit has a bias, which is added at every place.",
            {"F.conv2d(maps, K, b)": "F.conv2d(maps, K)"},
        ),
        Mistake(
            "Height and width are exchanged",
            "Flattening runs along the rows: (c, n_h, n_w), in this order.",
            {"(len(W), -1, n_h, n_w)": "(len(W), -1, n_w, n_h)"},
        ),
        Mistake(
            "The channels come last",
            "Flattening begins with the channels: all of the first map, then the second.",
            {
                "W.reshape((len(W), -1, n_h, n_w))": (
                    "W.reshape((len(W), n_h, n_w, -1)).permute(0, 3, 1, 2)"
                )
            },
        ),
        Mistake(
            "The kernel is flipped",
            "No flip: `F.conv2d` is a cross-correlation, and so is a dense layer.",
            {"F.conv2d(maps, K, b)": "F.conv2d(maps, K.flip(2, 3), b)"},
        ),
        Mistake(
            "Zeros are put around the maps",
            "The old layer saw no zeros: leave the padding at 0.",
            {"F.conv2d(maps, K, b)": "F.conv2d(maps, K, b, padding=(n_h // 2, n_w // 2))"},
        ),
        Mistake(
            "One answer for the whole map",
            "Slide the layer: it answers at every place where it fits.",
            "def slide(W, b, maps, n_h, n_w):\n    return maps.flatten(1) @ W.T + b\n",
        ),
        Mistake(
            "The windows do not overlap",
            "Move the window by one place: a stride of 1.",
            {"F.conv2d(maps, K, b)": "F.conv2d(maps, K, b, stride=(n_h, n_w))"},
        ),
    ],
    second="""
def slide(W, b, maps, n_h, n_w):
    N, c, H, V = maps.shape
    out = torch.zeros(N, len(W), H - n_h + 1, V - n_w + 1)
    for i in range(H - n_h + 1):
        for j in range(V - n_w + 1):
            window = maps[:, :, i : i + n_h, j : j + n_w].reshape(N, -1)
            out[:, :, i, j] = window @ W.T + b
    return out
""",
    draw=lambda random: (
        "slide(W, b, maps, 2, 3)",
        {
            "W": numbers(random, 2, 12),
            "b": numbers(random, 2),
            "maps": numbers(random, 1, 2, random.randint(2, 3), random.randint(3, 4)),
        },
    ),
)

MEMORY = Values(
    "vgg-memory",
    name="memory",
    shows=(
        "The maps of block 1 are the largest, and each image of the batch brings its own. That is "
        "why large images force small batches: the parameters are stored once."
    ),
    parts={
        "values": Part(
            13_647_872,
            [
                (7_225_344, "a ReLU has an output of its own: four maps of full size, not two."),
                (12_845_056, "the pooling has an output as well."),
                (6_422_528, "ReLUs and the pooling have outputs as well."),
                (3_211_264, "that is one of the outputs. There are five."),
                (54_591_488, "those are bytes: four for each value."),
                (16_056_320, "the pooling's output has a quarter of the places."),
            ],
        ),
        "batch": Part(
            13.7,
            [
                (14.7, "a GiB has 1,024³ bytes, not a billion."),
                (0.1, "that is a single image. The batch has 128."),
                (3.4, "a float32 has four bytes."),
                (0.5, "those are the parameters."),
                (6.5, "that is block 1 alone."),
            ],
            digits=1,
            otherwise="not this. `summary` gives the bytes of one image. Then 128 images, in GiB.",
        ),
        "larger": Part(
            "activations",
            [("parameters", "0.5 GiB, whatever the batch is.")],
        ),
    },
)

LEAKY = Code(
    "vgg-leaky",
    name="start_for",
    shows=(
        "With a = 0 it is Kaiming's start. The leakier the ReLU, the smaller the weights may be; "
        "with a = 1 nothing is lost, and 1 / n_in is enough: Xavier's."
    ),
    cases=[
        ("start_for((3, 2), 0)", {}),
        ("start_for((5, 8), 0)", {}),
        ("start_for((2, 9), 1)", {}),
        ("start_for((3, 7), 0.5)", {}),
        ("start_for((4, 2, 3, 3), 0)", {}),
        ("start_for((6, 3, 2, 5), 0.25)", {}),
    ],
    mistakes=[
        Mistake(
            "That is the variance",
            "The standard deviation is its root.",
            {"math.sqrt(2 / ((1 + a ** 2) * n_in))": "2 / ((1 + a ** 2) * n_in)"},
        ),
        Mistake(
            "The slope is left out",
            "That is Kaiming's start, for a = 0. With a slope, the negative half is not lost.",
            {"(1 + a ** 2) * n_in": "n_in"},
        ),
        Mistake(
            "Half of the mean square is lost",
            "For a = 0 the ReLU loses half of it, so a 2 is missing.",
            {"2 / ((1 + a ** 2) * n_in)": "1 / ((1 + a ** 2) * n_in)"},
        ),
        Mistake(
            "The sum is squared",
            "Square the slope, then add 1.",
            {"1 + a ** 2": "(1 + a) ** 2"},
        ),
        Mistake(
            "The slope is not squared",
            "Mean squares are followed here: the negative half is multiplied by a².",
            {"1 + a ** 2": "1 + a"},
        ),
        Mistake(
            "The outputs are counted",
            "Count the inputs of one output: shape[0] is the number of outputs.",
            {"math.prod(shape[1:])": "shape[0] * math.prod(shape[2:])"},
        ),
        Mistake(
            "The places of the kernel are left out",
            "One output of a convolution reads c_i channels at k_h · k_w places.",
            {"math.prod(shape[1:])": "shape[1]"},
        ),
        Mistake(
            "All weights are counted",
            "Count the inputs of one output, not all weights.",
            {"math.prod(shape[1:])": "math.prod(shape)"},
        ),
        Mistake(
            "Multiplied in place of divided",
            "A layer multiplies the mean square by n_in σ² (1 + a²) / 2. That has to be 1.",
            {"2 / ((1 + a ** 2) * n_in)": "(1 + a ** 2) / 2 / n_in"},
        ),
        Mistake(
            "Nothing is lost",
            "That keeps the mean square without an activation. What does the ReLU take away?",
            {"2 / ((1 + a ** 2) * n_in)": "1 / n_in"},
        ),
    ],
    second="""
def start_for(shape, a):
    _, *inputs = shape
    variance = torch.tensor(inputs).double().prod().reciprocal()
    return (variance / (0.5 + 0.5 * a * a)) ** 0.5
""",
    draw=lambda random: (
        f"start_for({tuple(random.randint(2, 9) for _ in range(random.choice((2, 4))))}, "
        f"{random.choice((0, 0.1, 0.3, 0.5, 0.8, 1))})",
        {},
    ),
    inputs="",
)

WEAK = Values(
    "vgg-weak",
    name="weak",
    shows=(
        "Both compute the same at the start, and still learn at different speeds: one weak layer "
        "keeps its own gradient whole and can grow; sixteen get a small one each."
    ),
    parts={
        "scores": Part(
            10,
            [
                (1, "a ReLU does not bring a scale back; no layer does."),
                (100, "one layer, one factor."),
                (0.1, "they become a tenth. How many times smaller is that?"),
                (10**16, "only one layer is weakened, not sixteen."),
            ],
            otherwise="not this. What does a ReLU make of 0.1 z, and a layer without biases?",
        ),
        "each": Part(
            0.866,
            [
                (0.1, "then the scores shrink by 0.1 to the power of 16."),
                (0.006, "factors of layers multiply; they do not add up."),
                (0.994, "factors of layers multiply; they do not add up."),
                (0.9, "16 factors of 0.9 are 0.19. A little smaller."),
                (0.858, "there are 16 layers with weights: dense ones, too."),
                (0.838, "there are 16 layers with weights: dense ones, too."),
            ],
            digits=3,
        ),
        "same": Part(
            "yes",
            [("no", "in both, the scores are a tenth of what they were, for every image.")],
        ),
        "faster": Part(
            "one",
            [
                ("all", "compare the gradient of the layer that was made small in both."),
            ],
        ),
    },
)

EXERCISES = [SEVEN, DEEPER, NATIVE, HEAD, SLIDE, MEMORY, LEAKY, WEAK]
