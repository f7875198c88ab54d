"""Put the choice of the incumbent into sentences: its figure, the one it was chosen by, and who is as good."""

from __future__ import annotations

from sweeps.artifacts.layout import ABLATION
from sweeps.evidence import Level
from sweeps.evidence.confirm.confirmation import Confirmation
from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat, count, listed
from sweeps.report.means import failed_text, mean_text
from sweeps.report.tables.ablation import label

NAMED = 4  # candidates that a sentence names
FROM = {ABLATION: "from the baseline runs of the ablation, which had no part in its choice"}
FROM_FRESH = "from fresh runs, made after its choice"


def incumbent_sentences(findings: Findings) -> list[str]:
    """Return the incumbent with its figure, and how confirm chose it, or who leads so far.

    Empty before confirm has begun.
    """
    confirmation, words = findings.confirmation, findings.metric_format
    if confirmation is None or not confirmation.levels:
        return []
    if not confirmation.complete or confirmation.chosen is None:
        return [_leader(confirmation, words)]
    return _figure(confirmation, words, confirmation.chosen)


def indistinct_sentences(findings: Findings) -> list[str]:
    """Return which candidates confirm cannot tell apart from the best mean; empty without any or before its end."""
    confirmation = findings.confirmation
    if confirmation is None or not confirmation.complete or confirmation.chosen is None:
        return []
    return _apart(confirmation, findings.metric_format, confirmation.chosen)


def choice_note(confirmation: Confirmation) -> str:
    """Return how far the means of the choice are to be trusted, for the table of the candidates."""
    chosen = ""
    if confirmation.expected:
        chosen = (
            " The candidates are the trials of which the surrogate expected the best new runs, given every curve of "
            "the search."
        )
        if unfinished := len(confirmation.unfinished):
            chosen += (
                f" {unfinished} of them {'was' if unfinished == 1 else 'were'} not trained to the end in the search."
            )
    if confirmation.candidates < 2:
        return chosen
    best = f"The best of {confirmation.candidates} means is optimistic for the candidate that has it"
    if confirmation.fresh is not None:
        source = "the baseline runs of the ablation" if confirmation.fresh_stage == ABLATION else "as many fresh runs"
        return (
            f"{chosen} {best}: “after the choice” is the incumbent's mean over {source}, which had no part in the "
            "choice."
        )
    return f"{chosen} {best}."


def _leader(confirmation: Confirmation, words: MetricFormat) -> str:
    # The first candidates may have a single run so far.
    best = next((level for level in confirmation.levels if len(level.values) > 1), None)
    if best is None:
        return "Confirm has begun, but no configuration has two finished runs yet."
    return (
        f"{label(best.arm)} leads so far in confirm: {words.label} {mean_text(best, words)}, on fresh seeds and splits"
        f"{failed_text(best)}."
    )


def _figure(confirmation: Confirmation, words: MetricFormat, chosen: Level) -> list[str]:
    """The incumbent's figure, then those by which confirm and the search chose it."""
    start = f"The incumbent is {label(chosen.arm)}: {words.label}"
    fresh, how = confirmation.fresh, _how(confirmation, words, chosen)
    if fresh is None:
        text = f"{start} {mean_text(chosen, words)}, on fresh seeds and splits{failed_text(chosen)}"
        return [f"{text}{_only_by_choice(confirmation)}.{_searched(confirmation, words, chosen)}"]
    source = FROM.get(confirmation.fresh_stage, FROM_FRESH)
    return [f"{start} {mean_text(fresh, words)}, {source}{failed_text(fresh)}.{how}"]


def _how(confirmation: Confirmation, words: MetricFormat, chosen: Level) -> str:
    """How confirm chose the incumbent, where its figure is that of other runs."""
    mean, seeds = words.show(chosen.center), count(len(chosen.values), "seed")
    if confirmation.candidates < 2:
        by = (
            f" Confirm had measured {mean} over {seeds}, the only candidate: other seeds and splits of the same recipe."
        )
    elif chosen is confirmation.levels[0]:
        of = f"the best of {confirmation.candidates} and so optimistic"
        by = f" Confirm chose it by its mean over {seeds}, {mean}, {of}."
    else:
        by = f" Confirm chose it as the smallest, with a mean of {mean} over {seeds}."
    return by + _searched(confirmation, words, chosen)


def _only_by_choice(confirmation: Confirmation) -> str:
    """Why the incumbent's figure is one that the choice has made optimistic; empty where there was no choice."""
    if confirmation.candidates < 2:
        return ""
    chosen = f": the figure by which it was chosen, the best of {confirmation.candidates}, and so optimistic"
    if confirmation.chosen is not confirmation.levels[0]:
        chosen = ": the figure by which it was chosen"
    if confirmation.fresh_expected:
        return f"{chosen}; runs that have no part in the choice are yet to come"
    return f"{chosen}; raise confirm.seeds for runs that have no part in the choice"


def _searched(confirmation: Confirmation, words: MetricFormat, chosen: Level) -> str:
    searched, expected = confirmation.searched.get(chosen.arm.name), confirmation.expected.get(chosen.arm.name)
    stopped = confirmation.unfinished.get(chosen.arm.name)
    if stopped is not None and expected is not None:
        reached = stopped.curve[stopped.epochs]
        return (
            f" The search trained it for {count(stopped.epochs, 'epoch')} only, to {words.show(reached)}; the "
            f"surrogate, by which it became a candidate, expected {words.show(expected)} at the end of a new run."
        )
    if searched is None:
        return ""
    if expected is not None:
        return (
            f" Its value in the search was {words.show(searched)}, a single run; the surrogate, by which it became a "
            f"candidate, expected {words.show(expected)} of another."
        )
    extreme = "minimum" if words.goal == "minimize" else "maximum"
    return f" Its value in the search was {words.show(searched)}, a {extreme} of single runs and so optimistic."


def _apart(confirmation: Confirmation, words: MetricFormat, chosen: Level) -> list[str]:
    """Which candidates cannot be told apart from the best mean, and the smallest of them."""
    indistinct, best = confirmation.indistinct, confirmation.levels[0]
    if not indistinct:
        return []
    others = [label(level.arm) for level in indistinct if level is not chosen]
    more = f"{len(others) - NAMED} more" if len(others) > NAMED else ""
    names = listed([*others[:NAMED], more] if more else others)
    seeds = max(rival.difference.estimate.n for rival in confirmation.rivals if rival.difference is not None)
    how, family = f"paired over {count(seeds, 'seed')}", confirmation.rivals[0].family
    if family > 1:
        how += f", Holm over {count(family, 'pair')} of candidates"
    if chosen is not best:
        of_best = f"the best mean, {words.show(best.center)} of {label(best.arm)}"
        return [f"It is the smallest ({_size(chosen)}) of those that confirm cannot tell apart from {of_best} ({how})."]
    return [f"Confirm cannot tell {names} apart from it ({how}){_smaller(confirmation, chosen)}."]


def _smaller(confirmation: Confirmation, chosen: Level) -> str:
    smallest = confirmation.smallest
    if smallest is None:
        return ""
    if _size(smallest) == _size(chosen):  # of several of one size, the first
        return f"; none of them is smaller (it has {_size(chosen)})"
    return f"; the smallest of them is {label(smallest.arm)} ({_size(smallest)})"


def _size(level: Level) -> str:
    cost = level.arm.cost
    macs = f", {cost['macs']:,} MACs" if "macs" in cost else ""
    return f"{cost['parameters']:,} parameters{macs}"
