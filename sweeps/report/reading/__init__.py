"""What makes the page readable: explained words, figures that do not break, and the script for copying and contents."""
