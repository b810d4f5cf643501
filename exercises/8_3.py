"""Section 8.3, network in network: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values

POINTWISE = Values(
    "nin-pointwise",
    name="pointwise",
    shows=(
        "1×1 layers are cheap in parameters, and not so cheap in work: one more in each block "
        "costs a ninth of the parameters and an eighth of the multiply–adds. None of them "
        "changes what a place sees."
    ),
    parts={
        "each": Part(
            223_054,
            [
                (222_308, "each layer has a bias for each channel as well."),
                (446_108, "that is two layers in each block; count one."),
                (222_944, "the last block, with 10 channels, has one too."),
                (746, "those are the biases alone."),
            ],
        ),
        "none": Part(
            1_546_058,
            [
                (1_769_112, "that is with one 1×1 layer in each block; take both away."),
                (1_547_550, "their biases go as well."),
                (2_438_274, "the layers go away: subtract."),
            ],
            otherwise="not this. It follows from *each*: take that away twice from 1,992,166.",
        ),
        "work": Part(
            92_412_356,
            [
                (222_308, "each weight is used at every place: multiply by the places."),
                (223_054, "each weight is used at every place; biases do not count."),
                (184_824_712, "that is two layers in each block; count one."),
                (92_920_894, "a multiply–add is one product with a weight; biases do not count."),
                (92_409_856, "the last block, with 10 channels on 5×5 places, has one too."),
                (508_538, "each of c channels has a weight for each of the c before: c², not c."),
            ],
            otherwise="not this. c² weights, used at every place; add the four blocks up.",
        ),
        "sees": Part(
            195,
            [
                (199, "a 1×1 layer looks at one place: its kernel adds k − 1 = 0 steps."),
                (227, "a 1×1 layer looks at one place: its kernel adds k − 1 = 0 steps."),
                (224, "a 1×1 layer looks at one place: its kernel adds k − 1 = 0 steps."),
            ],
            otherwise="not this. A 1×1 kernel reads one place: how many pixels does it add?",
        ),
    },
)

THREE = Values(
    "nin-three",
    name="three",
    shows=(
        "3×3 layers would make the network nearly three times as large, and each value of the map "
        "could depend on every pixel that the first layer reads."
    ),
    parts={
        "more": Part(
            3_556_928,
            [
                (1_778_464, "each block has two of these layers."),
                (4_001_544, "nine weights in place of one are eight more."),
                (4_014_972, "nine weights in place of one are eight more; biases stay."),
                (3_562_896, "the biases stay as they are."),
            ],
        ),
        "times": Part(
            2.8,
            [
                (1.8, "that is how much more; the old parameters are still there."),
                (1.9, "each block has two of these layers."),
                (9.0, "only the 1×1 layers grow nine times; the first layer of a block stays."),
                (0.4, "the other way round: how many times as many?"),
            ],
            digits=1,
        ),
        "sees": Part(
            435,
            [
                (195, "that is with 1×1 layers; each 3×3 layer adds 2 steps to the field."),
                (315, "each block has two of these layers."),
                (224, "the question is about an image that is large enough."),
                (211, "a step is 4, 8, 16 or 32 pixels long, by the strides before it."),
                (203, "each block has two, and a step is 4 to 32 pixels long."),
            ],
        ),
        "patch": Part("no", [("yes", "the second layer would read neighbouring patches as well.")]),
    },
)

DENSE_HEAD = Values(
    "nin-dense-head",
    name="dense_head",
    shows=(
        "The head would be 28 times as large as the whole of NiN. Even a single dense layer is "
        "larger than the last block, and ties the network to one size of maps."
    ),
    parts={
        "first": Part(
            39_325_696,
            [
                (39_321_600, "a bias for each unit as well."),
                (1_576_960, "the maps have 5×5 places: 9,600 numbers, not 384."),
                (102_764_544, "that is VGG's: 512 maps of 7×7. Here are 384 of 5×5."),
            ],
        ),
        "head": Part(
            56_147_978,
            [
                (56_139_776, "a bias for each unit as well."),
                (56_107_008, "the last layer, to the 10 scores, is missing."),
                (16_822_282, "the first layer is missing."),
            ],
        ),
        "times": Part(
            28.2,
            [
                (27.2, "how many times as many, not how many times more."),
                (28.0, "nearly. Give one decimal."),
                (28.1, "28.18: round, do not cut."),
                (0.0, "the other way round: how many times as many?"),
            ],
            digits=1,
        ),
        "single": Part(
            96_010,
            [
                (96_000, "a bias for each score as well."),
                (3_850, "the maps have 5×5 places: 9,600 numbers, not 384."),
            ],
        ),
        "size": Part(
            "those that end in 5×5",
            [
                (
                    "all from 67 on",
                    "a dense layer has a fixed number of inputs; here 384 · 5 · 5.",
                )
            ],
        ),
    },
)

AS_DENSE = Code(
    "nin-as-dense",
    name="as_dense",
    shows=(
        "Global average pooling is a dense layer that was fixed in advance: one number in each "
        "row, at all places of its own class. What it saves is not only the parameters, but the "
        "choice."
    ),
    cases=[
        ("as_dense(2, 1, 1)", {}),
        ("as_dense(2, 1, 2)", {}),
        ("as_dense(1, 2, 2)", {}),
        ("as_dense(3, 1, 2)", {}),
        ("as_dense(2, 2, 3)", {}),
    ],
    mistakes=[
        Mistake(
            "The sum in place of the mean",
            "The mean divides by the number of places.",
            "def as_dense(K, n_h, n_w):\n"
            "    return torch.eye(K).repeat_interleave(n_h * n_w, dim=1)\n",
        ),
        Mistake(
            "The classes are interleaved",
            "Flattened, the places of class 0 come first, then those of class 1: neighbours in a "
            "row belong to one class.",
            "def as_dense(K, n_h, n_w):\n"
            "    return torch.eye(K).repeat(1, n_h * n_w) / (n_h * n_w)\n",
        ),
        Mistake(
            "Every class reads all maps",
            "A score is the mean of its own map. The weights of the other maps are 0.",
            "def as_dense(K, n_h, n_w):\n    return torch.ones(K, K * n_h * n_w) / (n_h * n_w)\n",
        ),
        Mistake(
            "The mean over all maps",
            "Divide by the places of one map, n_h · n_w; the classes do not count.",
            "def as_dense(K, n_h, n_w):\n"
            "    places = n_h * n_w\n"
            "    return torch.eye(K).repeat_interleave(places, dim=1) / (K * places)\n",
        ),
        Mistake(
            "Rows and columns are swapped",
            "A weight has a row for each output: K rows, and a column for each input.",
            "def as_dense(K, n_h, n_w):\n"
            "    places = n_h * n_w\n"
            "    return torch.eye(K).repeat_interleave(places, dim=0) / places\n",
        ),
    ],
    second="""
