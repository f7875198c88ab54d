"""Workloads that log their progress.

A separate package, because a study resumes only with unchanged code of its workload, which is that of the package.
"""
