from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.space.foreign import REASONS
from sweeps.space.space import Categorical, Numeric
from sweeps.study.document import from_text, write
from sweeps.study.search.early_terminate import EarlyTerminate
from sweeps.study.sections import Seeds
from sweeps.study.study import Study, StudyError, diff, dump, parse, schema
from tests.sweeps.recipes import workload

HEAD = "name: x\nquestion: Which?\nworkload: w\nmetric: {name: acc, goal: maximize}\n"
SEARCH = "run_cap: 8\nparameters:\n  lr: {min: 0.1, max: 1.0}\n"
DESIGNS = ["leave_one_out", "add_one_in", "factorial", "path", "alternatives"]
GIVEN = "ablation: {baseline: given, components: [relu], seeds: 6}\n"


def study(text: str) -> Study:
    return parse(from_text(text, "s.yaml"))


def report(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        study(text)
    return str(caught.value)


def parameter(words: str) -> str:
    return f"{HEAD}run_cap: 8\nparameters:\n  lr: {words}\n"


def test_a_small_study_has_the_defaults() -> None:
    small = study(HEAD + SEARCH)
    assert (small.method, small.seed, small.metric.at, small.run_cap) == ("bayes", 0, "last", 8)
    assert (small.resources.gpu, small.resources.cpu, small.budget.gpu_hours) == (None, 1.0, None)
    assert small.space.dimensions == (Numeric(key="lr", low=0.1, high=1.0),)


@pytest.mark.parametrize(
    ("words", "dimension"),
    [
        ("{values: [a, b]}", Categorical(key="lr", values=("a", "b"))),
        ("{values: [[1, 2], [3, 4]]}", Categorical(key="lr", values=([1, 2], [3, 4]))),
        ("{distribution: categorical, values: [a, null]}", Categorical(key="lr", values=("a", None))),
        ("{min: 1, max: 9}", Numeric(key="lr", low=1, high=9, integer=True, step=1)),
        ("{min: 1, max: 9.5}", Numeric(key="lr", low=1, high=9.5)),
        ("{min: 1, max: 9, distribution: uniform}", Numeric(key="lr", low=1, high=9)),
        ("{min: 0.1, max: 0.9, q: 0.1, distribution: q_uniform}", Numeric(key="lr", low=0.1, high=0.9, step=0.1)),
        (
            "{min: 8, max: 64, q: 8, distribution: q_uniform}",
            Numeric(key="lr", low=8, high=64, step=8, integer=True),
        ),
        ("{min: 1e-4, max: 1, distribution: log_uniform_values}", Numeric(key="lr", low=1e-4, high=1, log=True)),
        (
            "{min: 8, max: 64, q: 8, distribution: q_log_uniform_values}",
            Numeric(key="lr", low=8, high=64, log=True, quantum=8, integer=True),
        ),
    ],
)
def test_the_words_of_a_parameter_mean_a_dimension(words: str, dimension: Any) -> None:
    dimensions = study(parameter(words)).space.dimensions
    assert dimensions == (dimension,)
    assert [type(item) for item in getattr(dimensions[0], "values", ())] == [
        type(item) for item in getattr(dimension, "values", ())
    ]


def test_constants_are_no_dimensions_unless_conditional() -> None:
    text = SEARCH + "  epochs: {value: 3}\n  name: {values: [a, b]}\n  decay: {value: 0.1, when: {name: a}}\n"
    space = study(HEAD + text).space
    assert space.constants == {"epochs": 3}
    assert Categorical(key="decay", values=(0.1,), when={"name": (("a",))}) in space.dimensions


def test_nested_groups_flatten_to_dotted_keys() -> None:
    text = """\
run_cap: 8
parameters:
  optimizer:
    parameters:
      lr: {min: 0.1, max: 1.0}
  model: {stem: {width: {values: [8, 16]}}}
  model.depth: {values: [1, 2], when: {model.stem.width: 8}}
"""
    space = study(HEAD + text).space
    assert [dimension.key for dimension in space.dimensions] == ["optimizer.lr", "model.stem.width", "model.depth"]
    assert space.dimensions[2].when == {"model.stem.width": (8,)}


def test_a_condition_may_name_one_value_many_or_a_list_that_is_a_value() -> None:
    text = SEARCH + "  b: {values: [[1, 1], [2, 2]]}\n  n: {values: [x, y, z]}\n"
    text += "  c: {values: [1, 2], when: {b: [2, 2], n: [x, y]}}\n"
    assert study(HEAD + text).space.dimensions[-1].when == {"b": ([2, 2],), "n": ("x", "y")}


def test_toggles_are_dimensions_that_conditions_may_name() -> None:
    text = "run_cap: 8\ntoggles: [relu]\nparameters: {slope: {values: [1, 2], when: {toggle.relu: true}}}\n"
    space = study(HEAD + text).space
    assert [dimension.key for dimension in space.dimensions] == ["toggle.relu", "slope"]
    assert space.size == 3


def test_a_grid_runs_as_a_whole_without_a_run_cap() -> None:
    grid = HEAD + "method: grid\ntoggles: [relu]\nparameters: {a: {values: [1, 2, 3]}, b: {min: 1, max: 4}}\n"
    assert study(grid).run_cap == 24
    assert "the grid has 24 configurations but run_cap is 20" in report(grid + "run_cap: 20\n")
    assert study(grid + "run_cap: 24\n").run_cap == 24


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "{distribution: log_uniform, min: -5, max: 0}",
            "lr.distribution: log_uniform takes exponents in W&B: write {distribution: log_uniform_values, min: 0.0067",
        ),
        ("{low: 1, high: 9}", "parameters.lr: low, high are Optuna's: write {min: 1, max: 9}"),
        ("{distribution: unifrom, min: 0.1, max: 1}", "did you mean 'uniform'?"),
        ("{distribution: uniform, mu: 0, sigma: 1}", "lr.mu: the distributions that take it are not offered"),
        ("{values: [a, b], probabilities: [0.1, 0.9]}", "every value has the same chance"),
        ("{min: 3, max: 1}", "lr.min: must be below max but got min 3 and max 1"),
        ("{min: 1, max: 1}", "must be below max"),
        ("{min: 0, max: 1, distribution: log_uniform_values}", "must be above 0 for log_uniform_values but got 0"),
        ("{min: 0.5, max: 3, distribution: int_uniform}", "int_uniform takes whole numbers but got 0.5"),
        ("{min: 0.1, max: 1.0, q: 0.25, distribution: q_uniform}", "must be a multiple of q = 0.25 but got 0.1"),
        ("{min: 10, max: 64, q: 8, distribution: q_log_uniform_values}", "the nearest is 8"),
        ("{min: 1, max: 2, q: 0, distribution: q_uniform}", "lr.q: must be above 0 but got 0"),
        (
            "{min: 0.0, max: 1e300, q: 1e-300, distribution: q_uniform}",
            "lr.max: is too many steps of q = 1e-300 from 0",
        ),
        ("{min: -1.7e308, max: 1.7e308}", "lr.max: must be within -1e+30 and 1e+30 but got 1.7e+308"),
        ("{min: -1.0e+38, max: 1}", "lr.min: must be within -1e+30 and 1e+30 but got -1e+38"),
        ("{min: 1, max: 2, distribution: q_uniform}", "q_uniform needs q"),
        ("{min: 1, max: 2, q: 1}", "lr.q: int_uniform takes no q: write distribution: q_uniform"),
        ("{values: [1, 2], q: 1}", "lr.q: is the step between min and max: leave it out beside values"),
        ("{values: []}", "must name at least two values but is empty"),
        ("{values: [3]}", "a single value does not vary: write value: 3"),
        ("{values: [1, true]}", "lr.values.1: True equals 1"),
        ("{values: [1, 2, 1.0]}", "lr.values.2: 1.0 equals 1"),
        ("{values: [[1, 2], [1, 2]]}", "[1, 2] is given twice"),
        ("{values: [1, 2], min: 3}", "give value, values, or min and max; values and min are given"),
        ("{min: 1}", "give value, values, or min and max; min is given"),
        ("{when: {a: 1}}", "none is given"),
        ("{distribution: categorical, min: 1, max: 2}", "categorical takes values, not min"),
        ("{distribution: uniform, values: [1, 2]}", "uniform takes min and max, not values"),
        ("{valeus: [1, 2]}", "unknown key 'valeus'; did you mean 'values'?"),
        ("{min: a, max: 2}", "lr.min: must be a number but got 'a'"),
        ("{min: true, max: 2}", "must be a number but got True"),
        ("{values: 3}", "lr.values: must be a list but got 3"),
        ("0.1", "parameters.lr: must be written {value: 0.1} or {values: […]}"),
        ("[1, 2]", "must be written {values: [1, 2]}"),
        ("[a]", "must be written {value: a}"),
        ("", "must be written {value: null}"),
        ("{}", "none is given"),
        ("{values: [1, 2], when: {lr: 1}}", "lr.when.lr: a setting cannot be its own condition"),
        ("{values: [1, 2], when: {other: 1}}", "other is not searched: conditions name other keys of parameters"),
        ("{values: [1, 2], when: 3}", "lr.when: must be a mapping"),
        ("{values: [1, 2]}\n  lr2: {values: [1, 2], when: {lr: 3}}", "3 is not a value of lr: 1, 2"),
        ("{values: [1, 2]}\n  lr2: {values: [1, 2], when: {lr: []}}", "must name at least one value of lr"),
        ("{value: 1}\n  b: {values: [1, 2], when: {lr: 1}}", "lr does not vary (value: 1)"),
        ("{min: 0.1, max: 2}\n  b: {values: [1, 2], when: {lr: 1}}", "lr is continuous"),
        ("{min: 1, max: 20}\n  b: {values: [1, 2], when: {lr: 30}}", "30 is not a value of lr: see its min and max"),
        (
            "{values: [1, 2], when: {a: 1}}\n  a: {values: [1, 2], when: {b: 1}}\n  b: {values: [1, 2], when: {a: 1}}",
            "conditions go in a circle: a → b → a",
        ),
        ("{values: [1, 2], when: {lrr: 1}}\n  lrx: {values: [1, 2]}", "did you mean 'lrx'?"),
        ("{values: [{a: 1}, {a: 2}]}\n  lr.a: {values: [1, 2]}", "lr.a: is set by the values of lr too"),
        ("{x: {values: [1, 2]}}\n  lr.x: {values: [1, 2]}", "lr.x is already given above"),
    ],
)
def test_mistakes_of_a_parameter_name_its_line(words: str, expected: str) -> None:
    text = report(parameter(words))
    assert expected in text
    assert all(int(line.split(":")[1]) in (7, 8, 9) for line in text.splitlines())


