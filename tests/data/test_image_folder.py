"""A user's own images: layouts, split, crop and resize, modes of colour, what is left out, and what is refused."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data import image_folder

REAL = Path(os.environ.get("CONVSCOPE_DATA", "data"))


def _noise(seed: int, size: tuple[int, int] = (9, 8)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def _save(path: Path, image: Image.Image, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def _classes(folder: Path, counts: dict[str, int], first: int = 0) -> Path:
    for k, (label, n) in enumerate(counts.items()):
        for i in range(n):
            _save(folder / label / f"{i:02d}.png", _noise(first + 100 * k + i))
    return folder


def _load(path: Path | str, cache: Path, **parameters):
    return image_folder.load(cache=cache, path=str(path), **{"roots": [], "size": 8, **parameters})


def _pack(folder: Path, tar: Path) -> Path:
    with tarfile.open(tar, "w") as archive:
        archive.add(folder, arcname=folder.name)
    return tar


def _labelled(data) -> dict[bytes, tuple[str, str]]:
    return {x.tobytes(): (split, data.class_names[y]) for split, part in data.splits.items()
            for x, y in zip(part.stored, part.y, strict=True)}


def test_given_splits_are_kept_from_folder_and_tar(tmp_path):
    folder = tmp_path / "mine"
    _classes(folder / "train", {"a": 3, "b": 4})
    _classes(folder / "test", {"a": 2}, first=500)
    data = _load(folder, tmp_path / "cache", test_fraction=0.9)
    assert data.class_names == ("a", "b")
    assert data.input_shape == (3, 8, 8)
    assert np.bincount(data.splits["train"].y).tolist() == [3, 4]
    assert data.splits["test"].y.tolist() == [0, 0]
    packed = _load(_pack(folder, tmp_path / "mine.tar"), tmp_path / "cache")
    assert packed.fingerprint == data.fingerprint


def test_without_splits_each_class_is_split_by_content(tmp_path):
    counts = {"a": 10, "b": 5, "c": 2}
    folder = _classes(tmp_path / "mine", counts)
    data = _load(folder, tmp_path / "cache")
    assert np.bincount(data.splits["test"].y).tolist() == [2, 1, 1]
    assert np.bincount(data.splits["train"].y).tolist() == [8, 4, 1]
    assert not set(data.splits["train"].ids) & set(data.splits["test"].ids)

    packed = _load(_pack(folder, tmp_path / "mine.tar"), tmp_path / "cache")
    assert packed.fingerprint == data.fingerprint
    renamed = folder.rename(tmp_path / "yours")
    for i, file in enumerate(sorted(renamed.glob("a/*.png"), reverse=True)):
        file.rename(file.with_name(f"other{i}.png"))
    assert _load(renamed, tmp_path / "cache").fingerprint == data.fingerprint

    seeded = _labelled(_load(renamed, tmp_path / "cache", split_seed=1))
    assert seeded.keys() == _labelled(data).keys()
    assert seeded != _labelled(data)
    assert np.bincount(_load(renamed, tmp_path / "cache", test_fraction=0.6).splits["test"].y).tolist() == [6, 3, 1]


def test_the_split_does_not_depend_on_size_or_channels(tmp_path):
    folder = _classes(tmp_path / "mine", {"a": 9, "b": 9})
    wide = _labelled(_load(folder, tmp_path / "cache", channels=3))
    grey = _load(folder, tmp_path / "cache", channels=1)
    pixels = {x: np.frombuffer(x, np.uint8).reshape(3, 8, 8).transpose(1, 2, 0) for x in wide}
    assert _labelled(grey) == {Image.fromarray(pixels[x]).convert("L").tobytes(): wide[x] for x in wide}


def test_equal_files_stay_on_one_side(tmp_path):
    folder = _classes(tmp_path / "mine", {"a": 4, "b": 4})
    for file in list(folder.rglob("*.png")):
        for copy in range(3):
            file.with_name(f"{file.stem}-{copy}.png").write_bytes(file.read_bytes())
    for seed in range(5):
        data = _load(folder, tmp_path / "cache", split_seed=seed)
        train, test = ({x.tobytes() for x in data.splits[s].stored} for s in ("train", "test"))
        assert not train & test
        assert len(data.splits["test"]) == 8


def test_an_image_is_cropped_to_its_centre_and_resized_with_lanczos(tmp_path):
    images = {name: _noise(i, size) for i, (name, size) in enumerate(
        {"a/0": (8, 8), "a/1": (20, 12), "b/0": (5, 16), "b/1": (12, 8)}.items())}
    for name, image in images.items():
        _save(tmp_path / "mine" / f"{name}.png", image)
    expected = {
        images["a/0"].tobytes(),
        images["a/1"].crop((4, 0, 16, 12)).resize((8, 8), Image.Resampling.LANCZOS).tobytes(),
        images["b/0"].crop((0, 5, 5, 10)).resize((8, 8), Image.Resampling.LANCZOS).tobytes(),
        images["b/1"].crop((2, 0, 10, 8)).tobytes(),
    }
    data = _load(tmp_path / "mine", tmp_path / "cache", test_fraction=0.5)
    assert {x.transpose(1, 2, 0).tobytes() for part in data.splits.values() for x in part.stored} == expected


def _one(tmp_path: Path, image: Image.Image, channels: int, **options) -> np.ndarray:
    """The pixels [C, 8, 8] that the loader makes of one image, the only one of class b's train images."""
    folder = tmp_path / f"mine{channels}"
    for split in ("train", "test"):
        _save(folder / split / "a" / "0.png", _noise(7, (8, 8)))
    _save(folder / "train" / "b" / f"0.{options.pop('suffix', 'png')}", image, **options)
    train = _load(folder, tmp_path / "cache", channels=channels).splits["train"]
    return train.stored[train.y == 1][0]