def as_dense(K, n_h, n_w):
    W = torch.zeros(K, K, n_h, n_w)
    for k in range(K):
        W[k, k] = 1 / (n_h * n_w)
    return W.flatten(1)
""",
    draw=lambda random: (
        f"as_dense({random.randint(1, 4)}, {random.randint(1, 3)}, {random.randint(1, 3)})",
        {},
    ),
    inputs="",
)


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-5, 5) for _ in range(width)] for _ in range(height)]


def head(random: Random) -> tuple[str, dict]:
    channels, classes = random.randint(1, 3), random.randint(2, 3)
    maps = [matrix(random, 2, 3) for _ in range(channels)]
    b = [random.randint(1, 4) for _ in range(classes)]
    k = random.randrange(classes)
    return f"class_map(A, W, b, {k})", {"A": maps, "W": matrix(random, classes, channels), "b": b}


CLASS_MAP = Code(
    "nin-class-map",
    name="class_map",
    shows=(
        "Weights that were made for means work at each place as well. So every network that ends "
        "in means and one dense layer, as ResNet, has class maps for free."
    ),
    cases=[
        ("class_map(A, W, b, 0)", {"A": [[[1, 2]]], "W": [[3], [1]], "b": [1, 0]}),
        (
            "class_map(A, W, b, 1)",
            {"A": [[[1], [2]], [[0], [5]]], "W": [[1, 1], [2, -1]], "b": [7, 3]},
        ),
        (
            "class_map(A, W, b, 1)",
            {"A": [[[1, 0, 2], [3, 1, 1]]], "W": [[1], [-2], [4]], "b": [1, -4, 2]},
        ),
        (
            "class_map(A, W, b, 0)",
            {"A": [[[2, -1]], [[1, 1]], [[0, 3]]], "W": [[1, -4, 2], [0, 1, 1]], "b": [2, 5]},
        ),
    ],
    mistakes=[
        Mistake(
            "The bias is missing",
            "The mean of the map is the score, and the score has a bias: add b[k] at each place.",
            "def class_map(A, W, b, k):\n    return torch.tensordot(W[k], A, dims=1)\n",
        ),
        Mistake(
            "Divided by the places",
            "The mean of the map is the score, not its sum: do not divide.",
            "def class_map(A, W, b, k):\n"
            "    return (torch.tensordot(W[k], A, dims=1) + b[k]) / A[0].numel()\n",
        ),
        Mistake(
            "The bias is spread over the places",
            "A mean leaves a constant as it is: b[k] stands whole at each place.",
            "def class_map(A, W, b, k):\n"
            "    return torch.tensordot(W[k], A, dims=1) + b[k] / A[0].numel()\n",
        ),
        Mistake(
            "The negative part is cut off",
            "A place may speak against a class. With a ReLU the mean is not the score any more.",
            "def class_map(A, W, b, k):\n"
            "    return (torch.tensordot(W[k], A, dims=1) + b[k]).relu()\n",
        ),
        Mistake(
            "Column k in place of row k",
            "Each class has a row of W, with a weight for each channel: take W[k].",
            "def class_map(A, W, b, k):\n    return torch.tensordot(W[:, k], A, dims=1) + b[k]\n",
        ),
        Mistake(
            "All channels weigh the same",
            "Each channel has its own weight for class k: row k of W.",
            "def class_map(A, W, b, k):\n    return W[k].sum() * A.sum(0) + b[k]\n",
        ),
        Mistake(
            "The score in place of the map",
            "That is one number; leave the places as they are, and the mean comes later.",
            "def class_map(A, W, b, k):\n    return A.mean((1, 2)) @ W[k] + b[k]\n",
        ),
        Mistake(
            "The weights meet the columns",
            "W[k] meets the columns; weight the channels, W[k][:, None, None] * A.",
            "def class_map(A, W, b, k):\n    return (W[k] * A).sum(0) + b[k]\n",
        ),
    ],
    second="""
