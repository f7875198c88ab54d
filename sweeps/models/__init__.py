"""The trained models of a study: which of them to use, and their model card."""
