from __future__ import annotations

import pytest

from sweeps.study.document import edit, from_text
from sweeps.study.study import Study, StudyError, parse
from sweeps.validation.checks import accept, check
from sweeps.validation.combinations import SAMPLE
from sweeps.workload import BadWorkload
from tests.sweeps.recipes import workload

HEAD = """\
name: x
question: Which?
workload: tests.sweeps.recipes:blobs
metric: {name: val_accuracy, goal: maximize}
run_cap: 8
"""
SEARCH = "parameters:\n  optimizer.lr: {min: 0.01, max: 0.5}\n"


def report(text: str, *assignments: str) -> str:
    document = edit(from_text(HEAD + text, "s.yaml"), assignments)
    with pytest.raises(StudyError) as caught:
        check(parse(document), workload(), document)
    return str(caught.value)


def good(text: str, *assignments: str) -> Study:
    document = edit(from_text(HEAD + text, "s.yaml"), assignments)
    study = parse(document)
    check(study, workload(), document)
    return study


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
    good(text + "\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("baseline:\n  optimizer:\n    rl: 3\n", "s.yaml:10: baseline.optimizer.rl: unknown setting 'optimizer.rl'"),
        (
            "baseline: {optimizer: {momentm: 3}}",
            "did you mean 'optimizer.momentum'? valid: optimizer.name",
        ),
        ("baseline: {lr: 3}", "unknown setting 'lr'; did you mean 'optimizer.lr'? valid: data, model, optimizer"),
        ("baseline: {optimizer.lr: 3}", "write it in its section: optimizer: {lr: …}"),
        ("baseline:\n  epochs: 0\n", "s.yaml:9: baseline.epochs: must be greater than or equal to 1 but got 0"),
        ("baseline: {epochs: ten}", "baseline.epochs: must be a valid integer but got 'ten'"),
        ("baseline: {model: {widths: [8, x]}}", "baseline.model.widths.1: must be a valid integer but got 'x'"),
        ("baseline: {model: {widths: [8]}}", "baseline.model: widths has 1 stages but blocks has 2"),
        ("baseline: {model: 3}", "baseline.model: "),
    ],
)
def test_mistakes_of_the_baseline_name_line_and_rule(text: str, expected: str) -> None:
    assert expected in report(SEARCH + text + "\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("optimizer.rate: {min: 0.1, max: 0.5}", "s.yaml:8: parameters.optimizer.rate: unknown setting"),
        ("optim.lr: {min: 0.1, max: 0.5}", "did you mean 'optimizer.lr'?"),
        ("optimiser: {values: [1, 2]}", "did you mean 'optimizer'? valid: data, model, optimizer"),
        ("optimizer.name: {values: [sgd, lion]}", "s.yaml:8: parameters.optimizer.name.values.1: must be 'sgd' or"),
        ("optimizer.momentum: {min: 0.5, max: 1.0}", "momentum.max: must be less than 1 but got 1.0"),
        ("optimizer.momentum: {min: -0.5, max: 0.5}", "momentum.min: must be greater than or equal to 0 but got -0.5"),
        ("optimizer.momentum: {value: 2}", "momentum.value: must be less than 1"),
        ("optimizer.momentum: {min: 0, max: 1}", "momentum.min: whole bounds search whole numbers only"),
        ("optimizer.momentum: {min: 0, max: 1}", "write min: 0.0, or distribution: uniform"),
        ("batch_size: {min: 8.0, max: 64.0}", "the recipe takes integers only: write distribution: int_uniform"),
        (
            "batch_size: {distribution: log_uniform_values, min: 8, max: 64}",
            "batch_size.distribution: the recipe takes integers only: write distribution: q_log_uniform_values with q",
        ),
        ("batch_size: {min: 0.5, max: 2.0, q: 0.5, distribution: q_uniform}", "a whole q with whole bounds"),
        ("batch_size: {values: [8, 16.5]}", "batch_size.values.1: must be a valid integer but got 16.5"),
        ("model: {values: [{widths: [8, 8]}, {width: [4, 4]}]}", "values.1.width: unknown setting 'model.width'"),
        ("model: {values: [{dropout: 0.1}, {dropout: 2}]}", "values.1: dropout: must be less than 1 but got 2"),
        ("model: {values: [3, 4]}", "parameters.model.values.0: "),
        ("toggle.relu: {values: [true, false]}", "unknown setting 'toggle.relu'"),
    ],
)
def test_mistakes_of_a_parameter_name_value_and_way_out(words: str, expected: str) -> None:
    assert expected in report(SEARCH + f"  {words}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("toggles: [relu, momentun]", "s.yaml:6: toggles.1: unknown toggle 'momentun'; did you mean 'momentum'? valid"),
        ("toggles: [dropout]", "toggles.0: dropout changes nothing: the baseline already has model.dropout = 0.0"),
        (
            "toggles: [momentum]\nparameters: {optimizer.momentum: {min: 0.5, max: 0.9}}",
            "momentum sets optimizer.momentum, but optimizer.momentum is searched too",
        ),
        (
            "toggles: [relu]\nparameters: {model: {values: [{dropout: 0.1}, {dropout: 0.2}]}}",
            "relu sets model.activation, but model is searched too",
        ),
        (
            "ablation: {components: [rely], seeds: 6}",
            "ablation.components.0: unknown toggle 'rely'; did you mean 'relu'?",
        ),
        (
            "ablation:\n  seeds: 6\n  components:\n    a: {model.norm: none}",
            "s.yaml:9: ablation.components.a.model.norm: unknown setting 'model.norm'",
        ),
        (
            "ablation: {seeds: 6, components: {a: {model.activation: gelu}}}",
            "ablation.components.a.model.activation: must be 'relu' or 'identity' but got 'gelu'",
        ),
        (
            "ablation: {seeds: 6, components: {a: {model: {norm: none}}}}",
            "components.a.model.norm: unknown setting 'model.norm'",
        ),
    ],
)
def test_mistakes_of_toggles_and_components(text: str, expected: str) -> None:
    assert expected in report(text + "\n" if "parameters" in text else f"{text}\n{SEARCH}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("early_terminate: {min_iter: 2, max_iter: 11}", "max_iter: must not be above epochs = 10 but got 11"),
        ("early_terminate: {min_iter: 10}", "min_iter: must be below the trial's 10 epochs but got 10"),
        ("early_terminate: {type: median, min_iter: 10}", "min_iter: must be below the trial's 10 epochs but got 10"),
        (
            "method: random\nearly_terminate: {type: one_epoch, epochs: 10}",
            "early_terminate.epochs: must be below the trial's 10 epochs but got 10",
        ),
        ("early_terminate: {min_iter: 3}\nbaseline: {epochs: 3}", "must be below the trial's 3 epochs but got 3"),
        ("early_terminate: {min_iter: 2}\n", "searched epochs with early_terminate would favour short schedules"),
    ],
)
def test_early_termination_fits_the_epochs(text: str, expected: str) -> None:
    searched = "  epochs: {min: 5, max: 9}\n" if "searched" in expected else ""
    assert expected in report(SEARCH + searched + text)


