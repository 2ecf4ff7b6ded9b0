import contextlib
import os
import pickle

import pytest
import torch

from fastnst.errors import FastnstError
from tests.train.network.record_entries import entries
from train.network.build import build_network
from train.network.checkpoint import KEY, load_checkpoint
from train.network.record import FORMAT, PaintingRecord, Quality, RunRecord
from train.network.shape import NetworkShape
from train.network.transformer_net import TransformerNet
from train.run.saving import AtomicCheckpointIO


def make_state(**record):
    network = TransformerNet(4, 1)
    return {
        "global_step": 7,
        "state_dict": {f"network.{name}": value for name, value in network.state_dict().items()},
        KEY: entries(**record),
    }


def save(path, state):
    AtomicCheckpointIO().save_checkpoint(state, path)
    return path


def test_a_checkpoint_is_read_back_as_the_style_that_it_holds(tmp_path):
    state = make_state()
    checkpoint = load_checkpoint(save(tmp_path / "new" / "wave.ckpt", state))
    assert (checkpoint.steps, checkpoint.record.finished, checkpoint.record.style.name) == (7, True, "wave")
    network = checkpoint.network()
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, state["state_dict"][f"network.{name}"])
        assert not value.requires_grad


def test_a_checkpoint_from_before_there_were_other_outer_kernels_is_read(tmp_path):
    state = make_state(options={"width": 4, "residual_blocks": 1})
    assert load_checkpoint(save(tmp_path / "wave.ckpt", state)).record.network_shape == (4, 1, 9, 0)


def test_a_checkpoint_of_a_wide_network_gives_it_back(tmp_path):
    shape = NetworkShape(width=2, residual_blocks=1, outer_kernel_size=5, wide_blocks=3)
    trained = build_network(shape)
    state = make_state(options=shape._asdict())
    state["state_dict"] = {f"network.{name}": value for name, value in trained.state_dict().items()}
    checkpoint = load_checkpoint(save(tmp_path / "wave.ckpt", state))
    assert checkpoint.record.network_shape == shape
    image = torch.rand(1, 3, 20, 33)
    assert torch.equal(checkpoint.network()(image), trained.eval()(image))


def test_weights_of_another_network_than_the_record_says_are_one_line(tmp_path):
    state = make_state(options={"width": 4, "residual_blocks": 1, "outer_kernel_size": 9, "wide_blocks": 1})
    checkpoint = load_checkpoint(save(tmp_path / "wave.ckpt", state))
    with pytest.raises(FastnstError, match="holds the weights of another network than it says"):
        checkpoint.network()


@pytest.mark.parametrize("damage", [{"residual_blocks": 10**40}, {"wide_blocks": 10**7}, {"width": 3000}])
def test_a_network_that_no_memory_holds_is_not_built(tmp_path, monkeypatch, damage):
    """A foreign file may say anything: its own weights are what it has memory for."""
    monkeypatch.setattr("train.network.checkpoint.build_network", lambda shape: pytest.fail("built"))
    options = {"width": 4, "residual_blocks": 1, "outer_kernel_size": 9} | damage
    checkpoint = load_checkpoint(save(tmp_path / "wave.ckpt", make_state(options=options)))
    with pytest.raises(
        FastnstError, match=r"holds the weights of another network than it says|cannot be built"
    ):
        checkpoint.network()


def test_a_record_is_read_back_as_it_was_written():
    quality = Quality(
        0.5, 0.04, {1: 0.05, 4: 0.03}, 0.02, {"relu3_3": 0.5}, {"relu1_2": 0.02}, photos=8, size=512
    )
    record = RunRecord(
        version="1.2",
        options={"width": 4},
        style=PaintingRecord("wave", "5e", 384, 256, "Hokusai", "public domain"),
        precision="bf16-mixed",
        world_size=2,
        max_steps=600,
        seconds=12.5,
        losses={"val/style_loss": 0.1},
        quality=quality,
        finished=True,
        tracking_run={"id": "7"},
        init={"name": "sea", "sha256": "ab"},
    )
    assert RunRecord.from_entries(record.to_entries()) == record


def test_a_record_from_before_there_was_init_is_read(tmp_path):
    state = make_state()
    del state[KEY]["init"]
    assert load_checkpoint(save(tmp_path / "wave.ckpt", state)).record.init == {}


def test_a_record_from_before_there_was_a_hash_of_the_pixels_is_read():
    assert RunRecord.from_entries(entries()).style.pixels_sha256 == ""


def test_a_measure_of_one_scale_counts_as_none():
    quality = {"content": 0.5, "style": 0.1, "content_by_layer": {}, "style_by_layer": {}, "photos": 8}
    assert RunRecord.from_entries(entries(quality=quality | {"size": 512})).quality is None


