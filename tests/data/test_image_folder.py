"""Your own images: what is read from which layout, and what is refused in which words."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from fedlab_core.data import image_folder
from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.image_folder import read_image_folder
from fedlab_core.data.pixels import DataError

from .test_archives import WRITERS, write_folder


def png(value: int = 0, size: tuple[int, int] = (5, 4), mode: str = "RGB", suffix: str = "PNG") -> bytes:
    """One picture of `size` (width, height), every pixel of one colour."""
    buffer = io.BytesIO()
    colour = value if len(mode) == 1 else (value,) * len(mode)
    Image.new(mode, size, colour).save(buffer, suffix)
    return buffer.getvalue()


def classes(**counts: int) -> dict[str, bytes]:
    """`counts` pictures in a folder for each class; picture i of class c has the colour 50 c + i."""
    return {
        f"{name}/{i:02}.png": png(50 * c + i) for c, (name, count) in enumerate(counts.items()) for i in range(count)
    }


def below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def colours(images_NHWC: torch.Tensor) -> list[int]:
    return images_NHWC[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("kind", WRITERS)
def test_class_folders_are_split_by_us_four_to_one(kind: str, tmp_path: Path) -> None:
    pixels = read_image_folder(WRITERS[kind](tmp_path / "source", classes(cat=10, dog=5)))
    assert pixels.class_names == ("cat", "dog")
    assert pixels.train_NHWC.shape == (12, 4, 5, 3)
    assert pixels.train_NHWC.dtype == torch.uint8
    assert pixels.y_train_N.bincount().tolist() == [8, 4]
    assert pixels.y_test_N.bincount().tolist() == [2, 1]
    everything = colours(pixels.train_NHWC) + colours(pixels.test_NHWC)
    assert sorted(everything) == [*range(10), *range(50, 55)]
    assert [colour // 50 for colour in colours(pixels.test_NHWC)] == pixels.y_test_N.tolist()


@pytest.mark.parametrize("kind", WRITERS)
def test_own_split_is_kept_also_below_a_common_folder(kind: str, tmp_path: Path) -> None:
    files = below("train", classes(cat=3, dog=2)) | below("test", classes(cat=1, dog=2))
    files = below("my pets", files) | {"my pets/README.txt": b"hello"}
    pixels = read_image_folder(WRITERS[kind](tmp_path / "source", files))
    assert colours(pixels.train_NHWC) == [0, 1, 2, 50, 51]
    assert colours(pixels.test_NHWC) == [0, 50, 51]
    assert pixels.y_test_N.tolist() == [0, 1, 1]


def test_order_in_the_archive_does_not_matter(tmp_path: Path) -> None:
    files = classes(cat=6, dog=4)
    forward = read_image_folder(WRITERS["tar"](tmp_path / "forward", files))
    backward = read_image_folder(WRITERS["tar"](tmp_path / "backward", dict(reversed(files.items()))))
    assert all(torch.equal(a, b) for a, b in zip(forward[:4], backward[:4], strict=True))


def test_grey_palette_and_jpeg_images(tmp_path: Path) -> None:
    grey = {
        "a/1.png": png(7, mode="L"),
        "a/2.pgm": png(8, mode="L", suffix="PPM"),
        "b/1.bmp": png(9, mode="L", suffix="BMP"),
    }
    grey["b/2.png"] = png(1, mode="1")
    pixels = read_image_folder(write_folder(tmp_path / "grey", grey))
    assert pixels.train_NHWC.shape[1:] == (4, 5, 1)
    assert sorted(colours(pixels.train_NHWC) + colours(pixels.test_NHWC)) == [7, 8, 9, 255]
    colour = {"a/1.jpg": png(7, suffix="JPEG"), "a/2.jpeg": png(7, suffix="JPEG")}
    colour |= {"b/1.webp": png(9, suffix="WEBP"), "b/2.png": png(1, mode="P")}
    assert read_image_folder(write_folder(tmp_path / "colour", colour)).train_NHWC.shape[1:] == (4, 5, 3)


def huge_png(side: int) -> bytes:
    """A PNG that claims side x side pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


