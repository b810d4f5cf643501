import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from helpers import plotting
from helpers.history import History


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_images_are_grey_and_in_order():
    images = torch.rand(5, 4, 6)
    plotting.show_images(images, list("abcde"), columns=3)
    drawn = [ax for ax in plt.gcf().axes if ax.images]
    assert [ax.get_title() for ax in drawn] == list("abcde")
    for ax, image in zip(drawn, images, strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), image)
        assert ax.images[0].get_cmap().name == "gray"


def test_signed_maps_share_one_scale_around_zero():
    plotting.show_activations(torch.tensor([[[1.0, -3.0]], [[0.5, 0.0]]]))
    for ax in plt.gcf().axes:
        assert ax.images[0].get_clim() == (-3, 3)
        assert ax.images[0].get_cmap().name == plotting.ACTIVATION_MAP


def test_boxes_have_the_colour_of_their_kind_and_legible_text():
    ax = plotting.new_canvas(2, 2)
    for kind, colour in plotting.KIND_COLOURS.items():
        plotting.draw_box(ax, (0, 0), 1, 1, kind, face=kind)
        assert to_hex(ax.patches[-1].get_facecolor()) == colour
        assert plotting.legible_on(colour) == plotting.INK
        assert ax.texts[-1].get_fontsize() * 4 / 3 >= 9  # pixels
    assert len(set(plotting.KIND_COLOURS.values())) == 6


def test_a_photograph_has_its_colours_first_and_lies_between_black_and_white():
    photo = plotting.photograph()
    assert photo.shape == (3, 427, 640) and photo.dtype == torch.float32
    assert (photo.min(), photo.max()) == (0, 1)
    assert not photo.equal(plotting.photograph("flower.jpg"))
    sky = photo[:, :100].mean((1, 2))
    assert sky.argmax() == 2  # blue, the last of red, green, blue


def test_an_arrow_leads_from_start_to_end():
    ax = plotting.new_canvas(2, 2)
    plotting.draw_arrow(ax, (0, 1), (2, 1))
    assert ax.patches[-1]._posA_posB == [(0, 1), (2, 1)]


def test_wrong_images_are_named():
    with pytest.raises(ValueError, match=r"\(4, 6\); \(N, H, W\)"):
        plotting.show_images(torch.rand(4, 6))
    with pytest.raises(ValueError, match="5 images have 2 titles"):
        plotting.show_images(torch.rand(5, 4, 6), ["a", "b"])
    with pytest.raises(ValueError, match="a matrix is wanted"):
        plotting.show_grids({"X": torch.rand(2, 2, 2)})


def test_a_grid_shows_its_numbers_and_its_marks():
    X = torch.arange(6.0).reshape(2, 3)
    plotting.show_grids({"X": X, "Y": X[:, :1]}, ("=",), highlight={"X": [(0, 1)]})
    ax = plt.gcf().axes[0]
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2", "3", "4", "5"]
    marked = [p.get_xy() for p in ax.patches if p.get_facecolor()[:3] != (1, 1, 1)]
    assert marked == [(1, 0)]  # row 0, column 1


def test_a_row_of_grids_is_broken_before_a_symbol_where_a_phone_ends():
    grids = {name: torch.zeros(4, 4) for name in "XKY"}
    for cell, rows in ((0.2, 1), (0.35, 2), (0.5, 3)):
        plotting.show_grids(grids, ("⋆", "="), cell=cell)
        fig = plt.gcf()
        assert fig.get_figwidth() <= plotting.PHONE
        assert len({round(ax.get_position().y0, 3) for ax in fig.axes}) == rows
        left = {sign.get_text(): sign.get_position()[0] for sign in fig.texts}
        assert (left["="] < fig.axes[0].get_position().x0) == (rows > 1)


def test_curves_keep_names_and_values():
    plotting.plot_curves({"a": [3, 1], "b": ([0, 5], [2, 4])}, "step", "loss", yscale="log")
    ax = plt.gca()
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.lines[0].get_xydata().tolist() == [[1, 3], [2, 1]]
    assert ax.lines[1].get_xydata().tolist() == [[0, 2], [5, 4]]
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "step"


def test_histories_are_told_apart():
    runs = [
        History(
            "LeNet", "", "digits", "CPU", 10, (28, 28), 1, 1, 1,
            [2, 1], [0.1, 0.5], [2, 1.5], [0.2, accuracy], [1, 1],
        )
        for accuracy in (0.4, 0.3)
    ]  # fmt: skip
    ax = plotting.plot_runs(dict(zip(("sigmoid", "ReLU"), runs, strict=True)), "acc")
    assert [text.get_text() for text in ax.get_legend().texts] == ["sigmoid", "ReLU", "training"]
    drawn = [(line.get_ydata().tolist(), line.get_linestyle()) for line in ax.lines[:4]]
    assert drawn == [
        ([0.1, 0.5], "--"), ([0.2, 0.4], "-"), ([0.1, 0.5], "--"), ([0.2, 0.3], "-"),
    ]  # fmt: skip
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[3].get_color()
    assert ax.get_ylabel() == "accuracy"
    assert plotting.plot_runs({"ReLU": runs[1]}, "loss", ax) is ax
    assert ax.lines[-2].get_ydata().tolist() == [2, 1.5]
    with pytest.raises(ValueError, match="measure='accuracy' is unknown: it is 'loss' or 'acc'"):
        plotting.plot_runs({"ReLU": runs[1]}, "accuracy")


def test_numbers_on_cells_are_legible_and_pixels_span_black_to_white():
    values = np.array([[0.0, 1.0]])
    faces = [plotting.cell_colour(v, values, plotting.IMAGE_MAP)[:3] for v in values[0]]
    assert faces == [(0, 0, 0), (1, 1, 1)]
    assert [plotting.legible_on(face) for face in faces] == ["white", plotting.INK]


def test_columns_of_layers():
    columns = {"A": "3×3, 8|pool|dense, 10", "B": "3×3, 8"}
    ax = plotting.draw_columns(columns, {"A": [(0, 1)], "B": []}, {"pool": "pooling"})
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    assert texts == ["A", *columns["A"].split("|"), "B", "3×3, 8"]
    frames = [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    arrows = [patch for patch in ax.patches if type(patch).__name__ == "FancyArrowPatch"]
    boxes = [patch for patch in ax.patches if type(patch).__name__ == "FancyBboxPatch"]
    assert (len(frames), len(boxes), len(arrows)) == (1, 4, 2)
    faces = [to_hex(box.get_facecolor()) for box in boxes]
    assert faces[1] == to_hex(plotting.KIND_COLOURS["pooling"]) != faces[0] == faces[2] == faces[3]
    first, second = (box.get_bbox() for box in boxes[:2])
    frame = frames[0].get_bbox()
    assert frame.y0 < second.y0 < second.y1 < first.y0 < first.y1 < frame.y1
