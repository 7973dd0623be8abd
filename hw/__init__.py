"""Deep reinforcement learning, from experiment file to gradient step."""
