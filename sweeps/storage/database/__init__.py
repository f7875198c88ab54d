"""A study's database: Optuna's tables in an SQLite file, and who has written what into it."""
