"""How each method of hw5_ppo is called: weights, batches and noise are inputs.

What another method would compute is an input too, so that each test depends on one method alone.
Where a method may call another one of the homework, a stand-in takes the place of that one: it is
right for the right arguments, and for no others.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from hw.agents import ppo_agent, td3_agent
from hw.agents.functional import surrogate
from hw.homework.recipe import Inputs, Outputs, Recipe, StandIn, as_seen, gradients

# Some that `update_actor_critic` and `update_critic` may return besides.
OTHER_METRICS = ("actor/ratio_mean", "actor/clip_fraction", "actor/entropy", "critic/another")
CRITICS_METRICS = ("td_errors", "critic/q_values", "critic/gradient_norm", "critic/another")
ACTORS_METRICS = ("actor/saturation", "actor/gradient_norm", "actor/another")
UNLIKELY = 30.0  # a surprise, in nats


def clipped_surrogate(inputs: Inputs) -> Outputs:
    """The objectives, and their gradient in the ratios."""
    ratios = inputs.tensor("ratios", requires_grad=True)
    objectives = surrogate.clipped_surrogate(
        ratios, inputs.tensor("advantages"), number(inputs, "clip_ratio")
    )
    (gradient,) = gradients(objectives, [ratios])
    return {"objectives": objectives, "gradient": gradient}


def approximate_kl(inputs: Inputs) -> Outputs:
    """The estimate."""
    return {"kl": surrogate.approximate_kl(inputs.tensor("log_ratios"))}


def actor_loss(inputs: Inputs) -> Outputs:
    """`actor_loss`, its gradient and its metrics."""
    agent = bare_ppo()
    agent.normalize_advantages = inputs["normalize_advantages"]
    log_ratios = inputs.tensor("log_ratios", requires_grad=True)
    objectives, kl = StandIn(inputs, "clipped_surrogate"), StandIn(inputs, "approximate_kl")

    def clipped_surrogate_there(
        ratios: Tensor, advantages: Tensor, clip_ratio: float | Tensor
    ) -> Tensor:
        return objectives({"ratios": ratios, "advantages": advantages, "clip_ratio": clip_ratio})

    def approximate_kl_there(log_ratios: Tensor) -> Tensor:
        return kl({"log_ratios": log_ratios})

    with (
        replaced("clipped_surrogate", clipped_surrogate_there),
        replaced("approximate_kl", approximate_kl_there),
    ):
        loss, metrics = agent.actor_loss(
            log_ratios, inputs.tensor("advantages"), inputs.tensor("clip_ratio")
        )
    (gradient,) = gradients(loss, [log_ratios])
    names = ["loss", "ratio_mean", "ratio_max", "clip_fraction", "approximate_kl"]
    return {
        "loss": loss,
        "gradient": gradient,
        "metrics": torch.stack([metrics[f"actor/{name}"].detach() for name in names]),
    }


def clipped_value_errors(inputs: Inputs) -> Outputs:
    """The errors, and their gradient in the values."""
    values = inputs.tensor("values", requires_grad=True)
    errors = surrogate.clipped_value_errors(
        values,
        inputs.tensor("old_values"),
        inputs.tensor("returns"),
        number(inputs, "clip_range"),
    )
    (gradient,) = gradients(errors, [values])
    return {"errors": errors, "gradient": gradient}


def ppo_loss(inputs: Inputs) -> Outputs:
    """`ppo_loss` of a linear policy and value function, and where its gradient flows.

    In place of `actor_loss` stands a weighted sum of what it is given.
    """
    agent = bare_ppo()
    agent.actor_critic = LinearActorCritic(inputs)
    agent.value_coefficient = inputs["value_coefficient"]
    agent.entropy_coefficient = inputs["entropy_coefficient"]
    agent.value_clip_range = inputs["value_clip_range"]
    actor_weights = inputs.tensor("actor_weights")

    def weighted_sum(
        log_ratios: Tensor, advantages: Tensor, clip_ratio: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        loss = (actor_weights * log_ratios + advantages * log_ratios.square()).sum() + clip_ratio
        sizes = log_ratios.detach().abs()
        metrics = {"actor/loss": loss, "actor/approximate_kl": sizes.mean()}
        metrics |= {"actor/ratio_max": sizes.max(), "actor/ratio_mean": sizes.square().mean()}
        return loss, metrics | {"actor/clip_fraction": sizes.min(), "actor/another": sizes.sum()}

    agent.actor_loss = weighted_sum
    errors = StandIn(inputs, "clipped_value_errors")

    def clipped_value_errors_there(
        values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float | Tensor
    ) -> Tensor:
        # An infinite range is no limit, and has no tightness.
        given = {"values": values, "old_values": old_values, "returns": returns}
        return errors(given | {"tightness": 1 / (1 + clip_range)})

    minibatch = ["observations", "actions", "old_log_probs", "old_values", "advantages", "returns"]
    with replaced("clipped_value_errors", clipped_value_errors_there):
        loss, metrics = agent.ppo_loss(
            *(inputs.tensor(name) for name in minibatch), inputs.tensor("clip_ratio")
        )
    names = [f"actor/{name}" for name in ("loss", "entropy", "approximate_kl", "ratio_max")]
    names.append("critic/loss")
    others = [f"actor/{name}" for name in ("ratio_mean", "clip_fraction", "another")]
    flows = dict(agent.actor_critic.named_parameters())
    found = gradients(loss, list(flows.values()))
    return {
        "loss": loss,
        **{f"gradient_{name}": value for name, value in zip(flows, found, strict=True)},
        "metrics": torch.stack([metrics[name].detach() for name in names]),
        "other_metrics": stacked([metrics[name].detach() for name in others if name in metrics]),
    }


@torch.no_grad()
def values_of_next(inputs: Inputs) -> Outputs:
    """The values, but for steps that are done, after which none is used."""
    agent = bare_ppo()
    agent.actor_critic = LinearActorCritic(inputs)
    rollout = rollout_of(inputs)
    found = agent.values_of_next(inputs.tensor("values"), rollout)
    return {"next_values": found * torch.from_numpy(~inputs.values_by_name["dones"])}


def evaluate_rollout(inputs: Inputs) -> Outputs:
    """All that is computed once for a rollout."""
    agent = bare_ppo()
    agent.actor_critic = LinearActorCritic(inputs)
    agent.discount, agent.gae_lambda = inputs["discount"], inputs["gae_lambda"]
    next_values = StandIn(inputs, "values_of_next")

    def values_of_next_there(values: Tensor, rollout: dict[str, Tensor]) -> Tensor:
        names = "next_observations", "dones", "truncateds"
        return next_values({"values": values} | {name: rollout[name] for name in names})

    agent.values_of_next = values_of_next_there
    names = ["observations", "actions", "log_probs", "values", "advantages", "returns"]
    found = agent.evaluate_rollout(rollout_of(inputs))
    return {f"{name}_by_row": value for name, value in zip(names, found, strict=True)}


def minibatches(inputs: Inputs) -> Outputs:
    """What holds for the minibatches of any shuffling; orders are those of two calls.

    Each epoch's rows are sorted again by the first number of their observation, so that they must
    be those of the rollout.
    """
    agent = bare_ppo()
    agent.num_epochs, agent.batch_size = inputs["num_epochs"], inputs["batch_size"]
    torch.manual_seed(inputs["seed"])
    names = ["observations", "actions", "advantages"]
    experience = tuple(inputs.tensor(name) for name in names)
    found = [tuple(minibatch) for minibatch in agent.minibatches(experience)]
    sizes = torch.tensor([[len(tensor) for tensor in minibatch] for minibatch in found])
    num_rows = len(experience[0])
    if sizes.shape[1:] != (3,) or (sizes.sum(dim=0) != agent.num_epochs * num_rows).any():
        return {"sizes": sizes}
    columns = [torch.cat(tensors) for tensors in zip(*found, strict=True)]
    epochs = columns[0][:, 0].reshape(agent.num_epochs, num_rows)
    ranks = epochs.argsort(dim=1) + num_rows * torch.arange(agent.num_epochs)[:, None]
    again = torch.cat([rows for rows, *_ in agent.minibatches(experience)])[:, 0]
    in_time = torch.from_numpy(inputs.values_by_name["observations"][:, 0])
    orders = {tuple(o.tolist()) for o in [*epochs, *again.reshape(epochs.shape), in_time]}
    places = (epochs[:, :, None] == in_time).float().argmax(dim=2)
    return {
        "sizes": sizes,
        **{f"{n}_of_epochs": c[ranks] for n, c in zip(names, columns, strict=True)},
        "num_orders": len(orders),
        "num_groups": len({frozenset(rows[:, 0].tolist()) for rows, *_ in found}),
        "is_in_time_order": bool((places.diff(dim=1).abs() == 1).float().mean() > 0.5),
        "is_by_chance": are_by_chance(places, agent.batch_size),
    }


def minibatch_steps(inputs: Inputs) -> Outputs:
    """Which steps are taken, on what, and what is returned of them.

    A step moves the policy by the mean size of its minibatch's advantages.
    """
    agent = bare_ppo()
    agent.target_kl = inputs["target_kl"]
    experience = inputs.tensor("observations"), inputs.tensor("advantages")
    agent.minibatches = lambda experience: zip(
        *(tensor.split(2) for tensor in experience), strict=True
    )
    taken: list[Tensor] = []

    def take_step(observations: Tensor, advantages: Tensor, clip_ratio: Tensor) -> dict:
        taken.append(torch.cat([observations.flatten(), advantages, clip_ratio[None]]))
        loss = observations.sum() + clip_ratio
        metrics = {"actor/loss": loss, "actor/approximate_kl": advantages.abs().mean()}
        return metrics | {name: loss + i for i, name in enumerate(OTHER_METRICS)}

    agent.update_actor_critic = take_step
    steps = agent.minibatch_steps(experience, inputs.tensor("clip_ratio"))
    return {
        "taken": stacked(taken),
        "losses": stacked([metrics["actor/loss"] for metrics in steps]),
        "returned_divergences": stacked([metrics["actor/approximate_kl"] for metrics in steps]),
        "other_metrics": stacked(
            [
                stacked([metrics[name] for name in OTHER_METRICS if name in metrics])
                for metrics in steps
            ]
        ),
    }


def smoothed_target_actions(inputs: Inputs) -> Outputs:
    """The actions, with PyTorch's generator seeded, and those for which the noise was 0."""
    agent = bare_td3()
    agent.actor = TanhActor(inputs.tensor("actor_weights"))
    agent.target_actor = TanhActor(inputs.tensor("target_actor_weights"))
    agent.exploration_noise = inputs["exploration_noise"]
    agent.target_noise_clip = inputs["target_noise_clip"]
    outputs = {}
    for name, scale in (("actions", inputs["target_noise"]), ("actions_without_noise", 0.0)):
        agent.target_noise = scale
        torch.manual_seed(inputs["seed"])
        outputs[name] = agent.smoothed_target_actions(inputs.tensor("next_observations"))
    return outputs


