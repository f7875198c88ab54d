"""Search with real trainings, through the engine and with a stock Ray Tune script, where every result is known."""