def test_a_coupled_section_may_stand_beside_its_other_settings() -> None:
    assert study(parameter("{values: [{a: 1}, {a: 2}]}\n  lr.b: {values: [1, 2]}")).space.size == 4


HINT = re.compile(r"(?:write|written) (\{.*?\})(?=$| or | but )", re.MULTILINE)
NEAREST = re.compile(r"parameters\.lr\.(min|max): .*the nearest is (\S+)")
BOUNDS = ("min: -5, max: 0", "min: 0.001, max: 0.13", "min: 1, max: 2", "min: 2, max: 300", "mu: 2, sigma: 0.5")
FOREIGN = [
    *(f"{{distribution: {name}, {bounds}{q}}}" for name in REASONS for bounds in BOUNDS for q in ("", ", q: 0.3")),
    "{distribution: categorical_w_probabilities, values: [a, b, 3], probabilities: [0.1, 0.2, 0.7]}",
    "{distribution: categorical_w_probabilities, values: [[8, 8]], probabilities: [1]}",
    *(
        f"{{low: {low}, high: 9{more}}}"
        for low in ("1", "0.5")
        for more in ("", ", log: true", ", step: 2", ", step: 1")
    ),
    "{min: 0.0001, max: 0.1, log: true}",
    "{low: 0.0, high: 100.0, step: 0.3}",
    "{choices: [sgd, null, true, [8, 16], 'a, b: c']}",
    *("0.1", "[1, 2]", "[0.5]", "['a, b', null]", "", "true", "null"),
]


