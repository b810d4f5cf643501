"""Section 7.1, from dense layers to convolutions: cases, usual mistakes and second answers."""

from random import Random

from exercises import Code, Mistake, Part, Values


def matrix(random: Random, height: int, width: int) -> list[list[int]]:
    return [[random.randint(-9, 9) for _ in range(width)] for _ in range(height)]


def blocks(random: Random, *sizes: int) -> list:
    """Nested lists of small whole numbers, of any shape."""
    if not sizes:
        return random.randint(-9, 9)
    return [blocks(random, *sizes[1:]) for _ in range(sizes[0])]


RIGHT_LETTERS = 'right letters; write {"b", "c"}.'

COUNT_WEIGHTS = Values(
    "count-weights",
    name="counts",
    shows=(
        "From 360,000 weights to 25. Weights that belong to offsets, and not to pixels, fit a "
        "picture of any size."
    ),
    parts={
        "dense": Part(
            600**2,
            [
                (600, "that is how many pixels there are. Each output has a weight for each."),
                (600**2 + 600, "right with the biases; leave them out here."),
                (1200, "outputs times pixels, not outputs plus pixels."),
            ],
        ),
        "shared": Part(
            39 * 59,
            [
                (40 * 60, "the offsets run from −19 to 19: that is 39 values, 0 among them."),
                (600, "offsets are negative, too: a pixel may lie above or to the left."),
                (41 * 61, "the largest offset on 20 rows is 19, from the first to the last."),
                (39 + 59, "each offset is a pair: any of the rows with any of the columns."),
            ],
            otherwise="count the offsets in each direction: from −(n − 1) to n − 1.",
        ),
        "local": Part(
            25,
            [
                (16, "4Δ² is the leading term only. The offsets are −2, −1, 0, 1, 2."),
                (4, "Δ is the reach to *each* side."),
                (9, "that is Δ = 1."),
                (5, "five in each direction, and there are two of these."),
                (36, "an edge of 2Δ + 1 cells, not 2Δ + 2."),
            ],
        ),
        "channels": Part(
            600,
            [
                (200, "each output channel has weights for all three input channels."),
                (75, "that is one output channel. There are eight."),
                (275, "3 times 8 pairs of channels, not 3 plus 8."),
                (83, "eight output channels have 75 weights each. Biases are asked for below."),
                (608, "right with the biases; they are asked for below."),
                (25, "each pair of channels has a kernel of its own."),
                (216, "that follows from Δ = 1; here Δ = 2."),
                (384, "right but for the window, which has 25 weights."),
                (72, "that follows from Δ = 1, and leaves out the three input channels."),
            ],
        ),
        "biases": Part(
            8,
            [
                (24, "one for each *output* channel; the sum over input channels comes before."),
                (3, "one for each output channel, not for each input channel."),
                (4800, "the bias is shared over the places, like the weights."),
                (1, "one for each output channel."),
                (600, "the bias is shared over the places, like the weights."),
            ],
        ),
        "fits": Part(
            {"b", "c"},
            [
                ({"a", "b", "c"}, "the dense one has weights for 600 pixels; 2,400 come."),
                ({"b"}, "channels change nothing about the places."),
                ({"c"}, "the one without channels as well."),
                ({"a"}, "just that one cannot: it has a weight for each pixel."),
                (set(), "weights that belong to offsets do not ask for the size."),
                ("b, c", RIGHT_LETTERS),
                ("b,c", RIGHT_LETTERS),
                ("b c", RIGHT_LETTERS),
                ("bc", RIGHT_LETTERS),
            ],
            otherwise="give a set of letters: which have weights that belong to no pixel?",
        ),
    },
)

