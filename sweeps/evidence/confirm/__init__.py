"""The evidence of confirm: the candidates, which of them can be told apart, and the incumbent's figure."""
