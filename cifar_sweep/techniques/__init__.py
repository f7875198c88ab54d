"""Training techniques beyond one network and its labels: distillation, pseudo-labels, self-supervised pre-training."""
