"""What a report says about images that a study has twice."""
