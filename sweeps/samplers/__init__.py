"""What to try next: the surrogate or one of Optuna's samplers, behind the study's constraints."""
