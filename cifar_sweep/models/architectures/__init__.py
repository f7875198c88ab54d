"""The networks, one file each, with the function `build(recipe, shape)`."""