def class_map(A, W, b, k):
    M = torch.zeros_like(A[0]) + b[k]
    for w, plane in zip(W[k], A):
        M = M + w * plane
    return M
""",
    draw=head,
)

ONE_STEP = Values(
    "nin-one-step",
    name="one_step",
    shows=(
        "With 10 hidden channels, of which a ReLU silences some, the ten scores of a place cannot "
        "all move freely. Wide hidden layers would allow it, for three quarters of NiN's "
        "parameters once more."
    ),
    parts={
        "now": Part(
            34_790,
            [
                (34_570, "that is its first layer; two 1×1 layers follow."),
                (34_680, "two 1×1 layers follow the first, not one."),
                (34_760, "each of the three layers has 10 biases."),
                (34_780, "the first layer has 10 biases, too."),
            ],
        ),
        "directions": Part(
            4,
            [
                (10, "six of the ten columns that lead there carry nothing."),
                (6, "the six are silent. What is left?"),
                (40, "that is the number of weights in use, not of directions."),
            ],
        ),
        "end": Part(
            1_479_178,
            [
                (1_623_168, "the last 1×1 layer goes to 10 channels, not to 384."),
                (1_478_400, "each layer has a bias for each of its channels."),
                (1_331_338, "three layers: 3×3, 1×1 and the 1×1 that goes to 10."),
            ],
        ),
        "share": Part(
            0.74,
            [
                (0.02, "that is the block as it is; the question is about the wide one."),
                (0.43, "divide by the parameters that NiN has now, 1,992,166."),
                (0.81, "the last 1×1 layer goes to 10 channels, not to 384."),
                (0.72, "that is what the block grows by; the question is about all of it."),
                (74.0, "that is in per cent; give the share itself, a number below 1."),
            ],
            digits=2,
        ),
    },
)


NIN = "[(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0), (3, 1, 1), (3, 2, 0), (3, 1, 1)]"


def unseen(random: Random) -> tuple[str, dict]:
    layers, n = [], random.randint(40, 90)
    for _ in range(random.randint(1, 3)):
        kernel = random.choice([1, 3, 5])
        layers.append((kernel, random.randint(1, kernel), random.randint(0, kernel // 2)))
    return f"unseen({n}, {layers})", {}


def unseen_with(step: str, ends: str = "n - 1 - last") -> str:
    """The solution with one part changed."""
    return (
        "def unseen(n, layers):\n"
        "    sizes = [n]\n"
        "    for k, s, p in layers:\n"
        "        sizes.append((sizes[-1] + 2 * p - k) // s + 1)\n"
        "    last = sizes.pop() - 1\n"
        "    for (k, s, p), size in zip(reversed(layers), reversed(sizes)):\n"
        f"        last = {step}\n"
        f"    return {ends}\n"
    )


UNSEEN = Code(
    "nin-unseen",
    name="unseen",
    shows=(
        "Of 224 pixels NiN sees the first 219. What each stride leaves over adds up to much more, "
        "but the padded layers reach most of it again."
    ),
    cases=[
        ("unseen(7, [(3, 2, 0)])", {}),
        ("unseen(8, [(3, 2, 0)])", {}),
        ("unseen(22, [(5, 4, 1)])", {}),
        ("unseen(8, [(3, 1, 1)])", {}),
        ("unseen(16, [(3, 2, 0), (3, 2, 0)])", {}),
        ("unseen(16, [(3, 2, 0), (3, 1, 1), (3, 2, 0)])", {}),
        ("unseen(54, [(3, 2, 0), (5, 1, 2), (3, 2, 0), (3, 1, 1)])", {}),
        (f"unseen(67, {NIN})", {}),
        (f"unseen(98, {NIN})", {}),
        (f"unseen(224, {NIN})", {}),
    ],
    mistakes=[
        Mistake(
            "A window ends in the padding",
            "A window of a padded layer may end beyond the map: its last place is then the map's "
            "last one. Cut there, in each layer.",
            unseen_with(step="last * s - p + k - 1"),
        ),
        Mistake(
            "The fields side by side, as if nothing were padded",
            "f + (n − 1) j is how far all fields reach together. Padding moves the first of them "
            "to the left of the image: ask where the last one ends.",
            "def unseen(n, layers):\n"
            "    places, field, jump = n, 1, 1\n"
            "    for k, s, p in layers:\n"
            "        places = (places + 2 * p - k) // s + 1\n"
            "        field, jump = field + (k - 1) * jump, jump * s\n"
            "    return n - (field + (places - 1) * jump)\n",
        ),
        Mistake(
            "Cut once, at the image",
            "Each map ends somewhere, not the image alone: cut at the last place in each layer.",
            unseen_with(step="last * s - p + k - 1", ends="max(0, n - 1 - last)"),
        ),
        Mistake(
            "The padding is forgotten",
            "With padding p the first window begins p places before the map: subtract p.",
            unseen_with(step="min(last * s + k - 1, size - 1)"),
        ),
        Mistake(
            "The remainders are added up",
            "What a stride leaves over may still be seen through a neighbour, by a padded layer. "
            "Follow the last place backwards; only the padding on the left moves a window.",
            "def unseen(n, layers):\n"
            "    total, jump, size = 0, 1, n\n"
            "    for k, s, p in layers:\n"
            "        total += (size + 2 * p - k) % s * jump\n"
            "        size = (size + 2 * p - k) // s + 1\n"
            "        jump *= s\n"
            "    return total\n",
        ),
        Mistake(
            "What the last layer leaves over",
            "Each layer leaves something over, not the last alone.",
            "def unseen(n, layers):\n"
            "    jump, size = 1, n\n"
            "    for k, s, p in layers:\n"
            "        rest = (size + 2 * p - k) % s * jump\n"
            "        size = (size + 2 * p - k) // s + 1\n"
            "        jump *= s\n"
            "    return rest\n",
        ),
        Mistake(
            "What is left, counted from 1",
            "Places count from 0, so the last pixel has the index n − 1.",
            unseen_with(step="min(last * s - p + k - 1, size - 1)", ends="n - last"),
        ),
    ],
    second="""
