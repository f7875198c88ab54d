"""Workloads that swear to what they finish. A folder of their own: a study goes on only with the code it began with."""
