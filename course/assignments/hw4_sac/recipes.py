"""How each method of hw4_sac is called: weights, batches and noise are inputs.

What another method would compute is an input too, so that each test depends on one method alone.

Shapes: B batch, K critics, S action samples, A action dimension, D size of an observation.
"""

from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from hw.agents import sac_agent
from hw.agents.functional import td
from hw.agents.sac_agent import SoftActorCritic
from hw.homework.recipe import Inputs, Outputs, Recipe, gradients
from hw.infrastructure.distributions import log_tanh_slope
from hw.networks.state_action_value_critic import StateActionCriticEnsemble

# --- stubs ----------------------------------------------------------------------------------


def features_of(observations: Tensor, shape: torch.Size) -> Tensor:
    """Observations (B, *) as vectors (B, D), for any leading shape B; pixels are divided by 255.

    Raises:
        ValueError: they are not of the shape (B, *).
    """
    first = observations.ndim - len(shape)
    if first < 0 or observations.shape[first:] != shape:
        raise ValueError(
            f"{tuple(observations.shape)} are no observations (B, *), * {tuple(shape)}"
        )
    features = observations.flatten(first)
    return features if features.is_floating_point() else features / 255


class SineCritics(nn.Module):
    """Q_k(s, a) = x + sin(x), x = w_k . (s, a): (B, *), (B, A) -> (K, B), for any leading shape B.

    Args:
        weights: (K, D + A).
        observation_shape: *, of D numbers.
    """

    def __init__(self, weights: Tensor, observation_shape: torch.Size):
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.observation_shape = observation_shape

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The Q-values."""
        features = features_of(observations, self.observation_shape)
        scores = torch.einsum("kd,...d->k...", self.weights, torch.cat([features, actions], -1))
        return scores + scores.sin()


class GivenNoiseActor(nn.Module):
    """pi(. | s) = N(W_0 s, diag(exp(W_1 s)^2)), the noise of whose samples is given.

    Args:
        weights: (2, D, A).
        noise: (draws, B, A); samples take it in turn, and begin again at its end.
        observation_shape: *, of D numbers.
    """

    def __init__(self, weights: Tensor, noise: Tensor, observation_shape: torch.Size):
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.observation_shape = observation_shape
        self.noise = noise.flatten()
        self.used = 0

    def forward(self, observations: Tensor) -> "GivenNoiseNormal":
        """The distribution for each observation."""
        features = features_of(observations, self.observation_shape)
        mean, log_std = (features @ weights for weights in self.weights)
        return GivenNoiseNormal(mean, log_std.exp(), self)

    def draw(self, shape: torch.Size) -> Tensor:
        """What comes next of the noise."""
        places = torch.arange(self.used, self.used + shape.numel())
        self.used += shape.numel()
        return self.noise[places % len(self.noise)].reshape(shape)


class GivenNoiseNormal:
    """A diagonal Gaussian with the methods of `DiagonalNormal`; its actor gives the noise."""

    def __init__(self, mean: Tensor, std: Tensor, actor: GivenNoiseActor):
        self.loc = self.mean = self.mode = mean
        self.std = std
        self.actor = actor

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """A pathwise sample."""
        return self.loc + self.std * self.actor.draw(torch.Size(sample_shape) + self.loc.shape)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """A constant sample."""
        return self.rsample(sample_shape).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        return torch.distributions.Normal(self.loc, self.std).log_prob(value).sum(dim=-1)

    def rsample_with_log_prob(self, sample_shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
        """A pathwise sample and its log-probability."""
        action = self.rsample(sample_shape)
        return action, self.log_prob(action)

    def sample_with_log_prob(self, sample_shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
        """A constant sample and its log-probability."""
        action = self.sample(sample_shape)
        return action, self.log_prob(action)


def bare_agent() -> SoftActorCritic:
    """An agent without networks; a recipe gives it what its method uses."""
    agent = SoftActorCritic.__new__(SoftActorCritic)
    nn.Module.__init__(agent)
    return agent


def agent_with_networks(inputs: Inputs, observations: Tensor) -> SoftActorCritic:
    """An agent with small networks; its TODOs are stubs whose numbers are inputs."""
    agent = agent_with_critics(inputs, observations)
    agent.actor = GivenNoiseActor(
        inputs.tensor("actor_weights"), inputs.tensor("noise"), observations.shape[1:]
    )
    agent.target_critics.requires_grad_(False)
    agent.log_temperature = nn.Parameter(inputs.tensor("log_temperature"))
    agent.use_entropy_bonus = inputs["use_entropy_bonus"]
    agent.backup_entropy = inputs["backup_entropy"]
    first, second = inputs["soft_value_weights"]
    agent.soft_values = lambda q_values, log_probs: first * q_values + second * log_probs
    scale = inputs["entropy_weight"]
    agent.entropy = lambda log_probs: scale * log_probs.sum()
    return agent


def agent_with_critics(inputs: Inputs, observations: Tensor) -> SoftActorCritic:
    """An agent with critics and target critics for observations (B, *), and no more."""
    agent = bare_agent()
    shape = observations.shape[1:]
    agent.critics = SineCritics(inputs.tensor("critic_weights"), shape)
    agent.target_critics = SineCritics(inputs.tensor("target_critic_weights"), shape)
    return agent


# --- densities, critics, backups ------------------------------------------------------------


def log_tanh_slope_of_samples(inputs: Inputs) -> Outputs:
    """`log_tanh_slope` and its gradient."""
    pre_tanh = inputs.tensor("pre_tanh", requires_grad=True)
    log_slope = log_tanh_slope(pre_tanh)
    (gradient,) = gradients(log_slope, [pre_tanh])
    return {"log_slope": log_slope, "gradient": gradient}


def ensemble_forward(inputs: Inputs) -> Outputs:
    """Q-values of critics whose weights are drawn from a seed, and where gradient flows."""
    observations = inputs.tensor("observations")
    observations.requires_grad_(observations.is_floating_point())
    actions = inputs.tensor("actions", requires_grad=True)
    critics = StateActionCriticEnsemble(
        inputs["num_critics"],
        observations.shape[-1],
        actions.shape[-1],
        n_layers=inputs["n_layers"],
        size=6,
        activation="tanh",
    )
    generator = np.random.RandomState(inputs["seed"])
    for parameter in critics.parameters():
        parameter.data.copy_(torch.from_numpy(generator.standard_normal(parameter.shape)))
    q_values = critics(observations, actions)
    weights = list(critics.parameters())
    in_actions, *in_weights = gradients(q_values, [actions, *weights])
    in_observations = gradients(q_values, [observations]) if observations.requires_grad else []
    return {
        "q_values": q_values,
        "gradient_in_observations": sum(in_observations),  # 0 of bytes
        "gradient_in_actions": in_actions,
        "gradient_in_weights": torch.cat([gradient.flatten() for gradient in in_weights]),
    }


def mean_backup(inputs: Inputs) -> Outputs:
    """`mean_backup` of given Q-values."""
    return {"values": td.mean_backup(inputs.tensor("q_values"))}


def min_backup(inputs: Inputs) -> Outputs:
    """`min_backup` of given Q-values."""
    return {"values": td.min_backup(inputs.tensor("q_values"))}


def double_q_backup(inputs: Inputs) -> Outputs:
    """`double_q_backup` of given Q-values."""
    return {"values": td.double_q_backup(inputs.tensor("q_values"))}


def random_subset_min_backup(inputs: Inputs) -> Outputs:
    """All different results of many calls, sorted: (results, K, B). Which comes when is chance.

    `is_even` tells whether each came as often as the others, within six standard deviations and in
    at least a quarter of its share of the calls; `are_independent`, likewise, whether one says
    nothing of the next.
    """
    torch.manual_seed(inputs["seed"])
    q_values = inputs.tensor("q_values")
    size = inputs["subset_size"]
    num_draws = inputs["num_draws"]
    draws = [td.random_subset_min_backup(q_values, size) for _ in range(num_draws)]
    results, which, counts = torch.unique(
        torch.stack(draws), dim=0, return_inverse=True, return_counts=True
    )
    share = 1 / len(results)
    margin = 6 * (share * (1 - share) / num_draws) ** 0.5
    is_even = 4 * counts.min() >= share * num_draws
    is_even &= ((counts / num_draws - share).abs() <= margin).all()
    repeats = (which[1:] == which[:-1]).double().mean()
    return {
        "results": results,
        "is_even": bool(is_even),
        "are_independent": bool((repeats - share).abs() <= margin),
    }


# --- the critics' loss ----------------------------------------------------------------------


def entropy(inputs: Inputs) -> Outputs:
    """`entropy` of given log-probabilities."""
    return {"entropy": bare_agent().entropy(inputs.tensor("log_probs"))}


def soft_values(inputs: Inputs) -> Outputs:
    """`soft_values`, and where its gradient flows."""
    agent = bare_agent()
    agent.log_temperature = nn.Parameter(inputs.tensor("log_temperature"))
    agent.use_entropy_bonus = inputs["use_entropy_bonus"]
    agent.backup_entropy = inputs["backup_entropy"]
    q_values = inputs.tensor("q_values", requires_grad=True)
    log_probs = inputs.tensor("log_probs", requires_grad=True)
    values = agent.soft_values(q_values, log_probs)
    found = gradients(values, [q_values, log_probs, agent.log_temperature])
    names = "gradient_in_q_values", "gradient_in_log_probs", "gradient_in_log_temperature"
    return {"values": values} | dict(zip(names, found, strict=True))


def bellman_targets(inputs: Inputs) -> Outputs:
    """`bellman_targets` with a backup that is a given matrix (K, K)."""
    next_observations = inputs.tensor("next_observations")
    agent = agent_with_networks(inputs, next_observations)
    agent.discount = inputs["discount"]
    matrix = inputs.tensor("backup_matrix")
    agent.backup = lambda q_values: matrix @ q_values
    targets = agent.bellman_targets(
        inputs.tensor("rewards"), next_observations, inputs.tensor("dones")
    )
    return {"targets": targets, "requires_grad": targets.requires_grad}


def squared_td_loss(inputs: Inputs) -> Outputs:
    """`squared_td_loss` and its gradient in the Q-values."""
    q_values = inputs.tensor("q_values", requires_grad=True)
    weights = None if inputs.get("weights") is None else inputs.tensor("weights")
    loss = td.squared_td_loss(q_values, inputs.tensor("targets"), weights)
    (gradient,) = gradients(loss, [q_values])
    return {"loss": loss, "gradient": gradient}


def critic_loss(inputs: Inputs) -> Outputs:
    """`critic_loss` with sine critics, where its gradient flows, and its metrics."""
    observations = inputs.tensor("observations")
    agent = agent_with_critics(inputs, observations)
    weights = None if inputs.get("weights") is None else inputs.tensor("weights")
    loss_of_errors = quadratic_loss(inputs["loss_coefficients"])
    with (
        patch.object(td, "squared_td_loss", loss_of_errors),
        patch.object(sac_agent, "squared_td_loss", loss_of_errors, create=True),
    ):
        loss, metrics = agent.critic_loss(
            observations,
            inputs.tensor("actions"),
            inputs.tensor("targets"),
            weights,
        )
    (gradient,) = gradients(loss, [agent.critics.weights])
    return {
        "loss": loss,
        "gradient": gradient,
        "reported_loss": metrics["critic/loss"],
        "mean_q_value": metrics["critic/q_values"],
        "mean_target": metrics["critic/target_values"],
        "td_errors": metrics["td_errors"],
    }


def quadratic_loss(coefficients: list[float]) -> Callable[..., Tensor]:
    """A stub for `squared_td_loss`: a quadratic form of Q-values and targets."""
    first, mixed, last = coefficients

    def loss(q_values: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        terms = first * q_values**2 + mixed * q_values * targets + last * targets**2
        return terms.sum() if weights is None else (terms @ weights).sum()

    return loss


# --- the actor's loss, temperature ----------------------------------------------------------


def actor_loss_reinforce(inputs: Inputs) -> Outputs:
    """`actor_loss_reinforce` for given noise, and where its gradient flows."""
    observations = inputs.tensor("observations")
    agent = agent_with_networks(inputs, observations)
    agent.is_pessimistic = inputs["is_pessimistic"]
    agent.num_actor_samples = inputs["num_actor_samples"]
    loss, metrics = agent.actor_loss_reinforce(observations)
    state = after_actor_loss(agent, loss, metrics)
    (in_critics,) = gradients(loss, [agent.critics.weights])
    return state | {"gradient_in_critics": in_critics}


def actor_loss_reparametrize(inputs: Inputs) -> Outputs:
    """`actor_loss_reparametrize` for given noise, and where its gradient flows."""
    observations = inputs.tensor("observations")
    agent = agent_with_networks(inputs, observations)
    agent.is_pessimistic = inputs["is_pessimistic"]
    agent.num_actor_samples = inputs["num_actor_samples"]
    loss, metrics = agent.actor_loss_reparametrize(observations)
    return after_actor_loss(agent, loss, metrics)


def after_actor_loss(agent: SoftActorCritic, loss: Tensor, metrics: dict[str, Tensor]) -> Outputs:
    """An actor loss, its gradients and metrics, and whether the critics can still be trained."""
    can_train = [parameter.requires_grad for parameter in agent.critics.parameters()]
    agent.critics.requires_grad_(True)
    in_actor, in_log_temperature = gradients(loss, [agent.actor.weights, agent.log_temperature])
    return {
        "loss": loss,
        "gradient": in_actor,
        "gradient_in_log_temperature": in_log_temperature,
        "critics_need_gradient": can_train,
        "reported_loss": metrics["actor/loss"],
        "reported_entropy": metrics["actor/entropy"],
        "reported_std": metrics["actor/std"],
    }


def temperature_loss(inputs: Inputs) -> Outputs:
    """`temperature_loss`, and where its gradient flows."""
    agent = bare_agent()
    agent.log_temperature = nn.Parameter(inputs.tensor("log_temperature"))
    agent.target_entropy = inputs["target_entropy"]
    estimate = inputs.tensor("entropy", requires_grad=True)
    loss, metrics = agent.temperature_loss(estimate)
    in_log_temperature, in_entropy = gradients(loss, [agent.log_temperature, estimate])
    return {
        "loss": loss,
        "gradient_in_log_temperature": in_log_temperature,
        "gradient_in_entropy": in_entropy,
        "reported_loss": metrics["temperature/loss"],
    }


# --- target critics -------------------------------------------------------------------------


def agent_with_targets(inputs: Inputs) -> SoftActorCritic:
    """An agent whose critics are a matrix and a vector, and target critics of the same shapes."""
    agent = bare_agent()
    names = "matrix", "vector"
    agent.critics = nn.ParameterList(inputs.tensor(name).clone() for name in names)
    targets = [inputs.tensor(f"target_{name}").clone() for name in names]
    agent.target_critics = nn.ParameterList(targets).requires_grad_(False)
    agent.critic_parameters = list(agent.critics.parameters())
    agent.target_critic_parameters = list(agent.target_critics.parameters())
    return agent


def states_of_targets(agent: SoftActorCritic, update: Callable[[], None]) -> Outputs:
    """All weights after an update, after a change of the critics, and after another update."""
    memory = nn.ParameterList(parameter.detach() for parameter in agent.target_critics.parameters())
    update()
    first = flat(agent.target_critics)
    listed, own = agent.target_critic_parameters, list(agent.target_critics.parameters())
    modules = agent.target_critics, agent.critics
    needs = [[parameter.requires_grad for parameter in module.parameters()] for module in modules]
    with torch.no_grad():
        for parameter in agent.critics.parameters():
            parameter.add_(1.0)
    later = flat(agent.target_critics)
    update()
    return {
        "targets": first,
        "targets_once_the_critics_have_moved": later,
        "targets_after_a_second_call": flat(agent.target_critics),
        "their_memory": flat(memory),
        "critics": flat(agent.critics),
        "targets_need_gradient": needs[0],
        "critics_need_gradient": needs[1],
        "list_is_theirs": [a is b for a, b in zip(listed, own, strict=True)],
    }


def flat(module: nn.Module) -> Tensor:
    """A copy of all weights in one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def update_target_critic(inputs: Inputs) -> Outputs:
    """Two hard updates, between which the critics move."""
    agent = agent_with_targets(inputs)
    return states_of_targets(agent, agent.update_target_critic)


