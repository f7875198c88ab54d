"""The studies' storage: Optuna's database, the records beside it, and the runs folder."""
