"""The figures with a line for each arm: together for a few arms, in a panel each for many."""
