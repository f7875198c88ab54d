"""Training: the epoch loop, the loss, the averages of the weights, early stopping, and how steps are executed."""
