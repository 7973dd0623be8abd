"""hw1: what every algorithm stands on."""
