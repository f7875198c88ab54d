"""Check the error rates and intervals of the engine against known truths.

`simulations` draws differences and calls `sweeps.stats`; `engine` runs whole studies through the public API.
"""
