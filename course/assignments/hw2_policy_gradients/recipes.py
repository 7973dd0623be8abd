"""How each method of hw2_policy_gradients is called: weights and batches are inputs.

What another method would compute is an input too, or a simple stand-in, so that each test depends
on one method alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from torch import Tensor, distributions, nn

from hw.agents import pg_agent
from hw.agents.functional import returns
from hw.agents.pg_agent import PolicyGradient
from hw.homework.recipe import Inputs, Outputs, Recipe, as_seen, gradients
from hw.infrastructure.distributions import Categorical, DiagonalNormal
from hw.networks.interfaces import Policy, StateValueFunction

STEPS = ("rewards", "dones", "truncateds")

# --- log-probabilities ----------------------------------------------------------------------


def categorical_log_prob(inputs: Inputs) -> Outputs:
    """`log_prob` of given actions, and its gradient in the logits."""
    logits = inputs.tensor("logits", requires_grad=True)
    log_probs = Categorical(logits).log_prob(inputs.tensor("actions"))
    (gradient,) = gradients(log_probs, [logits])
    return {"log_probs": log_probs, "gradient": gradient}


def log_prob_of_noise(inputs: Inputs) -> Outputs:
    """`log_prob_of_noise` of a Gaussian, and its gradients."""
    std, noise = (inputs.tensor(name, requires_grad=True) for name in ("std", "noise"))
    distribution = DiagonalNormal(inputs.tensor("mean"), std)
    log_probs = distribution.log_prob_of_noise(noise)
    std_gradient, noise_gradient = gradients(log_probs, [std, noise])
    return {
        "log_probs": log_probs,
        "std_gradient": std_gradient,
        "noise_gradient": noise_gradient,
    }


# --- returns and advantages -----------------------------------------------------------------


def reward_to_go(inputs: Inputs) -> Outputs:
    """`reward_to_go`, with next values if there are any."""
    arguments = [inputs.tensor(name) for name in STEPS]
    if inputs["next_values"] is None:
        return {"returns": returns.reward_to_go(*arguments, inputs["discount"])}
    next_values = inputs.tensor("next_values")
    return {"returns": returns.reward_to_go(*arguments, inputs["discount"], next_values)}


def discounted_return(inputs: Inputs) -> Outputs:
    """`discounted_return` of the episodes in a batch."""
    arguments = [inputs.tensor(name) for name in STEPS]
    return {"returns": returns.discounted_return(*arguments, inputs["discount"])}


def gae(inputs: Inputs) -> Outputs:
    """`gae` of the episodes in a batch."""
    rewards, dones, truncateds = [inputs.tensor(name) for name in STEPS]
    advantages = returns.gae(
        rewards=rewards,
        values=inputs.tensor("values"),
        next_values=inputs.tensor("next_values"),
        dones=dones,
        truncateds=truncateds,
        discount=inputs["discount"],
        gae_lambda=inputs["gae_lambda"],
    )
    return {"advantages": advantages}


def normalize(inputs: Inputs) -> Outputs:
    """`normalize` of a batch of advantages."""
    return {"normalized": returns.normalize(inputs.tensor("advantages"))}


# --- the agent ------------------------------------------------------------------------------


class LinearPolicy(Policy):
    """Logits W s, or a Gaussian of mean W s: observations (B, *) -> a distribution of PyTorch's.

    Args:
        weights: W, (A, *); see `as_seen`.
        std: (A,), or None for a categorical policy.
    """

    def __init__(self, weights: Tensor, std: Tensor | None):
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.std = None if std is None else nn.Parameter(std)

    def forward(self, observations: Tensor) -> distributions.Distribution:
        """The distribution over actions."""
        outputs = as_seen(observations, self.weights.shape[1:]) @ self.weights.flatten(1).T
        if self.std is None:
            return distributions.Categorical(logits=outputs)
        return distributions.Independent(distributions.Normal(outputs, self.std), 1)


class LinearBaseline(StateValueFunction):
    """V(s) = w . s, with w of shape *: observations (B, *) -> values (B,); see `as_seen`."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, observations: Tensor) -> Tensor:
        """The values."""
        return as_seen(observations, self.weights.shape) @ self.weights.flatten()


