"""The end of a run: the last preview, C and S3, the last checkpoint, and what the user is told."""

from __future__ import annotations

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from train.config import GENERATED_DATA, TrainingConfig
from train.machine.out_of_memory import advise_on_memory
from train.network.record import Quality
from train.photos.sources import validation_images
from train.report.metrics import loss_metrics
from train.report.preview import PREVIEW_PHOTOS, PREVIEW_SIZE
from train.report.progress import tell_finished
from train.report.tracking import log_quality
from train.run.final_quality import measure_and_tell
from train.run.settle import SettledRun
from train.run.training import TrainedRun
from train.step.style_transfer import StyleTransfer
from train.terminal import clock, print_path, say_once, tell


def finish(settled: SettledRun, trained: TrainedRun) -> Quality | None:
    """Draw the last preview, measure the style, save the run and say how good it is.

    Args:
        settled: The run.
        trained: Its training, which reached the last step.

    Returns:
        C and S3; None if they could not be measured.

    Raises:
        FastnstError: If there is too little memory to measure; the trained style is saved first.
    """
    config, trainer, module = settled.config, trained.trainer, trained.module
    trained.rolling.save(trainer, module)  # a signal may interrupt the measuring too
    with advise_on_memory(
        ("--quality-size", config.quality_size),
        then=f"the style is trained, in {config.checkpoint_path}: nothing is lost",
    ):
        module.finished = True
        if trainer.is_global_zero:
            _measure(settled, trained)
    trained.rolling.save(trainer, module)
    _say_results(config, module)
    return module.quality


def _measure(settled: SettledRun, trained: TrainedRun) -> None:
    config, trainer, module, preview = settled.config, trained.trainer, trained.module, trained.preview
    device = trainer.strategy.root_device
    module.to(device).eval()
    module.move_loss_network()
    say_once("drawing the preview")
    shown = validation_images(settled.photos, config.quality_size or PREVIEW_SIZE)
    preview.photos = shown[:PREVIEW_PHOTOS]
    module.final_losses = preview.renew(module, trainer.global_step)
    tell("preview", path=str(config.preview_path), step=trainer.global_step, photos=len(preview.photos))
    if module.losses is not None:
        module.final_losses |= loss_metrics(module.losses, "train")
    if settled.quality_network is None:
        return
    module.quality = measure_and_tell(module, shown, module.style, settled.quality_network.to(device))
    log_quality(module.logger, module.quality, trainer.global_step)


@rank_zero_only
def _say_results(config: TrainingConfig, module: StyleTransfer) -> None:
    losses = module.final_losses
    say_once(
        f"trained in {clock(module.seconds)}; on {_kind_of_photos(config)} it never saw: "
        f"content {losses['val/content_loss']:.3f}, style {losses['val/style_loss']:.4f}"
    )
    if module.quality is not None:
        say_once(
            f"C {module.quality.content:.3f} (content lost), S3 {module.quality.style:.4f} (style missed) "
            f"at {module.quality.size} px{_not_comparable(config)}"
        )
    if not tell_finished(config, module.global_step, module.seconds, module.quality):
        say_once(f"preview: {config.preview_path}")
        say_once("checkpoint:")
    print_path(config.checkpoint_path)


def _kind_of_photos(config: TrainingConfig) -> str:
    return "generated photos" if config.data == GENERATED_DATA else "photos"


def _not_comparable(config: TrainingConfig) -> str:
    if config.data != GENERATED_DATA:
        return ""
    return " on generated photos: not to be compared with those on real ones"
