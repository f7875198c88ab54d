"""The section of a report on single images: tables, sentences and the grid of images that a component decides."""