@pytest.mark.parametrize("words", FOREIGN)
def test_parameter_that_a_message_proposes_is_accepted(words: str) -> None:
    proposed = HINT.search(report(parameter(words)))
    assert proposed is not None
    if "…" in proposed[1]:  # there are no numbers to translate
        assert ("uniform" in words and "mu:" in words) or "min" in words or "categorical" in words
    else:
        assert study(parameter(f"{proposed[1]}\n  other: {{values: [1, 2]}}")).parameters


@pytest.mark.parametrize(
    "words",
    [
        "{min: 0.3, max: 5, q: 1, distribution: q_log_uniform_values}",
        "{min: 1, max: 1.2, q: 1, distribution: q_uniform}",
        "{min: 0.1, max: 1.0, q: 0.25, distribution: q_uniform}",
        "{min: -0.4, max: 0.4, q: 1, distribution: q_uniform}",
        "{min: 0.1, max: 0.2, q: 3, distribution: q_log_uniform_values}",
    ],
)
def test_bounds_that_a_message_proposes_are_accepted(words: str) -> None:
    nearest = dict(NEAREST.findall(report(parameter(words))))
    assert nearest
    for name, bound in nearest.items():
        words = re.sub(rf"{name}: [^,]+", f"{name}: {bound}", words)
    assert study(parameter(words)).parameters