DELTA_ZERO = Code(
    "delta-zero",
    name="pixelwise",
    shows=(
        "A convolution with a window of one pixel is a dense layer on the channels, the same at "
        "every place. It mixes channels and no places."
    ),
    cases=[
        ("pixelwise(X, V, u)", {"X": [[[1, 2]], [[3, 5]]], "V": [[1, 0], [0, 1]], "u": [0, 0]}),
        ("pixelwise(X, V, u)", {"X": [[[1, 2, 4]], [[3, 5, 7]]], "V": [[1], [2]], "u": [10]}),
        (
            "pixelwise(X, V, u)",
            {"X": [[[1, 2], [0, 3], [4, 1]]], "V": [[1, -1, 2]], "u": [0, 10, 20]},
        ),
        ("pixelwise(X, V, u)", {"X": [[[1, 2]], [[0, 4]]], "V": [[1, 2], [3, -5]], "u": [10, 40]}),
        (
            "pixelwise(X, V, u)",
            {"X": [[[1, 2], [5, 3]], [[0, 4], [1, 7]]], "V": [[2], [-3]], "u": [1]},
        ),
        (
            "pixelwise(X, V, u)",
            {"X": [[[1, 0]], [[2, 1]], [[5, 3]]], "V": [[1, 2], [0, 3], [4, 1]], "u": [7, -7]},
        ),
    ],
    mistakes=[
        Mistake(
            "The axes of V are exchanged",
            "V has the shape (c_i, c_o): its first axis counts the input channels.",
            {"torch.einsum('cd,cij->dij', V, X)": "torch.einsum('cd,dij->cij', V, X)"},
        ),
        Mistake(
            "@ works on rows and columns",
            "`V @ X` takes the last two axes of X, rows and columns, for a matrix. The channels "
            "are its first axis: einsum, or move that axis.",
            """
def pixelwise(X, V, u):
    return V @ X + u
""",
        ),
        Mistake(
            "The channels stand last",
            "The numbers are right, their order is not: (c_o, n_h, n_w) is wanted, channels first.",
            """
def pixelwise(X, V, u):
    return torch.einsum("cd,cij->ijd", V, X) + u
""",
        ),
        Mistake(
            "The bias is missing",
            "Each output channel has a bias, which is added at all its places.",
            {"Y + u[:, None, None]": "Y"},
        ),
        Mistake(
            "The bias goes along the columns",
            "Adding u as it is adds it along the last axis, the columns. It belongs to the "
            "channels: u[:, None, None].",
            {"Y + u[:, None, None]": "Y + u"},
        ),
        Mistake(
            "The pixels are mixed",
            "reshape(-1, c_i) reads on in memory, where the pixels of one channel come first. Move "
            "the axis of the channels to the end, then reshape.",
            """
def pixelwise(X, V, u):
    c_i, n_h, n_w = X.shape
    Y = X.reshape(-1, c_i) @ V + u
    return Y.T.reshape(-1, n_h, n_w)
""",
        ),
        Mistake(
            "The result is cut up wrongly",
            "After the product the channels stand last. Move that axis to the front; reshape does "
            "not move anything.",
            """
def pixelwise(X, V, u):
    c_i, n_h, n_w = X.shape
    Y = X.reshape(c_i, -1).T @ V + u
    return Y.reshape(-1, n_h, n_w)
""",
        ),
        Mistake(
            "The input channels are not added up",
            "Each output channel is one sum over all input channels.",
            """
def pixelwise(X, V, u):
    return V.T[:, :, None, None] * X + u[:, None, None, None]
""",
        ),
        Mistake(
            "There is a ReLU",
            "The layer ends with the sum; what comes after it is another layer.",
            {"Y + u[:, None, None]": "torch.relu(Y + u[:, None, None])"},
        ),
    ],
    second="""
def pixelwise(X, V, u):
    return F.linear(X.movedim(0, -1), V.T, u).movedim(-1, 0)
""",
    draw=lambda random: (
        "pixelwise(X, V, u)",
        (
            lambda c_i, c_o: {
                "X": blocks(random, c_i, random.randint(1, 3), random.randint(1, 3)),
                "V": blocks(random, c_i, c_o),
                "u": blocks(random, c_o),
            }
        )(random.randint(1, 3), random.randint(1, 3)),
    ),
)

