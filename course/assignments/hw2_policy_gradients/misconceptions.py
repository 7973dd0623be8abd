"""Mistakes that students make in hw2_policy_gradients."""

from course.bank import Misconception

LOG_PROBABILITIES = [
    Misconception(
        todo="Categorical.log_prob",
        name="probabilities, not their logarithm",
        hint="The attribute `logits` and the property `probs` differ by one function: which of "
        "them does the loss need?",
        body="""
            probs = self.probs.expand(*value.shape, -1)
            return probs.gather(-1, value.long().unsqueeze(-1)).squeeze(-1)
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="the logarithm of a rounded probability",
        hint="What is the probability of an action whose logit is 200 below the largest, as a "
        "float32, and what is the logarithm of that? The attribute `logits` is described above.",
        body="""
            probs = self.probs.expand(*value.shape, -1)
            return probs.gather(-1, value.long().unsqueeze(-1)).squeeze(-1).log()
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="an axis of length 1 is left over",
        hint="The result has one axis more than the actions had. Where does it come from?",
        body="""
            logits = self.logits.expand(*value.shape, -1)
            return logits.gather(-1, value.long().unsqueeze(-1))
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="every row is paired with every action",
        hint="With B rows and B actions there are B log-probabilities, not B^2: each row goes with "
        "its own action alone.",
        body="""
            return self.logits[..., value.long()]
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="constant log-probabilities",
        hint="The loss is differentiated by the policy's weights: does the gradient still reach "
        "the logits?",
        body="""
            logits = self.logits.detach().expand(*value.shape, -1)
            return logits.gather(-1, value.long().unsqueeze(-1)).squeeze(-1)
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="one action a row only",
        hint="The actions may have axes before those of the logits, for several samples of one "
        "distribution.",
        body="""
            return self.logits.gather(-1, value.long().unsqueeze(-1)).squeeze(-1)
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="the actions' type is left as it is",
        hint="The card allows any integer type for actions, bytes too. Which types may indices "
        "have?",
        body="""
            logits = self.logits.expand(*value.shape, -1)
            return logits.gather(-1, value.unsqueeze(-1)).squeeze(-1)
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="forgets log std",
        hint="A narrow Gaussian is higher at its peak than a wide one. Which term of the density "
        "says so?",
        body="""
            constant = noise.shape[-1] * HALF_LOG_2_PI
            return -(0.5 * noise.square()).sum(dim=-1) - constant + 0.0 * self.std.sum(dim=-1)
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="log std with the wrong sign",
        hint="The density of a narrow Gaussian is high near its mean: must the log-density rise or "
        "fall with the standard deviation there?",
        body="""
            constant = noise.shape[-1] * HALF_LOG_2_PI
            return -(0.5 * noise.square() - self.std.log()).sum(dim=-1) - constant
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="log variance for log std",
        hint="The normaliser of a Gaussian is the square root of 2 pi variance: what does the root "
        "become in the logarithm?",
        body="""
            constant = noise.shape[-1] * HALF_LOG_2_PI
            return -(0.5 * noise.square() + self.std.square().log()).sum(dim=-1) - constant
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="one constant for all components",
        hint="The action has A components, each with a Gaussian of its own. How often does the "
        "term with 2 pi occur in the product of their densities?",
        body="""
            return -(0.5 * noise.square() + self.std.log()).sum(dim=-1) - HALF_LOG_2_PI
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="mean over the components",
        hint="The components are independent, so the density of the action is the product of "
        "theirs. What does a product become in the logarithm?",
        body="""
            return -(0.5 * noise.square() + self.std.log() + HALF_LOG_2_PI).mean(dim=-1)
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="one number for each component",
        hint="An action has one probability, however many components it has.",
        body="""
            return -(0.5 * noise.square() + self.std.log() + HALF_LOG_2_PI)
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="standardises the noise once more",
        hint="The argument is the noise, not the action: has it a mean and a scale left to be "
        "taken out?",
        body="""
            z = (noise - self.loc) / self.std
            constant = noise.shape[-1] * HALF_LOG_2_PI
            return -(0.5 * z.square() + self.std.log()).sum(dim=-1) - constant
        """,
    ),
    Misconception(
        todo="Categorical.log_prob",
        name="one axis of samples at most",
        hint="The card puts no bound on the axes before B. Does your code work with two of them, "
        "or three?",
        body="""
            logits = self.logits
            if value.dim() > logits.dim() - 1:
                logits = logits.expand(len(value), *logits.shape)
            return logits.gather(-1, value.long().unsqueeze(-1)).squeeze(-1)
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="bounds the standard deviations",
        hint="The card has no bound on std. What is the density of an action whose deviation is "
        "far smaller than any bound of yours?",
        body="""
            constant = noise.shape[-1] * HALF_LOG_2_PI
            std = self.std.clamp(0.05, 100.0)
            return -(0.5 * noise.square() + std.log()).sum(dim=-1) - constant
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="bounds the noise",
        hint="An action far from the mean has a very small density. Which term of the equation "
        "says how small, and what did you do to it?",
        body="""
            constant = noise.shape[-1] * HALF_LOG_2_PI
            noise = noise.clamp(-30.0, 30.0)
            return -(0.5 * noise.square() + self.std.log()).sum(dim=-1) - constant
        """,
    ),
    Misconception(
        todo="DiagonalNormal.log_prob_of_noise",
        name="adds a small number to std",
        hint="The standard deviation is positive already. How much is your small number beside a "
        "std of 1e-5?",
        body="""
            constant = noise.shape[-1] * HALF_LOG_2_PI
            return -(0.5 * noise.square() + (self.std + 1e-7).log()).sum(dim=-1) - constant
        """,
    ),
]

RETURNS = [
    Misconception(
        todo="reward_to_go",
        name="runs on through the end of an episode",
        hint="A batch holds several episodes one after the other. Are rewards of the next one "
        "counted?",
        body="""
            if next_values is not None:
                ended = _ended(dones, truncateds)
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~dones.bool()
                rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards, torch.full_like(rewards, discount))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="runs on through a time limit",
        hint="What stands in the row after a truncated step? It belongs to another episode.",
        body="""
            ended = dones.bool()
            if next_values is not None:
                is_last = torch.cat([_ended(dones, truncateds)[:-1], torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~ended
                rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="a time limit is treated as the end",
        hint="A time limit stops the recording, not the task: what would have come after it, and "
        "which argument estimates that?",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                is_last = torch.cat([torch.zeros_like(ended[:-1]), torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~ended
                rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="bootstraps through termination",
        hint="After a terminal state there is nothing more to gain. Does every last step of an "
        "episode get the next state's value?",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                rewards = rewards + discount * torch.where(is_last, next_values, 0.0)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="nothing after the last row",
        hint="If the last row neither terminates nor is truncated, its episode went on. The card "
        "says what stands for the rest.",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                bootstraps = ended & ~dones.bool()
                rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="the next state's value is not discounted",
        hint="The value belongs to the state one step later. Which power of the discount goes with "
        "it?",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~dones.bool()
                rewards = rewards + torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="bootstraps at every step",
        hint="The sum of rewards up to the episode's end already holds what comes after a step; at "
        "which steps is there nothing to sum?",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                rewards = rewards + discount * torch.where(dones.bool(), 0.0, next_values)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="changes the rewards in place",
        hint="The caller's tensor of rewards is another one after the call.",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~dones.bool()
                rewards += discount * torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="the reward-to-go of each step",
        hint="Every step of an episode should get one and the same number here.",
        body="""
            ended = _ended(dones, truncateds)
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="not discounted",
        hint="With a discount of 1 it would be right. What is a reward worth that comes later in "
        "the episode?",
        body="""
            ended = _ended(dones, truncateds)
            goes_on = (~ended).to(rewards.dtype)
            to_go = backward_recurrence(rewards, goes_on)
            rows = torch.arange(len(rewards)).reshape(-1, *[1] * (rewards.dim() - 1))
            begins = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])
            first_rows = torch.where(begins, rows.expand_as(rewards), 0).cummax(dim=0).values
            return to_go.gather(0, first_rows)
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="one return for the whole batch",
        hint="A batch holds several episodes, and each has a return of its own.",
        body="""
            to_go = backward_recurrence(rewards, torch.full_like(rewards, discount))
            return to_go[:1].expand_as(rewards)
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="a time limit does not end an episode",
        hint="What stands in the row after a truncated step? It belongs to another episode.",
        body="""
            ended = dones.bool()
            to_go = backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
            rows = torch.arange(len(rewards)).reshape(-1, *[1] * (rewards.dim() - 1))
            begins = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])
            first_rows = torch.where(begins, rows.expand_as(rewards), 0).cummax(dim=0).values
            return to_go.gather(0, first_rows)
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="an episode's last step goes with the next episode",
        hint="The flag stands at the last step of an episode: at which row does the next begin?",
        body="""
            ended = _ended(dones, truncateds)
            to_go = backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
            rows = torch.arange(len(rewards)).reshape(-1, *[1] * (rewards.dim() - 1))
            first_rows = torch.where(ended, rows.expand_as(rewards), 0).cummax(dim=0).values
            return to_go.gather(0, first_rows)
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="discounts from the first row of the batch",
        hint="The second episode's first reward is not discounted. From where does the exponent "
        "count?",
        body="""
            ended = _ended(dones, truncateds)
            rows = torch.arange(len(rewards)).reshape(-1, *[1] * (rewards.dim() - 1))
            rewards = rewards * discount**rows
            to_go = backward_recurrence(rewards, (~ended).to(rewards.dtype))
            begins = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])
            first_rows = torch.where(begins, rows.expand_as(rewards), 0).cummax(dim=0).values
            return to_go.gather(0, first_rows)
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="divides by powers of the discount",
        hint="You divide by a power of the discount. What is that with a discount of 0, or after a "
        "thousand steps?",
        body="""
            num_steps, ended = len(rewards), _ended(dones, truncateds)
            if next_values is not None:
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~dones.bool()
                rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
            powers = discount ** torch.arange(num_steps, dtype=torch.float64)
            powers = powers.reshape(-1, *[1] * (rewards.dim() - 1))
            sums = (rewards * powers).flip(0).cumsum(0).flip(0)
            after, following = torch.zeros_like(sums), torch.zeros_like(sums[0])
            for t in reversed(range(num_steps - 1)):
                following = torch.where(ended[t], sums[t + 1], following)
                after[t] = following
            return ((sums - after) / powers).to(rewards.dtype)
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="flags turned round by ~",
        hint="What is ~1 where the flags are integers? They may be booleans or numbers.",
        body="""
            ended = dones.bool() | truncateds.bool()
            if next_values is not None:
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                goes_on = 1.0 - dones if dones.is_floating_point() else ~dones
                rewards = rewards + discount * is_last * goes_on * next_values
            return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
        """,
    ),
    Misconception(
        todo="reward_to_go",
        name="the returns always as float32",
        hint="Of which type are your returns, and of which were the rewards?",
        body="""
            ended = _ended(dones, truncateds)
            if next_values is not None:
                is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
                bootstraps = is_last & ~dones.bool()
                rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
            return backward_recurrence(rewards.float(), discount * (~ended).float())
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="divides by powers of the discount",
        hint="You divide by a power of the discount. What is that with a discount of 0, or after a "
        "thousand steps?",
        body="""
            ended = _ended(dones, truncateds)
            axes = [1] * (rewards.dim() - 1)
            powers = discount ** torch.arange(len(rewards), dtype=torch.float64).reshape(-1, *axes)
            begins = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])
            episodes = begins.long().cumsum(0) - 1
            sums = torch.zeros(int(episodes.max()) + 1, *rewards.shape[1:], dtype=torch.float64)
            sums = sums.scatter_add(0, episodes, rewards.double() * powers)
            rows = torch.arange(len(rewards)).reshape(-1, *axes).expand_as(rewards)
            first_rows = torch.where(begins, rows, 0).cummax(dim=0).values
            returns = sums.gather(0, episodes) / powers.expand_as(rewards).gather(0, first_rows)
            return returns.to(rewards.dtype)
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="an end counts twice where it is both",
        hint="Done and truncated may both be 1. What is their sum, and what does one less that "
        "number do?",
        body="""
            done, cut = dones.to(rewards.dtype), truncateds.to(rewards.dtype)
            ended = done + cut
            returns, following = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
            for t in reversed(range(len(rewards))):
                following = rewards[t] + discount * (1 - ended[t]) * following
                returns[t] = following
            for t in range(1, len(rewards)):
                goes_on = 1 - ended[t - 1]
                returns[t] = (1 - goes_on) * returns[t] + goes_on * returns[t - 1]
            return returns
        """,
    ),
    Misconception(
        todo="discounted_return",
        name="the returns always as float32",
        hint="Of which type are your returns, and of which were the rewards?",
        body="""
            ended = _ended(dones, truncateds)
            to_go = backward_recurrence(rewards.float(), discount * (~ended).float())
            rows = torch.arange(len(rewards)).reshape(-1, *[1] * (rewards.dim() - 1))
            begins = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])
            first_rows = torch.where(begins, rows.expand_as(rewards), 0).cummax(dim=0).values
            return to_go.gather(0, first_rows)
        """,
    ),
]

