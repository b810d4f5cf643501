"""Section 8.5, batch normalisation: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-9, 9) for _ in range(width)] for _ in range(height)]


BIAS = Values(
    "bn-bias",
    name="bias",
    shows=(
        "The mean takes a bias away again, so it learns nothing. In prediction it counts, because "
        "the running mean was collected with it: who takes it out, takes it off that mean too."
    ),
    parts={
        "training": Part(
            0,
            [
                (5, "the mean of the batch rises by 5 as well, and is taken away."),
                (15, "the mean of the batch rises by 5 as well, and is taken away."),
                (7.5, "that is in prediction. In training the mean moves along."),
            ],
        ),
        "prediction": Part(
            7.5,
            [
                (0, "the running mean stays as it was: it does not know of the new bias."),
                (3.75, "the variance is 4. Divide by the deviation."),
                (15, "divide by the deviation as well."),
                (2.5, "γ multiplies what is normalised."),
                (5, "the layer scales: by γ over the deviation."),
            ],
            digits=1,
        ),
        "useless": Part(
            226,
            [
                (236, "the ten of the last layer are useful: nothing normalises the scores."),
                (22, "there is a normalisation after the hidden dense layers as well."),
                (204, "there is a normalisation after both convolutions as well."),
                (452, "these are the numbers γ and β."),
                (4, "count numbers, not layers: such a layer has a bias for each channel."),
                (5, "count numbers, not layers; and nothing normalises the scores."),
                (0, "look at the channel above: what did its bias change in training?"),
            ],
        ),
        "instead": Part(
            "beta",
            [
                ("gamma", "a bias moves; γ stretches."),
                ("β", 'write it as "beta".'),
                ("γ", "a bias moves; γ stretches."),
            ],
        ),
    },
)

RUNNING = Code(
    "bn-running",
    name="running",
    shows=(
        "The batch is normalised by the biased variance, the memory keeps the unbiased one. After "
        "22 batches less than a tenth of the start is left."
    ),
    cases=[
        ("running(batches, 0.5)", {"batches": [[1, 3]]}),
        ("running(batches, 0.1)", {"batches": [[2, 4, 6]]}),
        ("running(batches, 0.1)", {"batches": [[0, 4], [2, 8]]}),
        ("running(batches, 0.25)", {"batches": [[1, 1, 1, 1], [0, 0, 4, 8]]}),
        ("running(batches, 1.0)", {"batches": [[7, -3, 2], [1, 2, 6]]}),
        ("running(batches, 0.3)", {"batches": [[3, -5, 4], [2, 9, 9], [0, 1, -4]]}),
    ],
    mistakes=[
        Mistake(
            "The biased variance is kept",
            "The batch is normalised by the variance with m below the sum, but the memory keeps "
            "the one with m − 1.",
            {"batch.var()": "batch.var(correction=0)"},
        ),
        Mistake(
            "m / (m − 1) twice",
            "PyTorch's `var` divides by m − 1 already: the factor is in it.",
            {"batch.var()": "batch.var() * len(batch) / (len(batch) - 1)"},
        ),
        Mistake(
            "The variance is taken around the running mean",
            "The variance of a batch is that around its own mean.",
            {"batch.var()": "((batch - mean) ** 2).sum() / (len(batch) - 1)"},
        ),
        Mistake(
            "All batches in one heap",
            "You took one mean and one variance over all values. Go from batch to batch, and let "
            "each take the memory a step of α further.",
            "def running(batches, alpha):\n    return [batches.mean(), batches.var()]\n",
        ),
        Mistake(
            "α is turned round",
            "α is the weight of the new batch; the old statistics keep 1 − α.",
            {
                "(1 - alpha) * mean + alpha * batch.mean()": (
                    "alpha * mean + (1 - alpha) * batch.mean()"
                ),
                "(1 - alpha) * var + alpha * batch.var()": (
                    "alpha * var + (1 - alpha) * batch.var()"
                ),
            },
        ),
        Mistake(
            "The variance starts at 0",
            "The running mean begins at 0, the running variance at 1.",
            {"(0.0, 1.0)": "(0.0, 0.0)"},
        ),
        Mistake(
            "The deviation in place of the variance",
            "You keep the standard deviation. The memory holds its square.",
            {"batch.var()": "batch.std()"},
        ),
        Mistake(
            "Only the last batch counts",
            "Each batch starts from what the batch before has left, not from 0 and 1.",
            {
                "(1 - alpha) * mean + alpha * batch.mean()": "alpha * batch.mean()",
                "(1 - alpha) * var + alpha * batch.var()": "1 - alpha + alpha * batch.var()",
            },
        ),
        Mistake(
            "A plain average",
            "All batches count alike in your answer. The memory forgets: a batch weighs less with "
            "each one that follows.",
            "def running(batches, alpha):\n"
            "    return [batches.mean(1).mean(), batches.var(1).mean()]\n",
        ),
    ],
    second="""
