"""The table of all trials on the page, and a page for each trial and arm: their data, scripts and styles."""