@pytest.mark.parametrize("kind", ["", "distribution: uniform, ", "distribution: log_uniform_values, "])
def test_step_beside_a_distribution_without_one_names_the_distribution_and_the_bounds_at_once(kind: str) -> None:
    text = report(parameter(f"{{{kind}min: 0.1, max: 2, q: 0.25}}"))
    stepped = re.search(r"write distribution: (\w+)", text)
    assert stepped is not None
    assert "the nearest is" in text
    low = dict(NEAREST.findall(text))["min"]
    assert study(parameter(f"{{distribution: {stepped[1]}, min: {low}, max: 2, q: 0.25}}")).parameters


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (101, "{values: [1, 2]}", "parameters: are 101 settings; at most 100 can be searched at once"),
        (100, "{min: 1, max: 999999999999999999}", "method: the grid has more than 1,000,000 configurations"),
        (20, "{values: [1, 2]}\n  z%d: {values: [1, 2], when: {p%d: 1}}", "tell apart more than 100,000 cases"),
    ],
)
def test_a_space_too_large_to_be_counted_is_refused(count: int, words: str, expected: str) -> None:
    searched = "".join(f"  p{index}: {words.replace('%d', str(index))}\n" for index in range(count))
    assert expected in report(f"{HEAD}method: grid\nparameters:\n{searched}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("program: train.py", "s.yaml:8: program: is W&B's: write workload"),
        ("command: [a]", "command: is W&B's"),
        ("project: p", "write name"),
        ("entity: e", "leave it out"),
        ("description: d", "write question"),
        ("metod: grid", "s.yaml:8: metod: unknown key 'metod'; did you mean 'method'?"),
        ("method: hyperband", "method: must be 'bayes', 'tpe', 'random' or 'grid' but got 'hyperband'"),
        ("seed: -1", "seed: must be at least 0 but got -1"),
        ("seed: true", "seed: must be an integer but got True"),
        ("seed: 1.0", "seed: must be an integer but got 1.0"),
        ("trial_timeout: 0", "must be a number of seconds above 0 but got 0"),
        ("checkpoint_every: -1", "must be a number of seconds, 0 (after every epoch) or more, but got -1"),
        ("checkpoint_every: true", "must be a number of seconds, 0 (after every epoch) or more, but got True"),
        ("checkpoint_every: 30s", "must be a number of seconds, 0 (after every epoch) or more, but got '30s'"),
        ("checkpoint_every: .inf", "checkpoint_every: "),
        ("constraints: parameters <= 5M", "constraints: must be a list but got 'parameters <= 5M'"),
        ("constraints:\n- parameters <= 5M\n- params <= 3", "s.yaml:10: constraints.1: unknown quantity 'params'"),
        ("constraints: [parameters <= 5M, parameters <= 4M]", "constraints.1: parameters already has a limit"),
        ("toggles: [a, b, a]", "toggles.2: 'a' is given twice"),
        ("toggles: [1]", "toggles.0: must be text but got 1"),
        ("early_terminate: {type: halving}", "must be 'asha', 'hyperband', 'median' or 'one_epoch' but got 'halving'"),
        ("early_terminate: {type: 3}", "early_terminate.type: must be 'asha', 'hyperband'"),
        (
            "early_terminate: {s: 2}",
            "s: is W&B's number of brackets: write type: hyperband and brackets",
        ),
        (
            "early_terminate: {type: median, eta: 3}",
            "s.yaml:8: early_terminate.eta: is a setting of asha and hyperband, but type is median, which takes: "
            "min_iter, min_trials",
        ),
        ("early_terminate: {top: 3}", "early_terminate.top: is a setting of one_epoch, but type is asha"),
        ("early_terminate: {type: one_epoch, top: 0}", "early_terminate.top: must be at least 1 but got 0"),
        ("early_terminate: {type: one_epoch, top: 9}", "early_terminate.top: must not be above run_cap = 8 but got 9"),
        ("early_terminate: {type: one_epoch}", "method: bayes learns from trials that have ended"),
        (
            "method: random\nearly_terminate: {type: one_epoch, top: 2}\nconfirm: {top: 3, seeds: 2}",
            "confirm.top: must not be above early_terminate.top = 2, the trials that are trained to the end, but got 3",
        ),
        ("early_terminate: {min_iter: 5, max_iter: 5}", "min_iter: must be below max_iter = 5 but got 5"),
        ("early_terminate: {eta: 1}", "early_terminate.eta: must be at least 2 but got 1"),
        (
            "confirm: {top: 0, seeds: 1}",
            "confirm.seeds: must be at least 2 but got 1: one run of each shows no spread over seeds, so chance and "
            "configuration could not be told apart",
        ),
        ("confirm: {top: 0, seeds: 1}", "confirm.top: must be at least 1 but got 0"),
        ("confirm: {top: 9, seeds: 2}", "confirm.top: must not be above run_cap = 8 but got 9"),
        ("confirm: {top: 3}", "s.yaml:8: confirm.seeds: is required"),
        ("ablation: {seeds: 6}", "ablation.components: is required"),
        ("ablation: {components: [], seeds: 6}", "ablation.components: must not be empty"),
        ("ablation: {components: {}, seeds: 6}", "ablation.components: must not be empty"),
        ("ablation: {components: [a, a], seeds: 6}", "ablation.components.1: 'a' is given twice"),
        ("ablation:\n  seeds: 6\n  components:\n    a: {}", "s.yaml:11: ablation.components.a: changes nothing"),
        ("ablation: {components: {a: 3}, seeds: 6}", "ablation.components.a: must be text but got 3"),
        ("ablation: {components: [a], seeds: 1}", "ablation.seeds: must be at least 2 but got 1"),
        ("ablation: {components: [a], seeds: 1001}", "ablation.seeds: must be at most 1000 but got 1001"),
        ("ablation: {components: [a], seeds: x}", "ablation.seeds: must be an integer but got 'x'"),
        (
            "ablation: {components: [a], seeds: {min: 6, max: 5, precision: 1}}",
            "ablation.seeds.max: must be at least min = 6 but got 5",
        ),
        ("ablation: {components: [a], seeds: {min: 1, max: 5, precision: 0}}", "seeds.precision: must be above 0"),
        ("ablation: {components: [a], seeds: {mni: 1}}", "unknown key 'mni'; did you mean 'min'?"),
        ("ablation: {components: [a], seeds: 6, margin: 0}", "ablation.margin: must be above 0"),
        ("ablation: {components: [a], seeds: 6, over_budget: skip}", "over_budget: must be 'shrink' but got 'skip'"),
        (
            "ablation: {components: [a], seeds: 6, retune: {parameters: [lr, rl], trials: 3}}",
            "ablation.retune.parameters.1: unknown searched parameter 'rl'; valid: lr",
        ),
        ("ablation: {components: [a], seeds: 6, retune: {parameters: [lr], trials: 0}}", "retune.trials: must be at"),
        ("final: {seeds: 0}", "final.seeds: must be at least 1 but got 0"),
        ("final: {seeds: 3, arms: some}", "final.arms: must be 'best' or 'all' but got 'some'"),
        ("final: 3", "final: must be a mapping of settings but got 3"),
        ("evaluate: [shifted]", "evaluate: further sets are evaluated in the stage final"),
        ("evaluate: [3]\nfinal: {seeds: 3}", "evaluate.0: must be text but got 3"),
        ("resources: {gpu: 1.5}", "resources.gpu: must be a share of one GPU (0 to 1) but got 1.5"),
        ("resources: {cpu: 0}", "resources.cpu: must be above 0"),
        ("budget: {gpu_hours: 0}", "budget.gpu_hours: must be above 0"),
        (
            "budget: {trainings: 0.5}",
            "budget.trainings: must be at least 1 but got 0.5: a configuration that trains to its end costs about one "
            "training of the baseline; for a smaller search write run_cap, or fewer epochs",
        ),
        ("budget: {trainings: many}", "budget.trainings: must be a number but got 'many'"),
        (
            "budget: {trainings: 4}\nconfirm: {top: 5, seeds: 3}",
            "budget.trainings: must be at least confirm.top = 5, the trials that are trained to the end, but got 4: "
            "raise it, or lower confirm.top",
        ),
        (
            "budget: {trainings: 2}\nearly_terminate: {type: one_epoch, top: 3}\nmethod: random",
            "budget.trainings: must be at least early_terminate.top = 3",
        ),
        ("budget: {gpu_hours: 2, shares: {search: 0.5}}", "budget.shares: must sum to 1 but sum to 0.5"),
        ("budget: {shares: {search: 1.0}}", "are parts of gpu_hours, which is missing"),
        (
            "budget: {gpu_hours: 2, shares: {search: 0.5, finale: 0.5}}\nfinal: {seeds: 2}",
            "budget.shares.finale: unknown stage of this study 'finale'; did you mean 'final'?",
        ),
        ("budget: {gpu_hours: 2, shares: {search: 0.5, confirm: 0.5}}", "valid: search"),
        ("method: grid", "parameters.lr: is continuous, which a grid cannot list"),
    ],
)
def test_mistakes_of_a_section_name_its_key(text: str, expected: str) -> None:
    assert expected in report(HEAD + SEARCH + text + "\n")


