"""What stays when the algorithm is swapped."""