def unseen(n, layers):
    row = torch.ones(1, 1, n, dtype=torch.float64, requires_grad=True)
    Z = row
    for k, s, p in layers:
        Z = torch.nn.functional.conv1d(Z, torch.ones(1, 1, k, dtype=torch.float64) / k, None, s, p)
    Z.sum().backward()
    return n - 1 - int((row.grad[0, 0] > 0).nonzero().max())
""",
    draw=unseen,
    inputs="",
)

SHIFT = Values(
    "nin-shift",
    name="shift",
    shows=(
        "A mean over the places forgets where something is, but only in steps of the strides' "
        "product. Between these steps the network sees another picture."
    ),
    parts={
        "strides": Part(
            4,
            [
                (2, "the first convolution and the pooling both have stride 2: multiply."),
                (8, "there are two layers of stride 2: the first convolution and the pooling."),
                (1, "the first convolution has stride 2."),
            ],
        ),
        "exact": Part(
            {4, 8},
            [
                (
                    {1, 2, 3, 4, 5, 6, 7, 8},
                    "a stride skips pixels; which shifts does it not notice?",
                ),
                ({2, 4, 6, 8}, "the pooling has a stride of 2 as well."),
                ({4}, "that one is right. Which other shift is a multiple of it?"),
                ({8}, "that one is right. Which smaller one?"),
                (set(), "after a shift by the strides' product all layers meet the same numbers."),
            ],
        ),
        "places": Part(
            2,
            [
                (8, "a place of the map is 4 pixels wide."),
                (4, "8 pixels are two steps of 4."),
                (1, "one place for each 4 pixels."),
            ],
        ),
    },
)

EXERCISES = [
    POINTWISE, THREE, DENSE_HEAD, AS_DENSE, CLASS_MAP, ONE_STEP, UNSEEN, SHIFT,
]  # fmt: skip
