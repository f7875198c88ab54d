"""The networks, one file each: `build(recipe, shape)`."""
