import numpy as np
import pytest
import torch

from tests.train.make_photos import make_pixels
from train.distillation import images as distillation_images
from train.distillation import start as distillation_start
from train.distillation.images import STYLE_SIDE, DistillationImages, ImageGroup
from train.distillation.start import pruned_state
from train.distillation.student import Student, distillation_loss
from train.distillation.targets import TEACHER_KEYS, TeacherNetwork, find_basis, plain_gram
from train.loss.compact import (
    COMPACT_LAYERS,
    TRUNK,
    CompactFeatures,
    head_channels,
    random_compact_state,
)
from train.loss.gram_matrix import gram_matrix
from train.loss.perceptual_loss import PerceptualLoss
from train.loss.vgg import VGGFeatures, random_vgg_state
from train.network.build import build_network
from train.network.shape import NETWORKS


@pytest.fixture(scope="module")
def state():
    return random_vgg_state("vgg19", COMPACT_LAYERS, seed=1)


@pytest.fixture(scope="module")
def features(state):
    return VGGFeatures("vgg19", COMPACT_LAYERS, state)


@pytest.fixture(scope="module")
def images():
    return [torch.tensor(make_pixels(32, 32, seed)).permute(2, 0, 1)[None] / 255 for seed in range(6)]


@pytest.fixture(scope="module")
def basis(features, images):
    return find_basis(features, images)


@pytest.fixture(scope="module")
def group(images):
    return ImageGroup(torch.cat(images[:2]), torch.cat(images[2:4]), images[4], 6.0)


@pytest.fixture(scope="module")
def targets(features, basis, group):
    return TeacherNetwork(features, basis)(group)