@pytest.mark.parametrize("name", ["a/b", "..", ".", ".x", "", "-x", "x" * 65, "ä", "a b", "x\\ny"])
def test_a_name_that_is_no_plain_folder_is_refused(name: str) -> None:
    text = HEAD.replace("name: x", f'name: "{name}"') + SEARCH
    assert "s.yaml:1: name: names the study's folder" in report(text)


@pytest.mark.parametrize("missing", ["name", "question", "workload", "metric"])
def test_the_four_keys_that_every_study_needs(missing: str) -> None:
    text = "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(missing))
    assert f"s.yaml:1: {missing}: is required" in report(text + SEARCH)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "parameters: nothing to do: give parameters or toggles to search, or an ablation with baseline: given"),
        ("parameters: {lr: {value: 3}}", "nothing to do"),
        ("ablation: {components: [a], seeds: 6}", "ablation.baseline: best needs a search"),
        (GIVEN + "confirm: {top: 3, seeds: 3}", "confirm: needs a search"),
        (GIVEN + "early_terminate: {min_iter: 2}", "early_terminate: needs a search"),
        (GIVEN + "run_cap: 3", "run_cap: there are no parameters or toggles to search"),
        ("parameters: {lr: {values: [1, 2]}}", "run_cap: is required with method: bayes"),
        (
            "run_cap: 0\nparameters: {lr: {values: [1, 2]}}",
            "s.yaml:5: run_cap: is required with method: bayes: the number of trials to run, 1 or more; or give the "
            "search a size in full trainings of the baseline, budget: {trainings: 20}",
        ),
        (GIVEN + "budget: {trainings: 20}", "budget.trainings: there are no parameters or toggles to search"),
    ],
)
def test_a_study_without_a_search_is_only_an_ablation_of_the_given_baseline(text: str, expected: str) -> None:
    assert expected in report(HEAD + text + "\n")
    assert study(HEAD + GIVEN).run_cap == 0


