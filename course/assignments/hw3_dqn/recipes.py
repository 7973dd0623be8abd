"""How each method of hw3_dqn is called: weights, batches and seeds are inputs.

What another method would compute is an input too, so that each test depends on one method alone.
Where a method may call another one of the homework, that one is replaced by a stand-in: it gives
what is right for the right arguments, and something else for others. What it was given is an output
too, `given_...`, which comes first.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from hw.agents import dqn_agent
from hw.agents.dqn_agent import DQN
from hw.agents.functional import td
from hw.homework.recipe import Inputs, Outputs, Recipe, gradients
from hw.infrastructure import pytorch_util as ptu
from hw.networks.backbones import NatureCNN
from hw.networks.heads import DuelingHead

METRICS = ("td_errors", "critic/loss", "critic/q_values", "critic/target_values")


class Linear(nn.Module):
    """(..., F) -> (..., A), a product with the weights (F, A)."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, features: Tensor) -> Tensor:
        """The product."""
        return features @ self.weights


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
    """`critic_loss` with linear critics; Huber's loss near the right arguments is an input."""
    agent = linear_agent(inputs)
    actions, targets = inputs.tensor("actions"), inputs.tensor("targets")
    weights = optional(inputs, "weights")
    taken_values, slopes = inputs.tensor("taken_values"), inputs.tensor("slopes")
    value = inputs.tensor("huber_loss")
    ones = torch.ones(len(targets))
    stand_in = StandIn(
        q_values=taken_values, targets=targets, weights=ones if weights is None else weights
    )

    def huber_loss_nearby(q_values: Tensor, targets: Tensor, weights: Tensor | None = None):
        if q_values.shape == slopes.shape and torch.equal(q_values, stand_in.right["targets"]):
            q_values, targets = targets, q_values  # h(e) is h(-e)
        wrong = stand_in.call(
            q_values=q_values, targets=targets, weights=ones if weights is None else weights
        )
        if q_values.shape == slopes.shape:
            return value + ((q_values - taken_values) * slopes).sum() + wrong.sum()
        return value + q_values.mean() + wrong.sum()

    with replaced("huber_td_loss", huber_loss_nearby):
        loss, metrics = agent.critic_loss(inputs.tensor("observations"), actions, targets, weights)
    networks = [agent.critic.weights, agent.target_critic.weights]
    gradient, target_gradient = gradients(loss, networks)
    return {
        **stand_in.outputs(),
        "loss": loss,
        "gradient": gradient,
        "target_network_gradient": target_gradient,
        **{name: metrics[name] for name in METRICS if name in metrics},
    }


def bellman_targets(inputs: Inputs) -> Outputs:
    """`bellman_targets`, where the values of the next observations are linear in them."""
    agent = linear_agent(inputs)
    value_weights = inputs.tensor("value_weights")
    agent.next_values = lambda next_observations: next_observations @ value_weights
    rewards, dones = inputs.tensor("rewards"), inputs.tensor("dones")
    next_observations, num_steps = inputs.tensor("next_observations"), optional(inputs, "num_steps")
    is_over = dones.bool()
    # One step is a row of one reward. After the end neither value nor number of steps matters.
    stand_in = StandIn(
        rewards=rewards.reshape(len(dones), -1),
        bootstrap=(next_observations @ value_weights).masked_fill(is_over, 0.0),
        num_steps=(torch.ones(len(dones)) if num_steps is None else num_steps).masked_fill(
            is_over, 0
        ),
        discount=torch.full((len(dones),), inputs["discount"]),
    )
    n_step_result = inputs.tensor("n_step_result")

    def n_step_targets_there(
        rewards: Tensor, dones: Tensor, next_values: Tensor, num_steps: Tensor, discount: float
    ) -> Tensor:
        return n_step_result + stand_in.call(
            rewards=rewards,
            bootstrap=torch.where(plain(dones) > 0, 0.0, next_values),
            num_steps=torch.where(is_over, 0.0, plain(num_steps)),
            discount=torch.as_tensor(discount).expand(len(n_step_result)),
        )

    with replaced("n_step_targets", n_step_targets_there):
        targets = agent.bellman_targets(rewards, next_observations, dones, num_steps)
    return {**stand_in.outputs(), "targets": targets}


