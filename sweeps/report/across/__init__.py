"""Pages on several studies: set side by side, or combined."""
