"""What earlier searches say of a configuration, and how far the search at hand agrees with them.

Each source is a process of its own, fitted to its curves once. Its opinion of a configuration is how much better than
the source's own trials it expects it to be at that progress, in their standard deviations. The opinions, each by its
weight, are the prior mean of the process of the search at hand, which therefore has to learn only what is different.

The weight of a source is the rank correlation of its opinions with what the search at hand has measured, pair of trials
by pair of trials at the latest epoch that both have reached. It begins with some trust, as if a few trials had agreed,
and is 0 from where a source contradicts. Weights from rankings: Feurer et al., "Scalable Meta-Learning for Bayesian
Optimization using Ranking-Weighted Gaussian Process Ensembles" (2018).
"""

from sweeps.surrogate.warm_start.prior_mean import Informed, PriorMean, WarmStart
from sweeps.surrogate.warm_start.source import Source

__all__ = ["Informed", "PriorMean", "Source", "WarmStart"]