def actor_loss(inputs: Inputs) -> Outputs:
    """`actor_loss` of a linear policy, its metrics, and its gradients in the policy."""
    agent = bare_agent()
    std = None if inputs["std"] is None else inputs.tensor("std")
    agent.actor = LinearPolicy(inputs.tensor("policy_weights"), std)
    agent.entropy_coefficient = inputs["entropy_coefficient"]
    loss, metrics = agent.actor_loss(
        inputs.tensor("observations"), inputs.tensor("actions"), inputs.tensor("advantages")
    )
    outputs = {
        "loss": loss,
        "loss_metric": metrics["actor/loss"],
        "entropy_metric": metrics["actor/entropy"],
    }
    for name, gradient in zip(
        ("gradient", "std_gradient"), gradients(loss, list(agent.actor.parameters())), strict=False
    ):
        outputs[name] = gradient
    return outputs


def critic_loss(inputs: Inputs) -> Outputs:
    """`critic_loss` of a linear baseline, its metric, and its gradient."""
    agent = bare_agent()
    agent.critic = LinearBaseline(inputs.tensor("baseline_weights"))
    loss, metrics = agent.critic_loss(inputs.tensor("observations"), inputs.tensor("returns"))
    (gradient,) = gradients(loss, [agent.critic.weights])
    return {"loss": loss, "loss_metric": metrics["critic/loss"], "gradient": gradient}


def estimate_advantages(inputs: Inputs) -> Outputs:
    """`estimate_advantages` of a batch, with stand-ins for returns and GAE.

    A stand-in gives a number for each step that tells what it was called with.
    """
    agent = bare_agent()
    weights = inputs["baseline_weights"]
    agent.critic = None if weights is None else LinearBaseline(inputs.tensor("baseline_weights"))
    agent.discount, agent.gae_lambda = inputs["discount"], inputs["gae_lambda"]
    agent.use_reward_to_go = inputs["use_reward_to_go"]
    names = ("observations", "next_observations", *STEPS)
    with stand_ins_for_returns():
        advantages, targets, values = agent.estimate_advantages(
            {name: inputs.tensor(name) for name in names}
        )
    return {"advantages": advantages, "returns": targets, "values": values}


@contextmanager
def stand_ins_for_returns() -> Iterator[None]:
    """Let the functions of `returns` give numbers that are no returns, but depend on everything."""

    def mix(
        kind: float, rewards: Tensor, dones: Tensor, truncateds: Tensor, discount: float
    ) -> Tensor:
        ends = 2.0 * dones.to(rewards.dtype) + 3.0 * truncateds.to(rewards.dtype)
        return kind + rewards + ends + 5.0 * discount

    def unless_done(next_values: Tensor | None, dones: Tensor) -> Tensor | float:
        return 0.0 if next_values is None else 0.5 * next_values.where(~dones.bool(), 0.0)

    def whole(rewards: Tensor, dones: Tensor, truncateds: Tensor, discount: float) -> Tensor:
        return mix(7.0, rewards, dones, truncateds, discount)

    def to_go(
        rewards: Tensor,
        dones: Tensor,
        truncateds: Tensor,
        discount: float,
        next_values: Tensor | None = None,
    ) -> Tensor:
        return mix(11.0, rewards, dones, truncateds, discount) + unless_done(next_values, dones)

    def advantage(
        rewards: Tensor,
        values: Tensor,
        next_values: Tensor,
        dones: Tensor,
        truncateds: Tensor,
        discount: float,
        gae_lambda: float,
    ) -> Tensor:
        mixed = mix(13.0, rewards, dones, truncateds, discount)
        return mixed + 0.25 * values + unless_done(next_values, dones) + 17.0 * gae_lambda

    with ExitStack() as stack:
        for module in (returns, pg_agent):
            stack.enter_context(
                patch.multiple(module, discounted_return=whole, reward_to_go=to_go, gae=advantage)
            )
        yield


def bare_agent() -> PolicyGradient:
    """An agent without networks; a recipe gives it what its method uses."""
    agent = PolicyGradient.__new__(PolicyGradient)
    nn.Module.__init__(agent)
    return agent


RECIPES: dict[str, Recipe] = {
    "Categorical.log_prob": categorical_log_prob,
    "DiagonalNormal.log_prob_of_noise": log_prob_of_noise,
    "PolicyGradient.actor_loss": actor_loss,
    "reward_to_go": reward_to_go,
    "discounted_return": discounted_return,
    "gae": gae,
    "normalize": normalize,
    "PolicyGradient.critic_loss": critic_loss,
    "PolicyGradient.estimate_advantages": estimate_advantages,
}