def running(batches, alpha):
    mean, var = torch.zeros(()), torch.ones(())
    for x in batches:
        m = len(x)
        centre = x.sum() / m
        mean = mean + alpha * (centre - mean)
        var = torch.lerp(var, ((x - centre) ** 2).sum() / (m - 1), alpha)
    return mean, var
""",
    draw=lambda random: (
        f"running(batches, {random.choice([0.1, 0.2, 0.5])})",
        {"batches": matrix(random, random.randint(1, 4), random.randint(2, 5))},
    ),
)


def convolution(random: Random, c_o: int, c_i: int, k_h: int, k_w: int) -> dict:
    """Weights, biases and a normalisation whose deviations are whole where eps is 0."""
    draw = random.randint
    W = [[matrix(random, k_h, k_w) for _ in range(c_i)] for _ in range(c_o)]
    rest = {key: [draw(-9, 9) for _ in range(c_o)] for key in ("b", "beta", "mean")}
    gamma = [draw(1, 6) for _ in range(c_o)]
    return {"W": W, **rest, "gamma": gamma, "var": [draw(1, 4) ** 2 for _ in range(c_o)]}


FOLD = Code(
    "bn-fold",
    name="fold",
    shows=(
        "One convolution does the work of two layers, and 452 parameters and all running "
        "statistics are gone. This is how trained networks are run."
    ),
    cases=[
        (
            "fold(W, b, gamma, beta, mean, var, 0)",
            {"W": [[[[1]]]], "b": [1], "gamma": [2], "beta": [3], "mean": [5], "var": [4]},
        ),
        (
            "fold(W, b, gamma, beta, mean, var, 0)",
            {
                "W": [[[[1, 2]]], [[[3, 4]]]],
                "b": [0, 1],
                "gamma": [1, 6],
                "beta": [0, 2],
                "mean": [1, -1],
                "var": [1, 9],
            },
        ),
        (
            "fold(W, b, gamma, beta, mean, var, 3)",
            {"W": [[[[4]], [[2]]]], "b": [2], "gamma": [4], "beta": [-1], "mean": [0], "var": [1]},
        ),
        (
            "fold(W, b, gamma, beta, mean, var, 0)",
            {
                "W": [[[[1, 2]], [[3, 1]]], [[[2, 0]], [[4, 7]]]],
                "b": [3, -2],
                "gamma": [4, 3],
                "beta": [1, 5],
                "mean": [2, 4],
                "var": [16, 4],
            },
        ),
        (
            "fold(W, b, gamma, beta, mean, var, 0.25)",
            {
                "W": [[[[3], [8]]], [[[5], [6]]]],
                "b": [0, 4],
                "gamma": [1, -3],
                "beta": [1, 0],
                "mean": [6, 1],
                "var": [2, 6],
            },
        ),
    ],  # fmt: skip
    mistakes=[
        Mistake(
            "The bias is not scaled",
            "The normalisation multiplies the bias as well: it stands inside the bracket.",
            {"(b - mean) * scale": "b - mean * scale"},
        ),
        Mistake(
            "The mean is left out",
            "The running mean is taken away before the scale acts; it goes into the bias.",
            {"(b - mean) * scale": "b * scale"},
        ),
        Mistake(
            "The old bias is forgotten",
            "The convolution has a bias already, and it goes through the normalisation.",
            {"(b - mean) * scale": "-mean * scale"},
        ),
        Mistake(
            "ε stands outside the root",
            "It is added to the variance, under the root, not to the deviation.",
            {"(var + eps).sqrt()": "(var.sqrt() + eps)"},
        ),
        Mistake(
            "Divided by the variance",
            "Divide by its root, the deviation.",
            {"(var + eps).sqrt()": "(var + eps)"},
        ),
        Mistake(
            "β is missing",
            "β is added at the end; it becomes a part of the bias.",
            {"beta + (b - mean) * scale": "(b - mean) * scale"},
        ),
        Mistake(
            "The scale acts along the wrong axis",
            "Output channels are the first axis of W. Yours multiplies along the last one.",
            {"W * scale.reshape(shape)": "W * scale"},
        ),
        Mistake(
            "The scale acts along the input channels",
            "Output channels are the first axis of W. Yours multiplies along the second one.",
            {"W * scale.reshape(shape)": "W * scale.reshape(1, -1, 1, 1)"},
        ),
        Mistake(
            "γ is missing",
            "The normalised value is multiplied by γ.",
            {"gamma / ": "1 / "},
        ),
    ],
    second="""