def test_all_mistakes_come_in_one_report_in_the_order_of_the_lines() -> None:
    text = """\
name: x
question: Which?
workload: w
metric: {name: acc, gaol: maximize}
seeds: 3
parameters:
  lr: {min: 2, max: 1}
  b: {values: [1, 1]}
  opt:
    parameters:
      c: {valeus: [1]}
confirm: {top: 1, seeds: 1}
evaluate: [x]
"""
    lines = report(text).splitlines()
    assert [int(line.split(":")[1]) for line in lines] == [4, 4, 5, 7, 8, 11, 12, 13]
    assert "s.yaml:11: parameters.opt.parameters.c.valeus: unknown key" in lines[5]
    assert "s.yaml:13: evaluate: further sets" in lines[7]  # a rule between sections, reported beside the others


# Words and names that a study file may have: no controls, no marks that reorder text.
readable = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), max_size=6)
keys = st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?", fullmatch=True)
numbers = st.integers(-1000, 1000) | st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 6))
scalars = numbers | readable | st.booleans() | st.none()
settings_of_parts = st.dictionaries(keys, scalars | st.lists(numbers, max_size=3), min_size=1, max_size=2)


def distinct(values: list[Any]) -> bool:
    return len(values) >= 2 and all(value not in values[:index] for index, value in enumerate(values))