BORDER = Values(
    "border",
    name="border",
    shows=(
        "A corner pixel is read once where an inner one is read nine times; and a rule for the "
        "border either misses what is cut off, or makes it up."
    ),
    parts={
        "corner": Part(
            1,
            [
                (9, "a window must lie inside the picture."),
                (4, "that many with padding. Without it the window cannot be centred there."),
            ],
        ),
        "side": Part(
            3,
            [
                (6, "row 0 lies in one row of windows only, without padding."),
                (9, "row 0 lies in one row of windows only."),
                (2, "that is the pixel beside the corner; column 3 lies in three windows."),
                (1, "along the row, column 3 lies in three windows."),
            ],
        ),
        "middle": Part(
            9,
            [
                (3, "in each direction; there are two of them."),
                (6, "multiply the two directions."),
                (16, "that is how many windows there are. How many hold this pixel?"),
            ],
        ),
        "zeros": Part(
            3,
            [
                (5, "two of its five pixels are beyond the border, and there is 0."),
                (4, "count the pixels of the cross that are in the picture."),
                (2, "the corner pixel itself counts as well."),
                (0, "three pixels of the cross are in the picture."),
            ],
        ),
        "circular": Part(
            3,
            [
                (5, "the other end of the picture is empty."),
                (4, "the other end of the picture is empty."),
                (2, "the corner pixel itself counts as well."),
            ],
        ),
        "reflect": Part(
            5,
            [
                (3, "row −1 is row 1, and there a pixel of the cross does lie."),
                (4, "the mirror stands in both directions."),
            ],
        ),
        "replicate": Part(
            5,
            [
                (3, "row −1 is row 0, and there the centre of the cross does lie."),
                (4, "the border repeats in both directions."),
            ],
        ),
    },
)

KEY = Code(
    "key",
    name="find",
    shows=(
        "Weights that add up to 0 ignore uniform brightness. The place of the best window moves "
        "with the thing: no weight knows where it is."
    ),
    cases=[
        ("find(X, K)", {"X": [[0, 0, 0, 0], [0, 1, 0, 0]], "K": [[1, 0]]}),
        ("find(X, K)", {"X": [[0, 0, 4, 0, 0, 6, 6, 6]], "K": [[0, 1, 0]]}),
        ("find(X, K)", {"X": [[6, 6, 6, 0, 0], [0, 0, 0, 4, 0]], "K": [[0, 1, 0]]}),
        ("find(X, K)", {"X": [[0, 4, 0, 5, 5], [0, 4, 4, 5, 5]], "K": [[1, 0], [1, 1]]}),
        ("find(X, K)", {"X": [[0, 0], [0, 7], [3, 0], [0, 0]], "K": [[1], [0]]}),
        (
            "find(X, K)",
            {"X": [[0, 0], [0, 1], [1, 0], [0, 0], [2, 2]], "K": [[0, 1], [1, 0]]},
        ),
        ("find(X, K)", {"X": [[-1, -1, -5, -1], [-1, 0, -1, -1]], "K": [[0, 1], [1, 0]]}),
        ("find(X, K)", {"X": [[7, 7, 7], [7, 7, 7], [0, 2, 1]], "K": [[2, 5]]}),
    ],
    mistakes=[
        Mistake(
            "The sun wins",
            "The largest score is where the picture is brightest. The weights must add up to 0: "
            "subtract the mean of K (of the kernel; of the picture it would change nothing).",
            {"K = K - K.mean()": "K = K"},
        ),
        Mistake(
            "Ones and minus ones",
            "Weights of 1 and −1 add up to 0 only where the drawing has as many ones as zeros. "
            "Subtract the mean of K.",
            {"K = K - K.mean()": "K = 2 * (K > 0).float() - 1"},
        ),
        Mistake(
            "Padded, so the centre of the window",
            "padding='same' makes windows that hang over the edge, and its scores belong to the "
            "centre. Leave the padding out.",
            {"K[None, None])": "K[None, None], padding='same')"},
        ),
        Mistake(
            "You padded",
            "Then the scores do not belong to the upper left corners of windows. Leave the padding "
            "out.",
            {"K[None, None])": "K[None, None], padding=1)"},
        ),
        Mistake(
            "You padded by half the kernel",
            "Then the scores do not belong to the upper left corners of windows. Leave the padding "
            "out.",
            {"K[None, None])": "K[None, None], padding=(K.shape[0] // 2, K.shape[1] // 2))"},
        ),
        Mistake(
            "The column comes first",
            "divmod(index, width) gives the row, then the column. In that order they are wanted.",
            {
                "return divmod(int(Y.argmax()), Y.shape[1])": "return divmod(int(Y.argmax()), "
                "Y.shape[1])[::-1]"
            },
        ),
        Mistake(
            "Divided by the wrong side",
            "The flat list of scores runs row by row: divide the index by the *width* of the "
            "scores.",
            {"Y.shape[1]": "Y.shape[0]"},
        ),
        Mistake(
            "Divided by the width of the picture",
            "There are fewer windows in a row than pixels. Divide by the width of the *scores*.",
            {"Y.shape[1]": "X.shape[1]"},
        ),
        Mistake(
            "The centre of the window",
            "With padding the scores belong to the centre of each window. The upper left corner is "
            "wanted.",
            """
def find(X, K):
    K = K - K.mean()
    Y = F.conv2d(X[None, None], K[None, None])[0, 0]
    i, j = divmod(int(Y.argmax()), Y.shape[1])
    return i + K.shape[0] // 2, j + K.shape[1] // 2
""",
        ),
        Mistake(
            "The drawing is turned",
            "That is ∗. A detector is laid on the picture as it is: ⋆, which `F.conv2d` computes.",
            {"K[None, None]": "K.flip(0, 1)[None, None]"},
        ),
        Mistake(
            "The worst window",
            "argmin finds the lowest score.",
            {"Y.argmax()": "Y.argmin()"},
        ),
        Mistake(
            "An index into the flat list",
            "argmax of a matrix counts through all its rows. divmod makes a row and a column of "
            "that.",
            {"return divmod(int(Y.argmax()), Y.shape[1])": "return int(Y.argmax())"},
        ),
    ],
    second="""
def find(X, K):
    (n_h, n_w), (k_h, k_w) = X.shape, K.shape
    def score(place):
        window = X[place[0] : place[0] + k_h, place[1] : place[1] + k_w]
        return float(((window - window.mean()) * K).sum())
    return max([(i, j) for i in range(n_h - k_h + 1) for j in range(n_w - k_w + 1)], key=score)
""",
    draw=lambda random: (
        "find(X, K)",
        (
            lambda height, width, top, left, shape: {
                "X": [
                    [
                        9 * (j == 0)
                        + 5
                        * (0 <= i - top < 2 and 0 <= j - left < 2)
                        * (shape[(i - top) % 2][(j - left) % 2])
                        for j in range(width)
                    ]
                    for i in range(height)
                ],
                "K": shape,
            }
        )(
            random.randint(4, 6),
            random.randint(6, 7),
            random.randint(0, 2),
            random.randint(2, 4),
            random.choice([[[1, 0], [1, 1]], [[0, 1], [1, 1]], [[1, 1], [1, 0]]]),
        ),
    ),
)