def fold(W, b, gamma, beta, mean, var, eps):
    weights, biases = [], []
    for k in range(len(W)):
        s = float(gamma[k]) / (float(var[k]) + eps) ** 0.5
        weights.append(W[k] * s)
        biases.append(float(beta[k]) - s * float(mean[k]) + s * float(b[k]))
    return torch.stack(weights), torch.tensor(biases)
""",
    draw=lambda random: (
        "fold(W, b, gamma, beta, mean, var, 0)",
        convolution(random, random.randint(1, 3), random.randint(1, 2), 1, 2),
    ),
)


def maps(random: Random, n: int, c: int, h: int, w: int) -> list:
    return [[matrix(random, h, w) for _ in range(c)] for _ in range(n)]


GROUP = Code(
    "bn-group",
    name="group_norm",
    shows=(
        "One group is layer normalisation, as many groups as channels instance normalisation. The "
        "other examples never occur, so there is nothing to remember."
    ),
    cases=[
        ("group_norm(X, 2, 0)", {"X": [[[[1]], [[3]], [[0]], [[8]]]]}),
        ("group_norm(X, 1, 0)", {"X": [[[[1]], [[3]], [[1]], [[3]]]]}),
        ("group_norm(X, 2, 3)", {"X": [[[[0, 2]], [[5, 9]]], [[[4, 4]], [[1, 7]]]]}),
        ("group_norm(X, 1, 0)", {"X": [[[[0, 4]]], [[[2, 12]]]]}),
        (
            "group_norm(X, 3, 0)",
            {"X": [[[[1, 5]], [[0, 2]], [[3, 9]]], [[[2, 8]], [[4, 6]], [[7, 1]]]]},
        ),
        ("group_norm(X, 2, 7)", {"X": [[[[1], [4]], [[0], [3]], [[6], [2]], [[9], [5]]]]}),
    ],  # fmt: skip
    mistakes=[
        Mistake(
            "The variance is unbiased",
            "`var` divides by m − 1 unless you say correction=0. Normalise by the biased one.",
            {"correction=0": "correction=1"},
        ),
        Mistake(
            "The groups are interleaved",
            "A group holds neighbours: with four channels and two groups 1 and 2, then 3 and 4.",
            {
                "X.reshape(len(X), G, -1)": (
                    "X.reshape(len(X), -1, G, *X.shape[2:]).transpose(1, 2).reshape(len(X), G, -1)"
                ),
                ".reshape(X.shape)": (
                    ".reshape(len(X), G, -1, *X.shape[2:]).transpose(1, 2).reshape(X.shape)"
                ),
            },
        ),
        Mistake(
            "The examples share a mean",
            "You took the mean over the examples as well. Each example has groups of its own.",
            {
                "Z.mean(2, keepdim=True)": "Z.mean((0, 2), keepdim=True)",
                "Z.var(2, correction=0, keepdim=True)": (
                    "Z.var((0, 2), correction=0, keepdim=True)"
                ),
            },
        ),
        Mistake(
            "The places are kept apart",
            "All channels of a group and all places share one mean: it runs over height and width, "
            "too.",
            {"X.reshape(len(X), G, -1)": "X.reshape(len(X), G, -1, *X.shape[2:])"},
        ),
        Mistake(
            "ε stands outside the root",
            "It is added to the variance, under the root.",
            {"(var + eps).sqrt()": "(var.sqrt() + eps)"},
        ),
        Mistake(
            "G is the size of a group",
            "G counts the groups; each of them holds C / G channels.",
            {"X.reshape(len(X), G, -1)": "X.reshape(len(X), X.shape[1] // G, -1)"},
        ),
        Mistake(
            "All channels are one group",
            "That is layer normalisation, whatever G is.",
            {"X.reshape(len(X), G, -1)": "X.reshape(len(X), 1, -1)"},
        ),
    ],
    second="""
