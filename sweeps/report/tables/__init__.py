"""The tables of a report, and the results of a study as data frames."""