def td3_actor_loss(inputs: Inputs) -> Outputs:
    """TD3's `actor_loss` and its gradient in the actor's weights."""
    agent = bare_td3()
    agent.actor = TanhActor(inputs.tensor("actor_weights"))
    agent.target_actor = TanhActor(inputs.tensor("target_actor_weights"))
    shape = agent.actor.weights.shape[:-1]
    agent.critics = SineCritics(inputs.tensor("critic_weights"), shape)
    agent.target_critics = SineCritics(inputs.tensor("target_critic_weights"), shape)
    loss, metrics = agent.actor_loss(inputs.tensor("observations"))
    (gradient,) = gradients(loss, [agent.actor.weights])
    learned = (agent.actor.weights, agent.critics.weights)
    return {
        "loss": loss,
        "gradient": gradient,
        "reported_loss": metrics["actor/loss"],
        "saturation": metrics["actor/saturation"],
        "requires_grad": torch.tensor([weights.requires_grad for weights in learned]),
    }


def td3_update(inputs: Inputs) -> Outputs:
    """Every network after each of several calls of `update`.

    In place of gradient steps, critics and actor move by sums of what they are given: the critics'
    move depends on the learning rate, and the actor's on where the critics are.
    """
    agent = bare_td3()
    agent.actor, agent.target_actor = Weights(inputs, "actor"), Weights(inputs, "target_actor")
    agent.critics, agent.target_critics = (
        Weights(inputs, "critics"),
        Weights(inputs, "target_critics"),
    )
    agent.actor_parameters = list(agent.actor.parameters())
    agent.critic_parameters = list(agent.critics.parameters())
    agent.parameters_followed = agent.actor_parameters + agent.critic_parameters
    targets = [agent.target_actor.weights, agent.target_critics.weights]
    agent.target_parameters = [weights.requires_grad_(False) for weights in targets]
    agent.actor_optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    agent.critic_optimizer = SimpleNamespace(param_groups=[{"lr": 0.2}])
    agent.learning_rate_schedule = lambda step: 1.0 - step / 64
    agent.actor_update_period = inputs["actor_update_period"]
    agent.soft_target_update_rate = inputs["soft_target_update_rate"]
    agent.num_updates = inputs["num_updates"]
    shape = inputs.values_by_name["observations"].shape[1:]

    @torch.no_grad()
    def move_critics(
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        signal = weighed(as_seen(observations, shape)) + 2 * weighed(actions)
        signal = signal - weighed(as_seen(next_observations, shape))
        signal = signal + weighed((rewards - dones) * (1.0 if weights is None else weights))
        agent.critics.weights += agent.critic_optimizer.param_groups[0]["lr"] * signal
        errors = (rewards - dones).abs() + signal
        others = {name: errors + i for i, name in enumerate(CRITICS_METRICS)}
        return {"critic/loss": signal} | others

    @torch.no_grad()
    def move_actor(observations: Tensor) -> dict[str, Tensor]:
        signal = weighed(as_seen(observations, shape)) + 0.1 * weighed(agent.critics.weights)
        agent.actor.weights += signal
        others = {name: signal + i for i, name in enumerate(ACTORS_METRICS)}
        return {"actor/loss": weighed(agent.actor.weights)} | others

    agent.update_critic, agent.update_actor = move_critics, move_actor
    names = ["observations", "actions", "rewards", "next_observations", "dones"]
    batch = {name: inputs.tensor(name) for name in names}
    weights = None if inputs.get("weights") is None else inputs.tensor("weights")
    others, zero = (*CRITICS_METRICS, *ACTORS_METRICS), torch.zeros(1)
    seen = []
    for step in range(inputs["num_calls"]):
        arguments = {name: inputs.tensor(name) for name in batch}
        metrics = agent.update(**arguments, step=step, weights=weights)
        seen.append(
            {
                "critics": agent.critics.weights,
                "actor": agent.actor.weights,
                "target_actor": agent.target_actor.weights,
                "target_critics": agent.target_critics.weights,
                "learning_rate": agent.actor_optimizer.param_groups[0]["lr"],
                "num_updates": agent.num_updates,
                "critic_loss": metrics["critic/loss"],
                "reports_the_actor": "actor/loss" in metrics,
                "actor_loss": metrics.get("actor/loss", 0.0),
                "reports_others": [name in metrics for name in others],
                "other_metrics": [float(weighed(metrics.get(name, zero))) for name in others],
            }
        )
        seen[-1] = {
            name: torch.as_tensor(value).detach().clone() for name, value in seen[-1].items()
        }
    return {f"{name}_by_call": torch.stack([row[name] for row in seen]) for name in seen[0]}


class LinearActorCritic(nn.Module):
    """Policy and value function that are linear in the observation: (B, *); see `as_seen`.

    The value's weights are of an observation's shape, *, and the policy's (*, A). The policy has
    logits s W for discrete actions, or means s W and deviations exp(log_std).
    """

    def __init__(self, inputs: Inputs):
        super().__init__()
        self.policy_weights = nn.Parameter(inputs.tensor("policy_weights"))
        self.value_weights = nn.Parameter(inputs.tensor("value_weights"))
        self.log_std = None
        if inputs.get("log_std") is not None:
            self.log_std = nn.Parameter(inputs.tensor("log_std"))

    def policy(self, observations: Tensor) -> Distribution:
        """The distribution over actions."""
        outputs = self._seen(observations) @ self.policy_weights.flatten(0, -2)
        if self.log_std is None:
            return Categorical(logits=outputs, validate_args=False)
        return Independent(Normal(outputs, self.log_std.exp(), validate_args=False), 1)

    def value(self, observations: Tensor) -> Tensor:
        """The values, (B,)."""
        return self._seen(observations) @ self.value_weights.flatten()

    def forward(self, observations: Tensor) -> tuple[Distribution, Tensor]:
        """Both."""
        return self.policy(observations), self.value(observations)

    def _seen(self, observations: Tensor) -> Tensor:
        seen = as_seen(observations, self.value_weights.shape)
        if seen.ndim != 2:
            raise ValueError(f"observations {tuple(observations.shape)} have not one leading axis")
        return seen


class TanhActor(nn.Module):
    """mu(s) = tanh(s W), with weights (*, A); see `as_seen`."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, observations: Tensor) -> Tensor:
        """The actions, (B, A)."""
        seen = as_seen(observations, self.weights.shape[:-1])
        return (seen @ self.weights.flatten(0, -2)).tanh()


class SineCritics(nn.Module):
    """Q_k(s, a) = sin(w_k . (s, a)): (B, *), (B, A) -> (K, B); see `as_seen`."""

    def __init__(self, weights: Tensor, observation_shape: Sequence[int]):
        super().__init__()
        self.observation_shape = observation_shape
        self.weights = nn.Parameter(weights)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The Q-values."""
        seen = as_seen(observations, self.observation_shape)
        return (self.weights @ torch.cat([seen, actions], dim=-1).mT).sin()


class Weights(nn.Module):
    """A network of which only the weights matter."""

    def __init__(self, inputs: Inputs, name: str):
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(inputs[name]).clone())


