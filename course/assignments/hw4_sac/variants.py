"""Correct solutions of hw4_sac that are written otherwise than the reference."""

from course.bank import Variant

VARIANTS = [
    Variant(
        todo="log_tanh_slope",
        name="two sigmoids",
        body="""
            terms = F.logsigmoid(2.0 * pre_tanh) + F.logsigmoid(-2.0 * pre_tanh)
            return (terms + math.log(4.0)).sum(dim=-1)
        """,
    ),
    Variant(
        todo="log_tanh_slope",
        name="absolute values, a loop over components",
        body="""
            total = 0.0
            for u in pre_tanh.abs().unbind(dim=-1):
                total = total + math.log(4.0) - 2.0 * u - 2.0 * torch.log1p(torch.exp(-2.0 * u))
            return total
        """,
    ),
    Variant(
        todo="log_tanh_slope",
        name="float64 inside",
        body="""
            u = pre_tanh.double()
            terms = -2.0 * torch.logaddexp(u, -u) + math.log(4.0)
            return terms.sum(dim=-1).to(pre_tanh.dtype)
        """,
    ),
    Variant(
        todo="StateActionCriticEnsemble.forward",
        name="flatten and unflatten",
        body="""
            pairs = torch.cat((as_floats(observations), actions), -1)
            flat = pairs.view(-1, pairs.size(-1))
            return self.net(flat)[..., 0].view(self.net.num_members, *pairs.shape[:-1])
        """,
    ),
    Variant(
        todo="StateActionCriticEnsemble.forward",
        name="a loop over leading axes",
        body="""
            if actions.ndim == 1:
                return self(observations[None], actions[None])[:, 0]
            if actions.ndim > 2:
                return torch.stack([self(o, a) for o, a in zip(observations, actions)], dim=1)
            return self.net(torch.hstack([as_floats(observations), actions])).squeeze(-1)
        """,
    ),
    Variant(
        todo="SoftActorCritic.entropy",
        name="sum over size",
        body="""
            return log_probs.sum() / -log_probs.numel()
        """,
    ),
    Variant(
        todo="SoftActorCritic.entropy",
        name="means one by one, in float64",
        body="""
            return torch.neg(log_probs.double().mean(dim=-1).mean()).float()
        """,
    ),
    Variant(
        todo="SoftActorCritic.soft_values",
        name="exp of the logarithm, detached",
        body="""
            alpha = torch.exp(self.log_temperature).detach()
            return q_values + alpha * (-log_probs)
        """,
    ),
    Variant(
        todo="SoftActorCritic.soft_values",
        name="the temperature as a number",
        body="""
            return torch.sub(q_values, log_probs, alpha=self.temperature.item())
        """,
    ),
    Variant(
        todo="SoftActorCritic.soft_values",
        name="a bonus that is added",
        body="""
            bonus = -self.log_temperature.detach().exp() * log_probs
            return torch.add(q_values, bonus)
        """,
    ),
    Variant(
        todo="mean_backup",
        name="sum over size, repeated",
        body="""
            return (q_values.sum(0) / q_values.shape[0]).repeat(len(q_values), 1)
        """,
    ),
    Variant(
        todo="mean_backup",
        name="a product with a matrix of ones",
        body="""
            size = len(q_values)
            return torch.ones(size, size, dtype=q_values.dtype) @ q_values / size
        """,
    ),
    Variant(
        todo="mean_backup",
        name="running mean in float64",
        body="""
            total = sum(row.double() for row in q_values) / len(q_values)
            return torch.stack([total.to(q_values.dtype)] * len(q_values))
        """,
    ),
    Variant(
        todo="min_backup",
        name="min with values, stacked",
        body="""
            smallest, _ = torch.min(q_values, dim=0)
            return torch.stack([smallest for _ in q_values])
        """,
    ),
    Variant(
        todo="min_backup",
        name="a loop of minima",
        body="""
            smallest = q_values[0]
            for row in q_values[1:]:
                smallest = torch.minimum(smallest, row)
            return torch.zeros_like(q_values) + smallest
        """,
    ),
    Variant(
        todo="double_q_backup",
        name="concatenation",
        body="""
            return torch.cat([q_values[1:], q_values[:1]])
        """,
    ),
    Variant(
        todo="double_q_backup",
        name="indices modulo K",
        body="""
            size = q_values.shape[0]
            return torch.stack([q_values[(k + 1) % size] for k in range(size)])
        """,
    ),
    Variant(
        todo="random_subset_min_backup",
        name="Python's sample",
        body="""
            import random

            subset = random.sample(range(len(q_values)), subset_size)
            return q_values[subset].min(dim=0).values.repeat(len(q_values), 1)
        """,
    ),
    Variant(
        todo="random_subset_min_backup",
        name="the largest of random scores",
        body="""
            subset = torch.rand(len(q_values)).topk(subset_size).indices
            smallest = q_values.index_select(0, subset).amin(dim=0)
            return smallest.expand(len(q_values), -1).clone()
        """,
    ),
    Variant(
        todo="SoftActorCritic.bellman_targets",
        name="written out, with a constant sample",
        body="""
            distribution = self.actor(next_observations)
            next_actions = distribution.sample()
            log_probs = distribution.log_prob(next_actions)
            values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                values = values - self.temperature * log_probs
            continues = torch.logical_not(dones).to(rewards.dtype)
            return rewards[None, :] + self.discount * continues[None, :] * values
        """,
    ),
    Variant(
        todo="SoftActorCritic.bellman_targets",
        name="entropy before the backup",
        body="""
            actions, log_probs = self.actor(next_observations).sample_with_log_prob()
            values = self.target_critics(next_observations, actions)
            if self.backup_entropy and self.use_entropy_bonus:
                values = self.soft_values(q_values=values, log_probs=log_probs)
            values = self.backup(values)
            return td_targets(rewards, dones, values, self.discount)
        """,
    ),
    Variant(
        todo="SoftActorCritic.bellman_targets",
        name="where the episode goes on",
        body="""
            actions, log_probs = self.actor(next_observations).rsample_with_log_prob()
            values = self.backup(self.target_critics(next_observations, actions))
            bonus = self.soft_values(torch.zeros_like(log_probs), log_probs)
            if self.use_entropy_bonus and self.backup_entropy:
                values = values + bonus
            return torch.where(dones, rewards, rewards + self.discount * values).detach()
        """,
    ),
    Variant(
        todo="squared_td_loss",
        name="a loop over critics",
        body="""
            loss = 0.0
            for q, y in zip(q_values, targets, strict=True):
                squared = (q - y) ** 2
                loss = loss + (squared if weights is None else squared * weights).mean()
            return loss
        """,
    ),
    Variant(
        todo="squared_td_loss",
        name="mean of everything times K",
        body="""
            factors = torch.ones_like(q_values[0]) if weights is None else weights
            squared = F.mse_loss(q_values, targets, reduction="none")
            return (squared * factors).mean() * q_values.shape[0]
        """,
    ),
    Variant(
        todo="squared_td_loss",
        name="einsum in float64",
        body="""
            errors = (q_values - targets).double()
            factors = torch.ones(errors.shape[1]) if weights is None else weights
            total = torch.einsum("kb,kb,b->", errors, errors, factors.double())
            return (total / errors.shape[1]).to(q_values.dtype)
        """,
    ),
    Variant(
        todo="squared_td_loss",
        name="targets detached",
        body="""
            squared = torch.square(targets.detach() - q_values)
            factors = 1.0 if weights is None else weights.unsqueeze(0)
            return torch.sum(squared * factors) / q_values.shape[-1]
        """,
    ),
    Variant(
        todo="SoftActorCritic.critic_loss",
        name="a loop over critics",
        body="""
            q_values = self.critics(observations, actions)
            loss = 0.0
            for k in range(len(q_values)):
                squared = (q_values[k] - targets[k]) ** 2
                loss = loss + (squared if weights is None else squared * weights).mean()
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
    Variant(
        todo="SoftActorCritic.critic_loss",
        name="metrics first",
        body="""
            predicted = self.critics(observations, actions)
            with torch.no_grad():
                errors = torch.abs(targets - predicted)
                metrics = {
                    "critic/q_values": predicted.mean(),
                    "critic/target_values": targets.mean(),
                    "td_errors": errors.sum(dim=0) / len(errors),
                }
            loss = squared_td_loss(q_values=predicted, targets=targets.detach(), weights=weights)
            metrics["critic/loss"] = loss.detach()
            return loss, metrics
        """,
    ),
    Variant(
        todo="SoftActorCritic.critic_loss",
        name="the module's function, metrics that keep their graph",
        body="""
            from hw.agents.functional import td

            q_values = self.critics(observations, actions)
            loss = td.squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values - targets).abs().mean(0),
            }
        """,
    ),
    Variant(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="a loop over samples, advantages detached",
        body="""
            distribution = self.actor(observations)
            values, log_probs = [], []
            for _ in range(self.num_actor_samples):
                actions = distribution.sample()
                log_prob = distribution.log_prob(actions)
                value = self.policy_q_values(observations, actions)
                if self.use_entropy_bonus:
                    value = value - self.temperature * log_prob
                values.append(value)
                log_probs.append(log_prob)
            log_probs = torch.stack(log_probs)
            advantages = leave_one_out_advantages(torch.stack(values)).detach()
            loss = (-log_probs * advantages).mean(dim=1).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Variant(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="baseline written out, own metrics",
        body="""
            num_samples = self.num_actor_samples
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob(torch.Size([num_samples]))
            with torch.no_grad():
                q_values = self.critics(torch.stack([observations] * num_samples), actions)
                values = q_values.min(0).values if self.is_pessimistic else q_values.mean(0)
                if self.use_entropy_bonus:
                    values = self.soft_values(q_values=values, log_probs=log_probs)
                if num_samples > 1:
                    mean = values.mean(dim=0, keepdim=True)
                    values = (values - mean) * num_samples / (num_samples - 1)
            loss = -(values * log_probs).sum() / values.numel()
            return loss, {
                "actor/loss": loss.detach(),
                "actor/entropy": -log_probs.detach().mean(),
                "actor/std": distribution.std.detach().mean(),
            }
        """,
    ),
    Variant(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="the actor sees repeated observations",
        body="""
            repeated = observations.unsqueeze(0).repeat(
                self.num_actor_samples, *[1] * observations.ndim
            )
            distribution = self.actor(repeated)
            actions, log_probs = distribution.sample_with_log_prob()
            with torch.no_grad():
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -torch.mean(log_probs * advantages)
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Variant(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="written out as a cost",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            q_values = self.critics(observations, actions)
            cost = -(q_values.min(0).values if self.is_pessimistic else q_values.mean(0))
            if self.use_entropy_bonus:
                cost = cost + self.temperature * log_probs
            loss = cost.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Variant(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="rsample, then log_prob; critics frozen",
        body="""
            distribution = self.actor(observations)
            actions = distribution.rsample()
            log_probs = distribution.log_prob(actions)
            freeze(self.critics)
            values = self.policy_q_values(observations, actions)
            self.critics.requires_grad_(True)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = torch.neg(values.sum() / len(values))
            return loss, {
                "actor/loss": loss.detach(),
                "actor/entropy": self.entropy(log_probs.detach()),
                "actor/std": distribution.std.detach().mean(),
            }
        """,
    ),
    Variant(
        todo="SoftActorCritic.temperature_loss",
        name="under no_grad, as a product turned round",
        body="""
            with torch.no_grad():
                surplus = entropy - self.target_entropy
            loss = surplus * torch.exp(self.log_temperature)
            return loss, {"temperature/loss": loss.detach()}
        """,
    ),
    Variant(
        todo="SoftActorCritic.temperature_loss",
        name="the form of the paper, with log pi",
        body="""
            mean_log_prob = -entropy.detach()
            loss = -(self.log_temperature.exp() * (mean_log_prob + self.target_entropy))
            return loss, {"temperature/loss": loss}
        """,
    ),
    Variant(
        todo="SoftActorCritic.update_target_critic",
        name="state_dict",
        body="""
            self.target_critics.load_state_dict(self.critics.state_dict())
        """,
    ),
    Variant(
        todo="SoftActorCritic.update_target_critic",
        name="a loop of copies",
        body="""
            targets, sources = self.target_critics.parameters(), self.critics.parameters()
            for target, source in zip(targets, sources, strict=True):
                target.data.copy_(source.data)
        """,
    ),
    Variant(
        todo="SoftActorCritic.update_target_critic",
        name="a soft update of rate 1",
        body="""
            soft_update(self.target_critic_parameters, self.critic_parameters, 1.0)
        """,
    ),
    Variant(
        todo="SoftActorCritic.soft_update_target_critic",
        name="a loop of averages",
        body="""
            tau = self.soft_target_update_rate
            targets, sources = self.target_critics.parameters(), self.critics.parameters()
            for target, source in zip(targets, sources, strict=True):
                target.data.copy_(tau * source.data + (1.0 - tau) * target.data)
        """,
    ),
    Variant(
        todo="SoftActorCritic.soft_update_target_critic",
        name="a step of the difference, in place",
        body="""
            with torch.no_grad():
                for target, source in zip(
                    self.target_critic_parameters, self.critic_parameters, strict=True
                ):
                    target.add_(self.soft_target_update_rate * (source - target))
        """,
    ),
    Variant(
        todo="SoftActorCritic.soft_update_target_critic",
        name="flat vectors",
        body="""
            from torch.nn.utils import parameters_to_vector

            tau = self.soft_target_update_rate
            new = parameters_to_vector(self.critics.parameters()).detach()
            old = parameters_to_vector(self.target_critics.parameters())
            average, first = old + tau * (new - old), 0
            for target in self.target_critics.parameters():
                end = first + target.numel()
                target.data.copy_(average[first:end].view_as(target))
                first = end
        """,
    ),
]
