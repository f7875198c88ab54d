"""The stage ablation: its arms, the race for the order of a path, re-tuning."""