@st.composite
def words(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(
        st.sampled_from(["value", "values", "values", "sections", "range", "whole", "log", "steps", "log steps"])
    )
    if kind == "value":
        return {"value": draw(scalars)}
    if kind == "values":
        return {"values": draw(st.lists(scalars | st.lists(numbers, max_size=3), max_size=5).filter(distinct))}
    if kind == "sections":
        return {
            "values": draw(
                st.lists(st.fixed_dictionaries({"type": scalars, "x": numbers}), max_size=3).filter(distinct)
            )
        }
    if kind.endswith("steps"):
        q = draw(st.sampled_from([1, 8, 0.1, 0.25]))
        name = "q_log_uniform_values" if kind == "log steps" else "q_uniform"
        return {"distribution": name, "min": q * 2, "max": q * 5, "q": q}
    low, high = sorted(draw(st.lists(numbers.map(abs), min_size=2, max_size=2, unique=True)))
    if kind == "log":
        return {"distribution": "log_uniform_values", "min": low + 1, "max": high + 1}
    if kind == "whole":
        return {
            "distribution": draw(st.sampled_from(["int_uniform", "uniform"])),
            "min": int(low),
            "max": int(high) + 1,
        }
    return {"min": low, "max": high}


@st.composite
def searches(draw: st.DrawFn) -> dict[str, Any]:
    """Parameters by key, some on condition of what stands before them, perhaps a group inside another."""
    searched = draw(st.dictionaries(keys, words(), max_size=4))
    parents: dict[str, list[Any]] = {"toggle.relu": [True, False]}
    for key, spec in searched.items():
        for parent in draw(st.sets(st.sampled_from(sorted(parents)), max_size=2)):
            condition = draw(st.sampled_from(parents[parent]))
            several = draw(st.booleans()) or isinstance(condition, list | dict)
            spec.setdefault("when", {})[parent] = [condition] if several else condition
        if "values" in spec:
            parents[key] = spec["values"]
    if draw(st.booleans()):
        searched["group"] = {"inner": {"values": [1, 2]}, "deeper": {"parameters": {"x": {"min": 0.5, "max": 1}}}}
    return searched


@st.composite
def ablations(draw: st.DrawFn) -> dict[str, Any]:
    """Every design, with the components that it takes."""
    seeds = draw(st.integers(2, 1000) | st.just({"min": 2, "max": 8, "precision": 0.5}))
    ablation: dict[str, Any] = {"seeds": seeds, "design": draw(st.sampled_from(DESIGNS))}
    if draw(st.booleans()):
        ablation["margin"] = draw(st.floats(1e-3, 1e3))
    if ablation["design"] == "path":
        return ablation
    parts = st.sampled_from(["relu", "norm"]) | settings_of_parts
    named = st.dictionaries(
        readable.filter(str.strip), parts | st.lists(parts, min_size=1, max_size=2), min_size=1, max_size=3
    )
    ablation["components"] = draw(named | st.sampled_from([["relu"], ["norm", "relu"]]))
    ablation["baseline"] = draw(st.sampled_from(["best", "given"]))
    if draw(st.booleans()):
        ablation["over_budget"] = "shrink"
    return ablation


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)),
        "question": draw(readable) + "?",
        "workload": draw(st.sampled_from(["w", "package.module:function"])),
        "metric": {
            "name": draw(readable) + "accuracy",
            "goal": draw(st.sampled_from(["maximize", "minimize"])),
            "at": draw(st.sampled_from(["last", "best"])),
            "target": draw(numbers),
        },
        "method": draw(st.sampled_from(["bayes", "random"])),
        "run_cap": draw(st.integers(9, 99)),
        "toggles": ["relu"],
        "baseline": draw(st.dictionaries(st.text("abc", max_size=3), scalars | st.lists(scalars), max_size=3)),
        "parameters": draw(searches()),
        "seed": draw(st.integers(0, 10**18 - 1)),
    }
    extra = {
        "constraints": draw(st.sampled_from([["parameters <= 5M", "macs < 1G"], ["trainable_parameters <= 9_000"]])),
        "early_terminate": draw(
            st.sampled_from([{"min_iter": 2, "eta": 4}, {"max_iter": 9}, {}, {"type": "hyperband"}, {"type": "median"}])
        ),
        "confirm": {"top": draw(st.integers(1, 9)), "seeds": draw(st.integers(2, 9))},
        "ablation": draw(ablations()),
        "final": {"seeds": 2, "arms": "best"},
        "resources": draw(st.sampled_from([{"gpu": 0.25}, {"gpu": 2, "cpu": 4.5}, {"gpu": 0}])),
        "budget": draw(st.sampled_from([{"gpu_hours": 2.5}, {"gpu_hours": 1, "shares": {"search": 1.0}}])),
        "trial_timeout": draw(st.sampled_from([30, 0.5])),
        "checkpoint_every": draw(st.sampled_from([0, 0.5, 600])),
    }
    names = draw(st.sets(st.sampled_from(sorted(extra))))
    data |= {name: extra[name] for name in sorted(names)}
    tunable = {"leave_one_out", "add_one_in", "alternatives"}
    if "ablation" in names and "group" in data["parameters"] and data["ablation"]["design"] in tunable:
        data["ablation"]["retune"] = {"parameters": ["group.inner"], "trials": draw(st.integers(1, 9))}
    if "final" in names:
        data["evaluate"] = draw(st.lists(readable | settings_of_parts, max_size=3))
    return data


@settings(max_examples=150, deadline=None)
@given(studies())
def test_a_dumped_study_parses_to_an_equal_one(data: dict[str, Any]) -> None:
    try:
        first = study(write(data))
    except StudyError as error:  # two of the drawn keys may lie inside each other
        assert all("is set by the values of" in mistake.rule for mistake in error.mistakes)  # noqa: PT017
        return
    again = study(dump(first))
    assert again == first
    assert repr(again) == repr(first)
    assert dump(again) == dump(first)
    assert not diff(first, again)


