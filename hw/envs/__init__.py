"""Where an agent acts."""

import gymnasium

gymnasium.register(
    id="GridWorld-v0", entry_point="hw.envs.gridworld:GridWorldEnv", max_episode_steps=100
)
