"""How the runs behind the figures were made: how long arms were tuned, and what one seed gives twice."""