AUDIO = Values(
    "audio",
    name="sound",
    shows=(
        "Time may be shared, in whole hops. Pitch may be shared on a logarithmic axis alone, where "
        "an octave is a move and not a stretch."
    ),
    parts={
        "hop": Part(
            3,
            [
                (192, "a column stands for 64 samples."),
                (12288, "divide: a column stands for 64 samples."),
                (4, "192 / 64 columns."),
                (-3, "a sound that begins later stands further to the right: +3."),
            ],
        ),
        "half": Part(
            "c",
            [
                ("a", "there are no half columns; and what is between two is not their mean."),
                ("b", "every frame holds other samples now."),
            ],
            otherwise="write one letter: a, b or c.",
        ),
        "linear": Part(
            3520,
            [
                (1760, "that holds for 440 Hz. All five frequencies double."),
                (4400, "that is the last line. How far is it from the first, 880 Hz?"),
                (2200, "1,760 + 440 is a move. But an octave multiplies."),
                (880, "that is the first line itself."),
            ],
        ),
        "octave": Part(
            1,
            [
                (2, "log₂ of twice the frequency is log₂ of the frequency, plus log₂ 2."),
                (440, "on the linear axis the lowest line moves so far. Take log₂ first."),
                (0, "the frequencies double, so their logarithms do grow."),
                (12, "12 semitones make an octave; on the axis of log₂ it is log₂ 2."),
            ],
        ),
        "share": Part(
            "c",
            [
                ("a", "this finds the sound at any time, but each pitch is a new pattern."),
                ("b", "on a linear axis a higher pitch stretches the pattern, it does not move."),
                ("d", "the same sound may come at any time, so share along time at least."),
            ],
            otherwise="write one letter: a, b, c or d.",
        ),
    },
)

