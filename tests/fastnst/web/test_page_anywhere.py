"""The page without a network, from the disk, with a GPU, with a camera, for everyone."""

from __future__ import annotations

import re
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

from fastnst import Stylizer
from tests.fastnst.web.conftest import ROOT, bundled
from tests.fastnst.web.pictures import photo
from tests.fastnst.web.test_page import QUICK, apart

AXE = """
await page.evaluate(value);
return page.evaluate(async () => {
  const {violations} = await axe.run();
  return violations.map(({id, nodes}) => `${id}: ${nodes.map(({target}) => target).join(" ")}`);
});
"""


def test_nothing_hinders_anyone(page, picture, npm_modules):
    axe = (npm_modules / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    found = {}
    for scheme in ("light", "dark"):
        page.do("await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value}])", scheme)
        for width in (1280, 390):
            page.do("await page.setViewport({width: value, height: 800})", width)
            found["first page", scheme, width] = page.do(AXE, axe)
    page.drop(picture("a.png", 60, 80), picture("b.png", 60, 80))
    page.wait_painted()
    page.set("#blend", "other_one")
    page.click("#use-mask")
    for scheme in ("light", "dark"):
        page.do("await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value}])", scheme)
        for width in (390, 1280):
            page.do("await page.setViewport({width: value, height: 800})", width)
            found["studio", scheme, width] = page.do(AXE, axe)
            wide = page.evaluate("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1], (width, wide)
    assert {key: violations for key, violations in found.items() if violations} == {}
    page.do("page.messages.length = 0")  # axe asks for what the policy forbids


def test_the_keyboard_alone_suffices(page):
    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.do("await page.keyboard.press('Tab')")
            if page.evaluate("return document.activeElement.matches(value)", selector):
                return
        raise AssertionError(f"{selector} is out of the keyboard's reach")

    def focus_is_visible() -> bool:
        return page.evaluate(
            "const places = [document.activeElement, ...document.querySelectorAll('#stage, :focus + *')];"
            "return places.some((each) => getComputedStyle(each).outlineStyle === 'solid')"
        )

    tab_to("#examples button")
    assert focus_is_visible()
    page.do("await page.keyboard.press('Enter')")
    page.wait_painted()
    for selector in (
        "#compare",
        "#styles input",
        "#strength",
        "#keep-colours",
        "#blend",
        "#use-mask",
        "#download",
    ):
        tab_to(selector)
        assert focus_is_visible(), selector
    page.do("await page.focus('#styles input')")
    page.do("await page.keyboard.press('ArrowRight')")
    page.wait("fastnst.studio.controls.style === 'other_one'")
    tab_to("#keep-colours")
    page.do("await page.keyboard.press('Space')")
    assert page.evaluate("return fastnst.studio.controls.keepColours")


def test_it_works_offline_and_with_threads_after_the_first_visit(page, address, picture):
    page.drop(picture("a.png", 50, 60))
    page.wait_painted()
    assert page.evaluate("return crossOriginIsolated") is False
    kept = (
        "(await (await caches.open((await caches.keys())[0])).keys()).some(({url}) => url.endsWith('.wasm'))"
    )
    page.wait(f"(async () => {kept})()")
    page.do("await page.setOfflineMode(true)")
    page.go(address)
    assert page.evaluate("return crossOriginIsolated")
    page.drop(picture("b.png", 40, 50))
    page.wait_painted()
    assert apart(page.result(), 255 - photo(40, 50)) == 0
    page.go(f"{address}?from=elsewhere")


def test_a_style_that_cannot_be_loaded_is_named(browser, address, picture):
    page = browser.open(
        address,
        "await page.setBypassServiceWorker(true); await page.setRequestInterception(true);"
        "page.on('request', (request) => "
        "request.url().endsWith('other_one.onnx') ? request.abort() : request.continue())",
    )
    said = _note_statuses(page)
    page.drop(picture("a.png", 50, 60))
    page.wait(f"{said('painted in')} && {said('The style Other one could not be loaded')}", seconds=60)


@pytest.mark.parametrize("first", ["Other one could not be loaded", ", painted in "])
def test_a_style_that_fails_beside_a_painting_has_the_last_word(page, picture, first):
    said = _note_statuses(page)
    # The style fails, or the photo is painted, only when the other one is done.
    page.evaluate(
        """
        const { engine } = fastnst;
        const paint = engine.paint.bind(engine);
        const until = async (words) => {
          while (!said.some((text) => text.includes(words))) await new Promise((next) => setTimeout(next, 5));
        };
        engine.paint = async (style, picture, how = {}) => {
          const isPhoto = how.started !== undefined;
          if (isPhoto && !value.startsWith(",")) await until(value);
          if (isPhoto || style.title !== "Other one") return paint(style, picture, how);
          if (value.startsWith(",")) await until(value);
          throw new Error("a wrong file");
        };
        """,
        first,
    )
    page.drop(picture("a.png", 50, 60))
    page.wait(said(", painted in "), seconds=60)
    page.wait(
        "!fastnst.studio.isPainting && document.querySelector('#status').textContent === value",
        "The style Other one could not be loaded: a wrong file",
        seconds=60,
    )


def _note_statuses(page):
    """Keep what the page says in one line; returns how to ask whether it said something."""
    page.evaluate(
        "globalThis.said = [];"
        "fastnst.studio.addEventListener('status', ({detail}) => said.push(detail.text)); return true"
    )
    return lambda words: f"said.some((text) => text.includes({words!r}))"


HAS_GPU = """
await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, "gpu", {
  value: { requestAdapter: async () => ({ info: { isFallbackAdapter: false } }) },
}));
"""

# In the place of ONNX Runtime's module for GPUs: one that does not load, and one that fails when it runs.
LOST = """
export const env = { wasm: {} };
export class Tensor {}
export const InferenceSession = {
  create: async () => ({
    inputNames: ["image"], outputNames: ["stylized"], release() {}, run() { throw new Error("device lost"); },
  }),
};
"""


@pytest.mark.parametrize("module", ["export {", LOST])
def test_a_gpu_that_fails_is_left_alone(browser, serve, site, tmp_path, picture, module):
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site/runtime/ort.jspi.min.mjs").write_text(module, encoding="utf-8")
    page = browser.open(serve(tmp_path / "site"), HAS_GPU)
    page.drop(picture("a.png", 50, 60))
    page.wait_painted()
    assert page.evaluate("return fastnst.engine.device") == "wasm"
    assert any(request["url"].endswith("jspi.wasm") for request in page.requests())
    assert apart(page.result(), 255 - photo(50, 60)) == 0


# On a busy machine the emulated GPU may take minutes.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_gpu_paints_what_python_paints(browser, painting_address, picture):
    page = browser.open(f"{painting_address}?device=webgpu")
    page.drop(picture("a.png", 48, 64))
    page.wait(
        "!document.querySelector('#studio').hidden && !fastnst.studio.isPainting "
        "&& !document.querySelector('#stage').classList.contains('plain')",
        seconds=800,
    )
    assert "on the GPU" in page.status()
    assert apart(page.result(), Stylizer(bundled()[0])(photo(48, 64))) <= 1


def test_the_camera_is_painted_recorded_and_taken(page):
    page.click("#use-camera")
    page.wait("document.querySelector('#camera-status').textContent.includes('pictures a second')")
    rate = float(
        re.match(
            r"[\d.]+", page.evaluate("return document.querySelector('#camera-status').textContent")
        ).group()
    )
    assert rate > 0
    shown = "document.querySelector('#camera-picture')"
    assert page.evaluate(f"const {{width, height}} = {shown}; return width > height && width > 90")
    page.click("#camera-record")
    page.do("await new Promise((resolve) => setTimeout(resolve, 1500))")
    page.click("#camera-record")
    recording = page.saved(f"camera.{QUICK}.webm")
    assert recording.read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    page.click("#camera-take")
    page.wait_painted()
    assert page.evaluate("return fastnst.studio.current.name") == "camera.png"


def test_the_example_paints_a_canvas(browser, serve, site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    shutil.copy(ROOT / "examples/canvas.html", tmp_path / "site")
    browser.do("await page.goto(value)", f"{serve(tmp_path / 'site')}canvas.html", fresh=True)
    browser.do(
        "await page.waitForFunction(() => document.querySelector('#speed').textContent.includes('pictures'))"
    )
    size = "return page.evaluate(() => { const {width, height} = painting; return [width, height]; })"
    assert max(browser.do(size)) == 320
    assert browser.do("return page.failures") == []


def test_the_single_page_works_from_the_disk(browser, quick_styles, runtime, tmp_path, picture):
    from fastnst.web.samples import Example
    from fastnst.web.single import single_page
    from fastnst.web.site import build_site

    examples = [Example("shapes", "Shapes", photo(60, 80))]
    files = build_site(quick_styles, examples, is_single=True, progress=lambda _: None)
    (tmp_path / "page.html").write_bytes(single_page(files))
    assert (tmp_path / "page.html").stat().st_size < 6e6
    page = browser.open((tmp_path / "page.html").as_uri())
    page.drop(picture("a.png", 50, 60))
    page.wait_painted()
    assert apart(page.result(), 255 - photo(50, 60)) == 0
    assert all(request["url"].startswith(("file:", "blob:", "data:")) for request in page.requests())
    page.check()


PLACEMENT = """
<!doctype html><title>Placement</title><script type="module">
import * as ort from "./runtime/ort.jspi.min.mjs";
ort.env.wasm.wasmPaths = new URL("runtime/", location).href;
ort.env.logLevel = "verbose";
const executionProviders = [{ name: "webgpu", preferredLayout: "NCHW" }];
await ort.InferenceSession.create("style.onnx", { executionProviders, logSeverityLevel: 0 });
document.title = "Done";
</script>
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_pixel_leaves_the_gpu(browser, serve, site, tmp_path):
    model = onnx.load(bundled()[0])
    _round_as_export_does(model)
    shutil.copytree(site / "runtime", tmp_path / "runtime")
    onnx.save(model, tmp_path / "style.onnx")
    (tmp_path / "index.html").write_text(PLACEMENT)
    browser.do("await page.goto(value)", serve(tmp_path), fresh=True)
    browser.do("await page.waitForFunction(() => document.title === 'Done', {timeout: 800000})")
    log = "\n".join(browser.do("return page.messages"))
    assert "placed on [WebGpuExecutionProvider]" in log
    placed = re.search(
        r"placed on \[CPUExecutionProvider\].*?((?:\n.*VerifyEachNodeIsAssignedToAnEp\].*)+)", log
    )
    on_cpu = set(re.findall(r"\] +\w+ \((\w+)\)", placed[1]))
    assert on_cpu
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    types |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    floats = [
        node.name
        for node in model.graph.node
        if node.name in on_cpu and types[node.output[0]] != onnx.TensorProto.INT64
    ]
    assert floats == []


def _round_as_export_does(model: onnx.ModelProto) -> None:
    """Replace the Round of style files that were exported before."""
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Round":
            nodes.append(node)
            continue
        half = onnx.numpy_helper.from_array(np.float32(0.5), "half")
        model.graph.initializer.append(half)
        nodes.append(onnx.helper.make_node("Add", [node.input[0], "half"], ["raised"], name="raised"))
        nodes.append(onnx.helper.make_node("Floor", ["raised"], [node.output[0]], name="rounded"))
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_bundled_style_paints_what_python_paints(browser, runtime, serve, tmp_path):
    from fastnst.web.site import build_site
    from fastnst.web.write import write_folder

    write_folder(build_site(bundled(), [], progress=lambda _: None), tmp_path)
    page = browser.open(serve(tmp_path))
    # One network with other weights: the larger photo is for two of them.
    for size, styles in (((259, 167), bundled()), ((512, 512), bundled()[:2])):
        image = photo(*size)
        Image.fromarray(image).save(tmp_path / f"{size}.png")
        page.drop(tmp_path / f"{size}.png")
        page.wait("fastnst.studio.current?.name === value", f"{size}.png")
        for style in styles:
            page.evaluate("fastnst.studio.change({style: value})", style.stem)
            page.wait_painted()
            assert apart(page.result(), Stylizer(style)(image)) <= 1, (style.stem, size)
    page.check()
