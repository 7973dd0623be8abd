"""From the reference solution to what a student gets."""