def group_norm(X, G, eps):
    parts = []
    for part in X.split(X.shape[1] // G, dim=1):
        m = part[0].numel()
        mean = part.sum((1, 2, 3), keepdim=True) / m
        var = ((part - mean) ** 2).sum((1, 2, 3), keepdim=True) / m
        parts.append((part - mean) * (var + eps) ** -0.5)
    return torch.cat(parts, dim=1)
""",
    draw=lambda random: (
        f"group_norm(X, {random.choice([1, 2, 4])}, 1)",
        {"X": maps(random, random.randint(1, 2), 4, 1, 2)},
    ),
)

BRAKE = Values(
    "bn-rate",
    name="brake",
    shows=(
        "What counts is the direction of the weights, and long weights turn slowly. At rate 1 the "
        "network normalised at each step learns. The brake may have a part in it; but the mean "
        "square of a normalised channel stays the same in any case."
    ),
    parts={
        "output": Part(
            1,
            [
                (10, "mean and deviation grow by 10 as well."),
                (100, "mean and deviation grow by 10 as well."),
            ],
        ),
        "gradient": Part(
            0.1,
            [
                (1, "the same output does not mean the same gradient: moving 10w by a little "
                    "turns it less than moving w."),
                (10, "the other way round: a longer vector is harder to turn."),
                (0.01, "one factor of 10 only. The second one comes with the angle."),
            ],
            digits=1,
        ),
        "turn": Part(
            0.01,
            [
                (0.1, "the step is 10 times shorter, and the vector 10 times longer."),
                (1, "the step is shorter, and the vector longer."),
                (10, "the step is shorter, and the vector longer."),
                (100, "the other way round."),
            ],
            digits=2,
        ),
        "rate": Part(
            100,
            [
                (10, "it turns 100 times less."),
                (0.01, "the rate must make up for it."),
                (0.1, "the rate must make up for it."),
                (1, "it turns 100 times less. What makes up for that?"),
            ],
        ),
        "learns": Part(
            {"normalised"},
            [
                ({"once", "normalised"}, "one of the two surprises you: run the second cell. What "
                    "does it lack after the first step?"),
                ({"once"}, "run the second cell. For how many steps does a good start last?"),
                ({"plain"}, "run the second cell. What would keep its outputs in bounds?"),
                (
                    {"plain", "normalised"},
                    "run the second cell. What keeps the outputs of each in bounds?",
                ),
                ({"plain", "once"}, "run the second cell. Whose outputs cannot run away?"),
                (
                    {"plain", "once", "normalised"},
                    "run the second cell. Whose outputs cannot run away?",
                ),
                (set(), "run the second cell. Can the outputs of all three run away?"),
            ],
        ),
    },
)  # fmt: skip

WHERE = Values(
    "bn-where",
    name="where",
    shows=(
        "On the plateau the last layers see nearly the same input for all images. A normalisation "
        "there makes the difference large again; before three more sigmoids it is lost, before two "
        "it comes late."
    ),
    parts={
        "stays": Part(
            {"first"},
            [
                (
                    {"convolutions", "first"},
                    "run the second cell: one of the two is only late. How "
                    "many sigmoids come after each?",
                ),
                ({"convolutions"}, "run the second cell. How many sigmoids come after each place?"),
                (set(), "run the second cell. How many sigmoids come after each place?"),
                (
                    {"last"},
                    "run the second cell. It stands next to the scores: what can shrink after it?",
                ),
                ({"dense"}, "run the second cell. How many sigmoids come after each place?"),
                ({"first", "last"}, "run the second cell: the two ends are not alike."),
                (
                    {"convolutions", "dense", "first", "last"},
                    "run the second cell. How many sigmoids come after each place?",
                ),
            ],
        ),
        "fast": Part(
            {"dense", "last"},
            [
                ({"dense"}, "run the second cell. Which of its two layers does the work?"),
                ({"last"}, "run the second cell. And what of a set that contains that layer?"),
                (
                    {"convolutions", "dense", "last"},
                    "run the second cell. How many sigmoids follow after the convolutions?",
                ),
                (
                    {"convolutions", "dense"},
                    "run the second cell. How many sigmoids follow after each place?",
                ),
                (
                    {"convolutions", "first"},
                    "run the second cell. What do the sigmoids after them do to the difference?",
                ),
                (
                    {"convolutions"},
                    "run the second cell. What do the sigmoids after them do to the difference?",
                ),
                (
                    {"first"},
                    "run the second cell. What do the sigmoids after it do to the difference?",
                ),
                ({"first", "last"}, "run the second cell: the two ends are not alike."),
                (
                    {"convolutions", "dense", "first", "last"},
                    "run the second cell: the two ends are not alike.",
                ),
                (set(), "run the second cell. Is there a place that no sigmoid follows but one?"),
            ],
        ),
    },
)

PARTS = Values(
    "bn-parts",
    name="parts",
    shows=(
        "Sigmoids need both: differences large enough to tell images apart, and inputs around 0, "
        "where the sigmoid is steep. What is learned on top matters little here."
    ),
    parts={
        "fewer": Part(
            452,
            [
                (226, "each channel has two learned numbers."),
                (62_158, "that is the whole network."),
                (8, "each of the four layers has two numbers for *each channel*."),
            ],
        ),
        "relu": Part(
            "gamma",
            [("beta", "β decides where the ReLU bends; no weight after it can undo that.")],
        ),
        "learns": Part(
            {"fixed"},
            [
                (
                    {"mean", "fixed"},
                    "run the second cell. What does the mean alone do to tiny differences?",
                ),
                (
                    {"deviation", "fixed"},
                    "run the second cell. Where on the sigmoid do inputs lie "
                    "that are scaled with their mean?",
                ),
                (
                    {"mean", "deviation", "fixed"},
                    "run the second cell. Is half a normalisation enough?",
                ),
                ({"mean"}, "run the second cell. What does the mean alone do to tiny differences?"),
                (
                    {"deviation"},
                    "run the second cell. Where on the sigmoid do inputs lie that are "
                    "scaled with their mean?",
                ),
                (
                    {"mean", "deviation"},
                    "run the second cell. Which matters more, the two halves or what is learned?",
                ),
                (set(), "run the second cell. Which of them has both halves?"),
            ],
        ),
    },
)

DROPOUT = Values(
    "bn-dropout",
    name="noise",
    shows=(
        "Both bring noise, but batch normalisation makes it easier to fit the training images, "
        "dropout harder. What is called regularisation here is mostly the second."
    ),
    parts={
        "narrow": Part(
            {"dropout", "both"},
            [
                ({"dropout"}, "*both* has dropout as well."),
                ({"both"}, "does it take both? One of them does nearly all of it."),
                ({"normalised"}, "its noise is small: the mean of 15 images, not half the units."),
                ({"normalised", "both"}, "it is what *both* has besides. Its noise is larger."),
                ({"normalised", "dropout", "both"}, "one of the three has too little noise."),
                ({"normalised", "dropout"}, "one is right. And what has *both*?"),
                (set(), "two of them do. Which one takes half of the units away?"),
            ],
        ),
        "worst": Part(
            "dropout",
            [
                ("neither", "nothing disturbs it, so it fits closely."),
                ("normalised", "normalisation makes it easier to fit."),
                ("both", "normalisation makes up for a part of what dropout takes."),
            ],
        ),
    },
)

EXERCISES = [BIAS, RUNNING, FOLD, GROUP, BRAKE, WHERE, PARTS, DROPOUT]
