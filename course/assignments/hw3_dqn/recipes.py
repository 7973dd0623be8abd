"""How each method of hw3_dqn is called: weights, batches and seeds are inputs.

What another method would compute is an input too, so that each test depends on one method alone.
Where a method may call another one of the homework, a stand-in takes the place of that one: it is
right for the right arguments, and for no others. What it was given first is an output too,
`given_...`, before all others.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from hw.agents import dqn_agent
from hw.agents.dqn_agent import DQN
from hw.agents.functional import td
from hw.homework.recipe import Inputs, Outputs, Recipe, StandIn, as_seen, gradients
from hw.infrastructure import pytorch_util as ptu
from hw.infrastructure.compilation import Compiler
from hw.networks.backbones import NatureCNN
from hw.networks.heads import DuelingHead

METRICS = ("td_errors", "critic/loss", "critic/q_values", "critic/target_values")


class Linear(nn.Module):
    """(..., F) -> (..., A), a product with the weights (F, A).

    Args:
        weights: (F, A).
        observation_shape: if given, (B, *) -> (B, A) instead; see `as_seen`.
        bias: (A,), or None for none.
    """

    def __init__(
        self,
        weights: Tensor,
        observation_shape: Sequence[int] | None = None,
        bias: Tensor | None = None,
    ):
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.observation_shape, self.bias = observation_shape, bias

    def forward(self, features: Tensor) -> Tensor:
        """The product."""
        if self.observation_shape is not None:
            features = as_seen(features, self.observation_shape)
        outputs = features @ self.weights
        return outputs if self.bias is None else outputs + self.bias


def max_values(inputs: Inputs) -> Outputs:
    """`max_values` of given Q-values."""
    return {"values": td.max_values(inputs.tensor("q_values"))}


def double_q_values(inputs: Inputs) -> Outputs:
    """`double_q_values` of the given Q-values of two networks."""
    values = td.double_q_values(inputs.tensor("q_values"), inputs.tensor("target_q_values"))
    return {"values": values}


def n_step_targets(inputs: Inputs) -> Outputs:
    """`n_step_targets`, and where its gradient flows."""
    rewards = inputs.tensor("rewards", requires_grad=True)
    next_values = inputs.tensor("next_values", requires_grad=True)
    targets = td.n_step_targets(
        rewards=rewards,
        dones=inputs.tensor("dones"),
        next_values=next_values,
        num_steps=inputs.tensor("num_steps"),
        discount=inputs["discount"],
    )
    reward_gradient, value_gradient = gradients(targets, [rewards, next_values])
    return {
        "targets": targets,
        "value_gradient": value_gradient,
        # Rewards after the last step are zero; whether a sum includes them is all the same.
        "reward_gradient": reward_gradient * inputs.tensor("is_step"),
    }


def huber_td_loss(inputs: Inputs) -> Outputs:
    """`huber_td_loss`, and its gradient in both arguments."""
    q_values = inputs.tensor("q_values", requires_grad=True)
    targets = inputs.tensor("targets", requires_grad=True)
    loss = td.huber_td_loss(q_values, targets, optional(inputs, "weights"))
    gradient, target_gradient = gradients(loss, [q_values, targets])
    return {"loss": loss, "gradient": gradient, "target_gradient": target_gradient}


def critic_loss(inputs: Inputs) -> Outputs:
    """`critic_loss` with linear critics."""
    agent = linear_agent(inputs)
    actions, right_targets = inputs.tensor("actions"), inputs.tensor("targets")
    weights = optional(inputs, "weights")
    ones = torch.ones(len(right_targets))
    stand_in = StandIn(inputs, "huber_td_loss")

    def huber_td_loss_there(
        q_values: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        if torch.equal(q_values, right_targets):
            q_values, targets = targets, q_values  # h(e) is h(-e)
        weights = ones if weights is None else weights
        return stand_in({"q_values": q_values, "targets": targets, "weights": weights})

    with replaced("huber_td_loss", huber_td_loss_there):
        loss, metrics = agent.critic_loss(
            inputs.tensor("observations"), actions, right_targets, weights
        )
    networks = [agent.critic.weights, agent.target_critic.weights]
    gradient, target_gradient = gradients(loss, networks)
    return {
        **stand_in.given,
        "loss": loss,
        "gradient": gradient,
        "target_network_gradient": target_gradient,
        **{name: metrics[name] for name in METRICS if name in metrics},
    }


def bellman_targets(inputs: Inputs) -> Outputs:
    """`bellman_targets`, where the values of the next observations are linear in them."""
    agent = linear_agent(inputs)
    value_weights = inputs.tensor("value_weights")
    shape = agent.observation_shape
    agent.next_values = lambda observations: as_seen(observations, shape) @ value_weights
    rewards, dones = inputs.tensor("rewards"), inputs.tensor("dones")
    next_observations, num_steps = inputs.tensor("next_observations"), optional(inputs, "num_steps")
    is_over = dones > 0
    stand_in = StandIn(inputs, "n_step_targets")

    def n_step_targets_there(
        rewards: Tensor, dones: Tensor, next_values: Tensor, num_steps: Tensor, discount: float
    ) -> Tensor:
        # After the end neither value nor number of steps matters.
        return stand_in(
            {
                "rewards": rewards,
                "bootstrap": torch.where(torch.as_tensor(dones) > 0, 0.0, next_values),
                "num_steps": torch.where(is_over, 0, torch.as_tensor(num_steps)),
                "discount": torch.as_tensor(discount).expand(len(is_over)),
            }
        )

    with replaced("n_step_targets", n_step_targets_there):
        targets = agent.bellman_targets(rewards, next_observations, dones, num_steps)
    return {**stand_in.given, "targets": targets}


def double_q_next_values(inputs: Inputs) -> Outputs:
    """`double_q_next_values` with two linear networks."""
    agent = linear_agent(inputs)
    stand_in = StandIn(inputs, "double_q_values")

    def double_q_values_there(q_values: Tensor, target_q_values: Tensor) -> Tensor:
        return stand_in({"q_values": q_values, "target_q_values": target_q_values})

    with replaced("double_q_values", double_q_values_there):
        values = agent.double_q_next_values(inputs.tensor("next_observations"))
    return {**stand_in.given, "values": values}


def act(inputs: Inputs) -> Outputs:
    """`act` in many environments or many times: how often each action is taken in each state.

    The observation of a state is a row of the identity, or an image of one bright pixel; epsilon
    falls by a slope at each step.
    """
    agent = linear_agent(inputs)
    epsilon, at_step, slope = inputs["epsilon"], inputs["step"] or 0, inputs["epsilon_slope"]
    agent.exploration_schedule = lambda step: min(max(epsilon + slope * (at_step - step), 0.0), 1.0)
    num_states, num_actions = agent.critic.weights.shape
    states = torch.arange(inputs["num_envs"]) % num_states
    observations = torch.eye(num_states)[states]
    if inputs.get("observation_shape") is not None:
        observations = (255 * observations).to(torch.uint8)
        observations = observations.reshape(-1, *inputs["observation_shape"])
    before = observations.clone()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(inputs["seed"])
    arguments = inputs["step"], inputs["deterministic"]
    with torch.no_grad():
        few = agent.act(observations[: inputs["few"]], *arguments)
        calls = [agent.act(observations, *arguments) for _ in range(inputs["num_calls"])]
    actions = torch.stack(calls).reshape(len(calls), -1)
    is_action = (actions >= 0) & (actions < num_actions)
    counts = torch.zeros(num_states, num_actions)
    places = states.expand_as(actions), actions.long().clamp(0, num_actions - 1)
    counts.index_put_(places, is_action.float(), accumulate=True)
    is_integer = few.dtype in (torch.uint8, torch.int8, torch.int16, torch.int32)
    return {
        "zeros": torch.zeros_like(few, dtype=torch.int64 if is_integer else None),
        "invalid": (~is_action).sum(),
        "shares": counts / counts.sum(dim=1, keepdim=True).clamp(min=1.0),
        "agreement": (actions[1:] == actions[:-1]).float().mean(),
        "neighbours": (actions[:, num_states:] == actions[:, :-num_states]).float().mean(),
        "change": (observations.float() - before.float()).abs().sum(),
    }


def dueling_head(inputs: Inputs) -> Outputs:
    """`DuelingHead.forward` with two linear streams."""
    value_weights, advantage_weights = inputs.tensor("values"), inputs.tensor("advantages")
    head = DuelingHead(*advantage_weights.shape, "relu")
    head.value, head.advantage = Linear(value_weights), Linear(advantage_weights)
    q_values = head(inputs.tensor("features"))
    weights = inputs.tensor("output_weights")
    gradient_of_values, gradient_of_advantages = gradients(
        q_values * weights, [head.value.weights, head.advantage.weights]
    )
    return {
        "q_values": q_values,
        "value_gradient": gradient_of_values,
        "advantage_gradient": gradient_of_advantages,
    }


def nature_cnn(inputs: Inputs) -> Outputs:
    """`NatureCNN.forward` on images and with weights that are drawn from a seed."""
    generator = np.random.RandomState(inputs["seed"])
    observation_shape = tuple(inputs["observation_shape"])
    network = NatureCNN(
        observation_shape,
        n_layers=inputs["n_layers"],
        size=inputs["size"],
        activation=inputs["activation"],
    )
    for parameter in network.parameters():
        scale = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
        numbers = scale * generator.standard_normal(parameter.shape)
        parameter.data.copy_(torch.from_numpy(numbers))
    numbers = generator.randint(0, 256, size=(*inputs["batch_shape"], *observation_shape))
    if inputs["pixels"] == "float32":
        numbers = inputs.get("offset", 0.0) + inputs.get("scale", 1.0) * numbers / 255
    elif inputs["pixels"] == "int32":
        numbers = numbers % 4
    elif inputs["pixels"] == "bool":
        numbers = numbers % 2
    images = torch.from_numpy(numbers.astype(inputs["pixels"]))
    before = images.clone()
    with mock.patch.object(ptu, "products", inputs["products"]):
        features = network(images)
    change = (images.float() - before.float()).abs().sum()
    if inputs["products"] == "bfloat16":
        # Those numbers are coarse, and depend on the order of operations.
        return {
            "zeros": torch.zeros(features.shape),
            "is_float32": features.dtype == torch.float32,
            "is_coarse": (features.bfloat16() == features).all(),
            "change": change,
        }
    (gradient,) = gradients(features, [network.convolutions[0].weight])
    return {"features": features, "gradient": gradient.sum(dim=(1, 2, 3)), "change": change}


def linear_agent(inputs: Inputs) -> DQN:
    """An agent whose two networks are linear; it has no optimizer and no schedule."""
    agent = DQN.__new__(DQN)
    nn.Module.__init__(agent)
    num_features, agent.num_actions = inputs.values_by_name["critic"].shape
    shape = agent.observation_shape = tuple(inputs.get("observation_shape", (num_features,)))
    bias = optional(inputs, "bias")
    agent.critic = Linear(inputs.tensor("critic"), shape, bias)
    agent.target_critic = Linear(inputs.tensor("target_critic"), shape, bias)
    agent.compiler = Compiler()
    agent.discount = inputs.get("discount")
    agent.next_values = agent.max_next_values
    return agent


def optional(inputs: Inputs, name: str) -> Tensor | None:
    """A tensor, or None where the case has none."""
    return None if inputs.get(name) is None else inputs.tensor(name)


@contextmanager
def replaced(name: str, function: Callable[..., Tensor]) -> Iterator[None]:
    """Put another function in place of one in `td`, however the agent may call it."""
    with (
        mock.patch.object(dqn_agent, name, function, create=True),
        mock.patch.object(td, name, function),
    ):
        yield


RECIPES: dict[str, Recipe] = {
    "max_values": max_values,
    "huber_td_loss": huber_td_loss,
    "DQN.critic_loss": critic_loss,
    "n_step_targets": n_step_targets,
    "DQN.bellman_targets": bellman_targets,
    "DQN.act": act,
    "double_q_values": double_q_values,
    "DQN.double_q_next_values": double_q_next_values,
    "DuelingHead.forward": dueling_head,
    "NatureCNN.forward": nature_cnn,
}
