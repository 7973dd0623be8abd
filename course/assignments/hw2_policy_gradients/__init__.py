"""Policy gradients: log-probabilities, returns, advantages, losses."""
