"""Check a study against its workload, and write study files."""
