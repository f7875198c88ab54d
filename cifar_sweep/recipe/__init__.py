"""The recipe: all settings that decide how an image classifier is trained, with defaults for CIFAR-10.

Users see the docstrings of the recipe's classes and the descriptions of their fields: editors show them from the JSON
schema of study files (`sweep schema`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, SerializerFunctionWrapHandler, model_serializer, model_validator

from cifar_sweep.models import ModelRecipe
from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe.augment import AugmentRecipe, TestTimeAugmentation, check
from cifar_sweep.recipe.data import SHAPES, DataRecipe
from cifar_sweep.recipe.optim import OptimizerRecipe, ScheduleRecipe
from cifar_sweep.recipe.presets import expand
from cifar_sweep.recipe.pretrain import PretrainRecipe
from cifar_sweep.recipe.pseudo import PseudoLabelRecipe
from cifar_sweep.recipe.regularization import EarlyStopping, RegularizationRecipe
from cifar_sweep.recipe.techniques import DistillationRecipe
from cifar_sweep.recipe.transfer import TransferRecipe
from cifar_sweep.schema import Section

__all__ = [
    "AUTO",
    "SHAPES",
    "AugmentRecipe",
    "DataRecipe",
    "DistillationRecipe",
    "EarlyStopping",
    "ModelRecipe",
    "OptimizerRecipe",
    "PretrainRecipe",
    "PseudoLabelRecipe",
    "Recipe",
    "RegularizationRecipe",
    "ScheduleRecipe",
    "TestTimeAugmentation",
    "TransferRecipe",
]

AUTO = "auto"


def _batch_size(value: Any) -> int | str:
    # bool is a subclass of int: `batch_size: true` would otherwise be 1.
    if value == AUTO or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"give a number of images (1 or more) or {AUTO}")


BatchSize = Annotated[int | Literal["auto"], PlainValidator(_batch_size, json_schema_input_type=int | Literal["auto"])]


class Recipe(Section):
    """How one image classifier is trained. The defaults train a ResNet of 2.8 million parameters on CIFAR-10."""

    preset: Literal["fast"] | None = Field(
        default=None,
        exclude=True,
        description="Settings to start from. Settings given beside it override them, and a model, optimizer or "
        "schedule of another name takes none of the preset's. fast: the network and the techniques of "
        "cifar10-airbench, which are another experiment than the defaults. null: the defaults.",
    )
    data: DataRecipe = Field(default=DataRecipe(), description="The images.")
    augment: AugmentRecipe = Field(default=AugmentRecipe(), description="Augmentation of the images.")
    model: ModelRecipe = Field(default=ResNetRecipe(), description="The network.")
    transfer: TransferRecipe = Field(default=TransferRecipe(), description="Weights to start from, and frozen ones.")
    optimizer: OptimizerRecipe = Field(default=OptimizerRecipe(), description="The optimizer.")
    schedule: ScheduleRecipe = Field(default=ScheduleRecipe(), description="The learning rate schedule.")
    regularization: RegularizationRecipe = Field(default=RegularizationRecipe(), description="Regularisation.")
    distillation: DistillationRecipe | None = Field(default=None, description="A teacher to learn from; null: none.")
    pseudo_labels: PseudoLabelRecipe | None = Field(
        default=None, description="Labels that the network gives to the images of data.unlabelled; null: none."
    )
    pretrain: PretrainRecipe | None = Field(
        default=None, description="Self-supervised training of the body before the first epoch; null: none."
    )
    epochs: int = Field(default=30, ge=1, description="Passes over the training images.")
    batch_size: BatchSize = Field(
        default=128,
        description="Images per step; a last incomplete batch is left out. auto: the largest that fits the device, "
        "found once for the whole study; only in its baseline.",
    )
    tta: TestTimeAugmentation = Field(
        default="none",
        description="Test-time augmentation: the views of an image over which logits are averaged in validation, "
        "evaluation and prediction. mirror: the image and its mirror image; mirror_translate: both, and both moved by "
        "a pixel, six views in all.",
    )
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = Field(
        default="auto",
        description="Arithmetic of the network. fp32: float32 throughout; tf32: products of float32 numbers in "
        "TensorFloat-32 on a GPU that has it (Ampere and later), else fp32; bf16, fp16: layers in 16 bits, weights in "
        "float32, with fp16 the loss scaled so that small gradients are kept. auto: bf16 where the device computes in "
        "it, fp16 on older GPUs with tensor cores (V100, T4, RTX 20xx), else fp32; settled for the whole study.",
    )
    cudnn_benchmark: bool | None = Field(
        default=None,
        description="Whether cuDNN times its algorithms for each shape of a training on a GPU and uses the fastest. "
        "The choice, and with it the last digits of a run, may differ between two runs of one seed. null: true on a "
        "GPU (false for hierarchical models, which have many shapes), settled at the study's beginning.",
    )
    execution: Literal["auto", "eager", "compile", "graph", "compiled_graph"] = Field(
        default="auto",
        description="How steps are executed: eager, compile (by torch), graph (the whole step as one CUDA graph; eager "
        "on a CPU), or compiled_graph (both; compile on a CPU). auto: on a GPU the way that finishes a trial of the "
        "baseline soonest, measured once for the whole study; eager on a CPU. Hierarchical models, pre-training and "
        "validation are always eager.",
    )
    draws: int = Field(
        default=0,
        ge=0,
        description="Which random numbers the seed stands for: another value draws initial weights, order, "
        "augmentation, dropout and label noise anew, but not the split. As a component without effect it checks an "
        "ablation.",
    )

    @staticmethod
    def expand(settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return nested settings with those of their preset filled in."""
        return expand(settings)

    @model_validator(mode="before")
    @classmethod
    def _without_preset(cls, settings: Any) -> Any:
        return expand(settings) if isinstance(settings, Mapping) else settings

    @model_serializer(mode="wrap")
    def _without_absent_settings(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a setting of later versions where it is not set: recipes recorded before keep their digests."""
        content: dict[str, Any] = serialize(self)
        if self.cudnn_benchmark is None:
            content.pop("cudnn_benchmark", None)
        return content

    @property
    def images_per_step(self) -> int:
        """`batch_size` as a number. Raises ValueError for auto, which is settled before training."""
        if isinstance(self.batch_size, int):
            return self.batch_size
        raise ValueError("batch_size is auto, which is settled for the study's baseline only: give a number here")

    def _single_head_settings(self) -> dict[str, object]:
        """Return the settings that need a network with one head, by their key; None where they are not used."""
        teacher = self.distillation and self.distillation.teacher
        return {
            "transfer.weights": self.transfer.weights,
            "transfer.freeze": self.transfer.freeze,
            "distillation": teacher or None,
            "pseudo_labels": self.pseudo_labels,
            "pretrain": self.pretrain,
            "augment.mix": self.augment.mix,
        }

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        limit, images = self.data.train_limit, self.data.most_training_images
        if self.schedule.warmup_epochs > self.epochs:
            raise ValueError(f"schedule.warmup_epochs is {self.schedule.warmup_epochs} but epochs is {self.epochs}")
        if limit is not None and isinstance(self.batch_size, int) and self.batch_size > limit:
            raise ValueError(f"batch_size is {self.batch_size} but data.train_limit is {limit}")
        if images is not None and isinstance(self.batch_size, int) and 0 < images < self.batch_size:
            raise ValueError(
                f"batch_size must be at most {images}, as data.validation is {self.data.validation} of "
                f"{self.data.name}, but got {self.batch_size}"
            )
        if self.batch_size == 1 and self.model.batch_statistics:
            raise ValueError("batch_size is 1 but the network normalises over the batch, which needs 2 images or more")
        check(self.augment, self.data.shape)
        if isinstance(self.model, HierarchicalRecipe):
            self.model.check(self.data.name, self.data.shape.classes)
            self.model.refuse(self._single_head_settings())
        if self.pseudo_labels is not None:
            self.pseudo_labels.check(self.epochs, self.data.unlabelled)
        if self.pretrain is not None:
            self.pretrain.check(self.data.shape)
        return self
