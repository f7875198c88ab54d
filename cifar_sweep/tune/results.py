"""The results of `sweep tune-batch` and `sweep tune-lr`."""

from __future__ import annotations

from dataclasses import asdict

from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch_size.batch import auto_batch_size, largest_batch, training_images
from cifar_sweep.tune.prepare import with_settled_data
from cifar_sweep.tune.rate import learning_rate_range
from sweeps.workload import Run, Site, Tuned

LIMIT = 8192  # a person reads the speeds, so larger batches than `auto` takes are tried


def tune_batch(recipe: Recipe, site: Site) -> Tuned:
    """Find the largest batch that fits; rows are the sizes that were tried, with their speed and memory."""
    recipe = with_settled_data(recipe)
    images, resident = training_images(recipe, site)
    batches = largest_batch(recipe, site, images, resident=resident, limit=LIMIT, timed=True)
    rows = [asdict(attempt) for attempt in batches.attempts]
    if not batches.largest:
        return Tuned({}, rows, f"No batch fits the memory of the {site.device}: use a smaller network.")
    reason = _reason(batches.largest, images, batches.limit)
    kind = "measured" if site.device == "cuda" else "estimated"
    note = (
        f"{reason} The memory is {kind}. The largest batch is not the best: fewer steps per epoch may need another lr."
    )
    return Tuned({"batch_size": batches.largest}, rows, note)


def tune_lr(recipe: Recipe, site: Site) -> Tuned:
    """Find the learning rate at which the loss of the range test falls steepest; rows are the whole curve."""
    recipe = with_settled_data(recipe)
    size = recipe.batch_size if isinstance(recipe.batch_size, int) else auto_batch_size(recipe, site)
    run = Run(
        seed=0,
        split_seed=0,
        device=site.device,
        data_dir=site.data_dir,
        folder=site.data_dir,
        runs_dir=site.runs_dir,
    )
    curve = learning_rate_range(recipe.model_copy(update={"batch_size": size}), run)
    rows = [
        {"lr": rate, "loss": loss, "smoothed_loss": smoothed}
        for rate, loss, smoothed in zip(curve.rates, curve.losses, curve.smoothed, strict=True)
    ]
    if curve.suggestion is None:
        return Tuned({}, rows, "The loss never fell: look at the data and the network before the learning rate.")
    note = f"The smoothed loss falls steepest here, in one run of {len(rows)} steps with batches of {size}."
    return Tuned({"optimizer.lr": curve.suggestion}, rows, f"{note} A search around it is the better evidence.")


def _reason(largest: int, images: int, limit: int) -> str:
    """Say why no larger batch is given."""
    if largest == images:
        return f"All {images:,} training images fit one batch."
    return f"{largest:,} is the most that is tried." if largest == limit else f"More than {largest:,} does not fit."
