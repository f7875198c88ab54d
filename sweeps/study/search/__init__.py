"""How a study searches: its early termination, and what is settled when it begins."""