def test_what_a_later_version_adds_to_a_record_is_ignored():
    quality = {"content": 0.5, "style": 0.1, "style_by_scale": {1: 0.1}, "style_at_trained_size": 0.2}
    quality |= {"content_by_layer": {}, "style_by_layer": {}, "photos": 8}
    later = entries(quality=quality | {"size": 512, "flicker": 0.2}, mood="calm")
    later["style"]["year"] = 1831
    record = RunRecord.from_entries(later)
    assert (record.style.name, record.quality.size) == ("wave", 512)


@pytest.mark.parametrize("damage", [{"style": {}}, {"style": None}, {"quality": {"style_by_scale": {}}}])
def test_a_record_that_lacks_an_entry_is_one_line(tmp_path, damage):
    with pytest.raises(FastnstError, match=r"wave\.ckpt is no checkpoint of fastnst"):
        load_checkpoint(save(tmp_path / "wave.ckpt", make_state(**damage)))


def test_a_crash_while_saving_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = save(tmp_path / "wave.ckpt", make_state())
    before = path.read_bytes()

    def half(state, file):
        file.write(b"half a checkpoint")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        save(path, make_state())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def full_disk():
    """Limit the size of files, which stands for a disk that is full: PyTorch's writer is told no more."""
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limit(room):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.mark.parametrize("room", [0, 1000, 20_000, 398_000])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, full_disk, room):
    path = save(tmp_path / "wave.ckpt", make_state())
    before = path.read_bytes()
    with (
        full_disk(room),
        pytest.raises(FastnstError, match=r"^cannot write the checkpoint .*wave\.ckpt: the disk is full$"),
    ):
        save(path, {"weights": torch.zeros(100_000)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        FastnstError, match=r"cannot write the checkpoint .*wave\.ckpt: (Not a dir|File exists)"
    ):
        save(tmp_path / "file" / "wave.ckpt", make_state())


def test_a_missing_checkpoint_says_how_to_make_one(tmp_path):
    with pytest.raises(FastnstError, match=r"no checkpoint .*none\.ckpt; `make train"):
        load_checkpoint(tmp_path / "none.ckpt")


def test_damaged_files_are_one_line(tmp_path):
    whole = save(tmp_path / "wave.ckpt", make_state()).read_bytes()
    damaged = tmp_path / "damaged.ckpt"
    contents = [b"", b"\x80", b"not a checkpoint", whole[: len(whole) // 2], whole[:100], whole[100:]]
    for content in (*contents, pickle.dumps([1])[:4]):
        damaged.write_bytes(content)
        with pytest.raises(FastnstError, match=r"damaged\.ckpt is (damaged|no checkpoint)") as error:
            load_checkpoint(damaged)
        assert "\n" not in str(error.value)


def test_a_file_that_runs_code_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "attacked"),))

    torch.save({"state_dict": {}, KEY: Attack()}, tmp_path / "attack.ckpt")
    with pytest.raises(FastnstError, match=r"attack\.ckpt asks for \w+\.mkdir, which could run code"):
        load_checkpoint(tmp_path / "attack.ckpt")
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps({"a": print}, 2))  # PyTorch's format before 1.6
    with pytest.raises(FastnstError, match=r"old\.ckpt asks for print, which could run code"):
        load_checkpoint(tmp_path / "old.ckpt")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    "state",
    [{"state_dict": {}}, {KEY: {}}, {KEY: {"format": 1}}, {KEY: {}, "state_dict": {}}, [1], torch.ones(2)],
)
def test_checkpoints_of_other_programs_are_one_line(tmp_path, state):
    torch.save(state, tmp_path / "other.ckpt")
    with pytest.raises(FastnstError, match=r"other\.ckpt is no checkpoint of fastnst"):
        load_checkpoint(tmp_path / "other.ckpt")


def test_a_checkpoint_of_a_newer_version_asks_for_an_update(tmp_path):
    with pytest.raises(FastnstError, match="newer fastnst"):
        load_checkpoint(save(tmp_path / "wave.ckpt", make_state(format=FORMAT + 1)))


def test_a_checkpoint_of_another_network_asks_to_train_again(tmp_path):
    with pytest.raises(FastnstError, match=r"older fastnst with another network: train again .*--init"):
        load_checkpoint(save(tmp_path / "wave.ckpt", make_state(format=FORMAT - 1)))


def test_weights_that_do_not_fit_the_options_are_one_line(tmp_path):
    path = save(
        tmp_path / "wave.ckpt", make_state(options={"width": 8, "residual_blocks": 1, "outer_kernel_size": 9})
    )
    with pytest.raises(FastnstError, match="weights of another network"):
        load_checkpoint(path).network()


def test_storage_options_are_refused(tmp_path):
    with pytest.raises(TypeError, match="storage_options"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "a.ckpt", storage_options={})
