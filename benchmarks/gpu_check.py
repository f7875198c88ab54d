"""What is written for a GPU, seen on one: `python -m benchmarks.gpu_check [--data-dir DIR] [--data NAME] [--out FILE]`.

Whether steps run as graphs and compiled give the losses of eager ones over an epoch, whether a step ever waits for the
device, how fast the data path and the steps are, and what several trials on one GPU do together. Ends with 2 where
there is no CUDA device, with 1 where something is not as it should be. Nothing is kept of the training.
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

from benchmarks.kept import keep
from cifar_sweep.augment import Augmentation
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
    """One way of executing steps: its loss over an epoch, the eager one's distance, its speed, why not."""

    way: str
    train_loss: float
    apart: float
    epoch_images_per_s: float
    setup_s: float
    steps_per_s: float
    failure: str


def ways(recipe: Recipe, site: Site, seconds: float) -> list[Way]:
    """Every way over one epoch in this process, and over some steps in one of its own."""
    found: list[Way] = []
    for way in WAYS:
        own = recipe.model_copy(update={"execution": way})
        with trainer_of(own, site) as trainer:
            figures = trainer.run_epoch()
            log = trainer_log(trainer)
        lap = train_copies(own, site, 1, seconds)[0]
        loss = figures["train_loss"]
        apart = difference([loss], [found[0].train_loss if found else loss])
        steps = 1 / lap.step_s if lap.step_s else 0.0
        setup_s = max(0.0, lap.first_s - lap.step_s)
        found.append(Way(way, loss, apart, figures["images_per_s"], setup_s, steps, log or lap.failure))
    return found


def trainer_log(trainer: Trainer) -> str:
    """Why the trainer did not run as it was asked, if so."""
    return str(getattr(trainer.execution, "failure", ""))


@contextmanager
def trainer_of(recipe: Recipe, site: Site) -> Iterator[Trainer]:
    """A trainer of seed 0 before its first epoch, whose folder is thrown away."""
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        run = Run(seed=0, split_seed=0, device=site.device, data_dir=site.data_dir, folder=Path(folder))
        yield Trainer.start(recipe, run)


def waits(recipe: Recipe, site: Site) -> dict[str, str]:
    """By technique, what made a step wait for the device; empty where nothing did. Only a CUDA device tells."""
    found = {}
    for name, settings in TECHNIQUES.items():
        plain = recipe.model_dump(include={"data", "model", "batch_size", "precision"})
        own = Recipe.model_validate({**plain, **settings})
        with trainer_of(own, site) as trainer:
            rehearsal = Rehearsal(trainer)
            rehearsal.step()
            found[name] = _first_wait(rehearsal, site.device)
    return found


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
    """Images per second of crop, flip and scaling alone, the epoch's draws and its order included."""
    with trainer_of(recipe, site) as trainer:
        images, size = trainer.images, recipe.images_per_step
        started, count, epoch = time.perf_counter(), 0, 0
        while (took := time.perf_counter() - started) < seconds:
            order = images.train[torch.randperm(len(images.train)).to(trainer.device)]
            drawn = Augmentation.drawn(recipe.augment, recipe.data.shape, len(order), 0, epoch, trainer.device)
            for start in range(0, len(order) - size + 1, size):
                batch = slice(start, start + size)
                drawn.mix(*drawn.batch(images.source, order[batch], batch), batch)
                count += size
            if site.device == "cuda":
                torch.cuda.synchronize()
            epoch += 1
        return count / took


def check(recipe: Recipe, site: Site, seconds: float, most: int) -> tuple[dict[str, Any], str, bool]:
    """All figures, the same as Markdown, and whether all is as it should be."""
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
    """The exit code."""
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
    keep(result, text, given.out)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
