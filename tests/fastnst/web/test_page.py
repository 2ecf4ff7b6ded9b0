"""The page in a real browser, against the bytes that Python paints."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from fastnst import Painter, Stylizer
from tests.fastnst.tiny_models import invert
from tests.fastnst.web.conftest import bundled
from tests.fastnst.web.pictures import Painted, photo

FIRST, SECOND = bundled()[:2]

# The style of `page`, whose result is known: the inverted photo.
QUICK = "negative"


def apart(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


@pytest.fixture
def controlled(monkeypatch):
    """Apply Painter's controls to paintings that the page made."""

    def apply(image, *paintings, weights=(1, 1), **controls):
        with monkeypatch.context() as patch:
            patch.setattr("fastnst.painter.Stylizer", Painted)
            styles = dict(zip(map(Painted, paintings), weights, strict=False))
            return Painter(styles, **controls)(image)

    return apply


def test_a_dropped_photo_is_painted_as_in_python(painting_page, picture, controlled):
    page = painting_page
    page.drop(picture("my photo.png", 217, 333))
    page.wait_painted()
    image = photo(217, 333)
    painting = page.result()
    assert apart(painting, Stylizer(FIRST)(image)) <= 1

    # The controls run no network, and give what Painter gives.
    page.evaluate("fastnst.engine.paint = () => { throw new Error('the network runs again') }")
    page.set("#strength", 0.6)
    assert apart(page.result(), controlled(image, painting, strength=0.6)) <= 1
    page.click("#keep-colours")
    assert apart(page.result(), controlled(image, painting, strength=0.6, preserve_color=True)) <= 1

    # Drawing with the keyboard alone: white is painted.
    page.click("#use-mask")
    assert apart(page.result(), image) == 0
    page.do("await page.focus('#mask-canvas')")
    for key in ("ArrowLeft", "ArrowDown", "Space"):
        page.do("await page.keyboard.press(value)", key)
    page.wait("fastnst.studio.current.mask.values.some((value) => value)")
    painted = page.result()
    assert apart(painted, image) > 20
    mask = np.array(page.evaluate("return [...fastnst.studio.current.mask.values]"), np.uint8).reshape(
        217, 333
    )
    assert 0.005 < (mask > 0).mean() < 0.2
    assert apart(painted, controlled(image, painting, strength=0.6, preserve_color=True, mask=mask)) <= 1

    # Back through all of it, and forth.
    page.do("await page.keyboard.down('Control')")
    for _ in range(9):
        page.do("await page.keyboard.press('z')")
    assert apart(page.result(), painting) == 0
    assert page.evaluate("return document.querySelector('#undo').disabled")
    for _ in range(9):
        page.do("await page.keyboard.press('y')")
    page.do("await page.keyboard.up('Control')")
    assert apart(page.result(), painted) == 0

    # The divider, with the keyboard.
    page.click("#use-mask")
    page.do("await page.focus('#compare')")
    for _ in range(3):
        page.do("await page.keyboard.press('ArrowLeft')")
    assert page.evaluate("return document.querySelector('#stage').style.getPropertyValue('--at')") == "47%"


def test_blends_and_brushes(painting_page, picture, controlled):
    page, image = painting_page, photo(200, 300)
    page.paste(picture("a.png", 200, 300))
    page.wait_painted()
    one = page.result()
    page.evaluate(f"fastnst.studio.change({{style: '{SECOND.stem}'}})")
    page.wait_painted()
    assert apart(other := page.result(), Stylizer(SECOND)(image)) <= 1
    page.set("#blend", FIRST.stem)
    page.set("#share", 0.3)
    assert page.status()
    assert apart(page.result(), controlled(image, other, one, weights=(0.7, 0.3))) <= 1

    page.set("#blend", "")
    page.drop(picture("large.png", 300, 420, seed=2))
    page.wait("fastnst.studio.photos.length === 2 && fastnst.studio.current.width === 420")
    page.set("#brush", 0)
    page.wait_painted()
    painter = Painter(SECOND, size=256)
    assert (
        apart(page.result(), painter(photo(300, 420, seed=2))) <= 2
    )  # Lanczos spreads a level of the painting


