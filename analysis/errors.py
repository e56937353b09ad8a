"""What can go wrong with what a user asks of analysis."""


class Error(ValueError):
    """Base of every error that a user of analysis can cause."""
