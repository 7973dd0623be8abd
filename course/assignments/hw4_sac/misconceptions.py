"""Mistakes that students make in hw4_sac."""

from course.bank import Misconception

# What both actor losses end with.
METRICS = """
            return loss, self.actor_metrics(loss, distribution, log_probs)
"""

DENSITIES_AND_CRITICS = [
    Misconception(
        todo="log_tanh_slope",
        name="logarithm of a number that has rounded to zero",
        hint="In float32 tanh(12) is 1. What is the logarithm of one minus its square? The card "
        "names another form of the same function.",
        body="""
            return torch.log(1.0 - pre_tanh.tanh() ** 2).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="a small constant inside the logarithm",
        hint="A constant against log(0) hides the infinity, not the error: compare the result and "
        "its gradient with the exact values at u = 12.",
        body="""
            return torch.log(1.0 - pre_tanh.tanh() ** 2 + 1e-6).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="two formulas that meet too far out",
        hint="Digits are lost long before tanh is 1: what is left of 1 - tanh(6)^2 in float32? The "
        "card's form needs no second formula.",
        body="""
            size = pre_tanh.abs()
            near = torch.log(1.0 - torch.tanh(size.clamp(max=7.0)) ** 2)
            return torch.where(size > 7.0, math.log(4.0) - 2.0 * size, near).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="no sum over components",
        hint="The action is one point in A dimensions and has one density. How do the factors of "
        "its components combine?",
        body="""
            return 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="mean over components",
        hint="The logarithm of a product over the components is not an average of them.",
        body="""
            terms = 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))
            return terms.mean(dim=-1)
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="the constant counted once, not for each component",
        hint="Check the value at u = 0, where tanh has slope 1, with more than one component.",
        body="""
            constant = 2.0 * math.log(2.0)
            return constant - 2.0 * (pre_tanh + F.softplus(-2.0 * pre_tanh)).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="the sign turned round",
        hint="tanh shrinks volumes: is the logarithm of its slope positive or negative? The caller "
        "does the subtraction.",
        body="""
            constant = 2.0 * math.log(2.0) * pre_tanh.shape[-1]
            return 2.0 * (pre_tanh + F.softplus(-2.0 * pre_tanh)).sum(dim=-1) - constant
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="cosh overflows",
        hint="cosh(90) is larger than any float32. Which part of it can be taken out of the "
        "logarithm by hand?",
        body="""
            return -2.0 * torch.log(torch.cosh(pre_tanh)).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="action before observation",
        hint="Which of the two comes first in the network's input? A checkpoint of the reference "
        "would not fit your order.",
        body="""
            inputs = torch.cat([actions, as_floats(observations)], dim=-1)
            batch_shape = inputs.shape[:-1]
            return self.net(inputs.reshape(-1, inputs.shape[-1])).reshape(-1, *batch_shape)
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="one batch axis only",
        hint="What does the network do with observations (S, B, D)? The module's docstring says "
        "that B is any leading shape.",
        body="""
            return self.net(torch.cat([as_floats(observations), actions], dim=-1)).squeeze(-1)
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="squeezes every axis of length one",
        hint="Try one critic, or a batch of one: which axes have gone?",
        body="""
            inputs = torch.cat([as_floats(observations), actions], dim=-1)
            q_values = self.net(inputs.reshape(-1, inputs.shape[-1]))
            return q_values.reshape(-1, *inputs.shape[:-1]).squeeze()
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="leading axes stay flat",
        hint="The network wants one batch axis. What shape did the caller give, and what shape "
        "does it get back?",
        body="""
            inputs = torch.cat([as_floats(observations), actions], dim=-1)
            return self.net(inputs.reshape(-1, inputs.shape[-1])).squeeze(-1)
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="critics on the last axis",
        hint="Reshaping does not move axes: which number belongs to which critic?",
        body="""
            inputs = torch.cat([as_floats(observations), actions], dim=-1)
            q_values = self.net(inputs.reshape(-1, inputs.shape[-1]))
            return q_values.reshape(*inputs.shape[:-1], -1)
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="no gradient into the action",
        hint="The reparametrised actor climbs the critic through the action. What does your code "
        "let through?",
        body="""
            inputs = torch.cat([as_floats(observations), actions.detach()], dim=-1)
            batch_shape = inputs.shape[:-1]
            return self.net(inputs.reshape(-1, inputs.shape[-1])).reshape(-1, *batch_shape)
        """,
    ),
    Misconception(
        todo="log_tanh_slope",
        name="cut at 200",
        hint="The formula is linear far out, and never overflows. Why stop?",
        body="""
            u = pre_tanh.clamp(-200.0, 200.0)
            return 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u)).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="two leading axes at most",
        hint="How many leading axes does the card allow?",
        body="""
            inputs = torch.cat([as_floats(observations), actions], dim=-1)
            if inputs.ndim == 1:
                return self.net(inputs[None])[:, 0, 0]
            if inputs.ndim == 2:
                return self.net(inputs).squeeze(-1)
            q_values = self.net(inputs.flatten(0, 1)).squeeze(-1)
            return q_values.reshape(-1, *inputs.shape[:2])
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="bytes as they are",
        hint="Actors see pixels between 0 and 1. What do your critics see of the same bytes?",
        body="""
            inputs = torch.cat([observations, actions], dim=-1)
            q_values = self.net(inputs.reshape(-1, inputs.shape[-1]))
            return q_values.reshape(-1, *inputs.shape[:-1])
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="floats scaled like bytes",
        hint="Which observations does `as_floats` divide, and which does it leave alone?",
        body="""
            inputs = torch.cat([observations / 255, actions], dim=-1)
            q_values = self.net(inputs.reshape(-1, inputs.shape[-1]))
            return q_values.reshape(-1, *inputs.shape[:-1])
        """,
    ),
    Misconception(
        todo="StateActionCriticEnsemble.forward",
        name="large numbers cut off",
        hint="Who says how large an observation may be?",
        body="""
            inputs = torch.cat([as_floats(observations), actions], dim=-1).clamp(-10.0, 10.0)
            q_values = self.net(inputs.reshape(-1, inputs.shape[-1]))
            return q_values.reshape(-1, *inputs.shape[:-1])
        """,
    ),
]

