"""What the neurons of two groups of concepts have in common."""
