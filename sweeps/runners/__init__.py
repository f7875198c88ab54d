"""Where trials run: in this process or through Ray."""
