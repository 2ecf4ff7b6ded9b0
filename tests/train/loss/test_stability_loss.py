import pytest
import torch

from train.loss.stability_loss import disturb, stability_loss


def photos(height=40, width=56, seed=0):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def shifts(seed):
    change = disturb(photos(), seed)
    return int(change.rows[0]), int(change.columns[0])


def test_a_change_is_a_small_shift_with_a_little_light_and_noise():
    content = photos()
    for seed in range(20):
        change = disturb(content, seed)
        assert change.content.shape == content.shape
        assert 0 <= change.content.min() <= change.content.max() <= 1
        before = content.index_select(2, change.rows).index_select(3, change.columns)
        after = change.content[..., : before.shape[2], : before.shape[3]]
        assert (after - before).abs().max() < 0.05 + 6 * 5 / 255
        assert (after - before).abs().mean() < 0.05
    found = {shift for seed in range(200) for shift in [shifts(seed)]}
    assert {down for down, _ in found} == {right for _, right in found} == set(range(8))


def test_the_change_is_a_function_of_the_seed():
    one, same, other = (disturb(photos(), seed) for seed in (3, 3, 4))
    assert torch.equal(one.content, same.content)
    assert torch.equal(one.rows, same.rows)
    assert not torch.equal(one.content, other.content)


def test_a_painting_that_follows_the_photo_is_stable():
    content = photos()
    for seed in range(5):
        change = disturb(content, seed)
        down, right = int(change.rows[0]), int(change.columns[0])
        assert stability_loss(content, content.roll((-down, -right), (2, 3)), change).item() == 0


def test_it_is_the_squared_difference_relative_to_the_contrast():
    stylized, change = photos(seed=1), disturb(photos(), 7)
    moved = stylized.index_select(2, change.rows).index_select(3, change.columns)
    disturbed = photos(seed=2)
    found = disturbed[..., : moved.shape[2], : moved.shape[3]]
    expected = [
        ((f - m) ** 2).sum() / ((m - m.mean((1, 2), keepdim=True)) ** 2).sum()
        for f, m in zip(found, moved, strict=True)
    ]
    assert stability_loss(stylized, disturbed, change).item() == pytest.approx(sum(expected).item() / 2)
    # Independent pictures of equal contrast differ twice as much as each differs from its mean.
    assert stability_loss(stylized, disturbed, change).item() == pytest.approx(2, rel=0.1)


def test_gradients_reach_both_paintings_and_flat_ones_are_finite():
    change = disturb(photos(), 1)
    for make in (photos, lambda seed=0: torch.full((2, 3, 40, 56), 0.5)):
        one, other = make(seed=1).requires_grad_(), make(seed=2).requires_grad_()
        stability_loss(one, other, change).backward()
        assert torch.isfinite(one.grad).all()
        assert torch.isfinite(other.grad).all()
        if make is photos:
            assert one.grad.abs().max() > 0 < other.grad.abs().max()


def test_small_crops_are_not_compared():
    assert disturb(photos(32, 80), 0) is None
