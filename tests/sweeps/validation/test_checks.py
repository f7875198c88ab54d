"""A study against its workload: all mistakes in one report, each at its place."""

from __future__ import annotations

import pytest

from sweeps.study.document import from_text
from sweeps.study.problems import StudyError
from sweeps.study.study import parse
from sweeps.validation.checks import accept, check
from sweeps.workload import BadWorkload
from tests.sweeps.recipes import workload
from tests.sweeps.validation.blobs import HEAD, SEARCH, report, valid


@pytest.mark.parametrize(
    "text",
    [
        SEARCH,
        SEARCH + "baseline: {model: {widths: [8], blocks: [2]}, epochs: 3}",
        SEARCH + "constraints: [parameters <= 5M]",
        SEARCH + "early_terminate: {min_iter: 2}",
        SEARCH + "early_terminate: {min_iter: 2, max_iter: 10}",
        SEARCH + "  batch_size: {distribution: q_log_uniform_values, q: 1, min: 8, max: 64}",
        SEARCH + "  batch_size: {min: 8, max: 64}",
        SEARCH + "  model.dropout: {distribution: uniform, min: 0, max: 0.5}",
        "parameters: {model: {values: [{widths: [8], blocks: [2]}, {widths: [8, 8, 8], blocks: [1, 1, 1]}]}}",
        "toggles: [relu, momentum]",
        SEARCH + "ablation: {components: [relu, dropout], seeds: 6}",
        SEARCH + "ablation: {components: {a: {model.activation: identity}, b: {model: {dropout: 0.5}}}, seeds: 6}",
    ],
)
def test_a_study_that_fits_its_workload_passes(text: str) -> None:
    valid(text + "\n")


def test_missing_functions_of_a_workload_are_named() -> None:
    text = HEAD.replace("recipes:blobs", "recipes:bare") + "constraints: [macs <= 1G]\ntoggles: [relu]\n"
    text += "parameters: {lr: {min: 0.1, max: 0.5}}\nearly_terminate: {min_iter: 2}\n"
    text += "confirm: {top: 2, seeds: 3, prefer: smaller}\n"
    with pytest.raises(StudyError) as caught:
        accept(from_text(text, "s.yaml"))
    lines = str(caught.value).splitlines()
    assert "s.yaml:6: constraints: workload tests.sweeps.recipes:bare does not count" in lines[0]
    assert "s.yaml:7: toggles.0: unknown toggle 'relu'; there is none to choose from" in lines[1]
    assert "early_terminate.max_iter: is required: the recipe has no setting epochs" in lines[2]
    assert (
        "s.yaml:10: confirm.prefer: smaller needs the size of a recipe, but workload tests.sweeps.recipes:bare"
        in lines[3]
    )


def test_without_a_document_mistakes_have_keys_only() -> None:
    study = parse(from_text(HEAD + SEARCH + "baseline: {epochs: 0}\n", "s.yaml"))
    with pytest.raises(StudyError) as caught:
        check(study, workload())
    assert str(caught.value).startswith("baseline.epochs: must be greater")


def test_mistakes_of_options_name_the_option() -> None:
    assert "--set epoch: baseline.epoch: unknown setting 'epoch'; did you mean 'epochs'?" in report(SEARCH, "epoch=3")
    assert "or the study's 'run_cap'?" in report(SEARCH, "run_capp=3")
    assert "--set optimizer.lr: baseline.optimizer.lr: must be greater than 0" in report(SEARCH, "optimizer.lr=0")


def test_nested_parameters_are_placed_where_they_are_written() -> None:
    text = (
        "parameters:\n  optimizer:\n    parameters:\n      lr: {min: 0.1, max: 0.5}\n      rate: {min: 0.1, max: 0.5}\n"
    )
    assert "s.yaml:10: parameters.optimizer.parameters.rate: unknown setting 'optimizer.rate'" in report(text)


def test_mistakes_against_grammar_and_recipe_come_in_one_report() -> None:
    text = HEAD + "metod: grid\nparameters:\n  optimizer.lrr: {min: 0.1, max: 0.5}\n  optimizer.lr: {min: 2, max: 1}\n"
    with pytest.raises(StudyError) as caught:
        accept(from_text(text + "baseline: {epochs: 0}\nconfirm: {top: 0}\n", "s.yaml"))
    lines = [int(line.split(":")[1]) for line in str(caught.value).splitlines()]
    assert lines == [6, 8, 9, 10, 11, 11]


def test_a_faulty_study_of_an_unknown_workload_reports_both() -> None:
    with pytest.raises(StudyError, match=r"s\.yaml:3: workload: workload 'none\.such': no module"):
        accept(from_text(HEAD.replace("tests.sweeps.recipes:blobs", "none.such"), "s.yaml"))
    with pytest.raises(BadWorkload):
        accept(from_text(HEAD.replace("tests.sweeps.recipes:blobs", "none.such") + SEARCH, "s.yaml"))


def test_the_study_of_the_design_fits_cifar_sweep() -> None:
    study, loaded = accept(from_text(DESIGN, "resnet_budget.yaml"))
    assert loaded.name == "cifar_sweep"
    assert [dimension.key for dimension in study.space.dimensions][-1] == "model.blocks"


DESIGN = """\
name: resnet_budget
question: Which ResNet under 5M parameters is best on CIFAR-10, and which of its parts earn their place?
workload: cifar_sweep
baseline:
  data: {name: cifar10, validation: 5000}
  model: {name: resnet, blocks: [1, 1, 1, 1], widths: [64, 128, 256, 512], strides: [1, 2, 2, 2]}
  optimizer: {name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 5e-4}
  schedule: {name: cosine}
  epochs: 30
constraints: [parameters <= 5_000_000]
method: bayes
metric: {name: val_accuracy, goal: maximize}
run_cap: 60
parameters:
  optimizer.lr: {distribution: log_uniform_values, min: 0.003, max: 0.5}
  optimizer.name: {values: [sgd, adamw]}
  optimizer.momentum: {min: 0.8, max: 0.99, when: {optimizer.name: sgd}}
  model.blocks: {values: [[1, 1, 1, 1], [2, 1, 1, 1], [2, 2, 2, 2]]}
early_terminate: {type: asha, min_iter: 2, max_iter: 30, eta: 3}
confirm: {top: 5, seeds: 3}
ablation:
  baseline: best
  design: leave_one_out
  components: {relu: {model.activation: identity}, batch_norm: {model.norm: none}}
  seeds: 8
  margin: 0.5
final: {seeds: 3}
resources: {gpu: 0.5, cpu: 1}
budget: {gpu_hours: 12}
seed: 0
"""