def test_a_constant_number_of_epochs_counts() -> None:
    text = SEARCH + "  epochs: {value: 4}\nearly_terminate: {min_iter: 4}\n"
    assert "must be below the trial's 4 epochs" in report(text)


def test_what_a_workload_lacks_is_named() -> None:
    text = HEAD.replace("recipes:blobs", "recipes:bare") + "constraints: [macs <= 1G]\ntoggles: [relu]\n"
    text += "parameters: {lr: {min: 0.1, max: 0.5}}\nearly_terminate: {min_iter: 2}\n"
    with pytest.raises(StudyError) as caught:
        accept(from_text(text, "s.yaml"))
    lines = str(caught.value).splitlines()
    assert "s.yaml:6: constraints: workload tests.sweeps.recipes:bare does not count" in lines[0]
    assert "s.yaml:7: toggles.0: unknown toggle 'relu'; there is none to choose from" in lines[1]
    assert "early_terminate.max_iter: is required: the recipe has no setting epochs" in lines[2]


def test_a_refused_combination_is_reduced_to_the_settings_at_fault() -> None:
    text = SEARCH + "  optimizer.name: {values: [sgd, adam]}\n  model.blocks: {values: [[1, 1], [1, 1, 1]]}\n"
    found = report(text)
    assert (
        "s.yaml:9: parameters.model.blocks: the recipe refuses model.blocks = [1, 1, 1]: model: widths has 2" in found
    )
    assert "(4 of 8 combinations)" in found  # both ends of lr, two names, one of two blocks
    assert len(found.splitlines()) == 1


