"""The options of a training run: each with its default, its meaning and its range."""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fastnst.errors import FastnstError
from train.network.shape import NETWORKS, OUTER_KERNEL_SIZES, NetworkName, NetworkShape

LossNetworkName = Literal["auto", "vgg16", "vgg19", "compact"]
Optimizer = Literal["muon", "adam"]
Decay = Literal["cosine", "none"]
LoggerName = Literal["wandb", "tensorboard", "csv", "none"]
ProgressName = Literal["auto", "json"]

AUTO_LOSS_NETWORK = "auto"
COMPACT_LOSS_NETWORK = "compact"

_VGG19_STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_1")
# VGG-16's are the paper's (arXiv:1603.08155, section 4.1); VGG-19's reach as deep in its own numbering. The
# compact network imitates VGG-19.
DEFAULT_STYLE_LAYERS: dict[str, tuple[str, ...]] = {
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    "vgg19": _VGG19_STYLE_LAYERS,
    "compact": _VGG19_STYLE_LAYERS,
}

DEFAULT_STYLE_WEIGHT = 10.0

# --data by default, streamed from the Hugging Face hub, and --data that needs no files.
DEFAULT_DATA = "detection-datasets/coco"
GENERATED_DATA = "generated"

STRENGTHS = range(1, 11)
_DEFAULT_STRENGTH = 5
# The style weight of a level is this many times that of the level below. With 1.6 the levels reach from 1.5,
# which recolours the photo, to 105, under which the photo is hard to recognise.
_STRENGTH_FACTOR = 1.6

# Longer sides of images in pixels: at the least relu4_1 has 2 pixels; above the most the loss network takes
# tens of gigabytes for one image.
LEAST_SIZE = 16
MOST_SIZE = 4096

MOST_NAME_BYTES = 200
"""The longest name of a style: its files add to it, and file systems allow 255 bytes."""

# Unicode's categories of control characters, of bytes that are no UTF-8, and of line and paragraph breaks.
_NOT_IN_NAMES = ("Cc", "Cs", "Zl", "Zp")

# The groups of --help, each by the option that it begins with.
OPTION_GROUPS = {
    "style": "painting and photos",
    "style_size": "look",
    "network": "network",
    "images": "length and optimizer",
    "accelerator": "machine",
    "logger": "tracking",
}


# The least value of each option that has one, by that value.
_AT_LEAST: dict[int, tuple[str, ...]] = {
    LEAST_SIZE: ("style_size", "image_size"),
    1: ("width", "images", "crop_stages", "batch_size", "validation_photos", "log_every", "num_nodes"),
    0: (
        *("residual_blocks", "wide_blocks", "warmup_steps", "gradient_clip", "quality_size", "seed"),
        *("style_weight", "content_weight", "tv_weight", "repetition_weight", "stability_weight"),
        *("preview_seconds", "checkpoint_seconds"),
    ),
}


