"""Correct solutions of hw2_policy_gradients that are written otherwise than the reference."""

from course.bank import Variant

VARIANTS = [
    Variant(
        todo="Categorical.log_prob",
        name="a sum with one-hot vectors",
        body="""
            chosen = torch.nn.functional.one_hot(value.long(), self.logits.shape[-1])
            return (self.logits * chosen).sum(dim=-1)
        """,
    ),
    Variant(
        todo="Categorical.log_prob",
        name="PyTorch's categorical distribution",
        body="""
            return torch.distributions.Categorical(logits=self.logits).log_prob(value)
        """,
    ),
    Variant(
        todo="Categorical.log_prob",
        name="the cross entropy, in float64",
        body="""
            logits = self.logits.double().expand(*value.shape, -1)
            log_probs = -F.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), value.flatten().long(), reduction="none"
            )
            return log_probs.reshape(value.shape).to(self.logits.dtype)
        """,
    ),
    Variant(
        todo="DiagonalNormal.log_prob_of_noise",
        name="a loop over components",
        body="""
            log_prob = 0.0
            for a in range(noise.shape[-1]):
                density = -(noise[..., a] ** 2) / 2 - torch.log(self.std[..., a])
                log_prob = log_prob + density - 0.5 * math.log(2 * math.pi)
            return log_prob
        """,
    ),
    Variant(
        todo="DiagonalNormal.log_prob_of_noise",
        name="the action's log-density by PyTorch",
        body="""
            normal = torch.distributions.Normal(self.loc, self.std, validate_args=False)
            return normal.log_prob(self.loc + self.std * noise).sum(-1)
        """,
    ),
    Variant(
        todo="DiagonalNormal.log_prob_of_noise",
        name="the variance under one logarithm, in float64",
        body="""
            variance = self.std.double() ** 2
            exponents = noise.double() ** 2 + torch.log(2 * torch.pi * variance)
            return -0.5 * exponents.sum(dim=-1).to(noise.dtype)
        """,
    ),
    Variant(
        todo="PolicyGradient.actor_loss",
        name="an inner product",
        body="""
            distribution = self.actor(observations)
            gain = distribution.log_prob(actions) @ advantages / len(advantages)
            entropy = torch.mean(distribution.entropy())
            loss = -gain if self.entropy_coefficient == 0 else (
                -gain - self.entropy_coefficient * entropy
            )
            return loss, {"actor/loss": loss.detach(), "actor/entropy": entropy.detach()}
        """,
    ),
    Variant(
        todo="PolicyGradient.actor_loss",
        name="a loop over steps",
        body="""
            loss, entropies = 0.0, []
            for b in range(len(observations)):
                distribution = self.actor(observations[b : b + 1])
                log_prob = distribution.log_prob(actions[b : b + 1])
                entropies.append(distribution.entropy())
                loss = loss - log_prob[0] * advantages[b].detach() / len(observations)
            entropy = torch.cat(entropies).mean()
            loss = loss - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Variant(
        todo="PolicyGradient.actor_loss",
        name="everything within one mean",
        body="""
            distribution = self.actor(observations)
            entropies = distribution.entropy()
            gains = distribution.log_prob(actions) * advantages.detach()
            loss = (-gains - self.entropy_coefficient * entropies).mean()
            return loss, {"actor/loss": loss, "actor/entropy": entropies.mean()}
        """,
    ),
    Variant(
        todo="reward_to_go",
        name="a loop from the end",
        body="""
            num_steps = len(rewards)
            returns = torch.zeros_like(rewards)
            for t in reversed(range(num_steps)):
                if t == num_steps - 1:
                    after = torch.zeros_like(rewards[t])
                else:
                    after = torch.where(_ended(dones[t], truncateds[t]), 0.0, returns[t + 1])
                if next_values is not None:
                    cut = truncateds[t].bool() | (t == num_steps - 1)
                    after = torch.where(cut & ~dones[t].bool(), next_values[t], after)
                returns[t] = rewards[t] + discount * after
            return returns
        """,
    ),
    Variant(
        todo="reward_to_go",
        name="sums of powers in numpy and float64",
        body="""
            import numpy as np

            shape = rewards.shape
            tensors = (rewards, dones, truncateds)
            r, d, c = (x.double().reshape(shape[0], -1).numpy() for x in tensors)
            v = None if next_values is None else next_values.double().reshape(r.shape).numpy()
            found = np.zeros_like(r)
            for n in range(r.shape[1]):
                for t in range(r.shape[0]):
                    factor = 1.0
                    for b in range(t, r.shape[0]):
                        found[t, n] += factor * r[b, n]
                        factor *= discount
                        if b == r.shape[0] - 1 or d[b, n] or c[b, n]:
                            if v is not None and not d[b, n]:
                                found[t, n] += factor * v[b, n]
                            break
            return torch.from_numpy(found).to(rewards.dtype).reshape(shape)
        """,
    ),
    Variant(
        todo="reward_to_go",
        name="masks by products",
        body="""
            done, cut = dones.to(rewards.dtype), truncateds.to(rewards.dtype)
            goes_on = (1 - done) * (1 - cut)
            if next_values is None:
                next_values = torch.zeros_like(rewards)
            last = torch.zeros_like(rewards)
            last[-1] = 1.0
            is_cut = torch.clamp(last + cut, max=1.0) * (1 - done)
            rewards = rewards + discount * is_cut * next_values
            return backward_recurrence(rewards, goes_on * discount)
        """,
    ),
    Variant(
        todo="discounted_return",
        name="the reward-to-go, copied forwards",
        body="""
            returns = reward_to_go(rewards, dones, truncateds, discount).clone()
            for t in range(1, len(rewards)):
                ended = _ended(dones[t - 1], truncateds[t - 1])
                returns[t] = torch.where(ended, returns[t], returns[t - 1])
            return returns
        """,
    ),
    Variant(
        todo="discounted_return",
        name="episode by episode, in float64",
        body="""
            shape = rewards.shape
            columns = rewards.double().reshape(shape[0], -1)
            ends = _ended(dones, truncateds).reshape(shape[0], -1)
            returns = torch.zeros_like(columns)
            for n in range(columns.shape[1]):
                first = 0
                for t in range(shape[0]):
                    if ends[t, n] or t == shape[0] - 1:
                        episode = columns[first : t + 1, n]
                        powers = discount ** torch.arange(len(episode), dtype=torch.float64)
                        returns[first : t + 1, n] = (powers * episode).sum()
                        first = t + 1
            return returns.reshape(shape).to(rewards.dtype)
        """,
    ),
    Variant(
        todo="gae",
        name="a loop from the end",
        body="""
            advantages = torch.zeros_like(rewards)
            following = torch.zeros_like(rewards[0])
            done, cut = dones.float(), truncateds.float()
            for t in range(len(rewards) - 1, -1, -1):
                delta = rewards[t] + discount * next_values[t] * (1 - done[t]) - values[t]
                mask = (1 - done[t]) * (1 - cut[t])
                following = delta + discount * gae_lambda * mask * following
                advantages[t] = following
            return advantages
        """,
    ),
    Variant(
        todo="gae",
        name="the reward-to-go of TD errors",
        body="""
            following = torch.where(dones.bool(), 0.0, next_values)
            td_errors = rewards + discount * following - values
            return reward_to_go(td_errors, dones, truncateds, discount * gae_lambda)
        """,
    ),
    Variant(
        todo="gae",
        name="a triangular matrix for each environment, in float64",
        body="""
            shape = rewards.shape
            r, v, w, d, c = (
                x.double().reshape(shape[0], -1)
                for x in (rewards, values, next_values, dones, truncateds)
            )
            errors = r + discount * (1 - d) * w - v
            decay = discount * gae_lambda * (1 - d) * (1 - c)
            weights = torch.zeros(shape[0], *errors.shape, dtype=torch.float64)
            for t in range(shape[0]):
                weights[t, t] = 1.0
                for later in range(t + 1, shape[0]):
                    weights[t, later] = weights[t, later - 1] * decay[later - 1]
            advantages = torch.einsum("tln,ln->tn", weights, errors)
            return advantages.reshape(shape).to(rewards.dtype)
        """,
    ),
    Variant(
        todo="normalize",
        name="as the formula stands",
        body="""
            if advantages.numel() <= 1:
                return advantages * 0.0
            return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        """,
    ),
    Variant(
        todo="normalize",
        name="sums in numpy and float64",
        body="""
            import numpy as np

            numbers = advantages.detach().numpy().astype(np.float64)
            deviations = numbers - numbers.mean()
            std = np.sqrt((deviations**2).sum() / max(numbers.size - 1, 1))
            return torch.from_numpy(np.asarray(deviations / (std + 1e-8), dtype=np.float32))
        """,
    ),
    Variant(
        todo="PolicyGradient.critic_loss",
        name="the square written out",
        body="""
            errors = self.critic(observations) - returns.detach()
            loss = torch.mean(errors**2)
            return loss, {"critic/loss": loss.detach()}
        """,
    ),
    Variant(
        todo="PolicyGradient.critic_loss",
        name="an inner product",
        body="""
            errors = returns - self.critic(observations)
            loss = torch.dot(errors, errors) / errors.shape[0]
            return loss, {"critic/loss": loss}
        """,
    ),
    Variant(
        todo="PolicyGradient.estimate_advantages",
        name="one call of the baseline",
        body="""
            rewards, dones = episodes["rewards"], episodes["dones"]
            truncateds = episodes["truncateds"]
            values, next_values = torch.zeros_like(rewards), None
            if self.critic is not None:
                both = torch.cat([episodes["observations"], episodes["next_observations"]])
                values, next_values = self.critic(both).chunk(2)
            if self.gae_lambda is not None:
                advantages = gae(
                    rewards=rewards,
                    values=values,
                    next_values=next_values,
                    dones=dones,
                    truncateds=truncateds,
                    discount=self.discount,
                    gae_lambda=self.gae_lambda,
                )
                return advantages, values + advantages, values
            returns = self.estimate_returns(rewards, dones, truncateds, next_values)
            return returns - values, returns, values
        """,
    ),
    Variant(
        todo="PolicyGradient.estimate_advantages",
        name="the functions themselves, with values masked at the end",
        body="""
            from hw.agents.functional import returns as functions

            rewards, dones = episodes["rewards"], episodes["dones"].float()
            ends = (rewards, dones, episodes["truncateds"])
            values, next_values = torch.zeros_like(rewards), None
            if self.critic is not None:
                values = self.critic(episodes["observations"])
                next_values = self.critic(episodes["next_observations"]) * (1.0 - dones)
            if self.critic is not None and self.gae_lambda is not None:
                advantages = functions.gae(
                    rewards, values, next_values, *ends[1:], self.discount, self.gae_lambda
                )
                return advantages, advantages + values, values
            if self.use_reward_to_go:
                targets = functions.reward_to_go(*ends, self.discount, next_values)
            else:
                targets = functions.discounted_return(*ends, self.discount)
            return targets - values, targets, values
        """,
    ),
]