@contextmanager
def replaced(name: str, function: Callable[..., Tensor]) -> Iterator[None]:
    """While this lasts, another function of this name serves the agent."""
    with patch.object(surrogate, name, function), patch.object(ppo_agent, name, function):
        yield


def are_by_chance(orders: Tensor, batch_size: int) -> Tensor:
    """Whether nothing is more common, or rarer, in orders of rows (E, n) than chance explains.

    Counted are: a row at a place, a row after another, and two rows in a minibatch; from an epoch
    to the next, a place after a place, a row after a row at the same place, and neighbours kept.

    Returns:
        (6,) booleans; for orders drawn at random one is false once in 10^8 times.
    """
    num_epochs, n = orders.shape
    places = orders.argsort(dim=1)
    groups = places // batch_size
    meetings = (groups[:, :, None] == groups[:, None, :]).sum(dim=0)
    pairs = torch.ones(n, n, dtype=torch.bool).triu(1)
    ends = orders[:-1, :-1], orders[:-1, 1:]
    gaps = places[1:].gather(1, ends[0]) - places[1:].gather(1, ends[1])
    found = [
        (table_of(orders, torch.arange(n).expand_as(orders), n), num_epochs / n),
        (table_of(orders[:, :-1], orders[:, 1:], n), num_epochs / n),
        (meetings[pairs], num_epochs * (batch_size - 1) / (n - 1)),
        (table_of(places[:-1], places[1:], n), (num_epochs - 1) / n),
        (table_of(orders[:-1], orders[1:], n), (num_epochs - 1) / n),
        ((gaps.abs() == 1).sum(dim=1), 2 * (n - 1) / n),
    ]
    return torch.stack([(surprise(counts, mean) < UNLIKELY).all() for counts, mean in found])