@pytest.mark.parametrize("grid", ["a: {values: [1, 2]}", "a: {min: 1, max: 9}, b: {values: [x, [1], {y: 1}]}"])
def test_a_dumped_grid_has_as_many_runs_as_before(grid: str) -> None:
    first = study(f"{HEAD}method: grid\ntoggles: [relu]\nparameters: {{{grid}}}\n")
    assert study(dump(first)) == first


def test_a_dump_writes_the_defaults_out() -> None:
    text = dump(study(HEAD + SEARCH + "constraints: [parameters <= 5M]\nearly_terminate: {mode: stop, min_iter: 2}\n"))
    assert "constraints: [parameters <= 5_000_000]" in text
    assert "early_terminate: {type: asha, mode: stop, min_iter: 2, eta: 3}" in text
    assert "metric: {name: acc, goal: maximize, at: last}" in text
    assert "  lr: {min: 0.1, max: 1.0}" in text


def test_a_study_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        study(HEAD + SEARCH).seed = 3  # type: ignore[misc]


def test_seeds_are_a_number_or_a_range() -> None:
    ablation = "ablation: {components: [a], seeds: {min: 6, max: 24, precision: 0.5}}\n"
    section = study(HEAD + SEARCH + ablation).ablation
    assert section is not None
    assert section.seeds == Seeds(min=6, max=24, precision=0.5)


def changed(old: str, new: str) -> dict[str, bool]:
    return {change.key: change.may_grow for change in diff(study(HEAD + old), study(HEAD + new))}


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        (SEARCH, {}),
        (SEARCH.replace("8", "9"), {"run_cap": True}),
        (SEARCH.replace("1.0", "2.0"), {"parameters.lr.max": False}),
        (SEARCH + "  b: {values: [1, 2]}\n", {"parameters.b": False}),
        (SEARCH + "seed: 1\n", {"seed": False}),
        (SEARCH + "baseline: {model: {width: 3}}\n", {"baseline.model": False}),
        (SEARCH + "final: {seeds: 3}\n", {"final": True}),
        (SEARCH + "budget: {gpu_hours: 3}\n", {"budget.gpu_hours": True}),
        (SEARCH + "constraints: [macs <= 1M]\n", {"constraints": False}),
        (SEARCH + "early_terminate: {}\n", {"early_terminate": False}),
    ],
)
def test_only_growth_may_change_once_trials_exist(new: str, changes: dict[str, bool]) -> None:
    assert changed(SEARCH, new) == changes


def test_target_of_the_metric_may_change_once_trials_exist() -> None:
    text = HEAD + SEARCH
    changes = diff(study(text), study(text.replace("goal: maximize", "goal: maximize, target: 3")))
    assert {change.key: change.may_grow for change in changes} == {"metric.target": True}


def test_components_may_be_added_but_not_redefined() -> None:
    ablation = "ablation: {baseline: given, seeds: 6, components: {a: {x: 1}}}\n"
    assert changed(ablation, ablation.replace("{a: {x: 1}}", "{a: {x: 1}, b: {x: 2}}")) == {
        "ablation.components.b": True
    }
    assert changed(ablation, ablation.replace("x: 1", "x: 1.0")) == {"ablation.components.a.x": False}
    assert changed(ablation, ablation.replace("seeds: 6", "seeds: 8")) == {"ablation.seeds": True}


def test_the_schema_knows_the_sections_and_the_recipe() -> None:
    plain, full = schema(), schema(workload().schema)
    assert plain["additionalProperties"] is False
    assert plain["properties"]["question"]["description"].startswith("The question that the study answers")
    assert full["properties"]["baseline"]["properties"]["epochs"]["type"] == "integer"
    assert "optimizer.lr" in full["properties"]["parameters"]["properties"]
    references = set(json.dumps(full).split('"$ref": "')[1:])
    assert {reference.split('"')[0].removeprefix("#/$defs/") for reference in references} <= set(full["$defs"])


def test_grammar_is_imported_without_heavy_libraries() -> None:
    code = "import sys, sweeps.study.study, sweeps.validation.checks, sweeps.validation.authoring; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "optuna", "ray", "pandas", "numpy", "plotly"} & set(loaded)


def test_a_study_made_in_python_obeys_the_same_rules() -> None:
    base: dict[str, Any] = {"name": "x", "question": "q", "workload": "w", "metric": {"name": "a", "goal": "minimize"}}
    made = Study(**base, run_cap=3, parameters={"lr": {"min": 0.1, "max": 0.5}}, early_terminate=EarlyTerminate())
    assert made.space.size is None
    with pytest.raises(ValueError, match="must be a number but got nan"):
        Study(**base, run_cap=3, parameters={"lr": {"min": math.nan, "max": 0.5}})