GOOD = classes(cat=3, dog=3)
PARTS = below("train", classes(cat=2, dog=2)) | below("test", classes(cat=1, dog=1))
REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "corrupt": (GOOD | {"cat/9.png": b"I am no image"}, r"cat/9\.png is not a readable image"),
    "cut off": (GOOD | {"cat/9.png": png(size=(90, 90))[:60]}, r"cat/9\.png is not a readable image"),
    "another format": (GOOD | {"cat/9.png": png(suffix="GIF", mode="L")}, r"cat/9\.png is not a readable image"),
    "channels": (GOOD | {"dog/9.png": png(mode="L")}, r"dog/9\.png is 5 x 4 grey but cat/00\.png is 5 x 4 RGB"),
    "sizes": (GOOD | {"dog/9.png": png(size=(4, 5))}, r"dog/9\.png is 4 x 5 RGB but cat/00\.png is 5 x 4 RGB"),
    "transparency": (GOOD | {"dog/9.png": png(mode="RGBA")}, r"dog/9\.png has colour mode RGBA; allowed are"),
    "wide": ({"a/1.png": huge_png(1025)}, r"a/1\.png has 1025 x 1025 pixels; at most 1024 a side"),
    "absurd": ({"a/1.png": huge_png(2**20)}, r"a/1\.png is not a readable image: Image size"),
    "one class": (classes(cat=3), "has one class, cat; at least two"),
    "one image": (GOOD | {"bird/1.png": png()}, "class bird of .* has one image; needed are 2"),
    "too deep": (GOOD | {"cat/kittens/1.png": png()}, r"cat/kittens/1\.png must be at CLASS/FILE"),
    "no class": (GOOD | {"1.png": png()}, r"1\.png must be at CLASS/FILE"),
    "nothing": ({"readme.txt": b""}, "has no images; expected class folders"),
    "not in test": (PARTS | {"train/bird/1.png": png()}, "class bird of .* has images in train but none in test"),
    "not in train": (PARTS | {"test/bird/1.png": png()}, "class bird of .* has images in test but none in train"),
}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_sentence_that_names_the_file(case: str, kind: str, tmp_path: Path) -> None:
    files, sentence = REFUSED[case]
    with pytest.raises(DataError, match=sentence) as caught:
        read_image_folder(WRITERS[kind](tmp_path / "source", files))
    assert "\n" not in str(caught.value)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "source", GOOD | {"bird/notes.txt": b"later"})
    with pytest.raises(DataError, match="folder bird has no images"):
        read_image_folder(folder)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    source = WRITERS["zip"](tmp_path / "source", GOOD)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("cat/01.png", png(99))
    with pytest.raises(DataError, match=r"cat/01\.png is in .*source twice"):
        read_image_folder(source)


def test_too_many_pixels_altogether_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folder, "MAX_VALUES", 5 * 4 * 3 * 5)
    read_image_folder(write_folder(tmp_path / "five", classes(cat=3, dog=2)))
    with pytest.raises(DataError, match="more than 300 pixel values"):
        read_image_folder(write_folder(tmp_path / "six", classes(cat=3, dog=3)))


def test_a_channel_without_contrast_stays_finite(tmp_path: Path) -> None:
    files = {f"{name}/{i}.png": png(9) for name in "ab" for i in range(3)}
    dataset = load_dataset("images", path=str(write_folder(tmp_path / "source", files)))
    assert not dataset.x_train_NI.any()
    assert int(dataset.to_images(dataset.x_test_NI).min()) == 9


def test_as_a_data_set(tmp_path: Path) -> None:
    dataset = load_dataset("images", path=str(write_folder(tmp_path / "source", GOOD)))
    assert dataset.input_shape == (3, 4, 5)
    assert dataset.num_classes == 2
    with pytest.raises(DataError, match=r"data\.path is ''"):
        load_dataset("images")


def test_own_images_are_read_again_when_a_file_changes(tmp_path: Path) -> None:
    source = WRITERS["folder"](tmp_path / "source", classes(cat=5, dog=5))
    first = load_dataset("images", path=str(source))
    assert load_dataset("images", path=str(source)) is first
    (source / "dog" / "05.png").write_bytes(png(55))
    again = load_dataset("images", path=str(source))
    assert (len(first.y_train_N) + len(first.y_test_N), len(again.y_train_N) + len(again.y_test_N)) == (10, 11)
    with pytest.raises(DataError):
        load_dataset("images", path="/no\0where")
