"""Show accuracies and differences over seeds and images: sentences, columns of tables, and data frames."""
