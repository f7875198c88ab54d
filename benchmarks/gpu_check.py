"""Check the GPU code on a GPU: `python -m benchmarks.gpu_check [--data-dir DIR] [--data NAME] [--out FILE]`.

Checks that steps run as graphs or compiled give the losses of eager steps over an epoch, and that no step waits for the
device. Measures the speed of the data path, of the steps, and of several trials on one GPU. Exit code 2 without a CUDA
device, 1 if a check fails. Models are not saved.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.common import write_result
from cifar_sweep.augment import Augmentation
from cifar_sweep.device.exchange import send
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune.copies import train_copies
from cifar_sweep.tune.execution import TOLERANCES, difference
from cifar_sweep.tune.rehearsal import Rehearsal
from cifar_sweep.tune.sharing import gpu_share
from cifar_sweep.workload import prepare
from sweeps.prepare.environment import data_dir
from sweeps.workload import Run, Site

NO_DEVICE = 2
WAYS = ("eager", "graph", "compile")
IMAGES_PER_S = 50_000
MOST_COPIES = 8
TECHNIQUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "mixing": {"augment": {"mix": {"mixup": 0.2, "cutmix": 1.0}}},
    "operations": {"augment": {"rand_augment": {}, "erasing": {"value": "random"}, "rotation": {"degrees": 15}}},
    "regularised": {"regularization": {"ema": 0.99, "grad_clip": 1.0, "label_smoothing": 0.1}},
    "muon": {"optimizer": {"name": "muon", "lr": 0.02}},
    "adamw": {"optimizer": {"name": "adamw", "lr": 0.002}},
}


@dataclass(frozen=True)
class Way:
    """The result of one way of executing steps.

    Attributes:
        apart: Difference of its loss to the eager one's.
        failure: Why the trainer fell back to another way, or "".
    """

    way: str
    train_loss: float
    apart: float
    epoch_images_per_s: float
    setup_s: float
    steps_per_s: float
    failure: str


def ways(recipe: Recipe, site: Site, seconds: float) -> list[Way]:
    """Measure every way over one epoch in this process, and over some steps in another one."""
    measured: list[Way] = []
    for way in WAYS:
        own = recipe.model_copy(update={"execution": way})
        with trainer_of(own, site) as trainer:
            figures = trainer.run_epoch()
            log = trainer_log(trainer)
        lap = train_copies(own, site, 1, seconds)[0]
        loss = figures["train_loss"]
        apart = difference([loss], [measured[0].train_loss if measured else loss])
        steps = 1 / lap.step_s if lap.step_s else 0.0
        setup_s = max(0.0, lap.first_s - lap.step_s)
        measured.append(Way(way, loss, apart, figures["images_per_s"], setup_s, steps, log or lap.failure))
    return measured


def trainer_log(trainer: Trainer) -> str:
    """Return why the trainer fell back to another way, or ""."""
    return str(getattr(trainer.execution, "failure", ""))


@contextmanager
def trainer_of(recipe: Recipe, site: Site) -> Iterator[Trainer]:
    """Yield a new trainer of seed 0 with a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        run = Run(seed=0, split_seed=0, device=site.device, data_dir=site.data_dir, folder=Path(folder))
        yield Trainer.start(recipe, run)


def waits(recipe: Recipe, site: Site) -> dict[str, str]:
    """Return, by technique, the call that made a step wait for the device, or ""; only CUDA devices report it."""
    reasons = {}
    for name, settings in TECHNIQUES.items():
        plain = recipe.model_dump(include={"data", "model", "batch_size", "precision"})
        own = Recipe.model_validate({**plain, **settings})
        with trainer_of(own, site) as trainer:
            rehearsal = Rehearsal(trainer)
            rehearsal.step()
            reasons[name] = _first_wait(rehearsal, site.device)
    return reasons


