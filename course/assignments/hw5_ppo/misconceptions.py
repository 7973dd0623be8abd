"""Mistakes that students make in hw5_ppo."""

from course.bank import Misconception

SURROGATE = [
    Misconception(
        todo="clipped_surrogate",
        name="the larger of the two",
        hint="Put in a good action that has become much more likely. Does the objective still grow "
        "as it becomes more likely yet?",
        body="""
            clipped_ratios = ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
            return torch.maximum(ratios * advantages, clipped_ratios * advantages)
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="only the clipped term",
        hint="A bad action has become twice as likely by accident. Which gradient pulls it back?",
        body="""
            return ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio) * advantages
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="nothing is clipped",
        hint="How far may a good action's probability grow before more of it no longer pays?",
        body="""
            return ratios * advantages
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="clips around zero",
        hint="What is the ratio of a policy that has not moved? The range should lie around that.",
        body="""
            clipped_ratios = ratios.clamp(-clip_ratio, clip_ratio)
            return torch.minimum(ratios * advantages, clipped_ratios * advantages)
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="clips from above only",
        hint="Look at bad actions that have become unlikely: when is that enough?",
        body="""
            clipped_ratios = ratios.clamp(max=1.0 + clip_ratio)
            return torch.minimum(ratios * advantages, clipped_ratios * advantages)
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="takes the minimum of the ratios first",
        hint="Which of two numbers is the smaller one turns round when both are multiplied by a "
        "negative number.",
        body="""
            clipped_ratios = ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
            return torch.minimum(ratios, clipped_ratios) * advantages
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="mean instead of each step",
        hint="The card says which shape is due; averaging is the caller's business.",
        body="""
            clipped_ratios = ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
            return torch.minimum(ratios * advantages, clipped_ratios * advantages).mean()
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="a loss instead of an objective",
        hint="Is this number to be maximised or minimised? The card of the caller says where the "
        "sign is turned.",
        body="""
            clipped_ratios = ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
            return -torch.minimum(ratios * advantages, clipped_ratios * advantages)
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="minus the mean log-ratio",
        hint="Your estimate is unbiased, but single terms can be negative. Which term of the "
        "equation is missing?",
        body="""
            return -log_ratios.mean()
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="half the mean square",
        hint="This is right to second order near 0. What happens at a log-ratio of 2?",
        body="""
            return 0.5 * log_ratios.square().mean()
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="the ratio the wrong way up",
        hint="Try a single action that has become much more likely, and compare with the equation "
        "by hand: is the exponential of the right sign?",
        body="""
            return ((-log_ratios).expm1() + log_ratios).mean()
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="sum instead of mean",
        hint="Should the estimate be twice as large for twice as many steps?",
        body="""
            return (log_ratios.exp() - 1.0 - log_ratios).sum()
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="forgets to subtract one",
        hint="What should the divergence of a policy from itself be?",
        body="""
            return (log_ratios.exp() - log_ratios).mean()
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="the logarithm of the mean ratio",
        hint="The mean is taken of the terms, after the exponential and not inside a logarithm.",
        body="""
            ratios = log_ratios.exp()
            return (ratios.mean() - 1.0) - ratios.mean().log()
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="the smaller of the two",
        hint="The limit should take away what a value gains by moving far. Which of the two errors "
        "does that?",
        body="""
            clipped_values = old_values + (values - old_values).clamp(-clip_range, clip_range)
            return torch.minimum((values - returns).square(), (clipped_values - returns).square())
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="only the clipped error",
        hint="A value has moved away from the return by more than the range. Which gradient brings "
        "it back?",
        body="""
            clipped_values = old_values + (values - old_values).clamp(-clip_range, clip_range)
            return (clipped_values - returns).square()
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="clips the value instead of its change",
        hint="What is limited is how far a value moves from where it was, not how large it is.",
        body="""
            clipped_values = values.clamp(-clip_range, clip_range)
            return torch.maximum((values - returns).square(), (clipped_values - returns).square())
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="clips around the return",
        hint="Around which number does the range lie: what the value was, or what it shall be?",
        body="""
            clipped_values = returns + (values - returns).clamp(-clip_range, clip_range)
            return torch.maximum((values - returns).square(), (clipped_values - returns).square())
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="a factor of one half",
        hint="The card says whether there is a factor; `value_coefficient` comes on top.",
        body="""
            clipped_values = old_values + (values - old_values).clamp(-clip_range, clip_range)
            errors = torch.maximum((values - returns) ** 2, (clipped_values - returns) ** 2)
            return 0.5 * errors
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="a range in units of the old value",
        hint="For the policy the range is relative to a ratio of 1. In which units is it here, and "
        "what if the old value is negative?",
        body="""
            ratios = (values / old_values).clamp(1.0 - clip_range, 1.0 + clip_range)
            clipped_values = old_values * ratios
            return torch.maximum((values - returns).square(), (clipped_values - returns).square())
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="absolute errors",
        hint="Compare the error of a value that is off by 3 with the equation.",
        body="""
            clipped_values = old_values + (values - old_values).clamp(-clip_range, clip_range)
            return torch.maximum((values - returns).abs(), (clipped_values - returns).abs())
        """,
    ),
    Misconception(
        todo="clipped_surrogate",
        name="bounds the ratio from above for bad actions too",
        hint="A bad action has become far more likely than any bound that you chose. The equation "
        "has one bound, on the other term: is the objective still r A there?",
        body="""
            ratios = ratios.clamp(max=100.0)
            clipped_ratios = ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
            return torch.minimum(ratios * advantages, clipped_ratios * advantages)
        """,
    ),
    Misconception(
        todo="approximate_kl",
        name="bounds the log-ratios",
        hint="The equation has no bound. Does your estimate still grow when a policy that is far "
        "away moves farther?",
        body="""
            log_ratios = log_ratios.clamp(-5.0, 5.0)
            return (log_ratios.expm1() - log_ratios).mean()
        """,
    ),
    Misconception(
        todo="clipped_value_errors",
        name="bounds the errors",
        hint="Returns may be in the thousands, and so may errors. Which bound does the equation "
        "have, and on what?",
        body="""
            clipped_values = old_values + (values - old_values).clamp(-clip_range, clip_range)
            errors = torch.maximum((values - returns) ** 2, (clipped_values - returns) ** 2)
            return errors.clamp(max=1e4)
        """,
    ),
]

