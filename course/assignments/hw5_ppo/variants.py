"""Correct solutions of hw5_ppo that are written otherwise than the reference."""

from course.bank import Variant

SURROGATE = [
    Variant(
        todo="clipped_surrogate",
        name="one side of the range for each sign",
        body="""
            good = ratios.clamp(max=1 + clip_ratio)
            bad = ratios.clamp(min=1 - clip_ratio)
            return torch.where(advantages >= 0, good, bad) * advantages
        """,
    ),
    Variant(
        todo="clipped_surrogate",
        name="a loop over steps",
        body="""
            objectives = []
            for ratio, advantage in zip(ratios, advantages):
                clipped = torch.clip(ratio, 1 - clip_ratio, 1 + clip_ratio)
                objectives.append(torch.min(ratio * advantage, clipped * advantage))
            return torch.stack(objectives)
        """,
    ),
    Variant(
        todo="clipped_surrogate",
        name="stacked, in float64",
        body="""
            precise = ratios.double()
            both = torch.stack([precise, precise.clamp(1 - clip_ratio, 1 + clip_ratio)])
            return (both * advantages.double()).amin(dim=0).to(ratios.dtype)
        """,
    ),
    Variant(
        todo="approximate_kl",
        name="with exp",
        body="""
            ratios = torch.exp(log_ratios)
            return ((ratios - 1) - log_ratios).mean()
        """,
    ),
    Variant(
        todo="approximate_kl",
        name="means apart, in float64, without gradient",
        body="""
            with torch.no_grad():
                precise = log_ratios.double()
                kl = precise.exp().mean() - 1 - precise.mean()
            return kl.to(log_ratios.dtype)
        """,
    ),
    Variant(
        todo="approximate_kl",
        name="a loop",
        body="""
            total = 0.0
            for log_ratio in log_ratios:
                total = total + log_ratio.exp() - 1.0 - log_ratio
            return total / len(log_ratios)
        """,
    ),
    Variant(
        todo="clipped_value_errors",
        name="the value clipped between two bounds",
        body="""
            clipped = torch.clamp(values, old_values - clip_range, old_values + clip_range)
            return torch.max((values - returns) ** 2, (clipped - returns) ** 2)
        """,
    ),
    Variant(
        todo="clipped_value_errors",
        name="the larger absolute error, squared",
        body="""
            clipped = old_values + torch.clip(values - old_values, -clip_range, clip_range)
            errors = torch.stack([(values - returns).abs(), (clipped - returns).abs()])
            return errors.amax(dim=0) ** 2
        """,
    ),
    Variant(
        todo="clipped_value_errors",
        name="a loop, in float64",
        body="""
            errors = []
            for value, old, target in zip(values.double(), old_values.double(), returns.double()):
                clipped = old + (value - old).clamp(-clip_range, clip_range)
                plain_error, clipped_error = (value - target) ** 2, (clipped - target) ** 2
                errors.append(plain_error if plain_error > clipped_error else clipped_error)
            return torch.stack(errors).to(values.dtype)
        """,
    ),
]