def _first_wait(rehearsal: Rehearsal, device: str) -> str:
    if device != "cuda":
        return ""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            rehearsal.step()
    except RuntimeError as error:
        return (str(error).splitlines() or [""])[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""


def data_path(recipe: Recipe, site: Site, seconds: float) -> float:
    """Return the images per second of crop, flip and scaling, including the epoch's random draws and order."""
    with trainer_of(recipe, site) as trainer:
        images, index, size = trainer.images, trainer.images.train.cpu(), recipe.images_per_step
        started, count, epoch = time.perf_counter(), 0, 0
        while (took := time.perf_counter() - started) < seconds:
            order = index[torch.randperm(len(index))]
            drawn = Augmentation.drawn(recipe.augment, recipe.data.shape, len(order), 0, epoch, trainer.device, order)
            [order] = send([order], trainer.device)
            for start in range(0, len(order) - size + 1, size):
                batch = slice(start, start + size)
                drawn.mix(*drawn.batch(images.source, order[batch], batch), batch)
                count += size
            if site.device == "cuda":
                torch.cuda.synchronize()
            epoch += 1
        return count / took


def check(recipe: Recipe, site: Site, seconds: float, most: int) -> tuple[dict[str, Any], str, bool]:
    """Return all figures, the same as Markdown, and whether all checks passed."""
    prepared = prepare(recipe, Site(site.data_dir, site.device, measure=False))
    recipe = Recipe.model_validate({**recipe.model_dump(), **prepared.settings})
    precision: Literal["fp32", "bf16"] = "bf16" if recipe.precision == "bf16" else "fp32"
    tried, waited, speed = ways(recipe, site, seconds), waits(recipe, site), data_path(recipe, site, seconds)
    sharing = gpu_share(recipe, site, most)
    name = torch.cuda.get_device_name() if site.device == "cuda" else "CPU"
    wrong = [f"{each.way}: {each.failure}" for each in tried if each.failure]
    wrong += [
        f"{each.way}: its loss is {each.apart:.2g} apart" for each in tried if not each.apart <= TOLERANCES[precision]
    ]
    wrong += [f"a step waits for the device ({technique}): {why}" for technique, why in waited.items() if why]
    wrong += [f"the data path is below {IMAGES_PER_S:,} images/s"] if speed < IMAGES_PER_S else []
    result = {
        "device": name,
        "torch": torch.__version__,
        "precision": precision,
        "ways": [asdict(each) for each in tried],
        "waits": waited,
        "data_images_per_s": speed,
        "sharing": asdict(sharing),
        "wrong": wrong,
    }
    return result, _text(result, tried, sharing.note), not wrong


def _text(result: dict[str, Any], tried: list[Way], sharing: str) -> str:
    rows = [
        f"| {each.way} | {each.train_loss:.5f} | {each.apart:.2g} | {each.epoch_images_per_s:,.0f} "
        f"| {each.setup_s:.2f} | {each.steps_per_s:,.1f} | {each.failure or '–'} |"
        for each in tried
    ]
    waited = [f"{technique} ({why})" for technique, why in result["waits"].items() if why]
    return "\n".join([
        f"# A GPU seen at work: {result['device']}, torch {result['torch']}, {result['precision']}",
        "",
        "| way | loss of an epoch | apart from eager | images/s of it | set-up (s) | steps/s | fell back because |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"- data path alone: {result['data_images_per_s']:,.0f} images/s (wanted: {IMAGES_PER_S:,})",
        f"- steps that wait for the device: {', '.join(waited) or 'none seen'}",
        f"- trials on one GPU: {sharing}",
        f"- not as it should be: {'; '.join(result['wrong']) or 'nothing'}",
        "",
    ])  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Run the checks and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-dir", type=Path, help="where the data is; else as for sweep")
    parser.add_argument("--data", default="cifar10", help="the data set: cifar10, digits, ...")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each speed is measured")
    parser.add_argument("--copies", type=int, default=MOST_COPIES, help="the most trials that are tried on one GPU")
    parser.add_argument("--out", type=Path, help="two files are written: FILE.md and FILE.json")
    given = parser.parse_args(words)
    if not torch.cuda.is_available():
        print("no CUDA device here", file=sys.stderr)
        return NO_DEVICE
    recipe = Recipe.model_validate({"data": {"name": given.data}, "batch_size": given.batch_size, "epochs": 1})
    result, text, fine = check(recipe, Site(data_dir(given.data_dir), "cuda"), given.seconds, given.copies)
    write_result(result, text, given.out)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
