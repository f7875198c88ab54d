"""What is told to the user as one message, with exit code 2, instead of a traceback."""


class UserError(Exception):
    """Something in the request, the files or the machine keeps a command from being carried out; the text says what,
    where and the way out."""