VALUES = [
    Misconception(
        todo="SoftActorCritic.entropy",
        name="the sign turned round",
        hint="A narrow Gaussian has a high density and little entropy.",
        body="""
            return log_probs.mean()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.entropy",
        name="summed over the batch",
        hint="An expectation does not grow with the number of samples.",
        body="""
            return -log_probs.sum()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.entropy",
        name="one number for each sample",
        hint="Which shape does the card promise, whatever the shape of the log-probabilities?",
        body="""
            return -log_probs.mean(dim=-1)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.entropy",
        name="weighted with the density again",
        hint="The samples come from pi already: how often does each of them occur?",
        body="""
            return -(log_probs.exp() * log_probs).mean()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.entropy",
        name="in bits",
        hint="Which logarithm do the log-probabilities hold, and in which unit is the target "
        "entropy?",
        body="""
            return -log_probs.mean() / np.log(2.0)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="subtracts the entropy",
        hint="Unlikely actions deserve a bonus. Which sign has the logarithm of their density?",
        body="""
            return q_values + self.temperature * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="log alpha in place of alpha",
        hint="The agent stores a logarithm, so that the temperature stays positive.",
        body="""
            return q_values - self.log_temperature.detach() * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="gradient into alpha",
        hint="The temperature has a loss of its own. What would the actor's loss do to it?",
        body="""
            return q_values - self.log_temperature.exp() * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="no gradient through the log-probability",
        hint="How does the reparametrised actor learn to stay random?",
        body="""
            return q_values - self.temperature * log_probs.detach()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="the batch's mean entropy for every state",
        hint="Q and the log-probability belong to the same sample: see the card on their noise.",
        body="""
            return q_values - self.temperature * log_probs.mean()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="no temperature",
        hint="What is one nat of entropy worth?",
        body="""
            return q_values - log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.entropy",
        name="cut at 200",
        hint="The log-probabilities of many action components are far from zero. Which of them do "
        "you lose?",
        body="""
            return -log_probs.clamp(-200.0, 200.0).mean()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="asks for the bonus again",
        hint="Who decides whether there is a bonus: this method or its callers? The card says.",
        body="""
            if not self.use_entropy_bonus:
                return q_values
            return q_values - self.temperature * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="asks for both settings",
        hint="The actor's loss calls this too. Which of the two settings is not for the actor?",
        body="""
            if not (self.use_entropy_bonus and self.backup_entropy):
                return q_values
            return q_values - self.temperature * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="asks for the backup's setting",
        hint="The actor's loss calls this too, and it has a setting of its own.",
        body="""
            if not self.backup_entropy:
                return q_values
            return q_values - self.temperature * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="one leading axis at most",
        hint="`q_values` may have several axes before the batch. How do log-probabilities of the "
        "batch alone meet them?",
        body="""
            if log_probs.shape != q_values.shape:
                log_probs = log_probs.expand(len(q_values), -1)
            return q_values - self.temperature * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="a smallest alpha",
        hint="A learned temperature may become very small. What does your bonus weigh then?",
        body="""
            return q_values - self.temperature.clamp(min=0.05) * log_probs
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_values",
        name="log-probabilities cut at 20",
        hint="How unlikely may an action of many components be?",
        body="""
            return q_values - self.temperature * log_probs.clamp(-20.0, 20.0)
        """,
    ),
]

BACKUPS = [
    Misconception(
        todo="mean_backup",
        name="mean over the batch",
        hint="Which axis holds the critics?",
        body="""
            return q_values.mean(dim=-1, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="mean_backup",
        name="one row for all critics",
        hint="The result has a row for every critic; a single one relies on broadcasting.",
        body="""
            return q_values.mean(dim=0)
        """,
    ),
    Misconception(
        todo="mean_backup",
        name="the axis of the critics kept with length one",
        hint="What shape does the loss compare with (K, B)?",
        body="""
            return q_values.mean(dim=0, keepdim=True)
        """,
    ),
    Misconception(
        todo="mean_backup",
        name="sum in place of mean",
        hint="With two critics that agree, what should each be trained on?",
        body="""
            return q_values.sum(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="mean_backup",
        name="every critic keeps its own value",
        hint="That is independent critics, not their mean.",
        body="""
            return q_values
        """,
    ),
    Misconception(
        todo="mean_backup",
        name="mean of the other critics",
        hint="Does a critic's own estimate count? Try one critic.",
        body="""
            return (q_values.sum(dim=0, keepdim=True) - q_values) / max(len(q_values) - 1, 1)
        """,
    ),
    Misconception(
        todo="min_backup",
        name="minimum over the batch",
        hint="The smallest of all critics for each state, not of all states for each critic.",
        body="""
            return q_values.amin(dim=-1, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="min_backup",
        name="minimum over everything",
        hint="A minimum without an axis is one number for the whole batch.",
        body="""
            return torch.full_like(q_values, q_values.min())
        """,
    ),
    Misconception(
        todo="min_backup",
        name="one row for all critics",
        hint="The result has a row for every critic.",
        body="""
            return q_values.min(dim=0).values
        """,
    ),
    Misconception(
        todo="min_backup",
        name="only the first two critics",
        hint="TD3 has two critics; K may be larger, or one.",
        body="""
            last = min(1, len(q_values) - 1)
            return torch.minimum(q_values[0], q_values[last]).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="min_backup",
        name="maximum",
        hint="The backup should be the cautious one.",
        body="""
            return q_values.amax(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="min_backup",
        name="smallest absolute value",
        hint="Returns may be negative: which of -10 and -1 is the cautious estimate?",
        body="""
            smallest = q_values.abs().argmin(dim=0, keepdim=True)
            return q_values.gather(0, smallest).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="double_q_backup",
        name="rolls the other way",
        hint="With two critics the direction does not matter; take three, and follow the first.",
        body="""
            return q_values.roll(1, dims=0)
        """,
    ),
    Misconception(
        todo="double_q_backup",
        name="turns the order round",
        hint="With three critics one of them would be trained on itself.",
        body="""
            return q_values.flip(0)
        """,
    ),
    Misconception(
        todo="double_q_backup",
        name="rolls the flattened values",
        hint="Without an axis, values of one state move to its neighbour.",
        body="""
            return q_values.roll(-1)
        """,
    ),
    Misconception(
        todo="double_q_backup",
        name="rolls the batch",
        hint="Critics exchange their values, states do not.",
        body="""
            return q_values.roll(-1, dims=1)
        """,
    ),
    Misconception(
        todo="double_q_backup",
        name="every critic keeps its own value",
        hint="Double Q-learning has one critic judged by another.",
        body="""
            return q_values
        """,
    ),
    Misconception(
        todo="double_q_backup",
        name="smallest of the critics",
        hint="That is clipped double-Q, the backup of TD3; this one takes no minimum.",
        body="""
            return q_values.amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="always the first critics",
        hint="Call it twice: which critics can ever be part of the subset?",
        body="""
            return q_values[:subset_size].amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="drawn with replacement",
        hint="A subset of two critics cannot hold one of them twice.",
        body="""
            subset = torch.randint(len(q_values), (subset_size,))
            return q_values[subset].amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="neighbouring critics only",
        hint="Can the first and the third of four critics ever be drawn together, without another?",
        body="""
            start = int(torch.randint(len(q_values), ()))
            window = q_values.roll(start, dims=0)[:subset_size]
            return window.amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="another subset for each state",
        hint="The card says for how many states one subset is drawn.",
        body="""
            order = torch.rand(q_values.shape).argsort(dim=0)[:subset_size]
            return q_values.gather(0, order).amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="another subset for each critic",
        hint="All critics are trained on the same value.",
        body="""
            rows = [q_values[torch.randperm(len(q_values))[:subset_size]].amin(dim=0)
                    for _ in range(len(q_values))]
            return torch.stack(rows)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="minimum of all critics",
        hint="What does `subset_size` change?",
        body="""
            return q_values.amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="mean of the subset",
        hint="REDQ averages in the actor's loss; the critics' targets are cautious.",
        body="""
            subset = torch.randperm(len(q_values))[:subset_size].sort().values
            return q_values[subset].mean(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="as many rows as the subset",
        hint="Critics outside the subset are trained too.",
        body="""
            subset = torch.randperm(len(q_values))[:subset_size]
            return q_values[subset].amin(dim=0, keepdim=True).expand(subset_size, -1)
        """,
    ),
    Misconception(
        todo="min_backup",
        name="begins with a million",
        hint="The smallest of three numbers above a million is above a million.",
        body="""
            smallest = torch.full_like(q_values[0], 1e6)
            for row in q_values:
                smallest = torch.minimum(smallest, row)
            return smallest.expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="moves on from a critic drawn before",
        hint="Count by hand how often your subset of two of four holds neighbours.",
        body="""
            size, chosen = len(q_values), []
            for _ in range(subset_size):
                k = int(torch.randint(size, ()))
                while k in chosen:
                    k = (k + 1) % size
                chosen.append(k)
            return q_values[chosen].amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="some critics more often",
        hint="Is there a reason to prefer the last critic to the first?",
        body="""
            weights = torch.linspace(1.0, 2.0, len(q_values))
            subset = torch.multinomial(weights, subset_size)
            return q_values[subset].amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
    Misconception(
        todo="random_subset_min_backup",
        name="the subsets in turn",
        hint="Can one who has seen a few subsets tell the next?",
        body="""
            import itertools

            subsets = list(itertools.combinations(range(len(q_values)), subset_size))
            number = getattr(random_subset_min_backup, "number", 0)
            random_subset_min_backup.number = number + 1
            subset = list(subsets[number % len(subsets)])
            return q_values[subset].amin(dim=0, keepdim=True).expand_as(q_values)
        """,
    ),
]

CRITICS = [
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="bootstraps through termination",
        hint="What happens after an episode has ended?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return rewards + self.discount * next_values
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="bootstraps only at termination",
        hint="Is the mask 1 where the episode goes on?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return rewards + self.discount * dones.float() * next_values
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="online critics in place of the target critics",
        hint="Which networks change with every step that the loss takes, and which follow slowly?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="entropy of a state after the end",
        hint="Where does the bracket of the equation close, before or after the entropy?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            targets = td_targets(rewards, dones, next_values, self.discount)
            if self.use_entropy_bonus and self.backup_entropy:
                targets = self.soft_values(targets, self.discount * next_log_probs)
            return targets
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="the most likely action in place of a sample",
        hint="Whose value is Q'? The target averages over the actions that the policy takes.",
        body="""
            distribution = self.actor(next_observations)
            next_log_probs = distribution.log_prob(distribution.mode)
            next_values = self.backup(self.target_critics(next_observations, distribution.mode))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="always the entropy",
        hint="Two settings switch the bonus in the targets off.",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="never the entropy",
        hint="If the actor is paid for entropy and the targets leave it out, whose value is Q?",
        body="""
            next_actions = self.actor(next_observations).sample()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="no backup",
        hint="How do K target values become K targets? The setting has four answers.",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.target_critics(next_observations, next_actions)
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="no discount",
        hint="Which factor stands before the value of the next state?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, 1.0)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="action and log-probability of two samples",
        hint="Each call draws anew. Do the action and its log-probability belong together?",
        body="""
            distribution = self.actor(next_observations)
            next_actions = distribution.sample()
            _, next_log_probs = distribution.sample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="mean over critics",
        hint="Every critic is trained on its own error: what happens to each one's gradient when "
        "there are more critics?",
        body="""
            squared = (q_values - targets).square()
            return (squared if weights is None else weights * squared).mean()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="sum over the batch",
        hint="Should the loss double when the batch does?",
        body="""
            squared = (q_values - targets).square()
            return (squared if weights is None else weights * squared).sum()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="half of the square",
        hint="Compare the factor in front of the square with the card's equation.",
        body="""
            squared = 0.5 * (q_values - targets).square()
            return (squared if weights is None else weights * squared).mean(dim=1).sum()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="weights ignored",
        hint="What are the importance weights for?",
        body="""
            return (q_values - targets).square().mean(dim=1).sum()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="weights inside the square",
        hint="Does the weight multiply the error or its square?",
        body="""
            errors = q_values - targets
            errors = errors if weights is None else weights * errors
            return errors.square().mean(dim=1).sum()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="divided by the sum of the weights",
        hint="The equation divides by B. The sampler has scaled the weights already.",
        body="""
            squared = (q_values - targets).square()
            if weights is None:
                return squared.mean(dim=1).sum()
            return (weights * squared).sum() / weights.sum()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="large errors clipped",
        hint="An error beyond the limit has no gradient at all. The card clips nothing.",
        body="""
            squared = (q_values - targets).clamp(-10.0, 10.0).square()
            return (squared if weights is None else weights * squared).mean(dim=1).sum()
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="absolute error",
        hint="The card asks for the square.",
        body="""
            errors = (q_values - targets).abs()
            return (errors if weights is None else weights * errors).mean(dim=1).sum()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="weights not passed on",
        hint="Where do the importance weights of prioritised replay enter?",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="trains the target critics",
        hint="Which of the two sets of networks does the optimizer own?",
        body="""
            q_values = self.target_critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="no gradient into the critics",
        hint="Detach the targets if you must, not the predictions.",
        body="""
            q_values = self.critics(observations, actions).detach()
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values - targets).abs().mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="mean over critics",
        hint="Every critic is trained on its own error: what happens to each one's gradient when "
        "there are more critics?",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights) / len(q_values)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="TD errors with a sign",
        hint="Prioritised replay takes td_errors for priorities: what is a negative one?",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="TD errors averaged over the batch",
        hint="td_errors holds a number for each sample, not for each critic.",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=-1),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="TD errors cancel between critics",
        hint="One critic is 5 too high, another 5 too low. What is the sample's error?",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).mean(dim=0).abs(),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="TD errors already weighted",
        hint="Would a sample that was weighted down ever get its priority back?",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights)
            errors = (q_values.detach() - targets).abs().mean(dim=0)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": errors if weights is None else weights * errors,
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="floats in place of pixels",
        hint="Pixels come as whole numbers, which the networks divide by 255. How do they know "
        "that yours were?",
        body="""
            states = next_observations.float()
            next_actions, next_log_probs = self.actor(states).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(states, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="values cut at 100",
        hint="Rewards may be in the hundreds; what is then the value of a long episode?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            next_values = next_values.clamp(-100.0, 100.0)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="floats in place of pixels",
        hint="Pixels come as whole numbers, which the networks divide by 255. How do they know "
        "that yours were?",
        body="""
            q_values = self.critics(observations.float(), actions)
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="flattened observations",
        hint="The networks know how to read an image. What is left of it when you hand it on?",
        body="""
            q_values = self.critics(observations.flatten(1), actions)
            loss = squared_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="rewards cut at 10",
        hint="Who asked for a limit on rewards?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            next_values = self.backup(self.target_critics(next_observations, next_actions))
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards.clamp(-10.0, 10.0), dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.bellman_targets",
        name="critics cut at 100",
        hint="How large may a Q-value be, where rewards are in the hundreds?",
        body="""
            next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
            q_values = self.target_critics(next_observations, next_actions).clamp(-100.0, 100.0)
            next_values = self.backup(q_values)
            if self.use_entropy_bonus and self.backup_entropy:
                next_values = self.soft_values(next_values, next_log_probs)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="squared_td_loss",
        name="squares cut at a million",
        hint="Large errors count as they are.",
        body="""
            squared = (q_values - targets).square().clamp(max=1e6)
            return (squared if weights is None else weights * squared).mean(dim=1).sum()
        """,
    ),
]


def reinforce(name: str, hint: str, body: str) -> Misconception:
    """A mistake in the score-function loss, whose body lacks the metrics."""
    body = body.rstrip() + METRICS
    return Misconception("SoftActorCritic.actor_loss_reinforce", name, hint, body)


def reparametrize(name: str, hint: str, body: str) -> Misconception:
    """A mistake in the pathwise loss, whose body lacks the metrics."""
    body = body.rstrip() + METRICS
    return Misconception("SoftActorCritic.actor_loss_reparametrize", name, hint, body)


ACTORS = [
    reinforce(
        "descends on the values",
        "The optimizer minimises. Should the loss fall when good actions become likelier?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = (log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "advantages are not constant",
        "The card says which log-probability carries a gradient. What else depends on the actor?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            repeated = observations.expand(self.num_actor_samples, *observations.shape)
            values = self.policy_q_values(repeated, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -(log_probs * leave_one_out_advantages(values)).mean()
        """,
    ),
    reinforce(
        "pathwise samples",
        "In the score function the action is a constant. Along a pathwise sample, how much does "
        "log pi(a) change with the mean?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "no baseline",
        "What all actions of a state have in common is noise in the gradient. What is A?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
            loss = -(log_probs * values).mean()
        """,
    ),
    reinforce(
        "each sample in its own baseline",
        "A baseline that holds the sample's own value shrinks the gradient; with one sample, to "
        "nothing.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = values - values.mean(dim=0)
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "baseline from other states",
        "The baseline compares actions of one state. Along which axis do they lie?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values.T).T
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "entropy left out",
        "The actor is paid for entropy as well, unless the setting says otherwise.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                advantages = leave_one_out_advantages(self.policy_q_values(repeated, actions))
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "entropy always in",
        "Without the entropy bonus, V is Q.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.soft_values(self.policy_q_values(repeated, actions), log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "sum over samples",
        "More samples should make the gradient less noisy, not larger.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).sum(dim=0).mean()
        """,
    ),
    reinforce(
        "one sample whatever the setting",
        "Look at `num_actor_samples`.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob()
            with torch.no_grad():
                values = self.policy_q_values(observations, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
            loss = -(log_probs * values).mean()
        """,
    ),
    reinforce(
        "critics left frozen",
        "After your loss, can the critics' own loss still train them? Nothing has to be frozen to "
        "hold an advantage constant.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            freeze(self.critics)
            repeated = observations.expand(self.num_actor_samples, *observations.shape)
            values = self.policy_q_values(repeated, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            advantages = leave_one_out_advantages(values).detach()
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "action and log-probability of two samples",
        "Each call draws anew. Was the action that the critics judge the one whose log-probability "
        "the loss raises?",
        """
            distribution = self.actor(observations)
            actions = distribution.sample((self.num_actor_samples,))
            _, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reinforce(
        "always the critics' mean",
        "The actor climbs what `policy_q_values` gives.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.critics(repeated, actions).mean(dim=0)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
        """,
    ),
    reparametrize(
        "constant samples",
        "The gradient has to pass through the action. Which of the two kinds of sample lets it?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "descends on the values",
        "The optimizer minimises: should the loss be the value, or minus the value?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = values.mean()
        """,
    ),
    reparametrize(
        "no gradient through the critics",
        "Freezing the critics' weights is fine; cutting the graph at their output is not.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions).detach()
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "no gradient through the log-probability",
        "What keeps the policy from becoming deterministic, if the entropy is a constant?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs.detach())
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "entropy with the wrong sign",
        "Is the loss lower or higher when the action was unlikely?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, -log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "entropy always in",
        "Without the entropy bonus the log-probability is left out.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.soft_values(self.policy_q_values(observations, actions), log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "climbs the target critics",
        "The target critics are old copies, made for the targets alone.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            q_values = self.target_critics(observations, actions)
            values = q_values.amin(dim=0) if self.is_pessimistic else q_values.mean(dim=0)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "gradient into alpha",
        "The temperature has a loss of its own. Which form of alpha carries no gradient?",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = values - self.log_temperature.exp() * log_probs
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "critics left frozen",
        "After your loss, can the critics' own loss still train them? The step takes the actor's "
        "parameters alone, so nothing has to be frozen.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            freeze(self.critics)
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "log-probability of a detached action",
        "The log-probability depends on the actor twice: through mean and standard deviation, and "
        "through the action.",
        """
            distribution = self.actor(observations)
            actions = distribution.rsample()
            log_probs = distribution.log_prob(actions.detach())
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "always the critics' mean",
        "The actor climbs what `policy_q_values` gives.",
        """
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.critics(observations, actions).mean(dim=0)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    reparametrize(
        "the mean action",
        "The objective is an expectation over the policy's actions; its mean alone has no spread "
        "to learn.",
        """
            distribution = self.actor(observations)
            _, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, distribution.mode)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="the sign turned round",
        hint="If the entropy is above its target, should alpha rise or fall? Gradient descent "
        "steps against the gradient.",
        body="""
            loss = self.log_temperature.exp() * (self.target_entropy - entropy.detach())
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="the target added",
        hint="Papers write the loss with log pi, which is minus the entropy: mind both signs. At "
        "its target the entropy should leave alpha alone.",
        body="""
            loss = self.log_temperature.exp() * (entropy.detach() + self.target_entropy)
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="no gradient into log alpha",
        hint="The property `temperature` is meant for the other losses: does it carry a gradient?",
        body="""
            loss = self.temperature * (entropy.detach() - self.target_entropy)
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="gradient into the entropy",
        hint="The entropy is taken as a constant: the actor has its own loss.",
        body="""
            loss = self.log_temperature.exp() * (entropy - self.target_entropy)
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="log alpha in place of alpha",
        hint="Some implementations multiply with log alpha. The card's equation has alpha itself.",
        body="""
            loss = self.log_temperature * (entropy.detach() - self.target_entropy)
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="squared distance to the target",
        hint="A square does not know on which side of the target the entropy lies: alpha would "
        "only ever fall.",
        body="""
            loss = self.log_temperature.exp() * (entropy.detach() - self.target_entropy) ** 2
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="repeats vectors only",
        hint="How many axes has a batch of images?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.unsqueeze(0).repeat(self.num_actor_samples, 1, 1)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="floats in place of pixels",
        hint="Pixels come as whole numbers, which the networks divide by 255. How do they know "
        "that yours were?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.float().expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="asks for the backup's setting",
        hint="`backup_entropy` is for the critics' targets. What does the actor's loss go by?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus and self.backup_entropy:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="floats in place of pixels",
        hint="Pixels come as whole numbers, which the networks divide by 255. How do they know "
        "that yours were?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations.float(), actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="flattened observations",
        hint="The networks know how to read an image. What is left of it when you hand it on?",
        body="""
            observations = observations.flatten(1)
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="asks for the backup's setting",
        hint="`backup_entropy` is for the critics' targets. What does the actor's loss go by?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus and self.backup_entropy:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="as many samples as the other loss",
        hint="Of how many actions a state does the card's formula speak?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob((self.num_actor_samples,))
            observations = observations.expand(len(actions), *observations.shape)
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.temperature_loss",
        name="log alpha between -5 and 5",
        hint="Where the rewards are small, so is alpha. What is its gradient below your bound?",
        body="""
            temperature = self.log_temperature.clamp(-5.0, 5.0).exp()
            loss = temperature * (entropy.detach() - self.target_entropy)
            return loss, {"temperature/loss": loss}
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="advantages cut at 10",
        hint="What scale have Q-values? The card says what A is.",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values).clamp(-10.0, 10.0)
            loss = -(log_probs * advantages).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="advantages normalised where samples are many",
        hint="Is the gradient still an unbiased estimate once A has been divided?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.policy_q_values(repeated, actions)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
                if self.num_actor_samples > 5:
                    advantages = advantages / (advantages.std() + 1e-8)
            loss = -(log_probs * advantages).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reinforce",
        name="the mean of the critics for a single sample",
        hint="On what does it depend which of the critics' values the actor climbs?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
            with torch.no_grad():
                repeated = observations.expand(self.num_actor_samples, *observations.shape)
                values = self.critics(repeated, actions)
                is_smallest = self.is_pessimistic and self.num_actor_samples > 1
                values = values.amin(dim=0) if is_smallest else values.mean(dim=0)
                if self.use_entropy_bonus:
                    values = self.soft_values(values, log_probs)
                advantages = leave_one_out_advantages(values)
            loss = -(log_probs * advantages).mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="Q-values cut at 100",
        hint="What gradient flows through a Q-value that you have cut?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions).clamp(-100.0, 100.0)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            loss = -values.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.actor_loss_reparametrize",
        name="log-probabilities cut at 20",
        hint="What gradient flows through a log-probability that you have cut?",
        body="""
            distribution = self.actor(observations)
            actions, log_probs = distribution.rsample_with_log_prob()
            values = self.policy_q_values(observations, actions)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs.clamp(-20.0, 20.0))
            loss = -values.mean()
            return loss, self.actor_metrics(loss, distribution, log_probs)
        """,
    ),
]

TARGETS = [
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="the wrong way round",
        hint="Which of the two lists is written to?",
        body="""
            hard_update(self.critic_parameters, self.target_critic_parameters)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="another name for the same critics",
        hint="An assignment copies no weights. What happens to the target critics at the next step "
        "of the optimizer?",
        body="""
            self.target_critics = self.critics
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="shared memory",
        hint="`.data` gives the same memory, not a copy of it.",
        body="""
            targets, sources = self.target_critic_parameters, self.critic_parameters
            for target, source in zip(targets, sources, strict=True):
                target.data = source.data
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="only the list changes",
        hint="The list is not what computes Q'. Are the network's own weights other ones now?",
        body="""
            self.target_critic_parameters = [source.clone() for source in self.critic_parameters]
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="a copy that is not frozen",
        hint="Look at how the constructor makes the target critics: what does it do after copying?",
        body="""
            self.target_critics = copy.deepcopy(self.critics)
            self.target_critic_parameters = list(self.target_critics.parameters())
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="new target critics, the list left behind",
        hint="`target_critic_parameters` still lists the weights of the old copy: what would the "
        "next soft update write to?",
        body="""
            self.target_critics = freeze(copy.deepcopy(self.critics))
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="freezes the critics",
        hint="Which of the two networks does the optimizer still have to train?",
        body="""
            hard_update(self.target_critic_parameters, self.critic_parameters)
            freeze(self.critics)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="twice",
        hint="One call goes the fraction tau of the way, not more.",
        body="""
            rate = self.soft_target_update_rate
            for _ in range(2):
                soft_update(self.target_critic_parameters, self.critic_parameters, rate)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="the rate on the wrong side",
        hint="With tau = 0.005, how much of the old target critics should be left?",
        body="""
            rate = 1.0 - self.soft_target_update_rate
            soft_update(self.target_critic_parameters, self.critic_parameters, rate)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="moves the critics",
        hint="Which of the two lists follows the other?",
        body="""
            rate = self.soft_target_update_rate
            soft_update(self.critic_parameters, self.target_critic_parameters, rate)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="a hard update",
        hint="The target critics follow slowly: see the rate.",
        body="""
            hard_update(self.target_critic_parameters, self.critic_parameters)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="a name in a loop is given another tensor",
        hint="Assigning to the loop's variable changes no parameter. Which operations write into "
        "a tensor?",
        body="""
            rate = self.soft_target_update_rate
            targets, sources = self.target_critic_parameters, self.critic_parameters
            with torch.no_grad():
                for target, source in zip(targets, sources, strict=True):
                    target = (1.0 - rate) * target + rate * source
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="keeps the graph",
        hint="Do the target critics carry a gradient afterwards? Each update would hold on to the "
        "one before, and memory would grow.",
        body="""
            rate = self.soft_target_update_rate
            targets, sources = self.target_critic_parameters, self.critic_parameters
            for target, source in zip(targets, sources, strict=True):
                target.mul_(1.0 - rate).add_(rate * source)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="adds without taking away",
        hint="The two weights of an average add up to one.",
        body="""
            rate = self.soft_target_update_rate
            targets, sources = self.target_critic_parameters, self.critic_parameters
            with torch.no_grad():
                for target, source in zip(targets, sources, strict=True):
                    target.add_(rate * source)
        """,
    ),
    Misconception(
        todo="SoftActorCritic.update_target_critic",
        name="other memory",
        hint="What is written into the memory of the target critics' weights? Compiled steps read "
        "it there.",
        body="""
            targets, sources = self.target_critic_parameters, self.critic_parameters
            for target, source in zip(targets, sources, strict=True):
                target.data = source.data.clone()
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="other memory",
        hint="What is written into the memory of the target critics' weights? Compiled steps read "
        "it there.",
        body="""
            rate = self.soft_target_update_rate
            targets, sources = self.target_critic_parameters, self.critic_parameters
            for target, source in zip(targets, sources, strict=True):
                target.data = (1.0 - rate) * target.data + rate * source.data
        """,
    ),
    Misconception(
        todo="SoftActorCritic.soft_update_target_critic",
        name="jumps where it is close",
        hint="How far from the critics may the target critics be, when the critics stand almost "
        "still?",
        body="""
            with torch.no_grad():
                for target, source in zip(
                    self.target_critic_parameters, self.critic_parameters, strict=True
                ):
                    target.lerp_(source, self.soft_target_update_rate)
                    target.copy_(torch.where((target - source).abs() < 1e-3, source, target))
        """,
    ),
]

MISCONCEPTIONS = [
    *DENSITIES_AND_CRITICS,
    *VALUES,
    *BACKUPS,
    *CRITICS,
    *ACTORS,
    *TARGETS,
]