TEXT = Values(
    "text",
    name="text",
    shows=(
        "Sharing suits language, locality does not: a bag of short windows forgets who was happy "
        "when. Wider windows, more layers, or attention bring it back."
    ),
    parts={
        "width": Part(
            4,
            [
                (3, "all windows of three words are in both sentences: write them down."),
                (2, "all pairs of neighbours are in both sentences: write them down."),
                (5, "five do it, but fewer do, too: happy … came is how many words?"),
                (1, "both sentences hold the same words."),
                (6, "fewer do it: from happy to came it is how many words?"),
                (13, "the whole sentence does it, of course. How few words do it?"),
            ],
        ),
        "layers": Part(
            2,
            [
                (1, "one layer sees three words, and four are needed."),
                (3, "two layers see five words."),
                (4, "each layer adds two words: 3, 5, 7 …"),
            ],
        ),
        "fails": Part(
            "b",
            [
                ("a", "a phrase means much the same at the beginning and at the end."),
                ("c", "what belongs together may stand far apart, and often does."),
            ],
            otherwise="write one letter: a, b or c.",
        ),
    },
)

INVARIANCE_HURTS = Values(
    "invariance-hurts",
    name="hurts",
    shows=(
        "A network that pools over all places is blind to what a move changes. One channel that "
        "holds the row makes it see again."
    ),
    parts={
        "blind": Part(
            {"b", "d"},
            [
                (
                    {"b", "d", "e"},
                    "no edge parts the face: nose and mouth move together, e stays.",
                ),
                ({"b"}, "that one, and another: move the whole board down by a row."),
                ({"d"}, "that one, and another: move the whole X-ray picture, round the edge."),
                ({"b", "e"}, "nose and mouth move together. But does the pawn stay where it was?"),
                ({"d", "e"}, "nose and mouth move together. But does the heart stay where it was?"),
                ({"e"}, "nose and mouth move together: a window that holds both can tell."),
                ({"a", "c", "e"}, "just these do not depend on the place. The others do."),
                ({"a", "c"}, "these do not depend on the place. Which of the others do?"),
                ({"b", "c", "d"}, "a digit is the same digit elsewhere: c can be answered."),
                ({"a", "b", "d"}, "a key is a key wherever it lies: a can be answered."),
                (set("abcde"), "a and c ask what is there, and not where."),
                (set(), "some of these ask *where*, and pooling has forgotten that."),
            ],
            otherwise="for each question: does a move of the whole picture change the answer?",
        ),
        "upper": Part(
            1 / 7,
            [
                (1 / 8, "from 0 to 1, eight rows make *seven* steps: this is one seventh."),
                (1.0, "the last row is 1, and this is the second: count its steps."),
                (2 / 7, "the top row is 0, so the second is *one* step up from it."),
                (0.0, "pixel + row − 1 with a pixel of 1 leaves the row."),
                (8 / 7, "pixel + row − 1: the 1 is taken off again."),
                (6 / 7, "exchanged: row is 0 at the top."),
            ],
            digits=2,
            otherwise="one place has the pixel 1. What is pixel + row − 1 there, and elsewhere?",
        ),
        "lower": Part(
            6 / 7,
            [
                (6 / 8, "from 0 to 1, eight rows make *seven* steps: this is six sevenths."),
                (1.0, "the bottom row is 1; this is one step less."),
                (6.0, "six steps are right, of one seventh each."),
                (5 / 7, "the bottom row is seven sevenths, so the second from below is six."),
                (13 / 7, "pixel + row − 1: the 1 is taken off again."),
                (1 / 7, "exchanged: row is 1 at the bottom."),
            ],
            digits=2,
            otherwise="one place has the pixel 1. What is pixel + row − 1 there, and elsewhere?",
        ),
    },
)