ADVANTAGES = [
    Misconception(
        todo="gae",
        name="bootstraps through termination",
        hint="After a terminal state there is nothing more to gain: what is V(s') worth in the TD "
        "error there?",
        body="""
            td_errors = rewards + discount * next_values - values
            goes_on = (~_ended(dones, truncateds)).to(td_errors.dtype)
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="gae",
        name="a time limit is treated as the end",
        hint="A time limit stops the recording, not the task: does the TD error of a truncated "
        "step still look ahead?",
        body="""
            goes_on = (~_ended(dones, truncateds)).to(rewards.dtype)
            td_errors = rewards + discount * goes_on * next_values - values
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="gae",
        name="the trace runs on through a time limit",
        hint="The row after a truncated step belongs to another episode. Which flags must cut the "
        "sum over TD errors?",
        body="""
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            goes_on = 1.0 - dones.to(td_errors.dtype)
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="gae",
        name="the trace decays by lambda alone",
        hint="With a discount of 1 it would be right: by which factor is the next advantage "
        "weighed?",
        body="""
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            goes_on = (~_ended(dones, truncateds)).to(td_errors.dtype)
            return backward_recurrence(td_errors, gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="gae",
        name="lambda is ignored",
        hint="Is the result the same for lambda 0 and for lambda 1?",
        body="""
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            goes_on = (~_ended(dones, truncateds)).to(td_errors.dtype)
            return backward_recurrence(td_errors, discount * goes_on)
        """,
    ),
    Misconception(
        todo="gae",
        name="the return, not the advantage",
        hint="An advantage says how much better it went than expected. Is V(s) still in it?",
        body="""
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            goes_on = (~_ended(dones, truncateds)).to(td_errors.dtype)
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on) + values
        """,
    ),
    Misconception(
        todo="gae",
        name="the next row's value for the next state's",
        hint="Where an episode was cut off, the next row shows the first state of another one. "
        "Which argument holds the value of the state that the step led to?",
        body="""
            next_values = torch.cat([values[1:], next_values[-1:]])
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            goes_on = (~_ended(dones, truncateds)).to(td_errors.dtype)
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="normalize",
        name="divides by the number, not by one less",
        hint="The card says which deviation: the mean was estimated from the same numbers.",
        body="""
            if advantages.numel() < 2:
                return torch.zeros_like(advantages)
            deviations = _deviations(advantages)
            return deviations / (deviations.std(correction=0) + 1e-8)
        """,
    ),
    Misconception(
        todo="normalize",
        name="divides by the variance",
        hint="After it the standard deviation should be 1: if all advantages are ten times as "
        "large, is the result the same?",
        body="""
            if advantages.numel() < 2:
                return torch.zeros_like(advantages)
            deviations = _deviations(advantages)
            return deviations / (deviations.var() + 1e-8)
        """,
    ),
    Misconception(
        todo="normalize",
        name="divides by zero if all are equal",
        hint="What is the standard deviation of equal numbers? The card's formula has a term for "
        "that.",
        body="""
            if advantages.numel() < 2:
                return torch.zeros_like(advantages)
            return (advantages - advantages.mean()) / advantages.std()
        """,
    ),
    Misconception(
        todo="normalize",
        name="a single advantage becomes nan",
        hint="How many numbers does the unbiased standard deviation need at least?",
        body="""
            return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        """,
    ),
    Misconception(
        todo="normalize",
        name="over time alone",
        hint="With several environments, should each be normalised by itself? The card says over "
        "which elements.",
        body="""
            if advantages.numel() < 2:
                return torch.zeros_like(advantages)
            deviations = advantages - advantages.mean(dim=0)
            return deviations / (advantages.std(dim=0) + 1e-8)
        """,
    ),
    Misconception(
        todo="normalize",
        name="epsilon under the root",
        hint="It makes little difference until the advantages are tiny: to what is epsilon added?",
        body="""
            if advantages.numel() < 2:
                return torch.zeros_like(advantages)
            return _deviations(advantages) / torch.sqrt(advantages.var() + 1e-8)
        """,
    ),
    Misconception(
        todo="normalize",
        name="changes the advantages in place",
        hint="The agent logs the advantages after it has normalised them: what does it see?",
        body="""
            if advantages.numel() < 2:
                return torch.zeros_like(advantages)
            advantages -= advantages.mean()
            return advantages / (advantages.std() + 1e-8)
        """,
    ),
    Misconception(
        todo="normalize",
        name="one row counts as one element",
        hint="How many elements are there with one step of four environments?",
        body="""
            if len(advantages) < 2:
                return torch.zeros_like(advantages)
            deviations = _deviations(advantages)
            return deviations / (deviations.std() + 1e-8)
        """,
    ),
    Misconception(
        todo="gae",
        name="the next row's value within an episode",
        hint="Which argument is V(s') in the equation? It need not be the next row's value, within "
        "an episode either.",
        body="""
            ended = _ended(dones, truncateds)
            following = torch.cat([values[1:], next_values[-1:]])
            next_values = torch.where(ended, next_values, following)
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            goes_on = (~ended).to(td_errors.dtype)
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="gae",
        name="an end counts twice where it is both",
        hint="Done and truncated may both be 1. What is their sum, and what does one less that "
        "number do?",
        body="""
            goes_on = 1.0 - (dones.to(rewards.dtype) + truncateds.to(rewards.dtype))
            td_errors = td_targets(rewards, dones, next_values, discount) - values
            advantages, following = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
            for t in reversed(range(len(rewards))):
                following = td_errors[t] + discount * gae_lambda * goes_on[t] * following
                advantages[t] = following
            return advantages
        """,
    ),
    Misconception(
        todo="gae",
        name="the advantages always as float32",
        hint="Of which type are your advantages, and of which were the rewards?",
        body="""
            td_errors = (td_targets(rewards, dones, next_values, discount) - values).float()
            goes_on = (~_ended(dones, truncateds)).float()
            return backward_recurrence(td_errors, discount * gae_lambda * goes_on)
        """,
    ),
    Misconception(
        todo="normalize",
        name="tiny deviations count as none",
        hint="The card has a term for deviations near zero. Up to which size are yours ignored?",
        body="""
            if advantages.numel() < 2 or advantages.std() < 1e-6:
                return torch.zeros_like(advantages)
            return _deviations(advantages) / (advantages.std() + 1e-8)
        """,
    ),
]

AGENT = [
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="sum over steps",
        hint="Twice the batch of the same steps should give the same loss.",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions)
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).sum() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="descends the return",
        hint="The optimizer makes the loss smaller. Does that make actions of positive advantage "
        "likelier?",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions)
            entropy = distribution.entropy().mean()
            loss = (log_probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="the entropy is a penalty",
        hint="The optimizer makes the loss smaller. Should the entropy grow or shrink with that?",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions)
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean() + self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="the entropy bonus is forgotten",
        hint="One of the agent's settings does not occur in the loss.",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions)
            loss = -(log_probs * advantages).mean()
            return loss, {"actor/loss": loss, "actor/entropy": distribution.entropy().mean()}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="probabilities, not their logarithm",
        hint="The gradient of the expected return is an expectation over sampled actions: "
        "rare actions occur rarely. What makes up for that?",
        body="""
            distribution = self.actor(observations)
            probs = distribution.log_prob(actions).exp()
            entropy = distribution.entropy().mean()
            loss = -(probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="every log-probability meets every advantage",
        hint="A (B, 1) tensor times a (B,) tensor has B^2 elements. What are the shapes of your "
        "factors?",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions).unsqueeze(-1)
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="the likeliest action for the one that was done",
        hint="The advantage belongs to the action in the batch: of which action is your "
        "log-probability?",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(distribution.mode.detach())
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="sum over steps",
        hint="Twice the batch of the same steps should give the same loss.",
        body="""
            loss = (self.critic(observations) - returns).square().sum()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="half the squared error",
        hint="The equation on the card has no factor in front of the mean but one.",
        body="""
            loss = 0.5 * (self.critic(observations) - returns).square().mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="every value meets every return",
        hint="The difference of a (B, 1) and a (B,) tensor has B^2 elements. What are the shapes?",
        body="""
            values = self.critic(observations).unsqueeze(-1)
            loss = (values - returns).square().mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="no gradient reaches the baseline",
        hint="Which of the two tensors is constant in this loss, and which is to be learned?",
        body="""
            values = self.critic(observations).detach()
            loss = (values - returns).square().mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="absolute error",
        hint="What does the baseline become that minimises it: the mean of the returns, or their "
        "median?",
        body="""
            loss = (self.critic(observations) - returns).abs().mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="the baseline is not subtracted",
        hint="There is a baseline, but are the advantages any different with it?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="the values of this state for those of the next",
        hint="Which observations go into the baseline for `next_values`?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, values)
                return returns - values, returns, values
            advantages = gae(rewards, values, values, dones, ends, self.discount, self.gae_lambda)
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="no value is handed to the returns",
        hint="With a baseline the returns go on past a time limit: what do they need for that?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns - values, returns, values
            next_values = self.critic(episodes["next_observations"])
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="the baseline is fitted to advantages",
        hint="The second result is what the baseline learns from: with GAE, what is the return in "
        "terms of advantage and value?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="lambda 0 is taken for no lambda",
        hint="0 and None are both false in Python, but only one of them means that there is none.",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if not self.gae_lambda:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="a time limit is handed on as termination",
        hint="Both functions take the two kinds of end apart. Which flags do you hand to each "
        "argument?",
        body="""
            rewards, ends = episodes["rewards"], episodes["truncateds"]
            dones = episodes["dones"].bool() | ends.bool()
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="whole returns go before GAE",
        hint="Does `use_reward_to_go` matter once there is a lambda? The card says which lines it "
        "is about.",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if self.gae_lambda is None or not self.use_reward_to_go:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            distribution = self.actor(observations.float())
            log_probs = distribution.log_prob(actions)
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            distribution = self.actor(observations.flatten(1))
            log_probs = distribution.log_prob(actions)
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="actions squeezed",
        hint="With a single component, actions have shape (B, 1). Against what does the policy "
        "compare them once that axis is gone?",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions.squeeze(-1))
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean() - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.actor_loss",
        name="a small coefficient counts as none",
        hint="The entropy's coefficient is small as a rule. From which size on does yours count?",
        body="""
            distribution = self.actor(observations)
            log_probs = distribution.log_prob(actions)
            entropy = distribution.entropy().mean()
            loss = -(log_probs * advantages).mean()
            if self.entropy_coefficient > 0.005:
                loss = loss - self.entropy_coefficient * entropy
            return loss, {"actor/loss": loss, "actor/entropy": entropy}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            loss = (self.critic(observations.float()) - returns).square().mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            loss = (self.critic(observations.flatten(1)) - returns).square().mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.critic_loss",
        name="bounds the errors",
        hint="Returns may be in the thousands, and so may errors. Does the equation have a bound?",
        body="""
            loss = (self.critic(observations) - returns).square().clamp(max=1e6).mean()
            return loss, {"critic/loss": loss}
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"].float())
            next_values = self.critic(episodes["next_observations"].float())
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"].flatten(1))
            next_values = self.critic(episodes["next_observations"].flatten(1))
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="a discount of its own",
        hint="The agent has a setting for the discount. Which one does `gae` get from you?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if self.gae_lambda is None:
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, 0.9, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
    Misconception(
        todo="PolicyGradient.estimate_advantages",
        name="lambda 1 is taken for whole returns",
        hint="With lambda 1 the advantages are like returns, but not like those of the whole "
        "episode. Which line of the card holds wherever there is a lambda?",
        body="""
            rewards, dones, ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
            if self.critic is None:
                returns = self.estimate_returns(rewards, dones, ends, None)
                return returns, returns, torch.zeros_like(returns)
            values = self.critic(episodes["observations"])
            next_values = self.critic(episodes["next_observations"])
            if self.gae_lambda is None or (self.gae_lambda == 1.0 and not self.use_reward_to_go):
                returns = self.estimate_returns(rewards, dones, ends, next_values)
                return returns - values, returns, values
            advantages = gae(
                rewards, values, next_values, dones, ends, self.discount, self.gae_lambda
            )
            return advantages, advantages + values, values
        """,
    ),
]

MISCONCEPTIONS = [*LOG_PROBABILITIES, *RETURNS, *ADVANTAGES, *AGENT]
