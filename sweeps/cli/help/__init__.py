"""What `sweep` says of itself: its commands in groups, an example for each, and what to do first."""