LOSSES = [
    Misconception(
        todo="PPO.actor_loss",
        name="the sign is not turned",
        hint="An optimizer goes downhill. Which way should good actions' probabilities go?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages)
            ratios = log_ratios.exp()
            loss = clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="sum instead of mean",
        hint="With twice the batch size, should the gradient be twice as long?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages)
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).sum()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="the ratio the wrong way up",
        hint="An action that the policy has made more likely: is its ratio above or below 1?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages)
            ratios = (-log_ratios).exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="log-ratios used as ratios",
        hint="What is the ratio of a policy that has not moved, and what did you pass on for it?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages)
            loss = -clipped_surrogate(log_ratios, advantages, clip_ratio).mean()
            metrics = ratio_metrics(log_ratios, log_ratios, clip_ratio)
            return loss, {"actor/loss": loss} | metrics
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="the ratio is detached",
        hint="Call backward on your loss: through what should the gradient reach the policy?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages)
            ratios = log_ratios.exp().detach()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="never normalises",
        hint="There is a setting for the advantages that this method has to honour.",
        body="""
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="always normalises",
        hint="There is a setting for the advantages that this method has to honour.",
        body="""
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, normalize(advantages), clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="divides by the deviation without subtracting the mean",
        hint="What is the mean of your normalised advantages?",
        body="""
            if self.normalize_advantages:
                advantages = advantages / (advantages.std() + 1e-8)
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="centres without dividing by the deviation",
        hint="If all advantages are ten times as large, are your normalised ones the same?",
        body="""
            if self.normalize_advantages:
                advantages = advantages - advantages.mean()
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="divides by the biased deviation",
        hint="There is a function that normalises, imported above. By which number does its "
        "standard deviation divide?",
        body="""
            if self.normalize_advantages:
                deviations = advantages - advantages.mean()
                advantages = deviations / (deviations.square().mean().sqrt() + 1e-8)
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="the mean less the advantage",
        hint="Is an action that went better than the mean still a good one after you have "
        "normalised?",
        body="""
            if self.normalize_advantages:
                advantages = (advantages.mean() - advantages) / (advantages.std() + 1e-8)
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="each advantage normalised by itself",
        hint="Over which numbers are mean and deviation taken? Print your normalised advantages.",
        body="""
            if self.normalize_advantages:
                advantages = torch.stack([normalize(advantage) for advantage in advantages])
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="advantages in another order",
        hint="Is row 0 of the advantages still about the same step as row 0 of the ratios?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages.sort().values)
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="one advantage for all",
        hint="The surrogate takes an advantage for each step: are yours still different?",
        body="""
            if self.normalize_advantages:
                advantages = normalize(advantages)
            advantages = advantages.mean().expand_as(advantages)
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.actor_loss",
        name="divides by zero if all are equal",
        hint="What is the deviation of equal advantages? The function that normalises has a term "
        "for that.",
        body="""
            if self.normalize_advantages:
                advantages = (advantages - advantages.mean()) / advantages.std()
            ratios = log_ratios.exp()
            loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
            return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="punishes entropy",
        hint="The bonus should make a more random policy *cheaper*. Check its sign in a loss that "
        "is minimised.",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss + bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="sums the entropy over the minibatch",
        hint="The other two terms are means over the minibatch. What is the third?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().sum()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="estimates the entropy by the actions of the rollout",
        hint="Those actions were drawn by the old policy. The distribution knows its own entropy.",
        body="""
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            log_ratios = log_probs - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = -log_probs.mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="no value coefficient",
        hint="Three terms, and two coefficients: is each where the equation has it?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            loss = actor_loss + value_loss - self.entropy_coefficient * entropy
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="the coefficients swapped",
        hint="Which coefficient belongs to which term?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.value_coefficient * entropy
            loss = actor_loss + self.entropy_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="the ratio the wrong way up",
        hint="Is the new policy's probability above the line or below it?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = old_log_probs - distribution.log_prob(actions)
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="values without gradient",
        hint="After some training, has the value function moved at all?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values.detach(), old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="ignores value_clip_range",
        hint="There is a method for the value loss, which knows of a setting that yours ignores.",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = F.mse_loss(values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="trains the values on the old values",
        hint="Look at the order of the arguments of `value_loss`.",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, returns, old_values)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="old values of other rows",
        hint="Is row 0 of the old values about the same step as row 0 of the values?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values.flip(0), returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="limits the values around their mean",
        hint="Each value has an old value of its own, around which its range lies.",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values.mean().expand_as(values), returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="limits the values around themselves",
        hint="How far has a value moved from what it is now?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, values.detach(), returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="picks some of the policy's metrics",
        hint="`actor_loss` returns metrics of more than one name. Are all of them in what you "
        "return?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            names = ("actor/loss", "actor/approximate_kl", "actor/ratio_max")
            kept = {name: metrics[name] for name in names}
            return loss, kept | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            distribution, values = self.actor_critic(observations.float())
            log_ratios = distribution.log_prob(actions) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="actions squeezed",
        hint="With a single component, actions have shape (B, 1). Against what does the policy "
        "compare them once that axis is gone?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = distribution.log_prob(actions.squeeze(-1)) - old_log_probs
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PPO.ppo_loss",
        name="bounds the log-ratios",
        hint="What limits the policy's move is in `actor_loss`. What does that get where the move "
        "was large?",
        body="""
            distribution, values = self.actor_critic(observations)
            log_ratios = (distribution.log_prob(actions) - old_log_probs).clamp(-20.0, 20.0)
            actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
            value_loss = self.value_loss(values, old_values, returns)
            entropy = distribution.entropy().mean()
            bonus = self.entropy_coefficient * entropy
            loss = actor_loss + self.value_coefficient * value_loss - bonus
            return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}
        """,
    ),
]

