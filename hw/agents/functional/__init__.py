"""Pure maths of the algorithms, which touches no module."""
