"""Images that a study has twice: hashes of all its images, near duplicates told by their pixels, groups of both."""
