"""Section 8.6, ResNet and ResNeXt: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-5, 5) for _ in range(width)] for _ in range(height)]


def kernel(random: Random) -> list:
    return [[[[random.randint(-3, 3)]]]]


BOTTLENECK = Values(
    "resnet-bottleneck",
    name="bottleneck",
    shows=(
        "At the price of 62 channels and two 3×3 convolutions the bottleneck hands on 256. It pays "
        "with sight: only one of its convolutions looks at neighbours."
    ),
    parts={
        "plain": Part(
            73_728,
            [
                (36_864, "that is one 3×3 convolution; the block has two."),
                (1_152, "a kernel reads all 64 channels, and there are 64 kernels."),
                (73_856, "with batch normalisation the convolutions have no bias."),
                (1_179_648, "the block of ResNet-34 has 64 channels here, not 256."),
                (8_192, "a 3×3 kernel has nine weights for each channel that it reads."),
            ],
            otherwise="a convolution from a to b channels has k² · a · b weights; add up the two.",
        ),
        "bottleneck": Part(
            69_632,
            [
                (36_864, "that is the 3×3 convolution alone; two 1×1 ones go with it."),
                (53_248, "there are two 1×1 convolutions, one down and one up."),
                (622_592, "the 3×3 convolution has 64 channels in and 64 out."),
                (180_224, "the 3×3 convolution has 64 channels in and 64 out."),
                (32_768, "those are the two 1×1 convolutions; a 3×3 one stands between them."),
                (70_016, "with batch normalisation the convolutions have no bias."),
            ],
            otherwise="write down channels in, channels out and side of each of the three.",
        ),
        "channels": Part(
            62,
            [
                (63, "63 channels cost 18 · 63² = 71,442: too much. Round down."),
                (64, "that is what ResNet-34 has, and it costs a little more than the bottleneck."),
                (87, "there are two convolutions in the block: 18 c² weights."),
                (88, "there are two convolutions in the block: 18 c² weights."),
                (3_868, "that is c². Take the root."),
                (
                    256,
                    "that many the bottleneck has. What would 3×3 convolutions get for its price?",
                ),
            ],
            otherwise="solve 18 c² = weights of the bottleneck, and round down.",
        ),
        "sees": Part(
            3,
            [
                (5, "that is what two 3×3 convolutions see. Here one of three looks around."),
                (7, "a 1×1 convolution sees one pixel."),
                (9, "give the side, not the area."),
                (1, "that is a 1×1 convolution. One of the three is 3×3."),
            ],
        ),
    },
)

INCEPTION = Code(
    "resnet-inception",
    name="merge",
    shows=(
        "A sum is a concatenation with a fixed 1×1 convolution behind it. So a residual block is "
        "an Inception block of two branches, one of them the identity, with nothing to learn in "
        "the merge."
    ),
    cases=[("merge(1)", {}), ("merge(2)", {}), ("merge(3)", {})],
    mistakes=[
        Mistake(
            "Every channel is added to every other",
            "Channel k of the sum is made of channel k of each branch, and of no other.",
            "def merge(c):\n    return torch.ones(c, 2 * c, 1, 1)\n",
        ),
        Mistake(
            "The axes are swapped",
            "A weight has shape (output channels, input channels, 1, 1). Two branches come in.",
            {"torch.cat([eye, eye], dim=1)": "torch.cat([eye, eye], dim=0)"},
        ),
        Mistake(
            "The channels are interleaved",
            "The branches lie one after the other: channel k of the second is channel c + k.",
            {"torch.cat([eye, eye], dim=1)": "eye.repeat_interleave(2, dim=1)"},
        ),
        Mistake(
            "The branches are subtracted",
            "Both branches count with weight 1.",
            {"[eye, eye]": "[eye, -eye]"},
        ),
        Mistake(
            "The mean in place of the sum",
            "A residual block adds its branches; it does not average them.",
            {"[eye, eye]": "[eye / 2, eye / 2]"},
        ),
        Mistake(
            "The axes of the kernel are missing",
            "A 1×1 convolution's weight has four axes: (output channels, input channels, 1, 1).",
            "def merge(c):\n    return torch.cat([torch.eye(c), torch.eye(c)], dim=1)\n",
        ),
    ],
    second="""
def merge(c):
    W = torch.zeros(c, 2 * c, 1, 1)
    for k in range(c):
        W[k, k] = W[k, c + k] = 1
    return W
