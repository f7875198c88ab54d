"""Measure the packages and draw docs/images/architecture.svg: rooms on floors, from the imports alone.

    python docs/architecture.py                    # draw the picture of this checkout
    python docs/architecture.py --table            # print the figures as a Markdown table
    python docs/architecture.py --root ELSEWHERE --table

A room is a package directly below the root of a tree, or a module that stands there by itself. Floor 1 imports nothing
of the tree, and a room stands above all that it imports. Imports inside functions count like any other.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREES = ("sweeps", "cifar_sweep")
# Modules that count as part of another room: `python -m sweeps` is the command line, and what the engine calls of the
# workload is one room, whose modules import each other.
MERGED = {
    "sweeps": {"__main__": "cli"},
    "cifar_sweep": {"workload": "entry points", "train": "entry points", "cost": "entry points"},
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Room:
    """A package, or a module of the root, and the rooms of the same tree that it imports."""

    name: str
    files: int = 0
    lines: int = 0
    imports: set[str] = field(default_factory=set)
    area: float = 0.0  # in the picture, in square pixels


@dataclass(frozen=True)
class Tree:
    """The rooms of one package tree and the floor of each, from 1."""

    name: str
    rooms: Mapping[str, Room]
    floors: Mapping[str, int]
    reached: Mapping[str, frozenset[str]]  # by room: all that it imports, directly or not

    @property
    def arrows(self) -> list[tuple[str, str]]:
        """Who imports whom, in alphabetical order."""
        return [(name, other) for name, room in sorted(self.rooms.items()) for other in sorted(room.imports)]

    @property
    def circles(self) -> int:
        """How many groups of rooms import each other, directly or not."""
        return len({self.reached[name] for name in self.rooms if name in self.reached[name]})

    @property
    def not_downward(self) -> int:
        """How many arrows do not lead to a lower floor: those inside a circle."""
        return sum(self.floors[name] <= self.floors[other] for name, other in self.arrows)

    def direct(self, name: str, other: str) -> bool:
        """Whether no other import of `name` reaches `other` as well."""
        return not any(other in self.reached[third] for third in self.rooms[name].imports - {other})


def read_tree(root: Path, name: str) -> Tree:
    """The rooms and floors of the package tree in the folder `root`/`name`."""
    modules = {module_name(path, root): path for path in sorted((root / name).rglob("*.py"))}
    rooms: dict[str, Room] = {}
    for module, path in modules.items():
        if module == name:  # the __init__ of the whole tree
            continue
        room = rooms.setdefault(room_of(module), Room(room_of(module)))
        room.files += 1
        room.lines += len(path.read_text(encoding="utf-8").splitlines())
        others = {room_of(other) for other in imported(path, modules) if other.startswith(f"{name}.")}
        room.imports |= others - {room.name}
    for room in rooms.values():
        room.imports &= rooms.keys()  # what does not exist is no room, such as the target of a broken import
    reached = {room: frozenset(closure(rooms, room)) for room in rooms}
    return Tree(name, rooms, floors_of(reached), reached)


def module_name(path: Path, root: Path) -> str:
    """The dotted name of a file: "sweeps.io.lock"; a package is named by its folder."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """The room of a module: "io" for "sweeps.io.lock"."""
    tree, name = module.split(".")[:2]
    return MERGED.get(tree, {}).get(name, name)


def imported(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """Every module that a file imports, wherever in it; `from sweeps.io import lock` imports sweeps.io.lock."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            named = (f"{node.module}.{name.name}" for name in node.names)
            yield from [module for module in named if module in modules] or [str(node.module)]


def closure(rooms: Mapping[str, Room], start: str) -> set[str]:
    """Every room that `start` imports, directly or not; itself where it stands in a circle."""
    seen: set[str] = set()
    waiting = list(rooms[start].imports)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += rooms[name].imports
    return seen