COMMUTATIVITY = Code(
    "commutativity",
    name="convolve",
    shows=(
        "Every pixel of one meets every pixel of the other once, and the product goes to the sum "
        "of their places: nothing tells the two apart."
    ),
    cases=[
        ("convolve(A, B)", {"A": [[1, 2, 3]], "B": [[10, 1]]}),
        ("convolve(A, B)", {"A": [[1], [2], [3]], "B": [[1], [0], [5]]}),
        ("convolve(A, B)", {"A": [[10, 1]], "B": [[1, 2, 3]]}),
        ("convolve(A, B)", {"A": [[1, 2], [3, 4]], "B": [[0, 1], [2, 3]]}),
        ("convolve(A, B)", {"A": [[1, 2, 3], [4, 5, 6]], "B": [[1, -1]]}),
        ("convolve(A, B)", {"A": [[7]], "B": [[1, 2, 0], [3, 4, 5]]}),
        ("convolve(A, B)", {"A": [[1, 0, 2], [0, 3, 1]], "B": [[1, 2], [0, 1], [4, 0]]}),
        ("convolve(A, B)", {"A": [[0, 1], [5, 2], [1, 1]], "B": [[2, 1, 0, 3]]}),
    ],
    mistakes=[
        Mistake(
            "This is a cross-correlation",
            "Your kernel is not turned: that is ⋆, with the pixel at i + a. In ∗ it is at i − a.",
            {"A * B[a, b]": "A * B.flip(0, 1)[a, b]"},
        ),
        Mistake(
            "Turned in one direction only",
            "Up and down is right, left and right is not: both indices have a minus.",
            {"A * B[a, b]": "A * B.flip(1)[a, b]"},
        ),
        Mistake(
            "Turned in one direction only",
            "Left and right is right, up and down is not: both indices have a minus.",
            {"A * B[a, b]": "A * B.flip(0)[a, b]"},
        ),
        Mistake(
            "Only where B fits",
            "These are the places where B lies wholly on A. Wanted is every place where the two "
            "overlap, with zeros outside.",
            """
def convolve(A, B):
    return F.conv2d(A[None, None], B.flip(0, 1)[None, None])[0, 0]
""",
        ),
        Mistake(
            "As large as A",
            "The outputs below and to the right are missing: heights and widths add up, less 1.",
            {"return Y": "return Y[:n_h, :n_w]"},
        ),
        Mistake(
            "Written over and not added",
            "Several products belong to one place: += and not =.",
            """
def convolve(A, B):
    (n_h, n_w), (k_h, k_w) = (A.shape, B.shape)
    Y = torch.zeros(n_h + k_h - 1, n_w + k_w - 1)
    for a, b in product(range(k_h), range(k_w)):
        Y[a : a + n_h, b : b + n_w] = A * B[a, b]
    return Y
""",
        ),
        Mistake(
            "It goes round at the end",
            "roll brings in on the left what leaves on the right. Outside there are zeros.",
            """
def convolve(A, B):
    room = torch.zeros(A.shape[0] + B.shape[0] - 1, A.shape[1] + B.shape[1] - 1)
    Y = torch.zeros_like(room)
    room[B.shape[0] - 1 :, B.shape[1] - 1 :] = A
    for a in range(B.shape[0]):
        for b in range(B.shape[1]):
            Y = Y + B[a, b] * room.roll((a, b), (0, 1))
    return Y
""",
        ),
        Mistake(
            "One row and column too many",
            "The last places are n − 1 and k − 1, and their sum is n + k − 2. So there are "
            "n + k − 1 places.",
            {"n_h + k_h - 1, n_w + k_w - 1": "n_h + k_h, n_w + k_w"},
        ),
    ],
    second="""
def convolve(A, B):
    (n_h, n_w), (k_h, k_w) = A.shape, B.shape
    Y = [[0.0] * (n_w + k_w - 1) for _ in range(n_h + k_h - 1)]
    for i in range(n_h + k_h - 1):
        for j in range(n_w + k_w - 1):
            for a in range(k_h):
                for b in range(k_w):
                    if 0 <= i - a < n_h and 0 <= j - b < n_w:
                        Y[i][j] += float(B[a, b] * A[i - a, j - b])
    return Y
""",
    draw=lambda random: (
        "convolve(A, B)",
        {
            "A": matrix(random, random.randint(1, 4), random.randint(1, 4)),
            "B": matrix(random, random.randint(1, 3), random.randint(1, 3)),
        },
    ),
)

