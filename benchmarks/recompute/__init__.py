"""Recompute every figure of a report from its published runs, with scipy and statsmodels alone.

Nothing here imports `sweeps.stats`. The input is the folder that `sweep report` wrote, and the study file.
"""
