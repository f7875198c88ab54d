"""Search spaces: dimensions, their encoding for the storage, and Optuna's distributions."""