ROLLOUT = [
    Misconception(
        todo="PPO.values_of_next",
        name="bootstraps from the next episode's first state",
        hint="After a time limit the following row belongs to another episode. In which state did "
        "the limit cut this one off?",
        body="""
            last = self.actor_critic.value(rollout["next_observations"][-1])
            return torch.cat([values[1:], last[None]])
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="a time limit counts as a termination",
        hint="Had the clock not run out, the episode would have gone on. Is what would have come "
        "worth nothing?",
        body="""
            last = self.actor_critic.value(rollout["next_observations"][-1])
            ended = rollout["dones"].bool() | rollout["truncateds"].bool()
            return torch.where(ended, 0.0, torch.cat([values[1:], last[None]]))
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="nothing follows the rollout",
        hint="The rollout stops where the buffer is full, mostly in the middle of an episode. What "
        "is the state worth in which it stops?",
        body="""
            own = self.actor_critic.value(rollout["next_observations"].flatten(0, 1))
            next_values = own.reshape(values.shape).clone()
            next_values[-1] = 0.0
            return next_values
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="the last row repeats its own value",
        hint="Print row T - 1 of your result beside row T - 1 of `values`.",
        body="""
            has_no_row = rollout["dones"].bool() | rollout["truncateds"].bool()
            has_no_row[-1] = False
            next_values = torch.cat([values[1:], values[-1:]])
            own = rollout["next_observations"][has_no_row]
            next_values[has_no_row] = self.actor_critic.value(own)
            return next_values
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="the last row wraps round to the first",
        hint="What does `roll` put into the last row?",
        body="""
            has_no_row = rollout["dones"].bool() | rollout["truncateds"].bool()
            next_values = values.roll(-1, dims=0)
            own = rollout["next_observations"][has_no_row]
            next_values[has_no_row] = self.actor_critic.value(own)
            return next_values
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="the value of the step's own observation",
        hint="Where there is no following row, which observation did the step lead to?",
        body="""
            has_no_row = rollout["dones"].bool() | rollout["truncateds"].bool()
            has_no_row[-1] = True
            next_values = torch.cat([values[1:], values[-1:]])
            own = rollout["observations"][has_no_row]
            next_values[has_no_row] = self.actor_critic.value(own)
            return next_values
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="marks the last row as done in the rollout itself",
        hint="Does your mask share its memory with the rollout? `gae` reads it after you.",
        body="""
            has_no_row = rollout["dones"]
            has_no_row |= rollout["truncateds"]
            has_no_row[-1] = True
            next_values = torch.cat([values[1:], values[-1:]])
            own = rollout["next_observations"][has_no_row]
            next_values[has_no_row] = self.actor_critic.value(own)
            return next_values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="returns are the advantages",
        hint="What are the values trained on, if the advantage says how much better an action was "
        "than V?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="advantages normalised before the returns are made",
        hint="Returns are in units of the reward. Are your advantages still, when you add V?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            advantages = normalize(advantages)
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="dones and truncateds swapped",
        hint="Look at the order of the arguments of `gae`: which kind of end bootstraps?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, truncateds, dones, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="the following row's value everywhere",
        hint="A method of this class finds the value of the state that each step leads to, also at "
        "ends of episodes and of the rollout.",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = torch.cat([grid[1:], torch.zeros_like(grid[:1])])
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="discount and lambda swapped",
        hint="Look at the order of the arguments of `gae`.",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.gae_lambda, self.discount
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="rows in another order than the observations",
        hint="Is row 1 of every tensor about the same step, and the same environment?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).mT.flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="log-probabilities of the policy's favourite actions",
        hint="The ratio is about the action that was taken. Whose log-probability did you store?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(distribution.mode)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="the ends are hidden from the values of the next states",
        hint="`values_of_next` looks up where episodes ended. Does it get the whole rollout, as it "
        "is?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout | {"truncateds": dones})
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="one permutation for all epochs",
        hint="Do the same rows meet in the same minibatches in every epoch?",
        body="""
            num_steps = len(experience[0])
            order = torch.randperm(num_steps)
            for _ in range(self.num_epochs):
                for rows in order.split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="drawn with replacement",
        hint="Count how often each row is seen in an epoch.",
        body="""
            num_steps = len(experience[0])
            for _ in range(self.num_epochs * num_steps // self.batch_size):
                rows = torch.randint(num_steps, (self.batch_size,))
                yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="each tensor shuffled on its own",
        hint="Does an action still stand beside the observation in which it was taken?",
        body="""
            num_steps = len(experience[0])
            for _ in range(self.num_epochs):
                shuffled = [
                    values[torch.randperm(num_steps)].split(self.batch_size)
                    for values in experience
                ]
                yield from zip(*shuffled, strict=True)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="one epoch only",
        hint="How many minibatches should come out in all?",
        body="""
            for rows in torch.randperm(len(experience[0])).split(self.batch_size):
                yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="not shuffled",
        hint="Rows that follow each other in time are much alike. Should they share a minibatch?",
        body="""
            for _ in range(self.num_epochs):
                for rows in torch.arange(len(experience[0])).split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="shuffles whole minibatches",
        hint="It is the rows that change places, not blocks of them.",
        body="""
            blocks = torch.arange(len(experience[0])).split(self.batch_size)
            for _ in range(self.num_epochs):
                for i in torch.randperm(len(blocks)):
                    yield tuple(values[blocks[i]] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="loses the last minibatch",
        hint="Count how often each row is seen in an epoch: where does your range stop?",
        body="""
            num_steps = len(experience[0])
            for _ in range(self.num_epochs):
                order = torch.randperm(num_steps)
                for first in range(0, num_steps - self.batch_size, self.batch_size):
                    rows = order[first : first + self.batch_size]
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="the same orders for every rollout",
        hint="A seed that is set at each call makes the same draws at each call.",
        body="""
            generator = torch.Generator().manual_seed(0)
            num_steps = len(experience[0])
            for _ in range(self.num_epochs):
                order = torch.randperm(num_steps, generator=generator)
                for rows in order.split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="begins each epoch at another row",
        hint="Rows that follow each other in time are much alike. Do they still share a minibatch?",
        body="""
            num_steps = len(experience[0])
            for _ in range(self.num_epochs):
                order = torch.arange(num_steps).roll(int(torch.randint(1, num_steps, ())))
                for rows in order.split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="never stops",
        hint="What happens with the rest of the minibatches once the policy has moved too far?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                steps.append(self.update_actor_critic(*minibatch, clip_ratio))
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="the last step is not reported",
        hint="The step that went too far was taken. Are its metrics in what you return?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                metrics = self.update_actor_critic(*minibatch, clip_ratio)
                if self.has_moved_too_far(metrics["actor/approximate_kl"]):
                    break
                steps.append(metrics)
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="stops one step late",
        hint="By whose divergence do you judge: that of the step just taken, or of the one before?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                is_last = bool(steps) and self.has_moved_too_far(steps[-1]["actor/approximate_kl"])
                steps.append(self.update_actor_critic(*minibatch, clip_ratio))
                if is_last:
                    break
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="compares with the target itself",
        hint="A method of this class decides how far is too far; the target is not the limit.",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                steps.append(self.update_actor_critic(*minibatch, clip_ratio))
                kl = steps[-1]["actor/approximate_kl"]
                if self.target_kl is not None and kl > self.target_kl:
                    break
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="judges the mean of all steps so far",
        hint="Early steps have moved the policy little. Should they outvote the last one?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                steps.append(self.update_actor_critic(*minibatch, clip_ratio))
                divergences = torch.stack([step["actor/approximate_kl"] for step in steps])
                if self.has_moved_too_far(divergences.mean()):
                    break
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="skips such steps and goes on",
        hint="After it has gone too far, is there any further step on this rollout?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                metrics = self.update_actor_critic(*minibatch, clip_ratio)
                if self.has_moved_too_far(metrics["actor/approximate_kl"]):
                    continue
                steps.append(metrics)
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="returns the last step's metrics alone",
        hint="Means are taken over all steps of the rollout: of how many did you return metrics?",
        body="""
            for minibatch in self.minibatches(experience):
                metrics = self.update_actor_critic(*minibatch, clip_ratio)
                if self.has_moved_too_far(metrics["actor/approximate_kl"]):
                    break
            return [metrics]
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            has_no_row = rollout["dones"].bool() | rollout["truncateds"].bool()
            has_no_row[-1] = True
            next_values = torch.cat([values[1:], values[-1:]])
            own = rollout["next_observations"][has_no_row].float()
            next_values[has_no_row] = self.actor_critic.value(own)
            return next_values
        """,
    ),
    Misconception(
        todo="PPO.values_of_next",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            own = self.actor_critic.value(rollout["next_observations"].flatten(0, 1).flatten(1))
            return own.reshape(values.shape)
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="a time limit outvotes a termination",
        hint="A step may be both, done and truncated. Does anything follow it?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            dones = dones & ~truncateds
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="actions squeezed",
        hint="With a single component, actions have shape (T, N, 1). Against what does the policy "
        "compare them once that axis is gone?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            actions = actions.squeeze(-1)
            distribution, values = self.actor_critic(observations)
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.evaluate_rollout",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
            distribution, values = self.actor_critic(observations.float())
            log_probs = distribution.log_prob(actions)
            rewards, dones, truncateds = (rollout[k] for k in ("rewards", "dones", "truncateds"))
            grid = values.reshape(rewards.shape)
            next_values = self.values_of_next(grid, rollout)
            advantages = gae(
                rewards, grid, next_values, dones, truncateds, self.discount, self.gae_lambda
            ).flatten()
            return observations, actions, log_probs, values, advantages, advantages + values
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="the two halves of the rollout shuffled apart",
        hint="Can the first row and the last one meet in a minibatch?",
        body="""
            num_steps = len(experience[0])
            half = num_steps // 2
            for _ in range(self.num_epochs):
                order = torch.cat([torch.randperm(half), half + torch.randperm(num_steps - half)])
                for rows in order.split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="every second epoch goes the last one's way backwards",
        hint="Each epoch has an order of its own. Can yours be told from the one before?",
        body="""
            num_steps = len(experience[0])
            for epoch in range(self.num_epochs):
                if epoch % 2:
                    order = order.flip(0).roll(1)
                else:
                    order = torch.randperm(num_steps)
                for rows in order.split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
        """,
    ),
    Misconception(
        todo="PPO.minibatches",
        name="the same shuffle upon the last one",
        hint="Each epoch has an order of its own. Where does the row in front go from one epoch to "
        "the next?",
        body="""
            num_steps = len(experience[0])
            order, shuffle = torch.randperm(num_steps), torch.randperm(num_steps)
            for _ in range(self.num_epochs):
                for rows in order.split(self.batch_size):
                    yield tuple(values[rows] for values in experience)
                order = order[shuffle]
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="picks some metrics of each step",
        hint="A step returns metrics of more names than those. Are all of them in what you return?",
        body="""
            names = ("actor/loss", "actor/approximate_kl")
            steps = []
            for minibatch in self.minibatches(experience):
                metrics = self.update_actor_critic(*minibatch, clip_ratio)
                steps.append({name: metrics[name] for name in names})
                if self.has_moved_too_far(metrics["actor/approximate_kl"]):
                    break
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="a target of 0 counts as none",
        hint="`target_kl` may be None, or 0, which is a number. Which of them has no limit?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                steps.append(self.update_actor_critic(*minibatch, clip_ratio))
                kl = steps[-1]["actor/approximate_kl"]
                if self.target_kl and kl > 1.5 * self.target_kl:
                    break
            return steps
        """,
    ),
    Misconception(
        todo="PPO.minibatch_steps",
        name="stops at the limit already",
        hint="A method of this class decides how far is too far: what does it say of a policy that "
        "has moved exactly so far?",
        body="""
            steps = []
            for minibatch in self.minibatches(experience):
                steps.append(self.update_actor_critic(*minibatch, clip_ratio))
                kl = steps[-1]["actor/approximate_kl"]
                if self.target_kl is not None and kl >= 1.5 * self.target_kl:
                    break
            return steps
        """,
    ),
]