""",
    draw=lambda random: (f"merge({random.randint(1, 4)})", {}),
    inputs="",
)

GROUPS = Code(
    "resnext-groups",
    name="grouped",
    shows=(
        "Each output reads its own group of inputs, so a layer of g groups has a g-th of the "
        "weights. As many groups as channels is the depthwise convolution."
    ),
    cases=[
        ("grouped(X, W, 2)", {"X": [[1], [2], [3], [4]], "W": [[1, 0], [0, 1]]}),
        ("grouped(X, W, 1)", {"X": [[1, 2], [3, 4]], "W": [[1, 1], [2, -1], [0, 3]]}),
        ("grouped(X, W, 2)", {"X": [[1], [10]], "W": [[1], [2], [3], [4]]}),
        ("grouped(X, W, 3)", {"X": [[1, 2], [0, 5], [3, -1]], "W": [[2], [4], [7]]}),
        (
            "grouped(X, W, 2)",
            {"X": [[1], [0], [2], [5], [3], [4]], "W": [[1, 2, 3], [4, 5, 6]]},
        ),
    ],
    mistakes=[
        Mistake(
            "All groups read the first inputs",
            "g is the number of groups: group i reads its own channels, from i · c / g on.",
            {"X[i * d:(i + 1) * d]": "X[:d]"},
        ),
        Mistake(
            "Inputs and outputs are interleaved",
            "Groups are neighbours, not every g-th channel: rows from i · c / g on, and so for W.",
            {"X[i * d:(i + 1) * d]": "X[i::g]", "W[i * n:(i + 1) * n]": "W[i::g]"},
        ),
        Mistake(
            "The inputs are interleaved",
            "A group holds neighbours: of four channels and two groups 1 and 2, then 3 and 4.",
            {"X[i * d:(i + 1) * d]": "X[i::g]"},
        ),
        Mistake(
            "The outputs are interleaved",
            "Outputs lie by group as well: first all of group 1, then all of group 2.",
            {"W[i * n:(i + 1) * n]": "W[i::g]"},
        ),
        Mistake(
            "All of X at once",
            "W has one column for each input of a group: each group multiplies its own rows of X.",
            "def grouped(X, W, g):\n    return W @ X\n",
        ),
        Mistake(
            "Every group meets all rows of W",
            "Group i has its own rows of W too: n = len(W) / g of them, from i · n on.",
            {"W[i * n:(i + 1) * n]": "W"},
        ),
        Mistake(
            "The rows of W are counted like those of X",
            "A group of W has len(W) / g rows, which need not be as many as its inputs.",
            {"W[i * n:(i + 1) * n]": "W[i * d:(i + 1) * d]"},
        ),
        Mistake(
            "Every group meets all rows of W, and the groups are added",
            "Group i has its own rows of W too, and the groups stand one below the other.",
            {
                "W[i * n:(i + 1) * n]": "W",
                "torch.cat(parts)": "sum(parts)",
            },
        ),
        Mistake(
            "The groups are added",
            "Groups stand one below the other. They are added only by the 1×1 convolution behind.",
            {"torch.cat(parts)": "sum(parts)"},
        ),
    ],
    second="""
def grouped(X, W, g):
    d = len(X) // g
    rows = []
    for k, w in enumerate(W):
        i = k // (len(W) // g)
        rows.append((w[:, None] * X[i * d : (i + 1) * d]).sum(0))
    return torch.stack(rows)
