"""The stage confirm: the candidates, and the fresh runs of the one that is chosen."""