def test_a_download_is_whole_upright_and_keeps_the_photos_exif(page, picture):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x013B] = 6, "Camera Obscura", "Vermeer"
    exif.get_ifd(0x8769).update(
        {0x9003: "1665:01:02 03:04:05", 0xA002: 160, 0xA003: 100, 0x927C: b"secret" * 9}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 0.0, 42.5)})
    path = picture("girl.with.pearl.jpg", 100, 160, exif=exif, quality=95, subsampling=0)
    page.drop(path)
    page.wait_painted()
    page.click("#download")
    saved = page.saved(f"girl.with.pearl.{QUICK}.jpg")
    assert saved.name in page.status()
    with Image.open(saved) as result:
        assert (result.format, result.size, result.layer[0][1:3]) == ("JPEG", (100, 160), (1, 1))
        kept = result.getexif()
        assert dict(kept.items())[0x010F] == "Camera Obscura"
        assert kept[0x013B] == "Vermeer"
        assert 0x0112 not in kept
        details = kept.get_ifd(0x8769)
        assert details[0x9003] == "1665:01:02 03:04:05"
        assert (details[0xA002], details[0xA003]) == (100, 160)
        assert 0x927C not in details
        assert [float(part) for part in kept.get_ifd(0x8825)[2]] == [52.0, 0.0, 42.5]
        shown = np.asarray(result.convert("RGB")).astype(int)
    upright = np.rot90(np.asarray(Image.open(path)), -1)
    assert np.abs(shown - (255 - upright.astype(int))).mean() < 6


