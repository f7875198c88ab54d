"""Searches whose trials leave their device at an epoch and go on later: promotion from rung to rung."""
