"""Pictures of the evidence as SVG files."""