def test_settings_that_need_each_other_pass_under_a_condition_or_coupled() -> None:
    widths = "  model.widths: {values: [[8], [8, 8]]}\n"
    assert "refuses model.widths = [8]" in report("parameters:\n" + widths)
    coupled = "  model.widths: {values: [[8], [8, 8]]}\n"
    coupled += "  model.blocks: {value: [2], when: {model.widths: [[8]]}}\n"
    assert good("parameters:\n" + coupled).space.size == 2


def test_a_toggle_takes_part_in_combinations() -> None:
    name = HEAD.replace("recipes:blobs", "recipes:fussy")
    text = name + "toggles: [relu]\nparameters: {model.dropout: {values: [0.0, 0.5]}}\n"
    with pytest.raises(StudyError, match=r"refuses model\.dropout = 0\.5, toggle\.relu = False: dropout needs relu"):
        accept(from_text(text, "s.yaml"))


def test_a_large_space_is_sampled() -> None:
    many = ", ".join(str(number / 100) for number in range(60))
    text = f"parameters:\n  model.dropout: {{values: [{many}]}}\n  optimizer.momentum: {{values: [{many}]}}\n"
    text += "  model.blocks: {values: [[1, 1], [1, 1, 1]]}\n"
    assert f"of {SAMPLE} combinations" in report(text)


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


def test_grammar_and_recipe_are_judged_in_one_report() -> None:
    text = HEAD + "metod: grid\nparameters:\n  optimizer.lrr: {min: 0.1, max: 0.5}\n  optimizer.lr: {min: 2, max: 1}\n"
    with pytest.raises(StudyError) as caught:
        accept(from_text(text + "baseline: {epochs: 0}\nconfirm: {top: 0}\n", "s.yaml"))
    lines = [int(line.split(":")[1]) for line in str(caught.value).splitlines()]
    assert lines == [6, 8, 9, 10, 11, 11]


def test_combinations_wait_until_the_grammar_stands() -> None:
    text = "parameters:\n  model.widths: {values: [[8], [8, 8]]}\n"
    text += "  model.blocks: {value: [2], when: {model.widths: [[8]]}}\nseed: -1\n"
    with pytest.raises(StudyError) as caught:
        accept(from_text(HEAD + text, "s.yaml"))
    assert [mistake.key for mistake in caught.value.mistakes] == ["seed"]


def test_a_faulty_study_of_an_unknown_workload_tells_both() -> None:
    with pytest.raises(StudyError, match=r"s\.yaml:3: workload: workload 'none\.such': no module"):
        accept(from_text(HEAD.replace("tests.sweeps.recipes:blobs", "none.such"), "s.yaml"))
    with pytest.raises(BadWorkload):
        accept(from_text(HEAD.replace("tests.sweeps.recipes:blobs", "none.such") + SEARCH, "s.yaml"))


def test_the_study_of_the_design_fits_cifar_sweep() -> None:
    study, found = accept(from_text(DESIGN, "resnet_budget.yaml"))
    assert found.name == "cifar_sweep"
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