TD3 = [
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="the online actor",
        hint="The target is to stand still while the networks learn. Whose action belongs in it?",
        body="""
            actions = self.actor(next_observations)
            noise = self.target_noise * torch.randn_like(actions)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="the noise is not clipped",
        hint="How far may a smoothed action lie from the target policy's?",
        body="""
            actions = self.target_actor(next_observations)
            noise = self.target_noise * torch.randn_like(actions)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="the action is not clipped",
        hint="Are all the actions that you return possible ones?",
        body="""
            actions = self.target_actor(next_observations)
            noise = self.target_noise * torch.randn_like(actions)
            return actions + noise.clamp(-self.target_noise_clip, self.target_noise_clip)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="clipped before it is scaled",
        hint="In which units is `target_noise_clip`: of the action, or of standard deviations?",
        body="""
            actions = self.target_actor(next_observations)
            noise = torch.randn_like(actions)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + self.target_noise * noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="the exploration noise",
        hint="There are two noises in TD3, with a setting each.",
        body="""
            actions = self.target_actor(next_observations)
            noise = self.exploration_noise * torch.randn_like(actions)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="uniform noise",
        hint="From which distribution is the noise?",
        body="""
            actions = self.target_actor(next_observations)
            noise = self.target_noise * torch.rand_like(actions)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="one noise for all components of an action",
        hint="What shape has your noise? Each component of each action has its own.",
        body="""
            actions = self.target_actor(next_observations)
            noise = self.target_noise * torch.randn(len(actions), 1)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="the sign is not turned",
        hint="Should the actor climb the critic, or descend?",
        body="""
            actions = self.actor(observations)
            loss = self.critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="the smallest critic",
        hint="The minimum is for targets. Which critic does the actor climb?",
        body="""
            actions = self.actor(observations)
            loss = -self.critics(observations, actions).amin(dim=0).mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="the mean of all critics",
        hint="Which of the K critics does the equation name?",
        body="""
            actions = self.actor(observations)
            loss = -self.critics(observations, actions).mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="the first state instead of the first critic",
        hint="Q-values have shape (K, B). Which axis did you index?",
        body="""
            actions = self.actor(observations)
            loss = -self.critics(observations, actions)[:, 0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="actions without gradient",
        hint="How does the critic's opinion reach the actor's weights?",
        body="""
            actions = self.actor(observations).detach()
            loss = -self.critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="the target critics",
        hint="Target networks are for targets. Is this one?",
        body="""
            actions = self.actor(observations)
            loss = -self.target_critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="sum instead of mean",
        hint="With twice the batch size, should the gradient be twice as long?",
        body="""
            actions = self.actor(observations)
            loss = -self.critics(observations, actions)[0].sum()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="reports the value, not the loss",
        hint="Does the metric actor/loss fall when the optimizer does its work?",
        body="""
            actions = self.actor(observations)
            value = self.critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return -value, {"actor/loss": value, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="states and actions of different rows",
        hint="In which state was each action chosen, and in which is it judged?",
        body="""
            actions = self.actor(observations)
            loss = -self.critics(observations.roll(1, dims=0), actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="saturated at one side only",
        hint="tanh saturates at -1 as well.",
        body="""
            actions = self.actor(observations)
            loss = -self.critics(observations, actions)[0].mean()
            saturation = (actions > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the actor moves at every call",
        hint="What is `actor_update_period` for?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            metrics |= self.update_actor(observations)
            if self.num_updates % self.actor_update_period == 0:
                self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the target networks move at every call",
        hint="What waits for the actor's turn: the actor alone?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
            self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the actor moves at the first call",
        hint="With a period of 2, is it the first call or the second on which the actor moves?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            if self.num_updates % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
                self.soft_update_targets()
            self.num_updates += 1
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="counts environment steps instead of calls",
        hint="`step` jumps by the number of environments, and resumes elsewhere. What does "
        "`num_updates` count?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if step % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
                self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the target networks never move",
        hint="Compare a target network with its own first state after training.",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the critics rest when the actor moves",
        hint="How often do the critics move in ten calls?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics = {"critic/loss": torch.tensor(0.0)} | self.update_actor(observations)
                self.soft_update_targets()
                return metrics
            return self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the target networks follow before the actor has moved",
        hint="In which order do the three move in algorithm 1 of the paper?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                self.soft_update_targets()
                metrics |= self.update_actor(observations)
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the learning rates stay as they are",
        hint="With `learning_rate_schedule: linear`, does your rate fall?",
        body="""
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
                self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="importance weights are lost",
        hint="Prioritised replay hands over one more argument. Where does it go?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(observations, actions, rewards, next_observations, dones)
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
                self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the critics' loss reported as the actor's",
        hint="Of which loss are the metrics that you return, and do they hold those of both?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                self.update_actor(observations)
                self.soft_update_targets()
                metrics = metrics | {"actor/loss": metrics["critic/loss"]}
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="the critics' metrics are lost when the actor moves",
        hint="Which metrics does a call return in which both have moved?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics = self.update_actor(observations)
                self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            actions = self.target_actor(next_observations.flatten(1))
            noise = self.target_noise * torch.randn_like(actions)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.smoothed_target_actions",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            actions = self.target_actor(next_observations.float())
            noise = self.target_noise * torch.randn_like(actions)
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            return (actions + noise).clamp(-1.0, 1.0)
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="freezes the critics for good",
        hint="`update_actor` does not step the critics anyway. Can they still learn after your "
        "call?",
        body="""
            self.critics.requires_grad_(False)
            actions = self.actor(observations)
            loss = -self.critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            observations = observations.flatten(1)
            actions = self.actor(observations)
            loss = -self.critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.actor_loss",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            observations = observations.float()
            actions = self.actor(observations)
            loss = -self.critics(observations, actions)[0].mean()
            saturation = (actions.abs() > 0.99).float().mean()
            return loss, {"actor/loss": loss, "actor/saturation": saturation}
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="drops the TD errors",
        hint="Prioritised replay reads a metric of the critics. Is it still among those that you "
        "return?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            metrics.pop("td_errors")
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                metrics |= self.update_actor(observations)
                self.soft_update_targets()
            return metrics
        """,
    ),
    Misconception(
        todo="TD3.update",
        name="returns the two losses alone",
        hint="The losses come with further metrics. Are all of them in what you return?",
        body="""
            self.set_learning_rates(self.learning_rate_schedule(step))
            metrics = self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
            losses = {"critic/loss": metrics["critic/loss"]}
            self.num_updates += 1
            if self.num_updates % self.actor_update_period == 0:
                losses["actor/loss"] = self.update_actor(observations)["actor/loss"]
                self.soft_update_targets()
            return losses
        """,
    ),
]

MISCONCEPTIONS = [*SURROGATE, *LOSSES, *ROLLOUT, *TD3]
