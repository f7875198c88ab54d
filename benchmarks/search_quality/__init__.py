"""Compare search policies at equal device-seconds, on problems whose every training is known."""