def floors_of(reached: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """The floor of each room; the rooms of a circle share one."""
    floors: dict[str, int] = {}
    for name in sorted(reached, key=lambda room: len(reached[room])):
        below = (floors[other] for other in reached[name] if name not in reached[other])
        floors[name] = 1 + max(below, default=0)
    return floors


@dataclass(frozen=True)
class Measures:
    """Sizes over all files of a tree; lengths in lines, shares from 0 to 1."""

    files: int
    lines: int
    fullest_folder: int
    functions: list[int]
    longest_class: int
    documented: float  # of the public functions and methods
    docstring: float  # median length of the docstrings of public functions
    comments: float  # lines that are a comment and nothing else


def measure(root: Path, name: str) -> Measures:
    """Measure the package tree in the folder `root`/`name`."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((root / name).rglob("*.py"))}
    nodes = [node for text in texts.values() for node in ast.walk(ast.parse(text))]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    docstrings = [ast.get_docstring(node) for node in functions if not node.name.startswith("_")]
    written = [len(text.splitlines()) for text in docstrings if text]
    lines = sum(len(text.splitlines()) for text in texts.values())
    named = [path for path in texts if path.name != "__init__.py"]
    folders = [path.parent for path in named]
    return Measures(
        files=len(texts),
        lines=lines,
        fullest_folder=max(folders.count(folder) for folder in set(folders)),
        functions=sorted(map(length, functions)),
        longest_class=max((length(node) for node in nodes if isinstance(node, ast.ClassDef)), default=0),
        documented=len(written) / len(docstrings),
        docstring=statistics.median(written),
        comments=sum(map(comment_lines, texts.values())) / lines,
    )


def length(node: Definition) -> int:
    """The lines of a definition, without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def comment_lines(text: str) -> int:
    """The lines of a file that are a comment and nothing else."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and token.line.lstrip().startswith("#") for token in tokens)


# -- the picture ------------------------------------------------------------------------------------------------------

PICTURE = ROOT / "docs" / "images" / "architecture.svg"
AREA = 220_000  # square pixels of all rooms together
ASPECT = 3.0  # width of a room over its height
STOREY, MARGIN, GAP, HEAD = 50, 52, 26, 44  # room for the arrows, at the sides, between rooms, for the title
NAME_PX, SMALL_PX, NOTE_PX = 14, 11, 11
LANE_PX = 6  # between arrows that pass a floor through the same gap
FEW = 6  # up to so many rooms on a floor every order is tried
INK, MUTED, LINE, PAPER = "#1c2128", "#59636e", "#d8dee4", "#ffffff"
LOOKS = {"sweeps": ("#e3effa", "#0072b2"), "cifar_sweep": ("#fbeedd", "#a85f00")}
SUBTITLES = {"sweeps": "the engine: it knows no workload", "cifar_sweep": "the workload: image classifiers"}


@dataclass(frozen=True)
class Box:
    """Where a room is drawn, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The centre from left to right."""
        return self.x + self.width / 2


def size(room: Room) -> tuple[float, float]:
    """Width and height of a room."""
    height = (room.area / ASPECT) ** 0.5
    return ASPECT * height, height


def text_width(text: str, px: int) -> float:
    """About how wide a text in bold letters is."""
    return 0.6 * px * len(text)


def name_px(room: Room) -> int:
    """The size of the letters in which the name fits into the room; 0 where it goes beside it."""
    width, height = size(room)
    fitting = (px for px in (NAME_PX, SMALL_PX) if width >= text_width(room.name, px) + 6 and height >= px + 4)
    return next(fitting, 0)


def slot(room: Room) -> float:
    """The width that a room takes on its floor, a name beside it included."""
    return size(room)[0] + (0 if name_px(room) else 6 + text_width(room.name, NAME_PX))


def storeys(tree: Tree) -> list[list[str]]:
    """The names of the rooms on each floor, from the ground."""
    return [
        sorted(name for name in tree.rooms if tree.floors[name] == floor)
        for floor in range(1, max(tree.floors.values()) + 1)
    ]


def spread(tree: Tree, row: Sequence[str], width: float) -> dict[str, float]:
    """The left edge of each room of a floor, with equal gaps over the whole `width`."""
    gap = (width - sum(slot(tree.rooms[name]) for name in row)) / (len(row) + 1)
    edges, at = {}, gap
    for name in row:
        edges[name] = at
        at += slot(tree.rooms[name]) + gap
    return edges


def ordered(tree: Tree, width: float, last: Set[str]) -> list[list[str]]:
    """The rooms of each floor in an order that keeps arrows short; those in `last` stand at the right end."""
    rows = [sorted(row, key=lambda name: (name in last, name)) for row in storeys(tree)]
    for _ in range(6):
        for number, row in enumerate(rows):
            orders = permutations(sorted(row)) if len(row) <= FEW else (tuple(row),)
            tries = [order for order in orders if not last & set(order[:-1])] or [tuple(row)]
            rows[number] = list(
                min(tries, key=lambda order: strain(tree, [*rows[:number], list(order), *rows[number + 1 :]], width))
            )
    return rows


def strain(tree: Tree, rows: Sequence[Sequence[str]], width: float) -> float:
    """How far the arrows lead sideways, in pixels; those that are drawn dark count five times."""
    middles = {
        name: edge + size(tree.rooms[name])[0] / 2 for row in rows for name, edge in spread(tree, row, width).items()
    }
    return sum(abs(middles[a] - middles[b]) * (5 if tree.direct(a, b) else 1) for a, b in tree.arrows)


def place(tree: Tree, left: float, width: float, height: float, last: Set[str]) -> dict[str, Box]:
    """Where the rooms of a tree stand in a panel of this size, the ground at its bottom."""
    rows = ordered(tree, width, last)
    heights = [max(size(tree.rooms[name])[1] for name in row) for row in rows]
    storey = (height - sum(heights)) / len(rows)
    boxes, ground = {}, HEAD + height
    for row, tallest in zip(rows, heights, strict=True):
        for name, edge in spread(tree, row, width).items():
            wide, high = size(tree.rooms[name])
            boxes[name] = Box(left + edge, ground - high, wide, high)
        ground -= tallest + storey
    return boxes


def panel_width(tree: Tree) -> float:
    """The width that the fullest floor takes."""
    return max(sum(slot(tree.rooms[name]) + GAP for name in row) + GAP for row in storeys(tree))


def panel_height(tree: Tree) -> float:
    """The height of all floors."""
    return sum(STOREY + max(size(tree.rooms[name])[1] for name in row) for row in storeys(tree))


def ports(tree: Tree, boxes: Mapping[str, Box]) -> dict[tuple[str, str, str], float]:
    """Where arrows leave ("out") and reach ("in") a room: side by side, in the order of their other ends."""
    found = {}
    for name, box in boxes.items():
        ends = {
            "out": [other for mine, other in tree.arrows if mine == name],
            "in": [other for other, theirs in tree.arrows if theirs == name],
        }
        for side, others in ends.items():
            for number, other in enumerate(sorted(others, key=lambda other: (boxes[other].middle, other))):
                share = (number + 1) / (len(others) + 1)
                found[side, name, other] = box.x + box.width * (0.1 + 0.8 * share)
    return found


def draw_arrows(tree: Tree, boxes: Mapping[str, Box]) -> Iterator[str]:
    """The arrows: pale ones first, so that dark ones lie on top. Dark ones pass other floors between the rooms."""
    at, lanes = ports(tree, boxes), Lanes(tree, boxes)
    for name, other in sorted(tree.arrows, key=lambda arrow: (tree.direct(*arrow), arrow)):
        start = (at["out", name, other], boxes[name].y + boxes[name].height)
        end = (at["in", other, name], boxes[other].y - 1)
        dark = tree.direct(name, other)
        between = range(tree.floors[name] - 1, tree.floors[other], -1) if dark else ()
        path = [f"M{start[0]:.1f} {start[1]:.1f}"]
        for floor in between:
            share = (lanes.ground[floor] - start[1]) / (end[1] - start[1])
            x, top, bottom = lanes.take(floor, start[0] + share * (end[0] - start[0]))
            path.append(f"{curve(start, (x, top))}V{bottom:.1f}")
            start = (x, bottom)
        path.append(curve(start, end))
        kind = "direct" if dark else "pale"
        yield f'<path class="{kind}" d="{"".join(path)}"><title>{name} imports {other}</title></path>'


def curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve that leaves and arrives upright."""
    middle = (start[1] + end[1]) / 2
    return f"C{start[0]:.1f} {middle:.1f} {end[0]:.1f} {middle:.1f} {end[0]:.1f} {end[1]:.1f}"


class Lanes:
    """The gaps between the rooms of each floor, through which arrows to lower floors pass side by side."""

    def __init__(self, tree: Tree, boxes: Mapping[str, Box]) -> None:
        rows = dict(enumerate(storeys(tree), 1))
        self.ground = {floor: max(boxes[name].y + boxes[name].height for name in row) for floor, row in rows.items()}
        self._tops = {floor: min(boxes[name].y for name in row) for floor, row in rows.items()}
        self._gaps = {floor: list(_gaps(tree, row, boxes)) for floor, row in rows.items()}
        self._taken: dict[int, list[float]] = {}

    def take(self, floor: int, near: float) -> tuple[float, float, float]:
        """A free place on a floor next to `near`: its x, and the y where the floor's rooms begin and end."""
        taken = self._taken.setdefault(floor, [])
        places = [x for low, high in self._gaps[floor] for x in steps(low, high)]
        free = [x for x in places if all(abs(x - other) >= LANE_PX - 0.01 for other in taken)] or places
        x = min(free, key=lambda place: abs(place - near))
        taken.append(x)
        return x, self._tops[floor], self.ground[floor]


def _gaps(tree: Tree, row: Sequence[str], boxes: Mapping[str, Box]) -> Iterator[tuple[float, float]]:
    ends = sorted((boxes[name].x, boxes[name].x + slot(tree.rooms[name])) for name in row)
    lefts = [min(box.x for box in boxes.values()) - GAP, *(right for _, right in ends)]
    rights = [*(left for left, _ in ends), max(box.x + box.width for box in boxes.values()) + GAP]
    yield from zip(lefts, rights, strict=True)


def steps(low: float, high: float) -> list[float]:
    """Places for arrows between two rooms."""
    count = max(0, int((high - low - 2 * LANE_PX) // LANE_PX))
    first = (low + high - count * LANE_PX) / 2
    return [first + number * LANE_PX for number in range(count + 1)]


def draw_room(tree: Tree, room: Room, box: Box) -> Iterator[str]:
    """A room with its name, and its lines where there is room for them."""
    floor, others = tree.floors[room.name], ", ".join(sorted(room.imports)) or "nothing of its tree"
    files = f"{room.files} file{'s' if room.files > 1 else ''}"
    yield f'<g class="room {tree.name}" data-room="{tree.name}/{room.name}" data-floor="{floor}">'
    yield f"<title>{room.name}: {files}, {room.lines:,} lines; imports {others}</title>"
    yield f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="3"/>'
    centre, note, px = box.y + box.height / 2, f"{room.lines:,} lines", name_px(room)
    if not px:
        yield f'<text class="name" x="{box.x + box.width + 6:.1f}" y="{centre + 5:.1f}">{room.name}</text>'
    elif box.height > NAME_PX + NOTE_PX + 11 and box.width > text_width(note, NOTE_PX) + 8:
        yield f'<text class="name middle" x="{box.middle:.1f}" y="{centre - 1:.1f}">{room.name}</text>'
        yield f'<text class="note middle" x="{box.middle:.1f}" y="{centre + 13:.1f}">{note}</text>'
    else:
        kind = "name middle" if px == NAME_PX else "small middle"
        yield f'<text class="{kind}" x="{box.middle:.1f}" y="{centre + px / 3:.1f}">{room.name}</text>'
    yield "</g>"


def draw_panel(tree: Tree, boxes: Mapping[str, Box], left: float, width: float) -> Iterator[str]:
    """A tree: its title, its floors with their numbers, arrows, rooms."""
    yield f'<text class="title" x="{left:.1f}" y="36">{tree.name}</text>'
    yield f'<text class="subtitle" x="{left:.1f}" y="55">{SUBTITLES.get(tree.name, "")}</text>'
    for floor in sorted(set(tree.floors.values())):
        number = f"floor {floor}" if floor == 1 else f"{floor}"
        ground = max(box.y + box.height for name, box in boxes.items() if tree.floors[name] == floor)
        yield f'<path class="floor" d="M{left:.1f} {ground:.1f}H{left + width:.1f}"/>'
        yield f'<text class="note end" x="{left - 8:.1f}" y="{ground + 4:.1f}">{number}</text>'
    yield from draw_arrows(tree, boxes)
    for name in sorted(boxes):
        yield from draw_room(tree, tree.rooms[name], boxes[name])


def used_rooms(root: Path, user: str, owner: str) -> set[str]:
    """The rooms of the tree `owner` that files of the tree `user` import."""
    modules = {module_name(path, root): path for path in sorted((root / owner).rglob("*.py"))}
    others = {other for path in (root / user).rglob("*.py") for other in imported(path, modules)}
    return {room_of(other) for other in others if other.startswith(f"{owner}.")}


def style() -> str:
    """The style sheet. The background is opaque and light, so that the picture reads alike in dark mode."""
    rules = [
        f"text{{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:{INK}}}",
        f".title{{font-size:22px;font-weight:700}}.subtitle{{font-size:13px;fill:{MUTED}}}",
        f".name{{font-size:{NAME_PX}px;font-weight:600}}.small{{font-size:{SMALL_PX}px;font-weight:600}}"
        f".note{{font-size:{NOTE_PX}px;fill:{MUTED}}}",
        f".middle{{text-anchor:middle}}.end{{text-anchor:end}}.halo{{paint-order:stroke;stroke:{PAPER};stroke-width:4}}",
        f".floor{{stroke:{LINE};stroke-width:1.5}}",
        f".direct,.pale,.across{{fill:none;stroke:{MUTED};stroke-width:1.3;marker-end:url(#head)}}",
        ".pale{stroke-opacity:.16;stroke-width:1;marker-end:none}.across{stroke-dasharray:5 4}",
        *(f".{name} rect{{fill:{fill};stroke:{edge};stroke-width:1.2}}" for name, (fill, edge) in LOOKS.items()),
    ]
    return "".join(rules)


def picture(root: Path) -> str:
    """The SVG of both trees of the checkout in `root`: the same text for the same code."""
    engine, workload = (read_tree(root, name) for name in TREES)
    shared = used_rooms(root, *reversed(TREES))
    rooms = [*engine.rooms.values(), *workload.rooms.values()]
    for room in rooms:
        room.area = AREA * room.lines / sum(other.lines for other in rooms)
    height = max(panel_height(engine), panel_height(workload))
    widths = [panel_width(engine), panel_width(workload)]
    lefts = [MARGIN, 3 * MARGIN + widths[0]]
    left_boxes = place(engine, lefts[0], widths[0], height, shared)
    right_boxes = place(workload, lefts[1], widths[1], height, set())
    whole_width, whole_height = lefts[1] + widths[1] + MARGIN, HEAD + height + 58
    upward = engine.not_downward + workload.not_downward
    legend = (
        "Area of a room: its lines of code. Dark arrow: an import. Pale line: an import of what dark arrows reach too. "
        f"Imports that do not lead down: {upward}."
    )
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole_width:.0f} {whole_height:.0f}" '
        f'width="{whole_width:.0f}" height="{whole_height:.0f}" role="img" aria-labelledby="title">',
        '<title id="title">The packages of sweeps and cifar_sweep on their import floors</title>',
        f"<style>{style()}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 .8 7.5 4 0 7.2z" fill="{MUTED}"/></marker></defs>',
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
        *draw_panel(engine, left_boxes, lefts[0], widths[0]),
        *draw_panel(workload, right_boxes, lefts[1], widths[1]),
    ]
    for name in sorted(shared & set(left_boxes)):
        box = left_boxes[name]
        x, y = box.x + box.width, box.y + box.height / 2
        body.append(f'<path class="across" d="M{lefts[1] - 24:.1f} {y:.1f}H{x + 1:.1f}"/>')
        words = f"all that {workload.name} imports of {engine.name}"
        body.append(f'<text class="note end halo" x="{lefts[1] - 26:.1f}" y="{y - 6:.1f}">{words}</text>')
    body.append(f'<text class="subtitle" x="{MARGIN}" y="{whole_height - 20:.0f}">{legend}</text>')
    return "\n".join([*body, "</svg>"]) + "\n"


# -- the table --------------------------------------------------------------------------------------------------------


def table(root: Path) -> str:
    """The figures of both trees as a Markdown table."""
    trees, sizes = [read_tree(root, name) for name in TREES], [measure(root, name) for name in TREES]
    rows = {
        "files": [f"{one.files}" for one in sizes],
        "lines": [f"{one.lines:,}" for one in sizes],
        "rooms": [f"{len(tree.rooms)}" for tree in trees],
        "floors": [f"{max(tree.floors.values())}" for tree in trees],
        "imports between rooms": [f"{len(tree.arrows)}" for tree in trees],
        "circles": [f"{tree.circles}" for tree in trees],
        "imports that do not lead down": [f"{tree.not_downward}" for tree in trees],
        "files in the fullest folder, `__init__.py` aside": [f"{one.fullest_folder}" for one in sizes],
        "lines of a function: median / p90 / longest": [quantiles(one.functions) for one in sizes],
        "lines of the largest class": [f"{one.longest_class}" for one in sizes],
        "public functions with a docstring": [f"{one.documented:.0%}" for one in sizes],
        "lines of such a docstring, median": [f"{one.docstring:g}" for one in sizes],
        "lines that are comments": [f"{one.comments:.1%}" for one in sizes],
    }
    head = ["| | " + " | ".join(f"`{name}`" for name in TREES) + " |", "| --- |" + " ---: |" * len(TREES)]
    return "\n".join([*head, *(f"| {title} | {' | '.join(cells)} |" for title, cells in rows.items())]) + "\n"


def quantiles(lengths: Sequence[int]) -> str:
    """The median, the 90th percentile and the maximum of ascending lengths."""
    return f"{statistics.median(lengths):g} / {lengths[int(0.9 * len(lengths))]} / {lengths[-1]}"


def main() -> None:
    """Print the table of a checkout, or draw the picture of this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--table", action="store_true", help="print the figures and draw nothing")
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the picture goes")
    arguments = parser.parse_args()
    if arguments.table:
        sys.stdout.write(table(arguments.root))
    else:
        arguments.out.write_text(picture(arguments.root), encoding="utf-8")


if __name__ == "__main__":
    main()