def test_modes_of_colour(tmp_path):
    grey = _noise(0, (8, 8)).convert("L")
    for i, image in enumerate((grey, grey.convert("RGBA"), grey.convert("LA"), grey.convert("P"))):
        for channels in (1, 3):
            pixels = _one(tmp_path / str(i), image, channels)
            assert pixels.shape == (channels, 8, 8)
            assert np.array_equal(pixels, np.stack([np.asarray(grey)] * channels)), (image.mode, channels)


def test_transparent_parts_are_white(tmp_path):
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[:, 4:, 3] = 255
    assert np.array_equal(_one(tmp_path / "rgba", Image.fromarray(pixels), 3)[:, :, :4], np.full((3, 8, 4), 255))
    assert np.array_equal(_one(tmp_path / "rgba1", Image.fromarray(pixels), 1)[:, :, 4:], np.zeros((1, 8, 4)))
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30])
    assert np.all(_one(tmp_path / "p", palette, 3, transparency=0) == 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_images_are_laid_on_white_strip_by_strip(monkeypatch, mode, channels):
    monkeypatch.setattr(image_folder, "STRIP", 7)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 31, 4), dtype=np.uint8)).convert(mode)
    if mode == "P":
        image.info["transparency"] = 5
    whole, colour = image.convert("RGBA"), "L" if channels == 1 else "RGB"
    whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert(colour)
    square = np.asarray(whole)[4:35].reshape(31, 31, channels).transpose(2, 0, 1)
    assert np.array_equal(image_folder._square(image, 31, channels), square)