""",
    draw=lambda random: draw_groups(random),
    without=("conv1d", "conv2d", "Conv1d", "Conv2d"),
)


def draw_groups(random: Random) -> tuple[str, dict]:
    g, d, n = (random.randint(1, 3) for _ in range(3))
    inputs = {"X": matrix(random, g * d, 2), "W": matrix(random, g * n, d)}
    return f"grouped(X, W, {g})", inputs


PREACTIVATION = Code(
    "resnet-preactivation",
    name="pre_activation",
    shows=(
        "Nothing is done to the shortcut: within a stage there is one path on which every value, "
        "negative ones too, and every gradient passes unchanged."
    ),
    cases=[
        ("pre_activation(X, W, V)", {"X": [[[[2, -3]]]], "W": [[[[1]]]], "V": [[[[1]]]]}),
        (
            "pre_activation(X, W, V)",
            {"X": [[[[1, -2], [3, 4], [0, -5]]]], "W": [[[[-1]]]], "V": [[[[1]]]]},
        ),
        (
            "pre_activation(X, W, V)",
            {
                "X": [[[[1, -2]], [[3, -1]]]],
                "W": [[[[1]], [[-1]]], [[[2]], [[1]]]],
                "V": [[[[1]], [[0]]], [[[-1]], [[2]]]],
            },
        ),
        ("pre_activation(X, W, V)", {"X": [[[[5], [-4], [1]]]], "W": [[[[2]]]], "V": [[[[-3]]]]}),
    ],
    mistakes=[
        Mistake(
            "A ReLU after the sum",
            "Here nothing follows the sum. The next block begins with a ReLU, on its own branch.",
            {"return X + Y": "return (X + Y).relu()"},
        ),
        Mistake(
            "The shortcut passes the ReLU",
            "The shortcut takes the input with its negative values. (`relu_` changes X in place.)",
            {"return X + Y": "return X.relu() + Y"},
        ),
        Mistake(
            "Convolution before activation",
            "The order inside is turned round: ReLU, convolution, ReLU, convolution.",
            {
                "F.conv2d(X.relu(), W)": "F.conv2d(X, W).relu()",
                "F.conv2d(Y.relu(), V)": "F.conv2d(Y, V).relu()",
            },
        ),
        Mistake(
            "The second ReLU is missing",
            "A ReLU stands before each of the two convolutions.",
            {"Y.relu()": "Y"},
        ),
        Mistake(
            "The first ReLU is missing",
            "A ReLU stands before each of the two convolutions.",
            {"X.relu()": "X"},
        ),
        Mistake(
            "No shortcut",
            "The input is added to what the convolutions give.",
            {"return X + Y": "return Y"},
        ),
    ],
    second="""
def pre_activation(X, W, V):
    c = X.shape[1]
    first = nn.Conv2d(c, c, 1, bias=False)
    second = nn.Conv2d(c, c, 1, bias=False)
    first.weight, second.weight = nn.Parameter(W), nn.Parameter(V)
    body = nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)
    return body(X) + X
""",
    draw=lambda random: (
        "pre_activation(X, W, V)",
        {"X": [[matrix(random, 2, 2)]], "W": kernel(random), "V": kernel(random)},
    ),
)

PATHS = Code(
    "resnet-paths",
    name="lengths",
    shows=(
        "The lengths are binomial: most paths of ResNet-18 pass about half of its blocks. A block "
        "less halves the number of paths, and makes none of those that are left longer."
    ),
    cases=[
        ("lengths(1, 0)", {}),
        ("lengths(3, 0)", {}),
        ("lengths(3, 1)", {}),
        ("lengths(4, 4)", {}),
        ("lengths(8, 2)", {}),
        ("lengths(5, 0)", {}),
    ],
    mistakes=[
        Mistake(
            "A block that is off still has two ways",
            "Through a block that is off nothing leads. Only the others can be passed through.",
            {"comb(n - off, k)": "comb(n, k)"},
        ),
        Mistake(
            "Paths through blocks that are off are taken away, the others left",
            "A path may mix: through a block that is off and one that is on. Choose among n − off.",
            {"comb(n - off, k)": "comb(n, k) - comb(off, k)"},
        ),
        Mistake(
            "The path around all blocks is forgotten",
            "One path passes no block at all: the shortcuts from end to end.",
            {"range(n + 1)": "range(1, n + 1)"},
        ),
        Mistake(
            "All paths in one number",
            "That many paths there are. Sort them by how many blocks they pass: a list of n + 1.",
            "def lengths(n, off):\n    return [2 ** (n - off)]\n",
        ),
        Mistake(
            "The list ends too early",
            "Give n + 1 numbers, also where no path passes so many blocks: then it is 0.",
            {"range(n + 1)": "range(n - off + 1)"},
        ),
        Mistake(
            "Every length counts the same",
            "There are many ways to choose half of the blocks, and one way to choose all.",
            {"comb(n - off, k)": "1"},
        ),
    ],
    second="""
def lengths(n, off):
    counts = [1] + n * [0]
    for _ in range(n - off):
        counts = [a + b for a, b in zip(counts, [0] + counts[:-1])]
    return counts
