"""What to try next: Optuna's samplers behind the study's constraints."""