def double_q_next_values(inputs: Inputs) -> Outputs:
    """`double_q_next_values` with two linear networks."""
    agent = linear_agent(inputs)
    next_observations = inputs.tensor("next_observations")
    result = inputs.tensor("double_q_result")
    stand_in = StandIn(
        q_values=agent.critic(next_observations),
        target_q_values=agent.target_critic(next_observations),
    )

    def double_q_values_there(q_values: Tensor, target_q_values: Tensor) -> Tensor:
        return result + stand_in.call(q_values=q_values, target_q_values=target_q_values)

    with replaced("double_q_values", double_q_values_there):
        values = agent.double_q_next_values(next_observations)
    return {**stand_in.outputs(), "values": values}


def act(inputs: Inputs) -> Outputs:
    """`act` in many environments or many times: how often each action is taken in each state.

    The observation of a state is a row of the identity; epsilon falls by a slope at each step.
    """
    agent = linear_agent(inputs)
    epsilon, at_step, slope = inputs["epsilon"], inputs["step"] or 0, inputs["epsilon_slope"]
    agent.exploration_schedule = lambda step: min(max(epsilon + slope * (at_step - step), 0.0), 1.0)
    num_states, num_actions = agent.critic.weights.shape
    states = torch.arange(inputs["num_envs"]) % num_states
    observations = torch.eye(num_states)[states]
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
        "change": (observations - before).abs().sum(),
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
        numbers = numbers / 255
    elif inputs["pixels"] == "int32":
        numbers = numbers % 4
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
    agent.critic = Linear(inputs.tensor("critic"))
    agent.target_critic = Linear(inputs.tensor("target_critic"))
    num_features, agent.num_actions = agent.critic.weights.shape
    agent.observation_shape = (num_features,)
    agent.discount = inputs.get("discount")
    agent.next_values = agent.max_next_values
    return agent


def optional(inputs: Inputs, name: str) -> Tensor | None:
    """A tensor, or None where the case has none."""
    return None if inputs.get(name) is None else inputs.tensor(name)


class StandIn:
    """Notes what is given in place of the right arguments.

    A method need not call what it stands for; calls beside a right one are nobody's business.

    Args:
        right: tensors (B, ...) by the argument's name.
    """

    def __init__(self, **right: Tensor):
        self.right = {name: plain(value) for name, value in right.items()}
        self.calls: list[dict[str, Tensor]] = []

    def call(self, **arguments: Tensor) -> Tensor:
        """How wrong each row is: (B,), zeros where all arguments are right."""
        found = {name: plain(value) for name, value in arguments.items()}
        self.calls.append(found)
        wrong = torch.zeros(len(next(iter(self.right.values()))))
        for i, (name, right) in enumerate(self.right.items()):
            if found[name].shape != right.shape:
                wrong = wrong + 10.0 + i
                continue
            errors = (found[name] - right).reshape(len(wrong), -1)
            wrong = wrong + (1.0 + 0.37 * i) * (errors * (1.0 + torch.arange(errors.shape[1]))).sum(
                1
            )
        return wrong

    def outputs(self) -> Outputs:
        """`given_NAME`: the right arguments if they were given, else those of the first call."""
        shown = self.calls[0] if self.calls else self.right
        if any(self._is_right(found) for found in self.calls):
            shown = self.right
        return {f"given_{name}": value for name, value in shown.items()}

    def _is_right(self, found: dict[str, Tensor]) -> bool:
        return all(
            found[name].shape == right.shape and torch.allclose(found[name], right, 1e-4, 1e-5)
            for name, right in self.right.items()
        )


def plain(value: Tensor | float | None) -> Tensor:
    """A copy as float32, of whatever type; None has no elements."""
    if value is None:
        return torch.zeros(0)
    return torch.as_tensor(value).detach().float().clone()


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