def table_of(firsts: Tensor, seconds: Tensor, n: int) -> Tensor:
    """How often each pair of numbers below n occurs: (n, n)."""
    return torch.bincount((firsts * n + seconds).flatten(), minlength=n * n).reshape(n, n)


def surprise(counts: Tensor, mean: float) -> Tensor:
    """Chernoff's bound: a count as far from its mean as this has a chance of exp(-surprise)."""
    counts = counts.double()
    return torch.xlogy(counts, counts / max(mean, 1e-9)) - counts + mean


def weighed(numbers: Tensor) -> Tensor:
    """A sum in which each place counts differently."""
    numbers = numbers.flatten()
    return numbers @ torch.linspace(0.2, 1.0, len(numbers))


def stacked(tensors: list[Tensor]) -> Tensor:
    """As one tensor, also if there are none."""
    return torch.stack(tensors) if tensors else torch.zeros(0)


def rollout_of(inputs: Inputs) -> dict[str, Tensor]:
    """A rollout as `PPO.update` gets it."""
    names = ["observations", "next_observations", "actions", "rewards", "dones", "truncateds"]
    return {name: inputs.tensor(name) for name in names}


def number(inputs: Inputs, name: str) -> float | Tensor:
    """A number as it was given, as a float or as a 0-d tensor."""
    value = inputs[name]
    return value if isinstance(value, float) else inputs.tensor(name)


def bare_ppo() -> ppo_agent.PPO:
    """An agent without networks; a recipe gives it what its method uses."""
    return bare(ppo_agent.PPO)


def bare_td3() -> td3_agent.TD3:
    """An agent without networks; a recipe gives it what its method uses."""
    return bare(td3_agent.TD3)


def bare(agent_class: type) -> Any:
    """An object of a class of modules whose constructor has not run."""
    agent = agent_class.__new__(agent_class)
    nn.Module.__init__(agent)
    return agent


RECIPES: dict[str, Recipe] = {
    "clipped_surrogate": clipped_surrogate,
    "approximate_kl": approximate_kl,
    "PPO.actor_loss": actor_loss,
    "clipped_value_errors": clipped_value_errors,
    "PPO.ppo_loss": ppo_loss,
    "PPO.values_of_next": values_of_next,
    "PPO.evaluate_rollout": evaluate_rollout,
    "PPO.minibatches": minibatches,
    "PPO.minibatch_steps": minibatch_steps,
    "TD3.smoothed_target_actions": smoothed_target_actions,
    "TD3.actor_loss": td3_actor_loss,
    "TD3.update": td3_update,
}
