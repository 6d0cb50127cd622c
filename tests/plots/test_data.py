import base64
import io

import numpy as np
import pytest
from PIL import Image

from fedlab_core.plots import client_images, image_grid, label_heatmap, size_bars
from fedlab_core.plots.data import LINE_PIXELS


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def picture(source: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))


def test_labels_go_down_and_clients_across() -> None:
    figure = label_heatmap([[5, 0, 0], [1, 2, 3]], ["cat", "dog", "owl"])
    assert figure.data[0].z.tolist() == [[5, 1], [0, 2], [0, 3]]
    assert figure.data[0].y == ("cat", "dog", "owl")
    assert figure.data[0].zmin == 0
    assert title(figure) == "A client holds 2.0 of 3 labels on average; client 0 holds 1, the fewest"


def test_groups_are_called_what_they_are() -> None:
    figure = label_heatmap([[5, 0]], ["20-24", "25-29"], group="age group")
    assert title(figure) == "A client holds 1.0 of 2 age groups on average; client 0 holds 1, the fewest"
    assert figure.layout.yaxis.title.text == "age group"
    assert "age group %{y}" in figure.data[0].hovertemplate


def test_a_hundred_clients_have_no_gaps_between_them() -> None:
    few, many = label_heatmap(np.ones((10, 3)), "abc"), label_heatmap(np.ones((100, 3)), "abc")
    assert (few.data[0].xgap, many.data[0].xgap) == (1, 0)
    assert (few.layout.xaxis.dtick, many.layout.xaxis.dtick) == (1, None)


def test_labels_want_one_column_a_class() -> None:
    with pytest.raises(ValueError, match=r"counts_KC has shape \(1, 3\); allowed is \(clients, 2 class names\)"):
        label_heatmap([[1, 2, 3]], ["cat", "dog"])


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ([10, 40, 20], "Clients hold 10 to 40 examples: the largest 4.0 times the smallest"),
        ([100, 101], "Clients hold 100 to 101 examples"),
        ([0, 5], "Clients hold 0 to 5 examples"),
        ([7], "Every client holds 7"),
        ([3] * 100, "Every client holds 3"),
    ],
)
def test_sizes_from_zero_with_their_mean(sizes: list[int], sentence: str) -> None:
    figure = size_bars(sizes)
    assert list(figure.data[0].y) == sizes
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.yaxis.range[1] >= max(sizes)
    assert figure.layout.shapes[0].y0 == pytest.approx(np.mean(sizes))
    assert title(figure) == sentence


@pytest.mark.parametrize("channels", [1, 3])
def test_images_keep_their_pixels_and_places(channels: int) -> None:
    images_NHWC = np.arange(5 * 4 * 4 * channels, dtype=np.uint8).reshape(5, 4, 4, channels)
    figure = image_grid(images_NHWC, [f"client {n}" for n in range(5)], columns=3)
    sent = figure.layout.images
    assert [image.x for image in sent] == pytest.approx([0, 1.1, 2.2, 0, 1.1])
    assert sent[0].y == sent[2].y < sent[3].y
    shown = np.array(picture(sent[4].source))
    assert shown.shape[0] >= 96
    step = shown.shape[0] // 4
    assert (shown[::step, ::step].reshape(4, 4, channels) == images_NHWC[4]).all()
    assert [note.text for note in figure.layout.annotations] == [f"client {n}" for n in range(5)]
    assert title(figure) == "5 examples of 4 x 4 pixels"


def test_no_image_covers_a_title() -> None:
    figure = image_grid(np.zeros((4, 8, 8, 1), np.uint8), list("abcd"), columns=2)
    bottom_of_first = figure.layout.images[0].y + figure.layout.images[0].sizey
    assert figure.layout.images[2].y - bottom_of_first >= 0.3


@pytest.mark.parametrize(
    ("images", "titles", "message"),
    [
        (np.zeros((1, 4, 4, 1)), ["a"], "images_NHWC is float64"),
        (np.zeros((1, 4, 4), np.uint8), ["a"], r"images_NHWC is uint8 \(1, 4, 4\)"),
        (np.zeros((1, 4, 4, 4), np.uint8), ["a"], "allowed is uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), ["a"], "titles has 1 entries; allowed is 2"),
    ],
)
def test_other_images_are_refused(images: np.ndarray, titles: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_grid(images, titles)


def test_every_client_has_a_row_of_its_own() -> None:
    two, one = (np.zeros((count, 4, 4, 1), np.uint8) for count in (2, 1))
    figure = client_images([two, one], [["a", "b"], ["c"]], ["client 0", "client 1"], sentence="Look")
    above, below = [image.y for image in figure.layout.images][:2], figure.layout.images[2].y
    assert above[0] == above[1] < below
    assert figure.layout.images[0].x == figure.layout.images[2].x < figure.layout.images[1].x
    assert [note.text for note in figure.layout.annotations] == ["client 0", "a", "b", "client 1", "c"]
    assert title(figure) == "Look"
    with pytest.raises(ValueError, match="1 clients' images, 1 lists of titles and 2 names; allowed is one of each"):
        client_images([two], [["a", "b"]], ["client 0", "client 1"])


@pytest.mark.parametrize("note", ["", "What has to be known to read these pictures takes more than one line. " * 3])
@pytest.mark.parametrize("count", [1, 9])
def test_images_have_room_below_any_title(note: str, count: int) -> None:
    grid = image_grid(np.zeros((count, 2, 2, 1), np.uint8), ["x"] * count, columns=4, note=note).layout
    rows = client_images([np.zeros((1, 2, 2, 1), np.uint8)] * count, [["x"]] * count, ["c"] * count, note=note).layout
    assert grid.height - grid.margin.t - grid.margin.b == LINE_PIXELS * (1 + count // 4)
    assert rows.height - rows.margin.t - rows.margin.b == LINE_PIXELS * count
