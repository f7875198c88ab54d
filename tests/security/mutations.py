"""Generate faulty study files: real ones with random changes to bytes, lines, keys and values, and noise."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def listed(text: str) -> tuple[str, ...]:
    """Return the items of a table, which bars and newlines separate."""
    return tuple(item.strip() for line in text.strip().splitlines() for item in line.split("¦"))


VALUES = (
    *listed(r"""
0 ¦ -1 ¦ 1 ¦ 2 ¦ 0.0 ¦ -0.5 ¦ 1.5 ¦ 1e-320 ¦ 1e308 ¦ -1e308 ¦ 1e999 ¦ .nan ¦ .inf ¦ -.inf ¦ 999999999999999999
9999999999999999999 ¦ -999999999999999999 ¦ 0xfffffffffffffff
0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff ¦ 0o777
0b1 ¦ 1_0 ¦ 1:30 ¦ true ¦ no ¦ null ¦ ~ ¦ '' ¦ "" ¦ '  ' ¦ 2020-01-01 ¦ [] ¦ {} ¦ [[]] ¦ [[[1]]]
[1, [2, {a: 3}]] ¦ {a: {b: {c: 1}}} ¦ {'': 1} ¦ {' ': 1} ¦ {a.b: 1} ¦ {a: 1, a: 2} ¦ {1: 2} ¦ {null: 1}
? [a]
[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
&a [*a] ¦ &a [1, 2] ¦ *a ¦ &a {b: *a} ¦ << ¦ {<<: *a} ¦ !!int '3' ¦ !!python/object/apply:os.system [ls]
!!binary aGk= ¦ !x y ¦ %YAML 1.1 ¦ >- ¦ - x ¦ "\u0000" ¦ "\e[31mred\e[0m" ¦ "\u202Etxt.exe" ¦ "\ud800"
"\x85\u2028" ¦ "a\nb" ¦ "\U0001F600" ¦ é ¦ ﬁ ¦ 𝔘 ¦ 網 ¦ ١٢ ¦ ² ¦ "\t=1" ¦ '=1+1' ¦ '@SUM(A1)' ¦ [bold]x[/bold]
.. ¦ . ¦ ../.. ¦ ../../etc/passwd ¦ /etc/passwd ¦ /dev/zero ¦ a/b ¦ a\b ¦ C:x ¦ CON ¦ -x ¦ ~/x
<script>alert(1)</script> ¦ '{{ 7 * 7 }}' ¦ $(id) ¦ `id` ¦ '; DROP TABLE x' ¦ %s%n ¦ '"' ¦ parameters <= 1e99
parameters <= 0 ¦ macs < 1 ¦ macs <= 5M ¦ parameters == 1 ¦ {value: 1} ¦ {value: null}
{values: [1, 1.0, true]} ¦ {values: [[1], [1]]} ¦ {values: [{}, {}]} ¦ {min: 0, max: 1}
{min: 1, max: 999999999999999999} ¦ {min: -1e308, max: 1e308} ¦ {min: 1e-320, max: 1}
{min: 0.0, max: 1e300, q: 1e-300, distribution: q_uniform}
{min: 0.1, max: 0.3, q: 0.1, distribution: q_uniform}
{min: 1, max: 64, q: 8, distribution: q_log_uniform_values}
{min: 1e-300, max: 1e300, distribution: log_uniform_values} ¦ {values: [a, b], when: {toggle.relu: true}}
{values: [1, 2], when: {epochs: [1, 2]}} ¦ {distribution: beta} ¦ grid ¦ random ¦ bayes ¦ minimize ¦ best
given ¦ factorial ¦ path ¦ add_one_in ¦ alternatives ¦ asha ¦ resnet ¦ lenet5 ¦ hierarchical ¦ torchvision
adamw ¦ muon ¦ digits ¦ npz ¦ folder ¦ relu ¦ cosine ¦ sweeps ¦ cifar_sweep.train ¦ cifar_sweep:x ¦ tests.toy
.. ¦ .x ¦ os ¦ no_such_module ¦ cifar_sweep..x
"""),
    *("9" * 400, "parameters <= " + "9" * 400, "x" * 300, "{a: " * 49 + "1" + "}" * 49, "|\n  x", '"\ufeff"', "\u200b"),
    # Values that are slow to compare or to count.
    "[" + ", ".join(map(str, range(1500))) + "]",
    "{" + ", ".join(f"k{place}: {{values: [0, 1], when: {{k{place - 1}: 1}}}}" for place in range(90)) + "}",
    "{z: {values: [0, 1], when: {" + ", ".join(f"toggle.t{place}: true" for place in range(40)) + "}}}",
)
KEYS = (
    *listed(r"""
name ¦ question ¦ workload ¦ baseline ¦ constraints ¦ method ¦ metric ¦ run_cap ¦ parameters ¦ toggles
early_terminate ¦ confirm ¦ ablation ¦ final ¦ evaluate ¦ resources ¦ budget ¦ seed ¦ trial_timeout ¦ goal
at ¦ target ¦ values ¦ value ¦ min ¦ max ¦ q ¦ when ¦ distribution ¦ design ¦ components ¦ seeds ¦ precision
margin ¦ over_budget ¦ retune ¦ trials ¦ top ¦ arms ¦ gpu ¦ gpu_hours ¦ shares ¦ epochs ¦ optimizer.lr
model.name ¦ model ¦ augment ¦ data ¦ toggle.relu ¦ net.width ¦ . ¦ a..b ¦ program ¦ project ¦ command
entity ¦ checkpoint_every ¦ __class__ ¦ __init__ ¦ self ¦ cls ¦ model_config ¦ 0 ¦ é ¦ '\e'
"""),
    *("", " ", "k" * 300),
)
SECTIONS = listed(r"""
method: grid ¦ run_cap: 3 ¦ run_cap: 999999999999999999 ¦ toggles: [relu, relu] ¦ seed: 1 ¦ trial_timeout: 9
constraints: [parameters <= 5M, macs <= 1G] ¦ metric: {name: loss, goal: minimize, target: .5} ¦ name: y
parameters: {epochs: {values: [1, 2]}, optimizer.lr: {min: 0.1, max: 1.0}} ¦ evaluate: [noise, blur, usps]
parameters: {a: {values: [1, 2], when: {b: 1}}, b: {values: [1, 2], when: {a: 1}}} ¦ early_terminate: {}
parameters: {model: {values: [{name: resnet}, {name: lenet5}]}} ¦ parameters: {epochs: {min: 1, max: 1000000}}
early_terminate: {min_iter: 1, max_iter: 2, eta: 2} ¦ confirm: {top: 2, seeds: 2}
final: {seeds: 2, arms: all} ¦ ablation: {baseline: given, components: [relu], seeds: 6}
ablation: {design: path, seeds: {min: 2, max: 3}}
ablation: {design: factorial, components: {a: {epochs: 1}, b: {epochs: 2}}, seeds: 4} ¦ baseline: {}
ablation: {components: {a: [relu, {epochs: 1}]}, seeds: 4, retune: {parameters: [epochs], trials: 2}}
budget: {gpu_hours: 1, shares: {search: .5, final: .5}} ¦ resources: {gpu: 0.5, cpu: 2}
baseline: {epochs: 1}
""")
PIECES = (
    *listed(r"""
name: x ¦ question: q ¦ workload: w ¦ [ ¦ ] ¦ { ¦ } ¦ *a ¦ ! ¦ << ¦ %YAML 1.1 ¦ %TAG ! x ¦ --- ¦ ... ¦ | ¦ >
' ¦ " ¦ \u ¦ \U00110000 ¦ \x ¦ 1e5 ¦ .nan ¦ # ¦ ~ ¦ é ¦ = ¦ 0b1 ¦ 1:30 ¦ null ¦ , ¦ @ ¦ ` ¦ 😀
"""),
    *("\n", "\n  ", ": ", "- ", "&a ", "!!int ", "? ", "\t", "\x85", "\ufeff", "\x00", "\x1b", "\u2028"),
)
SMALL = """\
name: x
question: Which?
workload: cifar_sweep
metric: {name: val_accuracy, goal: maximize}
baseline: {data: {name: digits}, model: {name: resnet}, epochs: 4}
run_cap: 8
parameters:
  optimizer.lr: {distribution: log_uniform_values, min: 0.001, max: 0.5}
"""

_SCALAR = re.compile(r"(?<=[:,\[{] )[^\s,\[\]{}#][^,\[\]{}#\n]*|(?<=\[)[^\s,\[\]{}#][^,\[\]{}#\n]*")
_FLOW = re.compile(r"\[[^\[\]\n]*\]|\{[^{}\n]*\}")
_KEY = re.compile(r"[A-Za-z_][\w.]*(?=:)")
_COMMENT = re.compile(r"(^|\s+)#.*")

Mutation = Callable[[str, random.Random], str]


def real_studies() -> list[str]:
    """Return the texts of the project's study files, without comments, which only cost time."""
    paths = sorted([*ROOT.glob("studies/*.yaml"), *ROOT.glob("examples/*.yaml")])
    return [_without_comments(path.read_text(encoding="utf-8")) for path in paths]


def hostile(generator: random.Random, studies: Sequence[str]) -> bytes:
    """Return a study file with one to four mutations, or noise, determined by `generator`.

    Most are mutations of a small file, because a real one takes four times as long to read.
    """
    kind = generator.random()
    if kind < 0.15:
        return _noise(generator)
    text = SMALL if kind < 0.8 else generator.choice(studies)
    for _ in range(generator.choice((1, 1, 1, 2, 2, 3, 4))):
        text = generator.choice(MUTATIONS)(text, generator)
    content = text.encode("utf-8", "surrogatepass")
    return _flipped(content, generator) if generator.random() < 0.1 else content


def replace_value(text: str, generator: random.Random) -> str:
    """Replace a value."""
    return _replaced(_SCALAR, text, generator.choice(VALUES), generator)


def replace_collection(text: str, generator: random.Random) -> str:
    """Replace a list or mapping in flow style."""
    return _replaced(_FLOW, text, generator.choice(VALUES), generator)


def rename_key(text: str, generator: random.Random) -> str:
    """Replace a key or misspell it."""
    match = _random_match(_KEY, text, generator)
    if match is None:
        return text
    place = generator.randrange(len(match[0]))
    misspelled = match[0][:place] + match[0][place + 1 :]
    return text[: match.start()] + generator.choice((misspelled, generator.choice(KEYS))) + text[match.end() :]


def delete_line(text: str, generator: random.Random) -> str:
    """Delete a line."""
    lines = text.splitlines()
    return "\n".join(line for place, line in enumerate(lines) if place != generator.randrange(len(lines) or 1))


def duplicate_line(text: str, generator: random.Random) -> str:
    """Insert a copy of a line anywhere."""
    lines = text.splitlines() or [""]
    lines.insert(generator.randrange(len(lines)), generator.choice(lines))
    return "\n".join(lines)


def swap_lines(text: str, generator: random.Random) -> str:
    """Swap two lines."""
    lines = text.splitlines() or [""]
    one, two = (generator.randrange(len(lines)) for _ in range(2))
    lines[one], lines[two] = lines[two], lines[one]
    return "\n".join(lines)


def indent_line(text: str, generator: random.Random) -> str:
    """Change the indentation of a line."""
    lines = text.splitlines() or [""]
    place = generator.randrange(len(lines))
    lines[place] = generator.choice(("  ", " ", "\t", "      ")) + lines[place].lstrip(generator.choice((" ", "")))
    return "\n".join(lines)


def put_section(text: str, generator: random.Random) -> str:
    """Add a section, mostly in place of the one of that name."""
    section = generator.choice(SECTIONS)
    if generator.random() < 0.8:
        text = re.sub(rf"^{section.partition(':')[0]}:.*\n(?:[ \t].*\n|\n)*", "", f"{text}\n", flags=re.MULTILINE)
    return f"{text.rstrip()}\n{section}\n"


def put_piece(text: str, generator: random.Random) -> str:
    """Insert a piece of YAML syntax anywhere."""
    place = generator.randrange(len(text) + 1)
    return text[:place] + generator.choice(PIECES) + text[place:]


def cut(text: str, generator: random.Random) -> str:
    """Keep only the beginning."""
    return text[: generator.randrange(len(text) + 1)]


MUTATIONS: tuple[Mutation, ...] = (
    *(
        replace_value,
        replace_value,
        replace_value,
        replace_collection,
        rename_key,
        rename_key,
        put_section,
        put_section,
    ),
    *(delete_line, duplicate_line, swap_lines, indent_line, put_piece, cut),
)


def _noise(generator: random.Random) -> bytes:
    if generator.random() < 0.3:
        return generator.randbytes(generator.randrange(200))
    parts = (*PIECES, *VALUES, *SECTIONS, *(f"{key}: " for key in KEYS))
    return "".join(generator.choice(parts) for _ in range(generator.randrange(25))).encode("utf-8", "surrogatepass")


def _flipped(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(generator.randrange(1, 4) if content else 0):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _replaced(pattern: re.Pattern[str], text: str, value: str, generator: random.Random) -> str:
    match = _random_match(pattern, text, generator)
    return text if match is None else text[: match.start()] + value + text[match.end() :]


def _random_match(pattern: re.Pattern[str], text: str, generator: random.Random) -> re.Match[str] | None:
    matches = list(pattern.finditer(text))
    return generator.choice(matches) if matches else None


def _without_comments(text: str) -> str:
    lines = (_COMMENT.sub("", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line.strip()) + "\n"
