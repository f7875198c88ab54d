"""Run a study from its file to its report."""
