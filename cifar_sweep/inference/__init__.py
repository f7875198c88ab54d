"""Inference with a trained network: evaluate, predict, export."""
