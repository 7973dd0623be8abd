"""Where an agent acts."""
