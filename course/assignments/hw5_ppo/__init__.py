"""hw5_ppo: proximal policy optimisation, and TD3 for comparison."""
