"""The surrogate of a search: a Gaussian process over configurations and epochs, and what it proposes to train next.

Snoek et al., "Practical Bayesian Optimization of Machine Learning Algorithms" (NeurIPS 2012), for expected improvement
with pending trials; Klein et al., "Model-based Asynchronous Hyperparameter and Neural Architecture Search" (2020), for
a process over epochs beside the promotions of successive halving; Swersky et al., "Freeze-Thaw Bayesian Optimization"
(2014), for the covariance within a curve. Nothing here reads or writes anything: trials in, a proposal out.
"""