PRODUCT = "average_moves(A[:, :, None, None] * B)"  # a dense layer of few numbers

AVERAGE_SHIFTS = Code(
    "average-shifts",
    name="average_moves",
    shows=(
        "Only the offset is left. An equivariant layer is its own average, so every equivariant "
        "dense layer shares its weights: it is a convolution."
    ),
    cases=[
        ("average_moves(W)", {"W": [[[[1, 2]], [[3, 6]]]]}),
        ("average_moves(W)", {"W": [[[[4]]]]}),
        ("average_moves(W)", {"W": [[[[1], [0]]], [[[4], [3]]]]}),
        ("average_moves(W)", {"W": [[[[1, 2, 3]], [[4, 5, 6]], [[7, 8, 0]]]]}),
        (f"{PRODUCT}[0, 0]", {"A": [[1, 2], [0, 5]], "B": [[3, 0], [1, 1]]}),
        (f"{PRODUCT}[1, 2]", {"A": [[1, 2, 0], [3, 1, 4]], "B": [[0, 2, 1], [5, 0, 0]]}),
        (f"{PRODUCT}[2, 0]", {"A": [[2], [0], [1]], "B": [[1], [3], [8]]}),
    ],
    mistakes=[
        Mistake(
            "The output is not moved back",
            "You moved the picture alone. Then the average forgets every place: all weights of an "
            "output become equal.",
            {"W.roll((*s, *s), (0, 1, 2, 3))": "W.roll(s, (2, 3))"},
        ),
        Mistake(
            "The picture is not moved",
            "You moved the output alone. Then all outputs become equal.",
            {"W.roll((*s, *s), (0, 1, 2, 3))": "W.roll(s, (0, 1))"},
        ),
        Mistake(
            "Moved twice and not back",
            "The output must come *back*: in W both ends of a weight move the same way, and the "
            "offset between them stays.",
            {"W.roll((*s, *s), (0, 1, 2, 3))": "W.roll((*s, -s[0], -s[1]), (0, 1, 2, 3))"},
        ),
        Mistake(
            "A sum and no average",
            "Divide by the number of moves, n_h times n_w.",
            {"total / len(moves)": "total"},
        ),
        Mistake(
            "Moved along the columns only",
            "Average over the rows as well: n_h times n_w moves.",
            """
def average_moves(W):
    n_w = W.shape[1]
    return sum(W.roll((q, q), (1, 3)) for q in range(n_w)) / n_w
""",
        ),
        Mistake(
            "Moved along the rows only",
            "Average over the columns as well: n_h times n_w moves.",
            """
def average_moves(W):
    n_h = W.shape[0]
    return sum(W.roll((p, p), (0, 2)) for p in range(n_h)) / n_h
""",
        ),
        Mistake(
            "Only the diagonal moves",
            "Rows and columns move independently: n_h times n_w moves, not one for each row.",
            """
def average_moves(W):
    n = max(W.shape[:2])
    return sum(W.roll((s, s, s, s), (0, 1, 2, 3)) for s in range(n)) / n
""",
        ),
        Mistake(
            "Only the kernel",
            "These are the weights of one output. The whole layer is wanted, with four axes.",
            {"return total / len(moves)": "return (total / len(moves))[0, 0]"},
        ),
    ],
    second="""
def average_moves(W):
    n_h, n_w = W.shape[:2]
    mean = torch.zeros_like(W)
    rows, columns = torch.arange(n_h), torch.arange(n_w)
    for a in range(n_h):
        for b in range(n_w):
            i, j = rows[:, None], columns[None]
            k, l = (i + a) % n_h, (j + b) % n_w
            mean[i, j, k, l] = W[i, j, k, l].mean()
    return mean
""",
    draw=lambda random: (
        "average_moves(W)",
        (lambda h, w: {"W": blocks(random, h, w, h, w)})(
            random.randint(1, 3), random.randint(1, 3)
        ),
    ),
)

EXERCISES = [
    COUNT_WEIGHTS,
    DELTA_ZERO,
    BORDER,
    KEY,
    AUDIO,
    TEXT,
    INVARIANCE_HURTS,
    COMMUTATIVITY,
    AVERAGE_SHIFTS,
]