@pytest.fixture(scope="module", autouse=True)
def few_positions():
    """The deep layers of images of 32 pixels have no more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation_start, "_POSITIONS", 200)
        yield


@pytest.fixture(scope="module")
def solving(images):
    return [image for image in images for _ in range(2)]


@pytest.fixture(scope="module")
def solved(state, basis, solving, few_positions):
    return pruned_state(state, TEACHER_KEYS, basis, solving)


def make_supply(**changes):
    torch.manual_seed(0)  # of the network that paints
    photos = [make_pixels(220, 260, seed) for seed in range(3)]
    options = {"usual_style_weight": 6.0, "seed": 0} | changes
    return DistillationImages(
        photos, [make_pixels(240, 200, 9)], [build_network(NETWORKS["wide"])], **options
    )


@torch.no_grad()
def test_the_directions_hold_nearly_all_of_the_gram_matrices(features, basis, images):
    for layer in COMPACT_LAYERS:
        kernel = basis.kernels[layer].flatten(1)
        norm = kernel[0].norm()
        assert len(kernel) == head_channels(layer)
        torch.testing.assert_close(kernel @ kernel.T / norm**2, torch.eye(len(kernel)), rtol=0, atol=1e-4)
        assert 0.98 < basis.kept[layer] <= 1.0001
        flat = features(images[0])[layer][0].flatten(1)
        projected = (kernel @ flat) / norm
        assert projected.norm() == pytest.approx(flat.norm().item(), rel=0.1)


def test_the_teachers_gradient_is_that_of_the_loss_that_trains(features, group, targets):
    loss = PerceptualLoss(
        features,
        group.style,
        content_layers=("relu3_3",),
        style_layers=("relu1_2", "relu2_2", "relu3_4", "relu4_1"),
        style_weight=group.style_weight,
    )
    pixels = group.stylized.clone().requires_grad_()
    total = loss(pixels, group.content).total
    total.backward()
    expected = pixels.grad * len(pixels)  # of each image's own loss, not of the mean
    assert torch.nn.functional.cosine_similarity(targets.gradient.flatten(), expected.flatten(), 0) > 0.98
    assert targets.losses.mean().item() == pytest.approx(total.item(), rel=0.03)


def test_a_teacher_asked_for_no_gradient_gives_the_same_features(features, basis, group, targets):
    without = TeacherNetwork(features, basis)(group, gradient=False)
    assert not without.gradient.numel()
    for layer in COMPACT_LAYERS:
        torch.testing.assert_close(without.features[layer], targets.features[layer])


def test_the_gram_matrix_that_can_be_differentiated_twice_is_the_one_of_the_loss():
    maps = torch.rand(2, 5, 4, 3, dtype=torch.float32, requires_grad=True)
    torch.testing.assert_close(plain_gram(maps), gram_matrix(maps))
    (first,) = torch.autograd.grad(plain_gram(maps).square().sum(), maps, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), maps)
    assert second.abs().sum() > 0


def test_the_solved_student_is_nearer_to_its_teacher_than_a_random_one(solved, targets):
    CompactFeatures(COMPACT_LAYERS, solved)  # of the right names and shapes
    near, random = (
        distillation_loss(Student(weights), targets) for weights in (solved, random_compact_state())
    )
    for name in random:
        if name.startswith(("feature", "gram")):
            assert near[name].mean() < 0.5 * random[name].mean(), name
    assert near["gradient.1"].mean() < random["gradient.1"].mean() - 0.2


def test_heads_are_solved_for_other_directions_and_the_trunk_is_kept(state, basis, solving, solved, targets):
    turned = {name: -weight if name.startswith("relu") else weight for name, weight in solved.items()}
    again = pruned_state(state, TEACHER_KEYS, basis, solving, trunk=turned)
    for name, weight in solved.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-3, atol=1e-3)
    wrong, right = (distillation_loss(Student(weights), targets) for weights in (turned, again))
    for name in wrong:
        if name.startswith("feature"):
            assert right[name].mean() < 0.5 < wrong[name].mean(), name


def test_a_narrower_trunk_is_kept_and_widened_by_what_it_leaves_unexplained(
    state, basis, solving, targets, monkeypatch
):
    halved = tuple((name, block, conv, width // 2) for name, block, conv, width in TRUNK)
    with monkeypatch.context() as patched:
        patched.setattr(distillation_start, "TRUNK", halved)
        narrow = pruned_state(state, TEACHER_KEYS, basis, solving)
    wide = pruned_state(state, TEACHER_KEYS, basis, solving, trunk=narrow)
    CompactFeatures(COMPACT_LAYERS, wide)
    for name, *_ in TRUNK:
        kept, grown = narrow[f"{name}.weight"], wide[f"{name}.weight"]
        torch.testing.assert_close(grown[: len(kept), : kept.shape[1]], kept)
        assert not grown[: len(kept), kept.shape[1] :].any()
    before, after = (distillation_loss(Student(weights), targets) for weights in (narrow, wide))
    for layer in ("relu2_2", "relu3_3", "relu4_1"):
        assert after[f"feature.{layer}"].mean() < 0.9 * before[f"feature.{layer}"].mean(), layer


def test_a_student_learns_the_teachers_gradient(targets):
    student = Student(random_compact_state())
    optimizer = torch.optim.Adam(student.weights.values(), lr=1e-3)
    seen = []
    for _ in range(12):
        terms = distillation_loss(student, targets)
        seen.append(terms["gradient.4"].mean().item())
        optimizer.zero_grad()
        sum(value.mean() for value in terms.values()).backward()
        optimizer.step()
    assert seen[-1] < 0.8 * seen[0]


def test_a_student_that_agrees_has_no_error_but_rounding(images, group):
    # The compact network as its own teacher.
    student = Student(random_compact_state())
    targets = TeacherNetwork.__new__(TeacherNetwork)
    targets._features = CompactFeatures(COMPACT_LAYERS, random_compact_state())  # type: ignore[assignment]
    targets._basis = {layer: torch.eye(head_channels(layer))[:, :, None, None] for layer in COMPACT_LAYERS}
    terms = distillation_loss(student, targets(group))
    assert all(value.max() < 0.02 for value in terms.values()), terms


@pytest.mark.parametrize("trained", [False, True])
def test_groups_are_images_that_fit_together(trained, monkeypatch):
    monkeypatch.setattr(distillation_images, "_STEPS_A_ROUND", 2)
    supply = make_supply()
    student = Student(random_compact_state())
    group = None
    for _ in range(4):
        group = supply.group(student.training_loss if trained else None, group)
        assert group.stylized.shape == group.content.shape
        assert group.style.shape == (1, 3, STYLE_SIDE, STYLE_SIDE)
        assert 2 <= group.style_weight <= 18
        for image in (group.stylized, group.content, group.style):
            assert 0 <= image.min() <= image.max() <= 1
            levels = image * 255
            torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)


def test_a_seed_chooses_the_images():
    one, same, other = (make_supply(seed=seed).group(None) for seed in (1, 1, 2))
    assert torch.equal(one.stylized, same.stylized)
    assert one.style_weight == same.style_weight != other.style_weight


def test_images_to_solve_on_have_one_size():
    assert {image.shape for image in make_supply().solving_images(4)} == {(1, 3, 128, 128)}


def test_small_paintings_are_enlarged():
    supply = DistillationImages(
        [make_pixels(210, 210, 0)],
        [np.full((40, 30, 3), 128, np.uint8)],
        [build_network(NETWORKS["wide"])],
        usual_style_weight=6.0,
        seed=0,
    )
    assert supply.style().shape == (1, 3, STYLE_SIDE, STYLE_SIDE)


def test_generated_photos_stand_among_the_others():
    black = [np.zeros((220, 260, 3), np.uint8)]
    supply = DistillationImages(
        black, black, [build_network(NETWORKS["wide"])], usual_style_weight=6.0, seed=0, generated_share=0.5
    )
    plain = [not supply._photo().any() for _ in range(20)]
    assert 4 < sum(plain) < 16
