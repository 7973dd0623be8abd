"""Mistakes that students make in hw3_dqn."""

from course.bank import Misconception

MISCONCEPTIONS = [
    # --- max_values ---------------------------------------------------------------------------
    Misconception(
        todo="max_values",
        name="keeps the axis of actions",
        hint="The result has one number for each state, shape (B,). What would happen where a "
        "(B, 1) meets rewards of shape (B,)?",
        body="""
            return q_values.amax(dim=-1, keepdim=True)
        """,
    ),
    Misconception(
        todo="max_values",
        name="best state instead of best action",
        hint="Which axis is the batch, and which one are the actions?",
        body="""
            return q_values.amax(dim=0)
        """,
    ),
    Misconception(
        todo="max_values",
        name="the best action instead of its value",
        hint="A number of an action is not its value. Look at the type of what you return.",
        body="""
            return q_values.argmax(dim=-1)
        """,
    ),
    Misconception(
        todo="max_values",
        name="one maximum for the whole batch",
        hint="Every state has a best action of its own.",
        body="""
            return q_values.max()
        """,
    ),
    Misconception(
        todo="max_values",
        name="mean over actions",
        hint="The mean is the value of a policy that acts at random. Which policy does Q-learning "
        "learn about?",
        body="""
            return q_values.mean(dim=-1)
        """,
    ),
    Misconception(
        todo="max_values",
        name="the maximum starts at zero",
        hint="What comes out where all values of a state are negative?",
        body="""
            best = torch.zeros_like(q_values[:, 0])
            for action in range(q_values.shape[1]):
                best = torch.maximum(best, q_values[:, action])
            return best
        """,
    ),
    Misconception(
        todo="max_values",
        name="largest magnitude",
        hint="A very bad action is not a good one: mind the sign.",
        body="""
            best = q_values.abs().argmax(dim=-1, keepdim=True)
            return q_values.gather(-1, best).squeeze(-1)
        """,
    ),
    # --- huber_td_loss ------------------------------------------------------------------------
    Misconception(
        todo="huber_td_loss",
        name="squares the clipped error",
        hint="Draw your loss for errors between 0 and 3. What is its slope at 2, and can the "
        "network still learn from such a sample?",
        body="""
            errors = (q_values - targets).clamp(-1.0, 1.0)
            losses = 0.5 * errors.square()
            return (losses if weights is None else weights * losses).mean()
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="squared error throughout",
        hint="What is the gradient for an error of 100? Error clipping should bound it.",
        body="""
            losses = 0.5 * (q_values - targets).square()
            return (losses if weights is None else weights * losses).mean()
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="sum over the batch",
        hint="With a sum, a larger batch takes larger steps. What does the formula begin with?",
        body="""
            losses = F.huber_loss(q_values, targets, reduction="none")
            return (losses if weights is None else weights * losses).sum()
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="weights ignored",
        hint="Prioritised replay hands over weights that undo part of its bias. Where do they go?",
        body="""
            return F.huber_loss(q_values, targets)
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="weights the error instead of the loss",
        hint="The weight stands outside of h in the formula. Is w h(e) the same as h(w e)?",
        body="""
            errors = q_values - targets if weights is None else weights * (q_values - targets)
            return F.huber_loss(errors, torch.zeros_like(errors))
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="divides by the sum of the weights",
        hint="The formula divides by the size of the batch, whatever the weights are.",
        body="""
            losses = F.huber_loss(q_values, targets, reduction="none")
            return losses.mean() if weights is None else (weights * losses).sum() / weights.sum()
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="mean loss times mean weight",
        hint="Each sample has a weight of its own. After a mean over the batch it is too late.",
        body="""
            loss = F.huber_loss(q_values, targets)
            return loss if weights is None else loss * weights.mean()
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="jumps at an error of one",
        hint="h is continuous: compare both of its branches at an error of exactly 1.",
        body="""
            sizes = (q_values - targets).abs()
            losses = torch.where(sizes <= 1.0, sizes.square() / 2, sizes)
            return (losses if weights is None else weights * losses).mean()
        """,
    ),
    Misconception(
        todo="huber_td_loss",
        name="bounds the errors",
        hint="The loss of a large error is |e| - 1/2. From which size on does yours stop growing?",
        body="""
            errors = (q_values - targets).clamp(-1e5, 1e5)
            losses = torch.where(errors.abs() <= 1, 0.5 * errors**2, errors.abs() - 0.5)
            return losses.mean() if weights is None else (weights * losses).mean()
        """,
    ),
    # --- DQN.critic_loss ----------------------------------------------------------------------
    Misconception(
        todo="DQN.critic_loss",
        name="value of the best action",
        hint="The target is about the action that was taken, which exploration may have chosen.",
        body="""
            q_values = self.critic(observations).amax(dim=1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="trains the target network",
        hint="Which of the two networks does the optimizer own?",
        body="""
            q_values = self.target_critic(observations).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="importance weights not handed on",
        hint="What becomes of the argument `weights`?",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="no gradient",
        hint="Metrics may be detached. May the loss?",
        body="""
            q_values = self.critic(observations).detach().gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="signed errors as priorities",
        hint="Prioritised replay goes by `td_errors`. Is a large negative error unimportant?",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": q_values.detach() - targets,
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="errors weighted as well",
        hint="`td_errors` are the next priorities. Weighted, what was drawn often would count less "
        "again.",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            errors = (q_values.detach() - targets).abs()
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": errors if weights is None else weights * errors,
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="squared error",
        hint="The loss has a function of its own in this homework; what does it do about large "
        "errors?",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None]).squeeze(1)
            losses = (q_values - targets).square()
            loss = (losses if weights is None else weights * losses).mean()
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="logs the values of all actions",
        hint="`critic/q_values` is the mean of those values that the loss is about.",
        body="""
            all_values = self.critic(observations)
            q_values = all_values.gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": all_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="squeezes every axis of one",
        hint="What shape has your result for a batch of one sample?",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None]).squeeze()
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="weights the mean loss",
        hint="After the mean over the batch a weight cannot find its sample any more. Which "
        "function takes weights?",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets)
            if weights is not None:
                loss = (weights * loss).mean()
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="keeps the axis of actions",
        hint="(B, 1) values meet (B,) targets. Which axis is left over from picking the actions?",
        body="""
            q_values = self.critic(observations).gather(1, actions[:, None])
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            q_values = self.critic(observations.float()).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    Misconception(
        todo="DQN.critic_loss",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            q_values = self.critic(observations.flatten(1)).gather(1, actions[:, None]).squeeze(1)
            loss = huber_td_loss(q_values, targets, weights)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs(),
            }
        """,
    ),
    # --- n_step_targets -----------------------------------------------------------------------
    Misconception(
        todo="n_step_targets",
        name="bootstraps through termination",
        hint="What is a state worth after which nothing more happens?",
        body="""
            powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
            return (rewards * powers).sum(dim=1) + discount**num_steps * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="always discounts n steps",
        hint="Rows may hold fewer steps than n. After how many does the next state come?",
        body="""
            n = rewards.shape[1]
            powers = discount ** torch.arange(n, device=rewards.device)
            returns = (rewards * powers).sum(dim=1)
            return returns + discount**n * (1.0 - dones.to(rewards.dtype)) * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="discounts the next state once",
        hint="How many rewards come before the next state, and so how often is it discounted?",
        body="""
            powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
            returns = (rewards * powers).sum(dim=1)
            return returns + discount * (1.0 - dones.to(rewards.dtype)) * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="discounts one step too few at the end",
        hint="Write the target out for k = 1 and compare it with the one-step target.",
        body="""
            powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
            returns = (rewards * powers).sum(dim=1)
            alive = 1.0 - dones.to(rewards.dtype)
            return returns + discount ** (num_steps - 1) * alive * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="discounts the first reward",
        hint="The reward of the step itself counts in full. Where does the sum start?",
        body="""
            powers = discount ** torch.arange(1, rewards.shape[1] + 1, device=rewards.device)
            returns = (rewards * powers).sum(dim=1)
            return returns + discount**num_steps * (1.0 - dones.to(rewards.dtype)) * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="rewards not discounted",
        hint="Rewards that come later count less as well.",
        body="""
            alive = 1.0 - dones.to(rewards.dtype)
            return rewards.sum(dim=1) + discount**num_steps * alive * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="does not bootstrap from a cut-off row",
        hint="A row may be short because of a time limit. Is the state after it worth nothing?",
        body="""
            n = rewards.shape[1]
            powers = discount ** torch.arange(n, device=rewards.device)
            alive = (1.0 - dones.to(rewards.dtype)) * (num_steps == n)
            return (rewards * powers).sum(dim=1) + discount**num_steps * alive * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="subtracts booleans",
        hint="`dones` may be booleans. What does PyTorch say to 1 minus a boolean?",
        body="""
            powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
            returns = (rewards * powers).sum(dim=1)
            return returns + discount**num_steps * (1 - dones) * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="counts the rewards that are not zero",
        hint="A step may bring no reward, and in many games most do. Which argument says how many "
        "steps a row holds?",
        body="""
            num_steps = (rewards != 0).sum(dim=1)
            powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
            returns = (rewards * powers).sum(dim=1)
            return returns + discount**num_steps * (1.0 - dones.to(rewards.dtype)) * next_values
        """,
    ),
    Misconception(
        todo="n_step_targets",
        name="flags turned round by ~",
        hint="What is ~1 where the flags are integers? They may be booleans or numbers.",
        body="""
            powers = discount ** torch.arange(rewards.shape[1])
            goes_on = 1.0 - dones if dones.is_floating_point() else ~dones
            return (rewards * powers).sum(dim=1) + discount**num_steps * goes_on * next_values
        """,
    ),
    # --- DQN.bellman_targets ------------------------------------------------------------------
    Misconception(
        todo="DQN.bellman_targets",
        name="bootstraps through termination",
        hint="Where does `dones` enter, and what should it switch off?",
        body="""
            next_values = self.next_values(next_observations)
            nothing = torch.zeros_like(next_values)
            if num_steps is None:
                return td_targets(rewards, nothing, next_values, self.discount)
            return n_step_targets(rewards, nothing, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="dones the wrong way round",
        hint="`dones` is true where the episode is over. Which states keep their next value?",
        body="""
            next_values = self.next_values(next_observations)
            alive = ~dones.bool()
            if num_steps is None:
                return td_targets(rewards, alive, next_values, self.discount)
            return n_step_targets(rewards, alive, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="always the maximum of the target network",
        hint="With double Q-learning the value of the next state is another one. What does the "
        "agent hold for the choice between the two?",
        body="""
            next_values = self.target_critic(next_observations).amax(dim=-1)
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="the maximum of the online network",
        hint="If the network is trained towards itself, every step moves its own target.",
        body="""
            next_values = self.critic(next_observations).amax(dim=-1)
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="sums the rewards of several steps and discounts once",
        hint="Several steps have a function of their own. How often is the last state discounted?",
        body="""
            next_values = self.next_values(next_observations)
            if num_steps is not None:
                rewards = rewards.sum(dim=1)
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="the same number of steps for all rows",
        hint="Near the end of an episode a row holds fewer steps. Which argument says how many?",
        body="""
            next_values = self.next_values(next_observations)
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            n = torch.full_like(num_steps, rewards.shape[1])
            return n_step_targets(rewards, dones, next_values, n, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="clips rewards",
        hint="Clipping is left to the environment's wrappers: here rewards are taken as they are.",
        body="""
            next_values = self.next_values(next_observations)
            rewards = rewards.clamp(-1.0, 1.0)
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="a short row counts as terminated",
        hint="A row may be short because of a time limit. Who says whether the episode terminated?",
        body="""
            next_values = self.next_values(next_observations)
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            dones = dones.bool() | (num_steps < rewards.shape[1])
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="the first of several rewards alone",
        hint="In (B, n) rewards every column counts. What becomes of the others?",
        body="""
            next_values = self.next_values(next_observations)
            if num_steps is not None:
                rewards = rewards[:, 0]
            return td_targets(rewards, dones, next_values, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            next_values = self.next_values(next_observations.float())
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            next_values = self.next_values(next_observations.flatten(1))
            if num_steps is None:
                return td_targets(rewards, dones, next_values, self.discount)
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    Misconception(
        todo="DQN.bellman_targets",
        name="flags turned round by ~",
        hint="What is ~1 where the flags are integers? They may be booleans or numbers.",
        body="""
            next_values = self.next_values(next_observations)
            goes_on = 1.0 - dones if dones.is_floating_point() else ~dones
            if num_steps is None:
                return rewards + self.discount * goes_on * next_values
            return n_step_targets(rewards, dones, next_values, num_steps, self.discount)
        """,
    ),
    # --- DQN.act ------------------------------------------------------------------------------
    Misconception(
        todo="DQN.act",
        name="one coin for all environments",
        hint="In one call either all of your environments explore, or none. How many coins are "
        "needed?",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic or torch.rand(()) >= self.exploration_schedule(step or 0):
                return greedy
            return torch.randint(self.num_actions, greedy.shape, device=greedy.device)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="one random action for all environments",
        hint="All environments that explore take the same action. How many are drawn?",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions, ()), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="epsilon the wrong way round",
        hint="Epsilon is the chance of a random action, not of the greedy one.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) >= self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="explores although deterministic",
        hint="Evaluation asks for the policy without exploration. Which argument says so?",
        body="""
            greedy = self.greedy_actions(observations)
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="never explores the greedy action",
        hint="A random action is drawn from all actions alike; the greedy one may come up too.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            others = (greedy + torch.randint(1, self.num_actions, greedy.shape)) % self.num_actions
            return torch.where(explores, others, greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="never draws the last action",
        hint="The upper bound of `torch.randint` is excluded.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            random_actions = torch.randint(self.num_actions - 1, greedy.shape)
            return torch.where(explores, random_actions, greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="epsilon does not follow the schedule",
        hint="The schedule is a function of the step. Of which step is your epsilon?",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(0)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="no step is an error",
        hint="The step may be None. What does the docstring say that it counts as?",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="acts by the target network",
        hint="The target network is old on purpose, for the targets alone. Which one knows most?",
        body="""
            greedy = self.target_critic(observations).argmax(dim=-1)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="a fixed number of environments explores",
        hint="Each environment has a coin of its own. With a single one and an epsilon of 0.2, "
        "does yours ever explore?",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            num_exploring = int(self.exploration_schedule(step or 0) * len(greedy))
            explores = torch.randperm(len(greedy)) < num_exploring
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="environments share coins",
        hint="Whether an environment explores must not depend on whether another one does.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            coins = torch.rand((len(greedy) + 1) // 2).repeat(2)[: len(greedy)]
            explores = coins < self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="the same random numbers at every call",
        hint="Who seeds the generator here, and how often? Two calls in a row explore alike.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            torch.manual_seed(0)
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="epsilon of the next step",
        hint="The schedule is asked about the step that the method is given, no other.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule((step or 0) + 1)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="an action too many",
        hint="Actions are counted from 0. What is the largest one?",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step or 0)
            return torch.where(explores, torch.randint(self.num_actions + 1, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="no exploration without a step",
        hint="What does the docstring say that a step of None counts as? `deterministic` is what "
        "turns exploration off.",
        body="""
            greedy = self.greedy_actions(observations)
            if deterministic or step is None:
                return greedy
            explores = torch.rand(greedy.shape) < self.exploration_schedule(step)
            return torch.where(explores, torch.randint(self.num_actions, greedy.shape), greedy)
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            observations = observations.float()
            if deterministic:
                return self.greedy_actions(observations)
            epsilon = self.exploration_schedule(step or 0)
            explores = torch.rand(len(observations)) < epsilon
            random_actions = torch.randint(self.num_actions, (len(observations),))
            return torch.where(explores, random_actions, self.greedy_actions(observations))
        """,
    ),
    Misconception(
        todo="DQN.act",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            observations = observations.flatten(1)
            if deterministic:
                return self.greedy_actions(observations)
            epsilon = self.exploration_schedule(step or 0)
            explores = torch.rand(len(observations)) < epsilon
            random_actions = torch.randint(self.num_actions, (len(observations),))
            return torch.where(explores, random_actions, self.greedy_actions(observations))
        """,
    ),
    # --- double_q_values ----------------------------------------------------------------------
    Misconception(
        todo="double_q_values",
        name="the roles swapped",
        hint="Which of the two chooses the action, and whose value of it is returned?",
        body="""
            best = target_q_values.argmax(dim=-1, keepdim=True)
            return q_values.gather(-1, best).squeeze(-1)
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="one network chooses and judges",
        hint="The largest of noisy values is too large on average: that is what double Q-learning "
        "is there to avoid.",
        body="""
            return target_q_values.amax(dim=-1)
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="the value of the network that chooses",
        hint="Its own value of its own choice is the flattering one. Who is to judge?",
        body="""
            return q_values.amax(dim=-1)
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="the smaller of two maxima",
        hint="That is another idea, of TD3. Here one network's choice is judged by the other.",
        body="""
            return torch.minimum(q_values.amax(dim=-1), target_q_values.amax(dim=-1))
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="keeps the axis of actions",
        hint="The result has shape (B,).",
        body="""
            best = q_values.argmax(dim=-1, keepdim=True)
            return target_q_values.gather(-1, best)
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="every state's choice for every state",
        hint="Indexing the columns by B actions gives B values for each state. Which of them is "
        "meant?",
        body="""
            return target_q_values[:, q_values.argmax(dim=-1)]
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="two best actions count twice",
        hint="Two actions may be equally good. How many of them does a comparison with the maximum "
        "pick?",
        body="""
            is_best = q_values == q_values.amax(dim=-1, keepdim=True)
            return (target_q_values * is_best).sum(dim=-1)
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="the best of what is left after masking with zeros",
        hint="Values may be negative. What is the largest number then, if all but one are set to "
        "zero?",
        body="""
            best = F.one_hot(q_values.argmax(dim=-1), q_values.shape[-1])
            return (target_q_values * best).amax(dim=-1)
        """,
    ),
    Misconception(
        todo="double_q_values",
        name="rounds before it chooses",
        hint="Two actions may be nearly as good. Is the better one still the better after you have "
        "rounded?",
        body="""
            best = (1000 * q_values).round().argmax(dim=-1, keepdim=True)
            return target_q_values.gather(-1, best).squeeze(-1)
        """,
    ),
    # --- DQN.double_q_next_values -------------------------------------------------------------
    Misconception(
        todo="DQN.double_q_next_values",
        name="the networks swapped",
        hint="The online network is better informed, the target network is steadier. Which one "
        "chooses?",
        body="""
            return double_q_values(
                self.target_critic(next_observations), self.critic(next_observations)
            )
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="the target network twice",
        hint="With the same network in both roles nothing is left of the idea.",
        body="""
            q_values = self.target_critic(next_observations)
            return double_q_values(q_values, q_values)
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="the online network twice",
        hint="Who judges? The online network may not be its own judge.",
        body="""
            q_values = self.critic(next_observations)
            return double_q_values(q_values, q_values)
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="the mean of both networks judges",
        hint="One chooses, the other judges: what the chooser thinks of it counts for nothing.",
        body="""
            online, target = self.critic(next_observations), self.target_critic(next_observations)
            return double_q_values(online, (online + target) / 2)
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="the smaller of both directions",
        hint="That is the idea of TD3's critics. Here one network always chooses and the other "
        "always judges.",
        body="""
            online, target = self.critic(next_observations), self.target_critic(next_observations)
            return torch.minimum(double_q_values(online, target), double_q_values(target, online))
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="hands over the action instead of the values",
        hint="Who takes the argmax? See which arguments the function wants, and of what shape.",
        body="""
            best = self.critic(next_observations).argmax(dim=1)
            return double_q_values(best, self.target_critic(next_observations))
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="bytes turned into floats before the network",
        hint="The network scales the pixels of images, which it knows by their type. What does it "
        "see once you have changed that?",
        body="""
            observations = next_observations.float()
            return double_q_values(self.critic(observations), self.target_critic(observations))
        """,
    ),
    Misconception(
        todo="DQN.double_q_next_values",
        name="each observation made a vector",
        hint="The network takes observations of the environment's shape: what is left of an image "
        "once you have flattened it?",
        body="""
            observations = next_observations.flatten(1)
            return double_q_values(self.critic(observations), self.target_critic(observations))
        """,
    ),
    # --- DuelingHead.forward ------------------------------------------------------------------
    Misconception(
        todo="DuelingHead.forward",
        name="advantages not centred",
        hint="What stops the network from moving 10 from all advantages to the value?",
        body="""
            return self.value(features) + self.advantage(features)
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="mean over the batch",
        hint="Each state's own advantages average to zero. Which axis is that?",
        body="""
            advantages = self.advantage(features)
            return self.value(features) + advantages - advantages.mean(dim=0, keepdim=True)
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="one mean for everything",
        hint="What one state's advantages are must not depend on the other states of the batch.",
        body="""
            advantages = self.advantage(features)
            return self.value(features) + advantages - advantages.mean()
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="subtracts the maximum",
        hint="That is equation 8 of the paper; the authors chose the next one, and so did we.",
        body="""
            advantages = self.advantage(features)
            return self.value(features) + advantages - advantages.amax(dim=-1, keepdim=True)
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="subtracts the sum",
        hint="By what is the sum over actions divided?",
        body="""
            advantages = self.advantage(features)
            return self.value(features) + advantages - advantages.sum(dim=-1, keepdim=True)
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="no gradient through the mean",
        hint="The mean belongs to the formula, and the gradient passes through it as well.",
        body="""
            advantages = self.advantage(features)
            mean = advantages.mean(dim=-1, keepdim=True).detach()
            return self.value(features) + advantages - mean
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="second axis instead of the last",
        hint="Features may come with several leading axes. Which one holds the actions then?",
        body="""
            advantages = self.advantage(features)
            return self.value(features) + advantages - advantages.mean(dim=1, keepdim=True)
        """,
    ),
    Misconception(
        todo="DuelingHead.forward",
        name="counts axes from the front",
        hint="Features need not have a leading axis at all. From which side is the axis of actions "
        "always the same?",
        body="""
            advantages = self.advantage(features)
            axis = 1 if advantages.ndim == 2 else advantages.ndim - 2
            return self.value(features) + advantages - advantages.mean(dim=axis, keepdim=True)
        """,
    ),
    # --- NatureCNN.forward --------------------------------------------------------------------
    Misconception(
        todo="NatureCNN.forward",
        name="pixels not scaled",
        hint="Numbers up to 255 are large for a network. Which function turns pixels into numbers "
        "between 0 and 1?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape).float()
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="divides floats by 255 too",
        hint="Floats were scaled before. What is left of them if it is done once more?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape).float() / 255.0
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="reshapes channels to the front",
        hint="A reshape keeps the order of the numbers in memory: look at such an image. Axes are "
        "to be moved, not relabelled.",
        body="""
            rank = len(self.observation_shape)
            channels, height, width = self._image_shape()
            images = as_floats(observations).reshape(-1, channels, height, width)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="swaps height and width",
        hint="Exchanging the first and last axes of (H, W, C) gives (C, W, H): the image lies on "
        "its side.",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.transpose(1, 3)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="channels always first",
        hint="The class takes three layouts of images. Which ones does your method know?",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="leading axes lost",
        hint="Observations (T, N, *) give features (T, N, F).",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                return self.layers(self.convolutions(images)).float()
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="dense layers left out",
        hint="What comes after the convolutions? Compare the last axis with `feature_size`.",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.convolutions(images).float()
            return features.reshape(*observations.shape[:-rank], -1)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="pixels between -1 and 1",
        hint="Black is 0 here. To which range does the docstring of `as_floats` bring pixels?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape)
            if not images.is_floating_point():
                images = images.float() / 127.5 - 1.0
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="asks for the layout before the rank",
        hint="Which of its axes is an image (H, W) with H > W said to have last? Only images with "
        "three axes can be asked.",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if self._is_channels_last():
                images = images.movedim(-1, 1)
            if rank == 2:
                images = images.unsqueeze(1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="products not in the chosen precision",
        hint="The docstring names a context. Which of your products are done within it?",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            features = self.layers(self.convolutions(images))
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="features of the products' precision",
        hint="Products may be done in bfloat16. What type has that which you return then?",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images))
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="the largest pixel decides on the scale",
        hint="A dark image and a bright one of the same type are scaled alike. What tells bytes "
        "from other numbers?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape)
            images = images.float()
            if images.numel() > 0 and images.max() > 1.0:
                images = images / 255.0
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="always one leading axis",
        hint="An observation may come alone: (*) gives (F,).",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*(observations.shape[:-rank] or (1,)), self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="fails on no images",
        hint="PyTorch cannot guess an axis of a tensor without elements. Which of your axes is not "
        "written out?",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], -1)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="compares two axes to find the channels",
        hint="Channels are last where the last axis is smaller than *both* others; a method of the "
        "class knows.",
        body="""
            rank = len(self.observation_shape)
            images = as_floats(observations).reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif observations.shape[-1] < observations.shape[-3]:
                images = images.movedim(-1, 1)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images)).float()
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="channels last only for one, three or four of them",
        hint="A method of this class tells where the channels are. What of four stacked frames in "
        "colour, which have twelve?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self.observation_shape[-1] in (1, 3, 4):
                images = images.movedim(-1, 1)
            images = as_floats(images)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images))
            features = features.to(images.dtype)
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="floats scaled where one is above 1",
        hint="Only the type says what is a pixel. What are floats above 1, after the environment "
        "has normalised them?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            if images.is_floating_point() and (images > 1).any():
                images = images / 255
            images = as_floats(images)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images))
            features = features.to(images.dtype)
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="floats cut off at 0 and 1",
        hint="Floats are taken as they are. What are those below 0, after the environment has "
        "normalised them?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            images = as_floats(images).clamp(0.0, 1.0)
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images))
            features = features.to(images.dtype)
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
    Misconception(
        todo="NatureCNN.forward",
        name="booleans scaled like bytes",
        hint="A function of this file turns observations into floats. Which types does it scale?",
        body="""
            rank = len(self.observation_shape)
            images = observations.reshape(-1, *self.observation_shape)
            if rank == 2:
                images = images.unsqueeze(1)
            elif self._is_channels_last():
                images = images.movedim(-1, 1)
            if images.dtype in (torch.uint8, torch.bool):
                images = images / 255
            images = images.float()
            with ptu.chosen_products():
                features = self.layers(self.convolutions(images))
            features = features.to(images.dtype)
            return features.reshape(*observations.shape[:-rank], self.feature_size)
        """,
    ),
]
