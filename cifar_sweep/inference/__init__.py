"""What a trained network is used for: evaluate, predict, export."""
