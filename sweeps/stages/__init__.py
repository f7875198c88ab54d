"""The stages of a study: search, confirm, ablation, final. Each schedules its own trials."""