def soft_update_target_critic(inputs: Inputs) -> Outputs:
    """Two soft updates, between which the critics move."""
    agent = agent_with_targets(inputs)
    agent.soft_target_update_rate = inputs["rate"]
    return states_of_targets(agent, agent.soft_update_target_critic)


RECIPES: dict[str, Recipe] = {
    "log_tanh_slope": log_tanh_slope_of_samples,
    "StateActionCriticEnsemble.forward": ensemble_forward,
    "SoftActorCritic.entropy": entropy,
    "SoftActorCritic.soft_values": soft_values,
    "mean_backup": mean_backup,
    "min_backup": min_backup,
    "double_q_backup": double_q_backup,
    "random_subset_min_backup": random_subset_min_backup,
    "SoftActorCritic.bellman_targets": bellman_targets,
    "squared_td_loss": squared_td_loss,
    "SoftActorCritic.critic_loss": critic_loss,
    "SoftActorCritic.actor_loss_reinforce": actor_loss_reinforce,
    "SoftActorCritic.actor_loss_reparametrize": actor_loss_reparametrize,
    "SoftActorCritic.temperature_loss": temperature_loss,
    "SoftActorCritic.update_target_critic": update_target_critic,
    "SoftActorCritic.soft_update_target_critic": soft_update_target_critic,
}
