"""Trained models of a study: which one is delivered, and its model card."""
