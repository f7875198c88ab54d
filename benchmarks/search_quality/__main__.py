"""The regret of each search policy at the same device-seconds.

    python -m benchmarks.search_quality [--tables FOLDER] [--out benchmarks/results/search_quality] [--part 1/2]
    python -m benchmarks.search_quality --rivals [smac] [syne-tune]
    python -m benchmarks.search_quality --check-stock --out benchmarks/results/search_quality_stock
    python -m benchmarks.search_quality --short

A problem answers what a configuration would train, so that the regret of a search is known. Without --tables it is the
tables of this repository, else all tables of the folder (their format: benchmarks/search_quality/tables.py) and, where
`lcbench.onnx` and `lcbench_encoding.json` lie there, LCBench's tasks asked directly. Time is simulated.

Each finished search is a line of OUT.jsonl: started again, the comparison goes on. Two processes share the work with
--part 1/2 and --part 2/2. --short: one seed and the smallest budget of few policies on digits; nothing is kept.

--rivals: also tools that are not installed with this project, named or all, one worker, up to 20 trainings. They run
under the Python in the environment variable RIVALS_PYTHON. --check-stock: compare the simulated stock search with ten
runs of Ray Tune itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.common import write_result
from benchmarks.search_quality import check_stock
from benchmarks.search_quality.comparison import Comparison, summary
from benchmarks.search_quality.lcbench import read_lcbench
from benchmarks.search_quality.policies import FORMER, ON_DIGITS, OURS, POLICIES, RANDOM, STOCK
from benchmarks.search_quality.problems import Problem
from benchmarks.search_quality.report import text
from benchmarks.search_quality.rivals.remote import RIVALS, MissingRival, end_servers, require
from benchmarks.search_quality.searches import BUDGETS, Plan, Records, run_all, searches
from benchmarks.search_quality.tables import OWN, BadTable, read_csv, read_tables

PLANS = [
    *(Plan(name, workers, 30, longest=10) for name in (OURS, STOCK) for workers in (1, 8)),
    *(Plan(name, 1, 10) for name in POLICIES if name not in (OURS, STOCK, *ON_DIGITS)),
    *(Plan(name, 1, 10, problem="digits") for name in ON_DIGITS),
]
SHORT = [Plan(name, 1, 1) for name in (OURS, RANDOM, FORMER)]
OUT = Path("runs") / "search_quality"


def read_problems(folders: Sequence[Path], cache: Path) -> list[Problem]:
    """Return the problems of all folders by name; of two with one name the one asked directly, else the first."""
    asked = [problem for folder in folders for problem in read_lcbench(folder, cache)]
    tables = [table for folder in folders for table in read_tables(folder)]
    named: dict[str, Problem] = {}
    for problem in [*asked, *tables]:
        named.setdefault(problem.name, problem)
    return [named[name] for name in sorted(named)]


def parse() -> argparse.Namespace:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tables", type=Path, action="append", metavar="FOLDER", help="its tables (again for more)")
    options.add_argument("--out", type=Path, default=OUT, help="where to keep the result: .jsonl, .json and .md")
    options.add_argument("--problem", action="append", metavar="NAME", help="this problem (again for more), not all")
    options.add_argument("--only", action="append", choices=POLICIES, help="this policy (again for more), not all")
    options.add_argument("--seeds", type=int, default=1_000, help="at most so many seeds")
    options.add_argument("--part", type=_part, default=(1, 1), metavar="I/N", help="share the work with N processes")
    options.add_argument("--rivals", nargs="*", choices=RIVALS, help="these tools too, or all")
    options.add_argument("--check-stock", action="store_true", help="against Ray Tune itself")
    options.add_argument("--short", action="store_true", help="one seed, the smallest budget, few policies")
    return options.parse_args()


def _part(value: str) -> tuple[int, int]:
    place, _, parts = value.partition("/")
    if not (place.isdigit() and parts.isdigit() and 1 <= int(place) <= int(parts)):
        raise argparse.ArgumentTypeError(f'must be like "1/2", but is "{value}"')
    return int(place), int(parts)


def short() -> int:
    """Run the short form; return the number of searches that failed."""
    problem = read_csv(OWN / "digits.csv.gz")
    with tempfile.TemporaryDirectory(prefix="search-quality-") as folder:
        records = Records(Path(folder) / "searches.jsonl")
        planned = searches([problem], SHORT, BUDGETS[:1])
        failed = run_all([problem], planned, records)
        comparison = Comparison([problem], planned, records.finished(), BUDGETS[:1])
    print(text(comparison, summary(comparison)))
    return failed


def compare(chosen: argparse.Namespace) -> int:
    """Run what is missing and write the report; return the number of searches that failed."""
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    problems = read_problems(chosen.tables or [OWN], chosen.out.with_name(f"{chosen.out.name}_lcbench.json"))
    problems = [problem for problem in problems if not chosen.problem or problem.name in chosen.problem]
    rivals = set() if chosen.rivals is None else set(chosen.rivals or RIVALS)
    plans = [
        plan._replace(seeds=min(plan.seeds, chosen.seeds))
        for plan in PLANS
        if (plan.policy in chosen.only if chosen.only else POLICIES[plan.policy].rival in {None, *rivals})
    ]
    if not problems:
        raise BadTable(f"no table in {', '.join(map(str, chosen.tables or [OWN]))}")
    planned = searches(problems, plans, BUDGETS)
    records = Records(chosen.out.with_suffix(".jsonl"))
    missing = [search for search in planned if search not in records.finished()]
    for rival in sorted({POLICIES[search.policy].rival or "" for search in missing} - {""}):
        require(rival)
    failed = run_all(problems, planned, records, chosen.part)
    comparison = Comparison(problems, planned, records.finished(), BUDGETS)
    result = summary(comparison)
    write_result(result, text(comparison, result), chosen.out)
    return failed


def compare_with_ray(chosen: argparse.Namespace) -> int:
    """Compare the simulated stock search with Ray Tune; return the number of searches that differ."""
    tables = [table for folder in [OWN, *(chosen.tables or [])] for table in read_tables(folder)]
    problems = {table.name: table for table in reversed(tables) if table.name in check_stock.PROBLEMS}
    result = check_stock.check([problems[name] for name in sorted(problems)], min(check_stock.SEEDS, chosen.seeds))
    write_result(result, check_stock.text(result), chosen.out if chosen.out != OUT else None)
    return sum(not run["equal"] for run in result["runs"])


def main() -> int:
    """Compare the policies. Returns 1 if a search failed, 2 if a table or a rival is bad or missing."""
    chosen = parse()
    act = short if chosen.short else partial(compare_with_ray if chosen.check_stock else compare, chosen)
    try:
        failed = act()
    except (BadTable, MissingRival) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        end_servers()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
