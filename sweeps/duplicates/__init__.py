"""Find the images that two data sets share, and those that one has twice, from hashes of the images alone."""
