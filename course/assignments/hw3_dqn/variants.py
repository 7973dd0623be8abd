"""Correct solutions of hw3_dqn that are written otherwise than the reference."""

from course.bank import Variant

VARIANTS = [
    # --- max_values ---------------------------------------------------------------------------
    Variant(
        todo="max_values",
        name="max with indices",
        body="""
            values, _ = q_values.max(dim=1)
            return values
        """,
    ),
    Variant(
        todo="max_values",
        name="a loop over actions",
        body="""
            best = q_values[:, 0]
            for action in range(1, q_values.shape[1]):
                best = torch.maximum(best, q_values[:, action])
            return best
        """,
    ),
    Variant(
        todo="max_values",
        name="sorted",
        body="""
            return q_values.sort(dim=-1).values[..., -1]
        """,
    ),
    # --- huber_td_loss ------------------------------------------------------------------------
    Variant(
        todo="huber_td_loss",
        name="smooth L1",
        body="""
            if weights is None:
                weights = torch.ones_like(targets)
            losses = F.smooth_l1_loss(q_values, targets, reduction="none")
            return (losses * weights).sum() / len(losses)
        """,
    ),
    Variant(
        todo="huber_td_loss",
        name="both branches",
        body="""
            errors = targets - q_values
            small = errors.abs() <= 1
            losses = torch.where(small, 0.5 * errors**2, errors.abs() - 0.5)
            return losses.mean() if weights is None else torch.mean(losses * weights)
        """,
    ),
    Variant(
        todo="huber_td_loss",
        name="a clipped factor",
        body="""
            sizes = (q_values - targets).abs()
            clipped = sizes.clamp(max=1.0)
            losses = clipped * (sizes - 0.5 * clipped)
            return losses.mean() if weights is None else torch.dot(weights, losses) / len(losses)
        """,
    ),
    Variant(
        todo="huber_td_loss",
        name="a loop in float64",
        body="""
            total = 0.0
            for b in range(len(q_values)):
                error = (q_values[b].double() - targets[b].double()).abs()
                loss = error**2 / 2 if error <= 1 else error - 0.5
                total = total + (loss if weights is None else weights[b].double() * loss)
            return (total / len(q_values)).to(q_values.dtype)
        """,
    ),
    # --- DQN.critic_loss ----------------------------------------------------------------------
    Variant(
        todo="DQN.critic_loss",
        name="fancy indexing",
        body="""
            q_all = self.critic(observations)
            q_values = q_all[torch.arange(len(actions), device=q_all.device), actions]
            loss = huber_td_loss(q_values, targets, weights)
            with torch.no_grad():
                errors = torch.abs(targets - q_values)
            return loss, {
                "critic/loss": loss.detach(),
                "critic/q_values": q_values.mean().detach(),
                "critic/target_values": targets.mean(),
                "td_errors": errors,
            }
        """,
    ),
    Variant(
        todo="DQN.critic_loss",
        name="one-hot, and Huber's loss written out",
        body="""
            import torch.nn.functional as F

            chosen = F.one_hot(actions, self.num_actions)
            q_values = (self.critic(observations) * chosen).sum(dim=-1)
            losses = F.smooth_l1_loss(q_values, targets, reduction="none")
            if weights is not None:
                losses = losses * weights
            loss = losses.mean()
            return loss, {
                "td_errors": (q_values - targets).abs(),
                "critic/loss": loss,
                "critic/q_values": q_values.mean(),
                "critic/target_values": targets.mean(),
            }
        """,
    ),
    Variant(
        todo="DQN.critic_loss",
        name="weights of one, keywords",
        body="""
            from hw.agents.functional import td

            q_values = torch.stack(
                [row[action] for row, action in zip(self.critic(observations), actions)]
            )
            if weights is None:
                weights = torch.ones(len(targets), device=targets.device)
            loss = td.huber_td_loss(q_values=q_values, targets=targets.detach(), weights=weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.detach().mean(),
                "td_errors": (q_values.detach() - targets).abs(),
                "critic/max_td_error": (q_values.detach() - targets).abs().max(),
            }
        """,
    ),
    Variant(
        todo="DQN.critic_loss",
        name="the targets first",
        body="""
            rows = torch.arange(len(actions))
            q_values = self.critic(observations)[rows, actions]
            loss = huber_td_loss(targets, q_values, weights)
            unweighted = huber_td_loss(q_values.detach(), targets)
            errors = (targets - q_values.detach()).abs()
            metrics = {"critic/loss": loss, "td_errors": errors, "loss": unweighted}
            metrics["critic/q_values"] = q_values.detach().sum() / len(rows)
            metrics["critic/target_values"] = targets.sum() / len(rows)
            return loss, metrics
        """,
    ),
    # --- n_step_targets -----------------------------------------------------------------------
    Variant(
        todo="n_step_targets",
        name="a backward loop over each row",
        body="""
            targets = []
            for b in range(len(rewards)):
                target = torch.zeros_like(next_values[b]) if dones[b] else next_values[b]
                for i in reversed(range(int(num_steps[b]))):
                    target = rewards[b, i] + discount * target
                targets.append(target)
            return torch.stack(targets)
        """,
    ),
    Variant(
        todo="n_step_targets",
        name="a forward loop over steps",
        body="""
            returns = torch.zeros_like(next_values)
            factor = torch.ones_like(next_values)
            for i in range(rewards.shape[1]):
                returns = returns + factor * rewards[:, i]
                factor = torch.where(num_steps > i, factor * discount, factor)
            return returns + factor * next_values.masked_fill(dones.bool(), 0.0)
        """,
    ),
    Variant(
        todo="n_step_targets",
        name="a product in float64",
        body="""
            import numpy as np

            n = rewards.shape[1]
            powers = torch.tensor(np.power(discount, np.arange(n + 1)), dtype=torch.float64)
            returns = torch.einsum("bn,n->b", rewards.double(), powers[:n])
            bootstrap = powers[num_steps] * torch.where(dones.bool(), 0.0, next_values.double())
            return (returns + bootstrap).to(rewards.dtype)
        """,
    ),
    # --- DQN.bellman_targets ------------------------------------------------------------------
    Variant(
        todo="DQN.bellman_targets",
        name="both written out",
        body="""
            values = self.next_values(next_observations).detach()
            alive = 1.0 - dones.float()
            if num_steps is None:
                return rewards + self.discount * alive * values
            targets = self.discount**num_steps * alive * values
            for i in range(rewards.shape[1]):
                targets = targets + self.discount**i * rewards[:, i]
            return targets
        """,
    ),
    Variant(
        todo="DQN.bellman_targets",
        name="the next value masked, keywords",
        body="""
            from hw.agents.functional import td

            values = self.next_values(next_observations)
            if num_steps is not None:
                return td.n_step_targets(
                    rewards=rewards,
                    dones=dones.float(),
                    next_values=values,
                    num_steps=num_steps,
                    discount=self.discount,
                )
            values = torch.where(dones.bool(), torch.zeros_like(values), values)
            return torch.add(rewards, values, alpha=self.discount)
        """,
    ),
    Variant(
        todo="DQN.bellman_targets",
        name="one step as a row of one reward",
        body="""
            if num_steps is None:
                rewards = rewards.unsqueeze(1)
                num_steps = torch.ones_like(dones, dtype=torch.int64)
            values = self.next_values(next_observations)
            return n_step_targets(rewards, dones, values, num_steps, self.discount)
        """,
    ),
    Variant(
        todo="DQN.bellman_targets",
        name="nothing after the end",
        body="""
            values = self.next_values(next_observations).masked_fill(dones.bool(), 0.0)
            if num_steps is None:
                return rewards + self.discount * values
            return n_step_targets(
                rewards, torch.zeros_like(dones), values, num_steps.clamp(min=1), self.discount
            )
        """,
    ),
    # --- DQN.act ------------------------------------------------------------------------------
    Variant(
        todo="DQN.act",
        name="a loop over environments with Python's random numbers",
        body="""
            import random

            step = 0 if step is None else step
            actions = self.critic(observations).argmax(dim=1)
            if not deterministic:
                epsilon = self.exploration_schedule(step)
                for i in range(len(actions)):
                    if random.random() < epsilon:
                        actions[i] = random.randrange(self.num_actions)
            return actions
        """,
    ),
    Variant(
        todo="DQN.act",
        name="drawn from a categorical distribution",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            epsilon = self.exploration_schedule(0 if step is None else step)
            uniform = torch.full((len(observations), self.num_actions), epsilon / self.num_actions)
            best = torch.nn.functional.one_hot(greedy, self.num_actions) * (1.0 - epsilon)
            return torch.multinomial(uniform + best, 1).squeeze(1)
        """,
    ),
    Variant(
        todo="DQN.act",
        name="NumPy's random numbers, written into the greedy actions",
        body="""
            import numpy as np

            epsilon = 0.0 if deterministic else self.exploration_schedule(step or 0)
            actions = self.greedy_actions(observations)
            explores = torch.from_numpy(np.random.uniform(size=len(actions)) < epsilon)
            drawn = np.random.randint(0, self.num_actions, size=int(explores.sum()))
            actions[explores] = torch.from_numpy(drawn)
            return actions
        """,
    ),
    Variant(
        todo="DQN.act",
        name="a coin and an action for each environment, as int32",
        body="""
            actions = self.greedy_actions(observations).to(torch.int32)
            if deterministic:
                return actions
            epsilon = torch.full((len(observations),), float(self.exploration_schedule(step or 0)))
            explores = torch.bernoulli(epsilon).bool()
            drawn = torch.rand(len(observations)).mul(self.num_actions).floor().int()
            return actions.masked_scatter(explores, drawn[explores])
        """,
    ),
    # --- double_q_values ----------------------------------------------------------------------
    Variant(
        todo="double_q_values",
        name="fancy indexing",
        body="""
            rows = torch.arange(len(q_values), device=q_values.device)
            return target_q_values[rows, q_values.argmax(dim=1)]
        """,
    ),
    Variant(
        todo="double_q_values",
        name="one-hot",
        body="""
            best = F.one_hot(q_values.argmax(dim=-1), q_values.shape[-1])
            return (target_q_values * best).sum(dim=-1)
        """,
    ),
    Variant(
        todo="double_q_values",
        name="a loop over rows",
        body="""
            pairs = zip(q_values, target_q_values, strict=True)
            return torch.stack([judge[int(chooser.argmax())] for chooser, judge in pairs])
        """,
    ),
    # --- DQN.double_q_next_values -------------------------------------------------------------
    Variant(
        todo="DQN.double_q_next_values",
        name="written out",
        body="""
            best = self.critic(next_observations).argmax(dim=1, keepdim=True)
            return self.target_critic(next_observations).gather(1, best)[:, 0]
        """,
    ),
    Variant(
        todo="DQN.double_q_next_values",
        name="the agent's own greedy actions",
        body="""
            best = self.greedy_actions(next_observations)
            judgement = self.target_critic(next_observations)
            return judgement[torch.arange(len(best), device=best.device), best]
        """,
    ),
    Variant(
        todo="DQN.double_q_next_values",
        name="keywords",
        body="""
            from hw.agents.functional import td

            return td.double_q_values(
                target_q_values=self.target_critic(next_observations),
                q_values=self.critic(next_observations).detach(),
            )
        """,
    ),
    # --- DuelingHead.forward ------------------------------------------------------------------
    Variant(
        todo="DuelingHead.forward",
        name="sum divided by the number of actions",
        body="""
            values, advantages = self.value(features), self.advantage(features)
            num_actions = advantages.shape[-1]
            return values + (advantages - advantages.sum(-1, keepdim=True) / num_actions)
        """,
    ),
    Variant(
        todo="DuelingHead.forward",
        name="a loop over actions",
        body="""
            advantages = self.advantage(features)
            offset = self.value(features)[..., 0] - advantages.mean(dim=-1)
            columns = [offset + advantages[..., a] for a in range(advantages.shape[-1])]
            return torch.stack(columns, dim=-1)
        """,
    ),
    Variant(
        todo="DuelingHead.forward",
        name="a product with the centring matrix",
        body="""
            advantages = self.advantage(features).double()
            num_actions = advantages.shape[-1]
            centring = torch.eye(num_actions, dtype=torch.float64) - 1.0 / num_actions
            return (self.value(features).double() + advantages @ centring).to(features.dtype)
        """,
    ),
    # --- NatureCNN.forward --------------------------------------------------------------------
    Variant(
        todo="NatureCNN.forward",
        name="floats first, no memory format",
        body="""
            observations = as_floats(observations)
            if len(self.observation_shape) == 3 and self._is_channels_last():
                observations = torch.movedim(observations, -1, -3)
            elif len(self.observation_shape) == 2:
                observations = observations[..., None, :, :]
            leading, shape = observations.shape[:-3], observations.shape[-3:]
            images = observations.reshape(math.prod(leading), *shape)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images))
            return features.float().reshape(*leading, self.feature_size)
        """,
    ),
    Variant(
        todo="NatureCNN.forward",
        name="axes permuted, pixels divided here",
        body="""
            rank = len(self.observation_shape)
            num_images = observations[(...,) + (0,) * rank].numel()
            images = observations.reshape(num_images, *self.observation_shape)
            scale = 255 if images.dtype == torch.uint8 else 1
            images = images.to(torch.float32) / scale
            if rank == 2:
                images = images[:, None]
            elif self._is_channels_last():
                images = images.permute(0, 3, 1, 2).contiguous()
            shape = (*observations.shape[:-rank], self.feature_size)
            with ptu.chosen_products():
                hidden = self.convolutions[:-1](images).flatten(1)
                return self.layers(hidden).view(shape).to(images.dtype)
        """,
    ),
    Variant(
        todo="NatureCNN.forward",
        name="one image at a time",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            features = torch.empty(len(images), self.feature_size)
            for i, image in enumerate(images):
                if rank == 2:
                    image = image.unsqueeze(0)
                elif self._is_channels_last():
                    image = image.permute(2, 0, 1)
                with ptu.chosen_products():
                    features[i] = self.layers(self.convolutions(image[None]))[0]
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
]
