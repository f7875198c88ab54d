"""The report, tested on results built from frozen trials."""