""",
    draw=lambda random: ("lengths({}, {})".format(*sizes(random)), {}),
    inputs="",
)


def sizes(random: Random) -> tuple[int, int]:
    n = random.randint(1, 6)
    return n, random.randint(0, n)


LEFT = "len([*take_out(Residual({}), {}).{}.parameters()])"
ABLATION = Code(
    "resnet-ablation",
    name="take_out",
    shows=(
        "A part that is taken out is gone, with its parameters, and nothing else has changed: "
        "only then does a run tell what the part was good for."
    ),
    cases=[
        (LEFT.format("3", 2, "body[2]"), {}),
        (LEFT.format("3", 2, "body[0]"), {}),
        (LEFT.format("3", 0, "body[0]"), {}),
        (LEFT.format("3", 0, "body[2]"), {}),
        (LEFT.format("6, True, 2", 2, "shortcut"), {}),
        ("len(take_out(Residual(3), 0).body)", {}),
    ],
    mistakes=[
        Mistake(
            "Always the last",
            "Use k: the normalisation of body[k] goes, and that of the other unit stays.",
            {"block.body[k] = block.body[k][:1]": "block.body[2] = block.body[2][:1]"},
        ),
        Mistake(
            "Always the first",
            "Use k: the normalisation of body[k] goes, and that of the other unit stays.",
            {"block.body[k] = block.body[k][:1]": "block.body[0] = block.body[0][:1]"},
        ),
        Mistake(
            "Both at once",
            "One at a time: only the normalisation of body[k] goes.",
            {
                "block.body[k] = block.body[k][:1]": "block.body[0] = block.body[0][:1]\n"
                "    block.body[2] = block.body[2][:1]"
            },
        ),
        Mistake(
            "The unit is gone, and its convolution with it",
            "Take out the normalisation alone: the convolution before it stays.",
            {"block.body[k] = block.body[k][:1]": "block.body[k] = nn.Identity()"},
        ),
        Mistake(
            "The unit's own convolution is gone",
            "A unit is a convolution and then the normalisation: keep the first, as it is.",
            {"block.body[k][:1]": "block.body[k][1:]"},
        ),
        Mistake(
            "Nothing has changed",
            "Slicing makes a new nn.Sequential: put it back into the body. "
            "(What a block was built with, such as its norm, is not asked again.)",
            {"block.body[k] = block.body[k][:1]": "block.body[k][:1]"},
        ),
        Mistake(
            "The shortcut has lost its normalisation as well",
            "The body alone is meant: what stands on the shortcut stays.",
            {
                "block.body[k] = block.body[k][:1]": "block.body[k] = block.body[k][:1]\n"
                "    if isinstance(block.shortcut, nn.Sequential):\n"
                "        block.shortcut = block.shortcut[:1]"
            },
        ),
        Mistake(
            "The layer of the body is taken out, not of its unit",
            "body[k] holds a convolution and its normalisation: look inside it.",
            {"block.body[k] = block.body[k][:1]": "block.body = block.body[:k]"},
        ),
    ],
    second="""
def take_out(block, k):
    block.body[k][1] = nn.Identity()
    return block
""",
    draw=lambda random: (
        LEFT.format(random.randint(1, 5), 2 * random.randint(0, 1), "body[0]"),
        {},
    ),
    inputs="",
)

ZERO = Values(
    "resnet-zero",
    name="zero",
    shows=(
        "The network starts as a shallow one, and each block grows in as soon as its scale has "
        "moved. That first step reaches γ and β alone: everything before γ is multiplied by 0."
    ),
    parts={
        "layers": Part(
            5,
            [
                (2, "three blocks change the shape: the 1×1 convolutions on their shortcuts work."),
                (18, "with γ = β = 0 a body gives 0, whatever its convolutions compute."),
                (21, "with γ = β = 0 a body gives 0, whatever its convolutions compute."),
                (
                    3,
                    "those are the ones on shortcuts. The stem and the head work too.",
                ),
                (4, "the stem and the head have one layer each."),
                (
                    10,
                    "five blocks are the identity: no layer with weights is left there.",
                ),
                (
                    13,
                    "with γ = β = 0 both convolutions of a body are without effect.",
                ),
                (8, "count layers with weights: five of the eight blocks are the identity."),
            ],
            otherwise="with γ = β = 0 a body gives 0. What is left of the network?",
        ),
        "gamma": Part(
            "yes",
            [("no", "its gradient is that of the output times the normalised value.")],
        ),
        "beta": Part("yes", [("no", "β is added behind γ; why should it not move?")]),
        "kernel": Part(
            "no",
            [("yes", "the gradient on its way to the kernel is multiplied by γ.")],
        ),
        "second": Part(
            "yes",
            [("no", "after the first step γ is not 0 any more.")],
        ),
    },
)

EXERCISES = [BOTTLENECK, INCEPTION, GROUPS, PATHS, PREACTIVATION, ABLATION, ZERO]