LOSSES = [
    Variant(
        todo="PPO.actor_loss",
        name="the surrogate written out",
        body="""
            if self.normalize_advantages:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            ratios = torch.exp(log_ratios)
            plain = ratios * advantages
            clipped = torch.clamp(ratios, 1 - clip_ratio, 1 + clip_ratio) * advantages
            loss = -torch.min(plain, clipped).mean()
            metrics = ratio_metrics(ratios.detach(), log_ratios.detach(), clip_ratio)
            metrics["actor/loss"] = loss
            return loss, metrics
        """,
    ),
    Variant(
        todo="PPO.actor_loss",
        name="metrics written out",
        body="""
            used = normalize(advantages) if self.normalize_advantages else advantages
            ratios = log_ratios.exp()
            objectives = clipped_surrogate(
                advantages=used, ratios=ratios, clip_ratio=clip_ratio
            )
            loss = objectives.sum() / len(objectives) * -1.0
            is_outside = (ratios < 1 - clip_ratio) | (ratios > 1 + clip_ratio)
            with torch.no_grad():
                metrics = {
                    "actor/loss": loss.detach(),
                    "actor/ratio_mean": ratios.mean(),
                    "actor/ratio_max": ratios.amax(),
                    "actor/clip_fraction": is_outside.float().mean(),
                    "actor/approximate_kl": (ratios - 1 - log_ratios).mean(),
                }
            return loss, metrics
        """,
    ),
    Variant(
        todo="PPO.ppo_loss",
        name="policy and value apart, the value loss written out",
        body="""
            distribution = self.actor_critic.policy(observations)
            values = self.actor_critic.value(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            policy_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            if self.value_clip_range is None:
                value_loss = (values - returns).pow(2).mean()
            else:
                moved = (values - old_values).clamp(-self.value_clip_range, self.value_clip_range)
                clipped = old_values + moved
                value_loss = torch.max((values - returns) ** 2, (clipped - returns) ** 2).mean()
            entropy = torch.mean(distribution.entropy())
            metrics["critic/loss"] = value_loss.detach()
            metrics["actor/entropy"] = entropy.detach()
            total = policy_loss - self.entropy_coefficient * entropy
            return total + self.value_coefficient * value_loss, metrics
        """,
    ),
    Variant(
        todo="PPO.ppo_loss",
        name="a sum of terms, entropies of each state",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions).sub(old_log_probs)
            actor_loss, metrics = self.actor_loss(
                advantages=advantages, log_ratios=log_ratios, clip_ratio=clip_ratio
            )
            value_loss = self.value_loss(values, old_values, returns)
            entropies = distribution.entropy()
            terms = [
                actor_loss,
                self.value_coefficient * value_loss,
                -self.entropy_coefficient * entropies.sum() / len(entropies),
            ]
            result = {"critic/loss": value_loss, "actor/entropy": entropies.mean(), **metrics}
            return torch.stack(terms).sum(), result
        """,
    ),
]

ROLLOUT = [
    Variant(
        todo="PPO.values_of_next",
        name="the value of every next observation",
        body="""
            next_observations = rollout["next_observations"].flatten(0, 1)
            return self.actor_critic.value(next_observations).reshape(values.shape)
        """,
    ),
    Variant(
        todo="PPO.values_of_next",
        name="a loop, zero after a termination",
        body="""
            next_values = torch.zeros_like(values)
            num_steps, num_envs = values.shape
            for t in range(num_steps):
                for n in range(num_envs):
                    if rollout["dones"][t, n]:
                        continue
                    if rollout["truncateds"][t, n] or t == num_steps - 1:
                        observation = rollout["next_observations"][t, n]
                        next_values[t, n] = self.actor_critic.value(observation[None])[0]
                    else:
                        next_values[t, n] = values[t + 1, n]
            return next_values
        """,
    ),
    Variant(
        todo="PPO.values_of_next",
        name="row by row",
        body="""
            rows = []
            for t, following in enumerate([*values[1:], None]):
                own = self.actor_critic.value(rollout["next_observations"][t])
                is_end = rollout["truncateds"][t].bool()
                rows.append(own if following is None else torch.where(is_end, own, following))
            return torch.stack(rows)
        """,
    ),
    Variant(
        todo="PPO.evaluate_rollout",
        name="policy and value apart, a loop for the advantages",
        body="""
            rewards = rollout["rewards"]
            num_steps, num_envs = rewards.shape
            observations = rollout["observations"].reshape(
                num_steps * num_envs, *rollout["observations"].shape[2:]
            )
            actions = rollout["actions"].reshape(
                num_steps * num_envs, *rollout["actions"].shape[2:]
            )
            log_probs = self.actor_critic.policy(observations).log_prob(actions)
            values = self.actor_critic.value(observations).reshape(num_steps, num_envs)
            next_values = self.values_of_next(values, rollout)
            advantages = torch.zeros_like(rewards)
            following = torch.zeros_like(rewards[0])
            for t in reversed(range(num_steps)):
                is_done, is_cut = rollout["dones"][t].float(), rollout["truncateds"][t].float()
                delta = rewards[t] + self.discount * (1 - is_done) * next_values[t] - values[t]
                goes_on = (1 - is_done) * (1 - is_cut)
                following = delta + self.discount * self.gae_lambda * goes_on * following
                advantages[t] = following
            returns = advantages + values
            return (
                observations,
                actions,
                log_probs,
                values.reshape(-1),
                advantages.reshape(-1),
                returns.reshape(-1),
            )
        """,
    ),
    Variant(
        todo="PPO.evaluate_rollout",
        name="values row by row, those of the next states without a helper, in float64",
        body="""
            observations = rollout["observations"].flatten(0, 1)
            actions = rollout["actions"].flatten(0, 1)
            log_probs = self.actor_critic.policy(observations).log_prob(actions)
            values = torch.stack([self.actor_critic.value(row) for row in rollout["observations"]])
            following = [self.actor_critic.value(row) for row in rollout["next_observations"]]
            advantages = gae(
                rollout["rewards"].double(),
                values.double(),
                torch.stack(following).double(),
                rollout["dones"],
                rollout["truncateds"],
                self.discount,
                self.gae_lambda,
            ).float()
            returns = (advantages + values).flatten()
            return observations, actions, log_probs, values.flatten(), advantages.flatten(), returns
        """,
    ),
    Variant(
        todo="PPO.minibatches",
        name="a list, by NumPy's generator",
        body="""
            import numpy as np

            found = []
            num_rows = len(experience[0])
            for _ in range(self.num_epochs):
                order = torch.from_numpy(np.random.permutation(num_rows))
                for first in range(0, num_rows, self.batch_size):
                    rows = order[first : first + self.batch_size]
                    found.append([tensor[rows] for tensor in experience])
            return found
        """,
    ),
    Variant(
        todo="PPO.minibatches",
        name="random keys, sorted",
        body="""
            for _ in range(self.num_epochs):
                keys = torch.rand(len(experience[0]), dtype=torch.float64)
                for rows in keys.argsort().reshape(-1, self.batch_size):
                    yield tuple(tensor.index_select(0, rows) for tensor in experience)
        """,
    ),
    Variant(
        todo="PPO.minibatch_steps",
        name="the limit written out",
        body="""
            taken = []
            for minibatch in self.minibatches(experience):
                metrics = self.update_actor_critic(*minibatch, clip_ratio)
                taken += [metrics]
                kl = float(metrics["actor/approximate_kl"])
                if self.target_kl is not None and kl > 1.5 * self.target_kl:
                    return taken
            return taken
        """,
    ),
    Variant(
        todo="PPO.minibatch_steps",
        name="a flag",
        body="""
            taken, is_over = [], False
            for minibatch in list(self.minibatches(experience)):
                if not is_over:
                    metrics = self.update_actor_critic(*minibatch, clip_ratio)
                    is_over = self.has_moved_too_far(metrics["actor/approximate_kl"])
                    taken.append(metrics)
            return taken
        """,
    ),
]

TD3 = [
    Variant(
        todo="TD3.smoothed_target_actions",
        name="noise from torch.normal",
        body="""
            with torch.no_grad():
                actions = self.target_actor(next_observations)
                noise = torch.normal(0.0, 1.0, size=actions.shape) * self.target_noise
                bound = self.target_noise_clip
                smoothed = actions + torch.clip(noise, -bound, bound)
            return torch.clip(smoothed, -1, 1)
        """,
    ),
    Variant(
        todo="TD3.smoothed_target_actions",
        name="noise in place, bounds by minimum and maximum",
        body="""
            actions = self.target_actor(next_observations)
            noise = torch.empty_like(actions).normal_().mul_(self.target_noise)
            bound = torch.full_like(noise, self.target_noise_clip)
            noise = torch.minimum(torch.maximum(noise, -bound), bound)
            smoothed = actions + noise
            return smoothed.clamp(min=-1.0).clamp(max=1.0)
        """,
    ),
    Variant(
        todo="TD3.actor_loss",
        name="negative values first",
        body="""
            actions = self.actor(observations)
            values = self.critics(observations, actions)
            loss = (-values[0, :]).sum() / values.shape[1]
            is_saturated = torch.logical_or(actions > 0.99, actions < -0.99)
            share = torch.count_nonzero(is_saturated) / is_saturated.numel()
            return loss, {"actor/saturation": share, "actor/loss": loss.detach()}
        """,
    ),
    Variant(
        todo="TD3.actor_loss",
        name="a state at a time",
        body="""
            losses, saturated = [], []
            for observation in observations:
                action = self.actor(observation[None])
                losses.append(-self.critics(observation[None], action)[0, 0])
                saturated.append((action.detach().abs() > 0.99).float().mean())
            loss = torch.stack(losses).mean()
            metrics = {"actor/loss": loss, "actor/saturation": torch.stack(saturated).mean()}
            return loss, metrics
        """,
    ),
    Variant(
        todo="TD3.update",
        name="target networks written out",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            batch = observations, actions, rewards, next_observations, dones
            metrics = dict(self.update_critic(*batch, weights))
            self.num_updates = self.num_updates + 1
            if self.num_updates % self.actor_update_period:
                return metrics
            metrics.update(self.update_actor(observations))
            rate = self.soft_target_update_rate
            pairs = (self.target_actor, self.actor), (self.target_critics, self.critics)
            with torch.no_grad():
                for target, source in pairs:
                    for old, new in zip(target.parameters(), source.parameters()):
                        old.copy_((1 - rate) * old + rate * new)
            return metrics
        """,
    ),
    Variant(
        todo="TD3.update",
        name="learning rates by hand, actor's turn decided first",
        body="""
            from hw.infrastructure.optimization import set_learning_rate

            factor = self.learning_rate_schedule(step)
            for optimizer in (self.actor_optimizer, self.critic_optimizer):
                set_learning_rate(optimizer, factor)
            self.num_updates += 1
            is_actors_turn = self.num_updates % self.actor_update_period == 0
            metrics = self.update_critic(
                observations,
                actions,
                rewards,
                next_observations=next_observations,
                dones=dones,
                weights=weights,
            )
            if is_actors_turn:
                metrics = {**metrics, **self.update_actor(observations)}
                self.soft_update_targets()
            return metrics
        """,
    ),
]

VARIANTS = [*SURROGATE, *LOSSES, *ROLLOUT, *TD3]