def test_sixteen_bits_become_eight(tmp_path):
    deep = (np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
    assert np.array_equal(_one(tmp_path, Image.fromarray(deep), 1)[0], deep // 256)


def test_a_turned_photograph_is_set_upright(tmp_path):
    image = _noise(0, (8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    pixels = _one(tmp_path, image, 3, exif=exif)
    assert np.array_equal(pixels.transpose(1, 2, 0), np.rot90(np.asarray(image), -1))


def test_a_float_image_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"b/0.tif cannot be read as an image \(pixels of mode F"):
        _one(tmp_path, Image.new("F", (8, 8)), 3, suffix="tif")


def test_an_unreadable_image_is_named_by_its_path(tmp_path):
    folder = _classes(tmp_path / "mine", {"a": 3, "b": 3})
    (folder / "b" / "01.png").write_bytes((folder / "b" / "01.png").read_bytes()[:50])
    with pytest.raises(ValueError, match=f"^{folder}/b/01.png cannot be read as an image"):
        _load(folder, tmp_path / "cache")
    with pytest.raises(ValueError, match="mine.tar: mine/b/01.png cannot be read as an image"):
        _load(_pack(folder, tmp_path / "mine.tar"), tmp_path / "cache")


def test_sets_that_cannot_be_used_are_refused(tmp_path):
    def refused(name: str, sentence: str, **parameters) -> None:
        with pytest.raises(ValueError, match=sentence):
            _load(tmp_path / name, tmp_path / "cache", **parameters)

    _classes(tmp_path / "one", {"a": 3})
    refused("one", "one: expected at least two class folders with images, got a;")
    _classes(tmp_path / "only" / "train", {"a": 3, "b": 3})
    refused("only", "only: expected both train/ and test/, got no image in test/")
    _classes(tmp_path / "only" / "test", {"c": 1}, first=500)
    refused("only", "class c has no image in train")
    _classes(tmp_path / "odd" / "train", {"a": 2, "b": 2})
    _classes(tmp_path / "odd", {"z": 1})
    refused("odd", "odd/z/00.png lies neither in train/ nor in test/")
    _classes(tmp_path / "few", {"a": 1, "b": 3})
    refused("few", r"class a has 1 different image\(s\), at least 2 are needed")
    _classes(tmp_path / "two", {"a": 2, "b": 2})
    refused("two", "test_fraction must be above 0 and below 1 .* got 0;", test_fraction=0.0)
    refused("two", "test_fraction must be above 0 and below 1 .* got 1;", test_fraction=1.0)


def test_where_path_is_looked_for(tmp_path, monkeypatch):
    folder = _classes(tmp_path / "root" / "sub" / "mine", {"a": 3, "b": 3})
    below = _load("sub/mine", tmp_path / "cache", roots=[tmp_path / "absent", tmp_path / "root"])
    monkeypatch.chdir(folder.parent)
    assert _load("mine", tmp_path / "cache").fingerprint == below.fingerprint
    with pytest.raises(FileNotFoundError, match=f"looked for .* in {tmp_path}/x/none, {tmp_path}/y/none; set path"):
        _load("none", tmp_path / "cache", roots=[tmp_path / "x", tmp_path / "y"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=f"in {tmp_path}/empty; set path"):
        _load(tmp_path / "empty", tmp_path / "cache")
    with pytest.raises(ValueError, match="got an empty text"):
        _load("", tmp_path / "cache")


def test_a_second_start_decodes_nothing_and_a_changed_image_does(tmp_path, monkeypatch):
    folder = _classes(tmp_path / "mine", {"a": 3, "b": 3})
    first = _load(folder, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(image_folder, "_decode", lambda *_: pytest.fail("decoded again"))
        assert _load(folder, tmp_path / "cache").fingerprint == first.fingerprint
    out = io.BytesIO()
    _noise(999).save(out, "PNG")
    (folder / "a" / "00.png").write_bytes(out.getvalue())
    assert _load(folder, tmp_path / "cache").fingerprint != first.fingerprint


def test_all_unreadable_images_are_told_at_once_or_left_out(tmp_path, capsys):
    folder = _classes(tmp_path / "mine", {"a": 6, "b": 6})
    good = _load(folder, tmp_path / "cache")
    (folder / "a" / "x1.png").write_bytes(b"no image")
    (folder / "a" / "x2.jpg").write_bytes(b"")
    (folder / "b" / "x3.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(folder / "b" / "x4.png")
    (folder / "b" / "x5.png").write_bytes((folder / "b" / "01.png").read_bytes()[:50])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        _load(folder, tmp_path / "cache")
    assert str(caught.value).startswith(f"5 files of {folder}")
    assert all(f"/x{i}." in str(caught.value) for i in range(1, 6))
    assert str(caught.value).endswith("mend or remove them, or leave them out with data.skip_unreadable=true")
    assert capsys.readouterr().err == ""
    for _ in range(2):  # decoded, and from the cache
        data = _load(folder, tmp_path / "cache", skip_unreadable=True)
        assert data.fingerprint == good.fingerprint
        assert len(data.notes) == 1 and data.notes[0].startswith("left out 5 unreadable image(s): ")
        assert capsys.readouterr().err == f"mine: {data.notes[0]}\n"
    (folder / "b" / "x4.png").unlink()
    (folder / "b" / "x3.png").unlink()
    told = _load(_pack(folder, tmp_path / "mine.tar"), tmp_path / "cache", skip_unreadable=True)
    assert told.fingerprint == good.fingerprint and "left out 3 unreadable image(s): mine.tar: mine/a/" in told.notes[0]


def test_a_class_of_which_nothing_can_be_read_is_not_dropped(tmp_path):
    folder = _classes(tmp_path / "mine", {"a": 3, "b": 3})
    (folder / "c").mkdir()
    (folder / "c" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="no image of class c can be read"):
        _load(folder, tmp_path / "cache", skip_unreadable=True)


@pytest.mark.parametrize(("names", "told"), [
    (["a/0.heic"], "left out 1 file(s) that are read as no images: 1 .heic, such as a/0.heic"),
    (["a/0.txt", "b/1.TXT", "a/raw"], "left out 3 file(s) that are read as no images: 2 .txt, 1 without a suffix"),
    (["a/deep/0.xcf"], "left out 1 file(s) that are read as no images: 1 .xcf"),
    (["a/Thumbs.db"], "1 .db"), (["a/0.png.part"], "1 .part"), (["cover.jpg"], "1 .jpg, such as cover.jpg"),
    (["labels/0.xml"], "1 folder(s) without an image are no class: labels"),
    (["a/0.\x1b[2Jx"], r"1 .\x1b[2jx, such as a/0.\x1b[2Jx"),
])
def test_nothing_is_passed_over_in_silence(tmp_path, capsys, names, told):
    folder = _classes(tmp_path / "mine", {"a": 3, "b": 3})
    good = _load(folder, tmp_path / "cache")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    data = _load(folder, tmp_path / "cache")
    assert data.fingerprint == good.fingerprint
    assert any(told in note for note in data.notes), data.notes
    assert told in capsys.readouterr().err


def test_what_lies_above_the_classes_is_not_spoken_of(tmp_path, capsys):
    folder = tmp_path / "mine"
    _classes(folder / "train", {"a": 3, "b": 4})
    _classes(folder / "test", {"a": 2}, first=500)
    for name in ("LICENSE", "readme.md", "train/labels.csv", ".git/config", "a.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert _load(folder, tmp_path / "cache").notes == () and capsys.readouterr().err == ""
    (folder / "test" / "b").mkdir()
    assert _load(folder, tmp_path / "cache").notes == ("1 folder(s) without an image are no class: test/b",)


def test_a_class_whose_images_are_of_an_unread_kind_is_refused(tmp_path):
    folder = _classes(tmp_path / "mine", {"a": 3, "b": 3})
    (folder / "c").mkdir()
    for i in range(12):
        (folder / "c" / f"{i}.HEIC").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"class folder c holds no image that is read here, but 12 .heic; convert"):
        _load(folder, tmp_path / "cache")
    assert _load(folder, tmp_path / "cache", skip_unreadable=True).class_names == ("a", "b")
    for label in "ab":
        for file in (folder / label).iterdir():
            file.rename(file.with_suffix(".jxl"))
    with pytest.raises(ValueError, match=r"mine holds no image in a class folder .* but 12 .heic, 6 .jxl; read are"):
        _load(folder, tmp_path / "cache")


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPG", "pjpeg", "avif", "dib", "pnm"])
def test_rarer_suffixes_are_read(tmp_path, suffix):
    pixels = _one(tmp_path, Image.new("RGB", (8, 8), "red"), 3, suffix=suffix,
                  format={"avif": "AVIF", "dib": "DIB", "pnm": "PPM"}.get(suffix, "JPEG"))
    assert pixels[0].min() > 250 and pixels[1:].max() < 5


def test_a_path_to_another_file_is_refused(tmp_path):
    for name in ("a.zip", "a.png", "a.tar.gz", "a.tgz"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ValueError, match=f"{name} must be a folder of class folders with images, or a plain .tar"):
            _load(tmp_path / name, tmp_path / "cache")
    _save(tmp_path / "flat" / "0.png", _noise(0))
    with pytest.raises(ValueError, match="the images of .*flat lie in no class folder"):
        _load(tmp_path / "flat", tmp_path / "cache")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe must be a folder"):
        _load(tmp_path / "pipe", tmp_path / "cache")


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_pictures_stay_on_one_side_whatever_their_files(tmp_path, channels):
    folder = _classes(tmp_path / "mine", {"a": 5, "b": 5})
    for file in list(folder.glob("a/*.png")):
        with Image.open(file) as image:
            image.save(file.with_suffix(".bmp"))
            image.save(file.with_suffix(".tiff"))
            image.save(folder / "b" / f"{file.stem}-too.gif" if file.stem == "00" else file.with_suffix(".ppm"))
    for seed in range(6):
        data = _load(folder, tmp_path / "cache", split_seed=seed, channels=channels)
        train, test = ({x.tobytes() for x in data.splits[s].stored} for s in ("train", "test"))
        assert not train & test


def test_a_class_called_train(tmp_path):
    folder = _classes(tmp_path / "mine", {"bus": 3, "train": 3})
    with pytest.raises(ValueError, match="data.layout=classes if train is a class, though it is named like a split"):
        _load(folder, tmp_path / "cache")
    assert _load(folder, tmp_path / "cache", layout="classes").class_names == ("bus", "train")


def test_several_frames_are_told(tmp_path):
    folder = _classes(tmp_path / "mine", {"a": 3, "b": 3})
    for suffix in ("gif", "tiff", "webp", "png"):
        frames = [_noise(1000 + i) for i in range(3)]
        frames[0].save(folder / "a" / f"several.{suffix}", save_all=True, append_images=frames[1:])
    assert _load(folder, tmp_path / "cache").notes == (
        "4 image(s) have several frames or pages: the first of each is read",)


def test_twelve_bits_in_sixteen(tmp_path):
    rng = np.random.default_rng(0)
    for label, most in (("a", 4096), ("b", 1000)):
        for i in range(4):
            pixels = rng.integers(0, most, (9, 8), dtype=np.uint16)
            _save(tmp_path / "mine" / label / f"{i}.png", Image.fromarray(pixels))
    data = _load(tmp_path / "mine", tmp_path / "cache", channels=1)
    assert max(part.stored.max() for part in data.splits.values()) > 200
    assert "read as images of 12 bits (data.bits=16 reads them as they stand)" in data.notes[0]
    dark = _load(tmp_path / "mine", tmp_path / "cache", channels=1, bits=16)
    assert dark.notes == () and max(part.stored.max() for part in dark.splits.values()) < 16
    with pytest.raises(ValueError, match="more than data.bits=10"):
        _load(tmp_path / "mine", tmp_path / "cache", bits=10)


def test_images_that_cannot_lie_in_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    folder = _classes(tmp_path / "mine", {"a": 40, "b": 40})
    monkeypatch.setattr(image_folder.image_files, "decode", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(image_folder.resource, "getrlimit", lambda _: (2**34, 2**34))
    with pytest.raises(ValueError, match="80 images of 3 x 10000 x 10000 take 44.7 GiB of memory, there are "):
        _load(folder, tmp_path / "cache", size=10_000)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(image_folder.image_files, "decode", full)
    with pytest.raises(ValueError, match="there is no memory for 80 file.* at data.size=8; set it smaller"):
        _load(folder, tmp_path / "cache")


def test_images_of_one_pixel(tmp_path):
    for label in "ab":
        for i in range(4):
            _save(tmp_path / "mine" / label / f"{i}.png", _noise(ord(label) * i, (1, 1)))
    for size in (1, 8):
        data = _load(tmp_path / "mine", tmp_path / "cache", size=size)
        assert data.input_shape == (3, size, size)
        assert all((x == x[:, :1, :1]).all() for part in data.splits.values() for x in part.stored)


@pytest.mark.skipif(not (REAL / "seefood.tar").is_file(), reason="no seefood.tar in $CONVSCOPE_DATA")
def test_the_real_hot_dogs(tmp_path):
    data = image_folder.load(roots=[REAL], cache=tmp_path, path="seefood.tar", size=64)
    assert data.class_names == ("hot_dog", "not_hot_dog")
    assert np.bincount(data.splits["train"].y).tolist() == [249, 249]
    assert np.bincount(data.splits["test"].y).tolist() == [250, 250]
    with tarfile.open(REAL / "seefood.tar") as tar:
        file = tar.extractfile("seefood/test/hot_dog/133012.png")
        assert file is not None
        pixels = np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)
    assert pixels.tobytes() in {x.tobytes() for x in data.splits["test"].stored[data.splits["test"].y == 0]}
