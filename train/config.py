"""What a training run can be told: every option, its default and its meaning, once."""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fastnst.errors import FastnstError
from train.network.shape import NETWORKS, OUTER_KERNEL_SIZES, NetworkName, NetworkShape

LossNetworkName = Literal["auto", "vgg16", "vgg19", "compact"]
Optimizer = Literal["muon", "adam"]
Decay = Literal["cosine", "none"]
LoggerName = Literal["wandb", "tensorboard", "csv", "none"]

AUTO_LOSS_NETWORK = "auto"
COMPACT_LOSS_NETWORK = "compact"

# VGG-16's are the paper's (arXiv:1603.08155, section 4.1); VGG-19's reach as deep in its own numbering. The
# compact network stands for VGG-19.
DEFAULT_STYLE_LAYERS: dict[str, tuple[str, ...]] = {
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    "vgg19": ("relu1_2", "relu2_2", "relu3_4", "relu4_1"),
    "compact": ("relu1_2", "relu2_2", "relu3_4", "relu4_1"),
}

DEFAULT_STYLE_WEIGHT = 8.0

# What is streamed where the user names no data, and what stands for data that needs no files.
DEFAULT_DATA = "detection-datasets/coco"
GENERATED_DATA = "generated"

STRENGTHS = range(1, 11)
_DEFAULT_STRENGTH = 5
# Each level of --strength is so many times the style weight of the one below it. With 1.6 the levels reach
# from a weight of 1.2, which recolours the photo, to one of 84, under which it is hard to find again.
_STRENGTH_FACTOR = 1.6

# Longer sides of images in pixels: relu4_1 has an eighth of the least, and beyond the most the loss network
# takes tens of gigabytes for one image.
LEAST_SIZE = 16
MOST_SIZE = 4096


