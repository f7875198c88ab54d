"""The public API, on which the command line stands too. Users import its names from `sweeps`."""
