"""The commands of `sweep` in the groups and the order of its help, each with examples of its use."""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Run": {
        "run": ("sweep run studies/quickstart.yaml", "sweep run quickstart --set epochs=2 --smoke"),
        "plan": ("sweep plan studies/quickstart.yaml --no-probe",),
        "resume": ("sweep resume quickstart", "sweep resume quickstart -v"),
        "final": ("sweep final quickstart",),
    },
    "Look": {
        "status": ("sweep status quickstart",),
        "ls": ("sweep ls",),
        "show": ("sweep show quickstart 3", "sweep show quickstart 0 --stage ablation"),
        "explain": ("sweep explain quickstart", "sweep explain quickstart --trial 3"),
        "report": ("sweep report quickstart",),
        "compare": ("sweep compare quickstart resnet_budget",),
        "meta": ("sweep meta quickstart resnet_budget",),
    },
    "Write": {
        "new": ("sweep new mine --data digits --search optimizer.lr=log:1e-3..1e-1",),
        "validate": ("sweep validate studies/quickstart.yaml",),
        "toggles": ("sweep toggles",),
        "schema": ("sweep schema --out study.schema.json",),
        "tune-lr": ("sweep tune-lr studies/quickstart.yaml",),
        "tune-batch": ("sweep tune-batch studies/quickstart.yaml",),
    },
    "Models": {
        "predict": (
            "sweep predict quickstart images/ --out labels.csv",
            "sweep predict quickstart:final/0 images/ --names",
        ),
        "export": ("sweep export quickstart --format onnx --out model",),
    },
    "Maintain": {
        "doctor": ("sweep doctor",),
        "data": ("sweep data check cifar10", "sweep data get cifar10"),
        "repair": ("sweep repair quickstart",),
        "archive": ("sweep archive quickstart",),
        "open": ("sweep open quickstart.sweep.zip",),
    },
}
EXAMPLES = {name: lines for commands in GROUPS.values() for name, lines in commands.items()}
