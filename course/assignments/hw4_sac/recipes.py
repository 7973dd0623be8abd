"""How each method of hw4_sac is called: weights, batches and noise are inputs.

What another method would compute is an input too, so that each test depends on one method alone.
"""

import torch
from torch import Tensor, nn

from hw.agents.sac_agent import SoftActorCritic
from hw.homework.recipe import Inputs, Outputs, Recipe, gradients


class LinearCritics(nn.Module):
    """Q_k(s, a) = w_k . (s, a): (B, *), (B, A) -> (K, B)."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The Q-values."""
        return self.weights @ torch.cat([observations, actions], dim=-1).mT


def critic_loss(inputs: Inputs) -> Outputs:
    """`critic_loss` with linear critics, and where its gradient flows."""
    agent = bare_agent()
    agent.critics = LinearCritics(inputs.tensor("critic_weights"))
    weights = None if inputs.get("weights") is None else inputs.tensor("weights")
    targets = inputs.tensor("targets", requires_grad=True)
    loss, metrics = agent.critic_loss(
        inputs.tensor("observations"), inputs.tensor("actions"), targets, weights
    )
    (gradient,) = gradients(loss, [agent.critics.weights])
    return {"loss": loss, "gradient": gradient, "td_errors": metrics["td_errors"]}


def bare_agent() -> SoftActorCritic:
    """An agent without networks; a recipe gives it what its method uses."""
    agent = SoftActorCritic.__new__(SoftActorCritic)
    nn.Module.__init__(agent)
    return agent


RECIPES: dict[str, Recipe] = {
    "SoftActorCritic.critic_loss": critic_loss,
}