@dataclass
class TrainingConfig:
    """Train one style: a painting and many photos in, a checkpoint out.

    Options are shown with their defaults, those of the `default` preset, for a GPU.
    """

    style: Path
    """The painting: an image file."""
    data: str | None = None
    """Photos: a folder (nested is fine); shards such as s3://bucket/*.parquet, or a Hugging Face data set,
    which are streamed; or generated, which needs no files. By default COCO from the hub, or generated if that
    cannot be reached."""
    generated_share: float = 0.0
    """Fraction of the crops that come from generated photos instead of your folder."""
    validation_photos: int = 8
    """Photos kept out of training, for previews and for C and S3."""
    name: str | None = None
    """Name of the style; by default the painting's file name."""
    style_author: str = ""
    """Who painted it, for the style file's metadata."""
    style_licence: str = ""
    """Rights of the painting, for the style file's metadata."""
    output: Path = Path("checkpoints")
    """Folder for the checkpoint, the preview and the logs."""
    fresh: bool = False
    """Train from the start even if the checkpoint exists."""

    style_size: int = 768
    """Size of the brush: the longer side, in pixels, that the painting is resized to. Larger: coarser
    strokes."""
    strength: int | None = None
    """How strongly the style counts, from 1, which keeps the photo's shapes, to 10, which leaves little of
    the photo; 5 by default. One level serves every painting."""
    style_weight: float | None = None
    """The same as a number, instead of --strength: level 5 is 10, and each is 1.6 times the one below it."""
    content_weight: float = 1.0
    """Weight of the content term."""
    style_scales: tuple[int, ...] = (1, 2, 4)
    """Scales of the style term: it sees strokes up to so many times as large."""
    tv_weight: float = 0.0
    """Weight of the total variation, which smooths."""
    repetition_weight: float = 0.2
    """Weight of the term against dots and hatches that repeat."""
    stability_weight: float = 4.0
    """Weight of the term against flicker."""
    content_layers: tuple[str, ...] = ("relu3_3",)
    """Layers whose activations hold the content."""
    style_layers: tuple[str, ...] | None = None
    """Layers whose Gram matrices hold the style; by default the loss network's usual four."""
    style_layer_weights: tuple[float, ...] | None = None
    """Relative weight of each style layer, such as 1,1,2,2; by default all are equal."""
    loss_network: LossNetworkName = "auto"
    """Pretrained network that compares images. compact comes with fastnst and halves the time; auto is vgg16,
    or compact if vgg16 cannot be downloaded."""
    loss_network_weights: Path | None = None
    """VGG file (.pth, .safetensors) instead of the download."""

    network: NetworkName = "wide"
    """full is the paper's network; wide draws large shapes too, in a third of its time; fast takes a fifth;
    tiny is for phones and browsers."""
    width: int | None = None
    """Channels at full size, instead of the network's own (16, 32, 12, 8)."""
    residual_blocks: int | None = None
    """Residual blocks, instead of the network's own (2, 5, 3, 2)."""
    outer_kernel_size: int | None = None
    """Kernel size of the first and the last convolution, instead of the network's own (5, 9, 5, 5)."""
    wide_blocks: int | None = None
    """Wide blocks, instead of the network's own (4, 0, 0, 0)."""
    init: str = "none"
    """What the network starts from: none, random weights; auto, the bundled style nearest to the painting; or
    a style's name, a .ckpt or an .onnx file. Another style's weights save steps."""
    teacher: str | None = None
    """A trained style, by name or ONNX file, that the network copies first: a quick start for a smaller
    network of the same painting."""
    teacher_share: float = 0.35
    """Fraction of the training compute that copies the teacher."""

    images: int = 160_000
    """Crops to train on, in total."""
    image_size: int = 256
    """Side of a crop in pixels."""
    crop_stages: int = 1
    """Number of crop sizes, each twice the one before, up to image_size. Each gets the same compute, so small
    crops make room for more steps."""
    crop_scale: tuple[float, float] = (0.25, 1.0)
    """Least and greatest part of a photo's area in a crop. Small parts suit small crops: things keep the size
    that they have in whole photos."""
    batch_size: int = 16
    """Crops per step and device."""
    optimizer: Optimizer = "muon"
    """muon orthogonalises the steps of a kernel and needs fewer of them; adam is the paper's."""
    learning_rate: float | None = None
    """The highest; by default 3e-3 for wide networks by muon, else 1e-3."""
    warmup_steps: int = 100
    """Steps until the learning rate is at its highest."""
    decay: Decay = "cosine"
    """How the learning rate falls afterwards: along a cosine to 0, or not at all, as in the paper."""
    gradient_clip: float = 10.0
    """Greatest norm of the gradient; 0 for no limit."""
    seed: int = 0
    """Seed of the first weights, the order of the photos and the crops."""

    accelerator: str = "auto"
    """cpu, cuda or mps; auto takes the best at hand."""
    devices: int | str | list[int] = "auto"
    """How many devices, or which, as Lightning reads it."""
    num_nodes: int = 1
    """Number of machines."""
    strategy: str = "auto"
    """How devices share the work, as Lightning reads it, such as ddp."""
    precision: str = "auto"
    """16-mixed, bf16-mixed or 32-true, as Lightning names them; auto takes the device's fastest."""
    compile: bool = False
    """Compile the step with torch.compile first: takes a minute or more, pays in long runs on a GPU."""
    workers: int | None = None
    """Processes that decode photos; by default one per core that training leaves free, up to 16."""
    cache_gb: float | None = None
    """Gigabytes for decoded photos of a folder, kept for the next epochs; by default a quarter of the free
    memory. 0 keeps none."""
    trainer: dict[str, Any] = field(default_factory=dict)
    """Other arguments of Lightning's Trainer: --trainer.profiler simple."""

    logger: LoggerName = "wandb"
    """Where the curves go."""
    wandb_project: str = "fastnst"
    """Project on wandb."""
    progress: ProgressName = "auto"
    """json tells programs by events (docs/json.md)."""
    log_every: int = 25
    """Steps between two points of the curves."""
    preview_seconds: float = 60.0
    """Time between two previews."""
    checkpoint_seconds: float = 60.0
    """Time between two checkpoints."""
    quality_size: int = 512
    """Longer side of the photos on which C and S3 are measured; 0 skips the measure, which needs VGG-19."""
    quality_weights: Path | None = None
    """VGG-19 file for measuring C and S3, instead of the download."""

    def __post_init__(self) -> None:
        """Fill in the options that follow from others, and check all.

        Raises:
            FastnstError: If a value is out of its range, in one line that names the option.
        """
        if self.name is None:
            self.name = self.style.stem
            self._check_name("give the style another NAME (--name)")
        else:
            self._check_name("choose another")
        if self.style_layers is None and self.loss_network != AUTO_LOSS_NETWORK:
            self.style_layers = DEFAULT_STYLE_LAYERS[self.loss_network]
        if self.loss_network == COMPACT_LOSS_NETWORK and self.loss_network_weights is not None:
            raise FastnstError(
                "--loss-network compact has its own weights: leave --loss-network-weights out, or name the "
                "network of the file, vgg16 or vgg19"
            )
        self.style_weight = self._style_weight()
        shape = NETWORKS[self.network]
        self.width = shape.width if self.width is None else self.width
        self.residual_blocks = shape.residual_blocks if self.residual_blocks is None else self.residual_blocks
        if self.outer_kernel_size is None:
            self.outer_kernel_size = shape.outer_kernel_size
        self.wide_blocks = shape.wide_blocks if self.wide_blocks is None else self.wide_blocks
        if not self.init:
            raise FastnstError("--init must be none, auto, a style's name or a file")
        for least, options in _AT_LEAST.items():
            for option in options:
                value = getattr(self, option)
                if not math.isfinite(value) or value < least:
                    raise FastnstError(f"--{option.replace('_', '-')} must be at least {least}, got {value}")
        for option in ("style_size", "image_size", "quality_size"):
            if getattr(self, option) > MOST_SIZE:
                raise FastnstError(
                    f"--{option.replace('_', '-')} must be at most {MOST_SIZE}, got {getattr(self, option)}"
                )
        if self.outer_kernel_size not in OUTER_KERNEL_SIZES:
            raise FastnstError(
                f"--outer-kernel-size must be one of {OUTER_KERNEL_SIZES}, got {self.outer_kernel_size}"
            )
        if 0 < self.quality_size < LEAST_SIZE:
            raise FastnstError(
                f"--quality-size must be at least {LEAST_SIZE}, or 0 for no measure, got {self.quality_size}"
            )
        if self.seed >= 2**32:  # numpy's limit
            raise FastnstError(f"--seed must be below {2**32}, got {self.seed}")
        if self.learning_rate is None:
            self.learning_rate = 3e-3 if self.optimizer == "muon" and self.wide_blocks else 1e-3
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise FastnstError(f"--learning-rate must be above 0, got {self.learning_rate}")
        if self.teacher == "":
            raise FastnstError("--teacher must be a style's name or a file")
        if not 0 <= self.teacher_share <= 1:
            raise FastnstError(f"--teacher-share must be from 0 to 1, got {self.teacher_share}")
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise FastnstError(f"--crop-scale must rise within 0 and 1, got {list(self.crop_scale)}")
        if not 0 <= self.generated_share < 1:
            raise FastnstError(
                f"--generated-share must be from 0 to below 1, got {self.generated_share}; --data "
                f"{GENERATED_DATA} has no others"
            )
        if self.workers is not None and self.workers < 0:
            raise FastnstError(f"--workers must be at least 0, got {self.workers}")
        if self.cache_gb is not None and not 0 <= self.cache_gb < math.inf:
            raise FastnstError(f"--cache-gb must be at least 0, got {self.cache_gb}")
        if not self.content_layers or self.style_layers == ():
            raise FastnstError("--content-layers and --style-layers need at least one layer each")
        if self.style_scales[:1] != (1,) or any(a >= b for a, b in itertools.pairwise(self.style_scales)):
            raise FastnstError(f"--style-scales must rise from 1, got {list(self.style_scales)}")
        self._check_style_layer_weights()

    @property
    def style_name(self) -> str:
        """The name of the style."""
        return typing.cast("str", self.name)

    @property
    def resolved_style_weight(self) -> float:
        """The weight of the style term, as given or from the strength."""
        return typing.cast("float", self.style_weight)

    @property
    def resolved_learning_rate(self) -> float:
        """The highest learning rate, as given or the network's."""
        return typing.cast("float", self.learning_rate)

    @property
    def resolved_style_layers(self) -> tuple[str, ...]:
        """The style layers, as given or the loss network's usual ones.

        They are known once `--loss-network auto` is settled.
        """
        return typing.cast("tuple[str, ...]", self.style_layers)

    @property
    def network_shape(self) -> NetworkShape:
        """The network's shape, with the parts that were given."""
        return NetworkShape(
            typing.cast("int", self.width),
            typing.cast("int", self.residual_blocks),
            typing.cast("int", self.outer_kernel_size),
            typing.cast("int", self.wide_blocks),
        )

    @property
    def checkpoint_path(self) -> Path:
        """Where the checkpoint goes."""
        return self.output / f"{self.style_name}.ckpt"

    @property
    def preview_path(self) -> Path:
        """Where the preview grid goes."""
        return self.output / f"{self.style_name}.png"

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain Python values, as checkpoints and loggers hold them."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}

    def _check_name(self, advice: str) -> None:
        name = self.style_name
        if not name or name != Path(name).name or name.startswith("."):
            raise FastnstError(f"--name {name!r} must be a plain file name without folders: {advice}")
        if any(unicodedata.category(character) in _NOT_IN_NAMES for character in name):
            raise FastnstError(f"--name {name!r} has characters that no line of text has: {advice}")
        if len(name.encode()) > MOST_NAME_BYTES:
            size = f"{len(name.encode())} bytes, more than {MOST_NAME_BYTES}"
            raise FastnstError(f"--name {name[:20]!r}... has {size}: {advice}")

    def _check_style_layer_weights(self) -> None:
        if self.style_layer_weights is None:
            return
        # If `auto` is not settled yet: every network has as many usual layers.
        layers = self.style_layers or DEFAULT_STYLE_LAYERS["vgg16"]
        positive = all(math.isfinite(weight) and weight > 0 for weight in self.style_layer_weights)
        if not positive or len(self.style_layer_weights) != len(layers):
            raise FastnstError(
                f"--style-layer-weights must be {len(layers)} numbers above 0, one for each style layer, got "
                f"{list(self.style_layer_weights)}"
            )

    def _style_weight(self) -> float:
        if self.strength is None:
            return DEFAULT_STYLE_WEIGHT if self.style_weight is None else self.style_weight
        if self.strength not in STRENGTHS:
            raise FastnstError(
                f"--strength must be from {STRENGTHS[0]} to {STRENGTHS[-1]}, got {self.strength}"
            )
        weight = round(DEFAULT_STYLE_WEIGHT * _STRENGTH_FACTOR ** (self.strength - _DEFAULT_STRENGTH), 2)
        if self.style_weight not in (None, weight):
            raise FastnstError(
                f"--strength {self.strength} is a --style-weight of {weight}, not {self.style_weight}: "
                "give only one of them"
            )
        return weight


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