def test_transparency_stays_and_the_result_is_a_png(page, tmp_path):
    rgba = np.dstack([photo(80, 90), np.full((80, 90), 255, np.uint8)])
    rgba[:, :30, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    page.drop(tmp_path / "cut.png")
    page.wait_painted()
    page.click("#download")
    with Image.open(page.saved(f"cut.{QUICK}.png")) as result:
        np.testing.assert_array_equal(np.asarray(result)[..., 3], rgba[..., 3])


def test_several_photos_come_as_a_zip_and_bad_ones_are_named(page, picture, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99)
    page.drop(tmp_path / "broken.jpg")
    page.wait("document.querySelector('#welcome-status').textContent.includes('broken.jpg cannot be read')")
    page.drop(tmp_path / "phone.heic")
    page.wait("document.querySelector('#welcome-status').textContent.includes('phone.heic is HEIC')")
    paths = [picture("a.png", 60, 80), picture("b.png", 70, 50, seed=1)]
    (tmp_path / "again").mkdir()
    page.drop(*paths, picture("again/a.png", 40, 40, seed=2))
    page.wait("fastnst.studio.photos.length === 3")
    page.wait_painted()
    page.set("#strength", 0.5)
    page.click("#download-all")
    with zipfile.ZipFile(page.saved(f"fastnst.{QUICK}.zip")) as archive:
        assert archive.testzip() is None
        names = [f"a.{QUICK}.jpg", f"b.{QUICK}.jpg", f"a.{QUICK} (2).jpg"]
        assert archive.namelist() == names
        shown = np.asarray(Image.open(io.BytesIO(archive.read(names[1]))).convert("RGB")).astype(int)
    assert np.abs(shown - 127.5).mean() < 2
    page.wait("document.querySelector('#status').textContent.startsWith('3 photos are in')")


def test_style_files_of_the_visitor(page, picture, models, tmp_path):
    (tmp_path / "no style.onnx").write_bytes(b"nothing of that kind")
    own = invert(tmp_path / "My own.onnx")
    page.drop(own, picture("a.png", 60, 80))
    page.wait("fastnst.studio.controls.style === 'My own'")
    page.wait_painted()
    assert apart(page.result(), 255 - photo(60, 80)) == 0
    page.click("#download")
    page.saved("a.My own.jpg")
    page.drop(own)
    page.wait("document.querySelector('#status').textContent.startsWith('There is a style My own already')")
    for path in (tmp_path / "no style.onnx", models / "invert_float.onnx"):
        page.drop(path)
        told = f"The style {path.stem} could not be loaded"
        page.wait("document.querySelector('#status').textContent.startsWith(value)", told)
    assert page.evaluate("return fastnst.studio.controls.style") == "My own"
    page.set("#strength", 0.5)
    page.wait_painted()
    page.do("page.messages.length = 0")  # ONNX Runtime's own


def test_a_batch_goes_on_with_its_controls_whatever_is_shown(page, picture):
    page.drop(*(picture(f"{name}.png", 60, 80) for name in ("one", "two", "three")))
    page.wait("fastnst.studio.photos.length === 3")
    page.wait_painted()
    page.evaluate(
        "document.querySelector('#download-all').click();"
        "await fastnst.studio.select(fastnst.studio.photos[1]);"
        "fastnst.studio.change({style: 'other_one', strength: 0});"
    )
    with zipfile.ZipFile(page.saved(f"fastnst.{QUICK}.zip")) as archive:
        assert archive.namelist() == [f"{name}.{QUICK}.jpg" for name in ("one", "two", "three")]
        shown = np.asarray(Image.open(io.BytesIO(archive.read(f"three.{QUICK}.jpg")))).astype(int)
    assert np.abs(shown - (255 - photo(60, 80))).mean() < 2


def test_cancel_ends_a_painting_and_the_next_one_works(painting_page, picture):
    page = painting_page
    page.drop(picture("a.png", 60, 80))
    page.wait_painted()
    page.drop(picture("large.png", 1100, 1500))
    page.wait("fastnst.studio.isPainting")
    page.click("#cancel")
    page.wait("document.querySelector('#status').textContent.startsWith('Cancelled')")
    page.evaluate("fastnst.studio.select(fastnst.studio.photos[0])")
    page.evaluate("fastnst.studio.change({style: value})", SECOND.stem)
    page.wait_painted()
    assert apart(page.result(), Stylizer(SECOND)(photo(60, 80))) <= 1


def test_masks_from_files_and_copies(page, picture, controlled, tmp_path):
    image = photo(60, 80)
    page.do(
        "await page.browserContext().overridePermissions(new URL(page.url()).origin, "
        "['clipboard-read', 'clipboard-write', 'clipboard-sanitized-write'])"
    )
    page.do(
        "const input = await page.$('#files'); await input.uploadFile(value)", str(picture("a.png", 60, 80))
    )
    page.wait_painted()
    shades = np.linspace(0, 255, 41 * 30).reshape(30, 41).astype(np.uint8)
    cut_out = np.dstack([photo(30, 41), shades])
    for name, pixels, mask in (
        ("grey.png", shades, shades),
        ("colour.png", photo(30, 41), np.asarray(Image.fromarray(photo(30, 41)).convert("L"))),
        ("cut.png", cut_out, shades),
    ):
        Image.fromarray(pixels).save(tmp_path / name)
        page.evaluate("fastnst.studio.current.mask = null")
        page.do(
            "const input = await page.$('#mask-files'); await input.uploadFile(value)", str(tmp_path / name)
        )
        page.wait("fastnst.studio.current.mask?.width === 41")
        assert apart(page.result(), controlled(image, 255 - image, mask=mask)) <= 1, name
    page.click("#copy")
    page.wait("document.querySelector('#status').textContent === 'Copied as a picture'")
    assert page.evaluate("return (await navigator.clipboard.read())[0].types") == ["image/png"]


@pytest.mark.parametrize("broken", ["none", "before", "after"])
def test_too_little_memory_is_said_with_what_to_do(page, picture, tmp_path, broken):
    page.drop(picture("a.png", 60, 80))
    page.wait_painted()
    # Another style that fails before or after the large picture does not hide what concerns the picture.
    page.evaluate(
        """
        const { engine, studio } = fastnst;
        const paint = engine.paint.bind(engine);
        const statuses = [];
        studio.addEventListener("status", ({ detail }) => statuses.push(detail.text));
        const said = async (words) => {
          const isSaid = () => statuses.some((text) => text.includes(words));
          while (!isSaid()) await new Promise((next) => setTimeout(next, 5));
        };
        globalThis.styles = document.querySelectorAll("#styles input").length - 1;
        engine.paint = async (style, picture, how = {}) => {
          if (how.started !== undefined) {
            if (value === "before") await said("could not be loaded");
            throw new Error("Aborted(OOM)");
          }
          if (value === "none" || style.key === studio.controls.style) return paint(style, picture, how);
          if (value === "after") await said("not enough memory for 1300");
          throw new Error("a wrong file");
        };
        """,
        broken,
    )
    page.drop(picture("large.png", 1300, 1300))
    page.wait(
        "!fastnst.studio.isPainting && document.querySelectorAll('#styles .waiting').length === 0 "
        "&& document.querySelectorAll('#styles .failed').length === (value === 'none' ? 0 : styles) "
        "&& document.querySelector('#status').textContent.includes('not enough memory for 1300')",
        broken,
        seconds=60,
    )
    # What the visitor does next is answered.
    (tmp_path / "wrong.onnx").write_bytes(b"no style")
    page.drop(tmp_path / "wrong.onnx")
    page.wait(
        "document.querySelector('#status').textContent.includes('wrong could not be loaded')", seconds=60
    )
    page.evaluate("fastnst.studio.select(fastnst.studio.photos[0])")
    page.set("#brush", 0)
    page.do("page.messages.length = 0")


def test_a_photo_above_the_limit_is_painted_smaller_and_says_so(page, picture):
    page.evaluate("fastnst.studio.mostWhole = 1000")
    page.drop(picture("a.png", 60, 80))
    page.wait("document.querySelector('#status').textContent.includes('painted at 36 px and enlarged')")
    page.wait_painted()
    assert page.result().shape == (60, 80, 3)