@dataclass
class TrainingConfig:
    """Train one style: a painting and many photos in, a checkpoint out.

    The defaults are those of the `default` preset, for a GPU.

    Attributes:
        style: The painting: an image file.
        data: Photos: a folder (nested is fine), a Hugging Face data set with an image column, streamed, or
            generated, which makes images as they are needed. By default COCO from the hub, or generated where
            the hub cannot be reached.
        generated_share: Part of the crops that are of generated photos, among those of your folder.
        name: Name of the style; the file name of the painting by default.
        style_author: Who painted it, for the style file's metadata.
        style_licence: Rights of the painting, for the style file's metadata.
        output: Folder for the checkpoint, the preview and the logs.
        fresh: Train from the start even if the checkpoint exists.
        init: What the network starts from: none, random weights; auto, the bundled style that is nearest to
            the painting; or a style's name, a .ckpt or an .onnx file. Another style's weights save steps.
        teacher: A trained style, by name or ONNX file, that the network learns to copy first: a quick start
            for a smaller network of the same painting.
        teacher_share: For which part of the training's arithmetic.
        style_size: Size of the brush: the longer side, in pixels, that the painting is resized to. Larger:
            coarser strokes.
        strength: How strongly the style counts: 1 leaves the photo's shapes whole, 10 little of the photo;
            5 by default. One level serves every painting.
        style_weight: The same as a number, in the place of --strength: level 5 is 8, and each is 1.6 times
            the one below it.
        content_weight: Weight of the content term.
        tv_weight: Weight of the total variation, which smooths.
        repetition_weight: Weight of the term against lattices: dots and hatches that repeat in even regions.
        content_layers: Layers whose activations hold the content.
        style_layers: Layers whose Gram matrices hold the style; by default the loss network's usual four.
        style_layer_weights: One for each style layer, such as 1,1,2,2: how much it counts beside the others;
            by default all count alike.
        loss_network: Pretrained network that compares images. compact comes with fastnst and halves the time;
            auto is vgg16, or compact where vgg16 cannot be downloaded.
        loss_network_weights: VGG file (.pth, .safetensors) instead of the download.
        quality_weights: VGG-19 file for measuring C and S instead of the download.
        network: full, the paper's network; fast, a fifth of its time on a CPU; tiny, for phones and browsers.
        width: Channels of the first layer, in the place of the network's own (32, 12, 8).
        residual_blocks: Number of residual blocks, likewise (5, 3, 2).
        outer_kernel_size: Size of the first and the last convolution's kernels, likewise (9, 5, 5).
        images: Crops to train on, in all.
        image_size: Side of a crop in pixels.
        crop_stages: Training goes through so many sizes of crops, each twice the one before, up to
            image_size. Each gets the same arithmetic, so that more steps fit into the same time.
        crop_scale: Least and greatest part of a photo's area in a crop: small parts suit small crops, which
            then show things at the size that they have in whole photos.
        batch_size: Crops a step, on each device.
        optimizer: muon steps equally far in all directions of a kernel, and needs fewer steps; adam is the
            paper's.
        learning_rate: At its highest.
        warmup_steps: Steps until the learning rate is at its highest.
        decay: How the learning rate falls after that: along a cosine to 0, or not at all, as in the paper.
        gradient_clip: Greatest norm of the gradient; 0 for no limit.
        seed: Of the network's first weights, the order of the photos and the crops.
        workers: Processes that decode photos; by default one for each core, up to 16, that training leaves.
        cache_gb: Gigabytes for a folder's decoded photos, kept for the next epochs; by default a quarter of
            the free memory. 0 keeps none.
        validation_photos: Photos kept out of training, for the previews and for measuring C and S.
        quality_size: Longer side of the photos on which C and S are measured; 0 does not measure them, and
            needs no VGG-19.
        accelerator: cpu, cuda, mps; auto takes the best at hand.
        devices: How many devices, or which, as Lightning reads it.
        num_nodes: Machines.
        strategy: How they share the work, as Lightning reads it, such as ddp.
        precision: 16-mixed, bf16-mixed or 32-true, as Lightning names them; auto takes the fastest that the
            device has.
        compile: Compile the step with torch.compile first: a minute or more, worth it in long runs on a GPU.
        logger: Where the curves go.
        wandb_project: Project on wandb.
        log_every: Steps between two points of the curves.
        preview_seconds: Time between two previews.
        checkpoint_seconds: Time between two checkpoints.
        trainer: Any other argument of Lightning's Trainer, such as --trainer.profiler simple.
    """

    style: Path
    data: str | None = None
    generated_share: float = 0.0
    name: str | None = None
    style_author: str = ""
    style_licence: str = ""
    output: Path = Path("checkpoints")
    fresh: bool = False

    init: str = "none"
    teacher: str | None = None
    teacher_share: float = 0.35

    style_size: int = 384
    strength: int | None = None
    style_weight: float | None = None
    content_weight: float = 1.0
    tv_weight: float = 0.0
    repetition_weight: float = 0.2
    content_layers: tuple[str, ...] = ("relu3_3",)
    style_layers: tuple[str, ...] | None = None
    style_layer_weights: tuple[float, ...] | None = None
    loss_network: LossNetworkName = "auto"
    loss_network_weights: Path | None = None
    quality_weights: Path | None = None

    network: NetworkName = "full"
    width: int | None = None
    residual_blocks: int | None = None
    outer_kernel_size: int | None = None

    images: int = 160_000
    image_size: int = 256
    crop_stages: int = 1
    crop_scale: tuple[float, float] = (0.25, 1.0)
    batch_size: int = 16
    optimizer: Optimizer = "muon"
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay: Decay = "cosine"
    gradient_clip: float = 10.0
    seed: int = 0
    workers: int | None = None
    cache_gb: float | None = None
    validation_photos: int = 8
    quality_size: int = 512

    accelerator: str = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    compile: bool = False

    logger: LoggerName = "wandb"
    wandb_project: str = "fastnst"
    log_every: int = 25
    preview_seconds: float = 60.0
    checkpoint_seconds: float = 60.0
    trainer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in what follows from other options, and check the rest.

        Raises:
            FastnstError: If a value is out of its range, in one line that names the option.
        """
        if self.name is None:
            self.name = self.style.stem
        if not self.name or self.name != Path(self.name).name or self.name.startswith("."):
            raise FastnstError(f"--name {self.name!r} must be a plain file name without folders")
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
        if not self.init:
            raise FastnstError("--init must be none, auto, a style's name or a file")
        at_least = {
            "style_size": LEAST_SIZE,
            "width": 1,
            "residual_blocks": 0,
            "images": 1,
            "image_size": LEAST_SIZE,
            "crop_stages": 1,
            "batch_size": 1,
            "warmup_steps": 0,
            "gradient_clip": 0,
            "style_weight": 0,
            "content_weight": 0,
            "tv_weight": 0,
            "repetition_weight": 0,
            "validation_photos": 1,
            "quality_size": 0,
            "log_every": 1,
            "num_nodes": 1,
            "seed": 0,
            "preview_seconds": 0,
            "checkpoint_seconds": 0,
        }
        for option, least in at_least.items():
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
        self._check_style_layer_weights()

    @property
    def style_name(self) -> str:
        """The name of the style."""
        return typing.cast("str", self.name)

    @property
    def resolved_data(self) -> str:
        """The data that was named, or else what is tried first."""
        return DEFAULT_DATA if self.data is None else self.data

    @property
    def resolved_style_weight(self) -> float:
        """The weight of the style term, that of the strength where no weight was given."""
        return typing.cast("float", self.style_weight)

    @property
    def resolved_style_layers(self) -> tuple[str, ...]:
        """The style layers, the loss network's own where none were given.

        Before `auto` is settled there are none.
        """
        return typing.cast("tuple[str, ...]", self.style_layers)

    @property
    def network_shape(self) -> NetworkShape:
        """The network's shape: its own, or what was given in the place of it."""
        return NetworkShape(
            typing.cast("int", self.width),
            typing.cast("int", self.residual_blocks),
            typing.cast("int", self.outer_kernel_size),
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

    def _check_style_layer_weights(self) -> None:
        if self.style_layer_weights is None:
            return
        # Before `auto` is settled: the usual layers are as many for every network.
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
