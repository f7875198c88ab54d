"""What people see on a terminal: what moves while a command works, and sentences."""
