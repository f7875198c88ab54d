"""What a study concludes: its answer in order of importance, the winner's recipe, and what it does not show."""
