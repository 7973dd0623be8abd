"""Mistakes that students make in hw1_harness."""

from course.bank import Misconception

FRAME_STACK = [
    Misconception(
        todo="FrameStack.push",
        name="the newest comes first",
        hint="In which order does the card list the frames, and where does the newest stand?",
        body="""
            self.frames[1:] = self.frames[:-1].copy()
            self.frames[0] = observation
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="nothing moves on",
        hint="Which frame is gone after a push? Follow the oldest one by hand.",
        body="""
            self.frames[-1] = observation
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="rolled the wrong way",
        hint="After the shift, which frame has been overwritten: the oldest or the newest?",
        body="""
            self.frames = np.roll(self.frames, 1, axis=0)
            self.frames[-1] = observation
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="rolled over all axes",
        hint="A frame has axes of its own. Along which axis do the frames follow one another?",
        body="""
            self.frames = np.roll(self.frames, -1)
            self.frames[-1] = observation
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="a loop that copies one frame into all",
        hint="What does a frame hold by the time your loop copies it?",
        body="""
            for i in range(len(self.frames) - 1, 0, -1):
                self.frames[i - 1] = self.frames[i]
            self.frames[-1] = observation
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="keeps the environment's array",
        hint="Environments may write their next observation into the same array. Whose memory do "
        "you keep?",
        body="""
            self.frames = [*self.frames[1:], observation]
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="a list in place of an array",
        hint="What type has `self.frames` after your push, and what does its `copy` copy then?",
        body="""
            self.frames = [*self.frames[1:], np.array(observation)]
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="takes the observation's type",
        hint="An environment may return float64 where its space says float32. Of which type are "
        "the frames then?",
        body="""
            newest = np.asarray(observation)[np.newaxis]
            self.frames = np.concatenate((self.frames[1:], newest), axis=0)
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="made of pixels",
        hint="Not every observation is an image. What becomes of -0.5?",
        body="""
            self.frames = np.roll(self.frames, -1, axis=0)
            self.frames[-1] = observation.astype(np.uint8)
        """,
    ),
    Misconception(
        todo="FrameStack.push",
        name="nothing new, nothing moves",
        hint="What does a stack show of something that stands still? Count its frames by hand.",
        body="""
            if not np.array_equal(self.frames[-1], observation):
                self.frames[:-1] = self.frames[1:]
                self.frames[-1] = observation
        """,
    ),
]

TIME_LIMIT = [
    Misconception(
        todo="TimeLimit.step",
        name="the limit terminates",
        hint="What is the future worth after termination, and what after a time limit?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            done = done or self.num_steps >= self.max_steps
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="the limit sets both flags",
        hint="Does the card let a time limit change `done`?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            if self.num_steps >= self.max_steps:
                done = truncated = True
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="one step too late",
        hint="How many steps has an episode made when your condition first holds?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            return observation, reward, done, truncated or self.num_steps > self.max_steps, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="one step too early",
        hint="How many steps has an episode made when your condition first holds?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            is_last = self.num_steps >= max(self.max_steps - 1, 1)
            return observation, reward, done, truncated or is_last, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="forgets the environment's own limit",
        hint="The wrapped environment may truncate too. What becomes of what it says?",
        body="""
            observation, reward, done, _, info = self.env.step(action)
            self.num_steps += 1
            return observation, reward, done, self.num_steps >= self.max_steps, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="termination hides truncation",
        hint="What does the card say about an episode that terminates in the very step that "
        "reaches the limit?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = not done and (truncated or self.num_steps >= self.max_steps)
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="never counts",
        hint="Who counts the steps? `reset` only sets the number to 0.",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            truncated = truncated or self.num_steps >= self.max_steps
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="truncates only the step at the limit",
        hint="What does the card say of a step after the one that reaches the limit?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            return observation, reward, done, truncated or self.num_steps == self.max_steps, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="truncates at multiples of the limit",
        hint="What does the card say of a step after the one that reaches the limit?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = truncated or self.num_steps % self.max_steps == 0
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="sets the count back when the episode ends",
        hint="Which method sets the count to 0, and when is that one called?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = truncated or self.num_steps >= self.max_steps
            if done or truncated:
                self.num_steps = 0
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="notes the limit in the info",
        hint="What does the card say of the info? It belongs to the environment.",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = truncated or self.num_steps >= self.max_steps
            info["TimeLimit.truncated"] = truncated
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="passes on a part of the info",
        hint="Wrappers and loggers further out read keys that you do not know of.",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = truncated or self.num_steps >= self.max_steps
            return observation, reward, done, truncated, {"row": info["row"]}
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="whole actions only",
        hint="Actions may be numbers of any kind, and vectors. Who asked for another type?",
        body="""
            observation, reward, done, truncated, info = self.env.step(int(action))
            self.num_steps += 1
            truncated = truncated or self.num_steps >= self.max_steps
            return observation, reward, done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="the reward in float32",
        hint="Which of the results may change? How many digits does your reward have left?",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = truncated or self.num_steps >= self.max_steps
            return observation, float(np.float32(reward)), done, truncated, info
        """,
    ),
    Misconception(
        todo="TimeLimit.step",
        name="resets the environment itself",
        hint="Who resets after an episode? Twice is once too often: seeds are then lost.",
        body="""
            observation, reward, done, truncated, info = self.env.step(action)
            self.num_steps += 1
            truncated = truncated or self.num_steps >= self.max_steps
            if done or truncated:
                self.env.reset()
            return observation, reward, done, truncated, info
        """,
    ),
]

COUNT_STEP_HEAD = """
    self.episode_returns += rewards
    self.episode_lengths += 1
"""
EPISODES = """
    episodes = [
        Episode(
            float(self.episode_returns[i]),
            int(self.episode_lengths[i]),
            int(self.episode_seeds[i]),
        )
        for i in np.flatnonzero(ended)
    ]
"""
BEGIN = """
    if ended.any():
        self._begin_episodes(ended)
"""

ENV_RUNNER = [
    Misconception(
        todo="EnvRunner.count_step",
        name="truncation does not end an episode",
        hint="A truncated environment waits for a reset as well. Which flags end an episode?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones
"""
        + EPISODES
        + BEGIN
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="ends only where both flags are set",
        hint="Look at an episode that terminates long before any time limit.",
        body=COUNT_STEP_HEAD
        + """
    ended = dones & truncateds
"""
        + EPISODES
        + BEGIN
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="goes on where both flags are set",
        hint="An episode may terminate in the step that reaches its time limit. What does your "
        "operation make of two true flags?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones != truncateds
"""
        + EPISODES
        + BEGIN
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="begins anew everywhere",
        hint="When one episode ends, what should become of those in the other environments?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones | truncateds
"""
        + EPISODES
        + """
    if ended.any():
        self._begin_episodes(np.ones(self.num_envs, np.bool_))
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="reports the new episode",
        hint="Whose return, length and seed stand in the arrays at the moment you read them?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones | truncateds
"""
        + BEGIN
        + EPISODES
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="writes truncation into dones",
        hint="`dones` belongs to the caller: what is changed in place there?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones
    ended |= truncateds
"""
        + EPISODES
        + BEGIN
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="the last reward instead of the return",
        hint="A return is made of all rewards of the episode, not of one.",
        body="""
    self.episode_returns[:] = rewards
    self.episode_lengths += 1
    ended = dones | truncateds
"""
        + EPISODES
        + BEGIN
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="counts the step after the reset",
        hint="Is the step that ends an episode one of its steps? What length does the next episode "
        "begin with?",
        body="""
    self.episode_returns += rewards
    ended = dones | truncateds
"""
        + EPISODES
        + BEGIN
        + """
    self.episode_lengths += 1
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="resets although nothing ended",
        hint="What is asked of the environments in a step in which no episode ended?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones | truncateds
"""
        + EPISODES
        + """
    self._begin_episodes(ended)
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="numpy's numbers",
        hint="Which types does the card promise for length and seed? Not everything takes numpy's.",
        body=COUNT_STEP_HEAD
        + """
    ended = dones | truncateds
    episodes = [
        Episode(self.episode_returns[i], self.episode_lengths[i], self.episode_seeds[i])
        for i in np.flatnonzero(ended)
    ]
"""
        + BEGIN
        + """
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="begins one episode after the other",
        hint="Two episodes end in one step: how often are the environments reset?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones | truncateds
"""
        + EPISODES
        + """
    for i in np.flatnonzero(ended):
        self._begin_episodes(np.arange(self.num_envs) == i)
    return episodes
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="reports one episode a step",
        hint="How many episodes can end in one step?",
        body=COUNT_STEP_HEAD
        + """
    ended = dones | truncateds
"""
        + EPISODES
        + BEGIN
        + """
    return episodes[:1]
""",
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="rewards rounded to float32",
        hint="How many digits of a long sum of rewards are left?",
        body="""
            self.episode_returns += rewards.astype(np.float32)
            self.episode_lengths += 1
            ended = dones | truncateds
            if not ended.any():
                return []
            episodes = [
                Episode(
                    float(self.episode_returns[i]),
                    int(self.episode_lengths[i]),
                    int(self.episode_seeds[i]),
                )
                for i in np.flatnonzero(ended)
            ]
            self._begin_episodes(ended)
            return episodes
        """,
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="reports the return in float32",
        hint="How many digits does the return have that you report?",
        body="""
            self.episode_returns += rewards
            self.episode_lengths += 1
            ended = dones | truncateds
            if not ended.any():
                return []
            episodes = [
                Episode(
                    float(np.float32(self.episode_returns[i])),
                    int(self.episode_lengths[i]),
                    int(self.episode_seeds[i]),
                )
                for i in np.flatnonzero(ended)
            ]
            self._begin_episodes(ended)
            return episodes
        """,
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="rounds the return",
        hint="Who asked for rounding?",
        body="""
            self.episode_returns += rewards
            self.episode_lengths += 1
            ended = dones | truncateds
            if not ended.any():
                return []
            episodes = [
                Episode(
                    round(float(self.episode_returns[i]), 3),
                    int(self.episode_lengths[i]),
                    int(self.episode_seeds[i]),
                )
                for i in np.flatnonzero(ended)
            ]
            self._begin_episodes(ended)
            return episodes
        """,
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="leaves out episodes without reward",
        hint="Where rewards are rare, most episodes return 0. Have they not ended?",
        body="""
            self.episode_returns += rewards
            self.episode_lengths += 1
            ended = dones | truncateds
            if not ended.any():
                return []
            episodes = [
                Episode(
                    float(self.episode_returns[i]),
                    int(self.episode_lengths[i]),
                    int(self.episode_seeds[i]),
                )
                for i in np.flatnonzero(ended)
                if self.episode_returns[i]
            ]
            self._begin_episodes(ended)
            return episodes
        """,
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="sums in the rewards' type",
        hint="Rewards may come in float32. Of which type is the sum of many of them?",
        body="""
            self.episode_returns = self.episode_returns.astype(rewards.dtype) + rewards
            self.episode_lengths += 1
            ended = dones | truncateds
            if not ended.any():
                return []
            episodes = [
                Episode(
                    float(self.episode_returns[i]),
                    int(self.episode_lengths[i]),
                    int(self.episode_seeds[i]),
                )
                for i in np.flatnonzero(ended)
            ]
            self._begin_episodes(ended)
            return episodes
        """,
    ),
    Misconception(
        todo="EnvRunner.count_step",
        name="cuts large rewards",
        hint="The return is the task's own. Who asked for a limit?",
        body="""
            self.episode_returns += np.clip(rewards, -100.0, 100.0)
            self.episode_lengths += 1
            ended = dones | truncateds
            if not ended.any():
                return []
            episodes = [
                Episode(
                    float(self.episode_returns[i]),
                    int(self.episode_lengths[i]),
                    int(self.episode_seeds[i]),
                )
                for i in np.flatnonzero(ended)
            ]
            self._begin_episodes(ended)
            return episodes
        """,
    ),
]

REPLAY = [
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="does not wrap around",
        hint="What does a slice give that reaches beyond the last slot?",
        body="""
            first = self.num_inserted % self.capacity
            return slice(first, first + num_lanes)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="starts over as soon as the step does not fit",
        hint="Are all slots before the end used? Number m has exactly one slot that is its own.",
        body="""
            first = self.num_inserted % self.capacity
            if first + num_lanes > self.capacity:
                first = 0
            return np.arange(first, first + num_lanes) % self.capacity
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="piles up in the last slot",
        hint="Where does the card send what does not fit at the end?",
        body="""
            first = self.num_inserted % self.capacity
            return np.minimum(np.arange(first, first + num_lanes), self.capacity - 1)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="skips a slot",
        hint="Transitions are numbered from 0. Which number does the next one get?",
        body="""
            return (self.num_inserted + 1 + np.arange(num_lanes)) % self.capacity
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="never uses the last slot",
        hint="How many slots are there, and which remainders does your divisor leave?",
        body="""
            return (self.num_inserted + np.arange(num_lanes)) % (self.capacity - 1)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="no modulo at all",
        hint="Numbers of transitions grow for ever, slots do not.",
        body="""
            return self.num_inserted + np.arange(num_lanes)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="counts itself",
        hint="Who adds to `num_inserted`: look at `insert` below the call.",
        body="""
            slots = (self.num_inserted + np.arange(num_lanes)) % self.capacity
            self.num_inserted += num_lanes
            return slots
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="draws slots that were never written",
        hint="What lies in a slot of a buffer that is not full yet?",
        body="""
            self._check_filled()
            return self._read(self.generator.integers(0, self.capacity, size=batch_size))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="never draws the newest",
        hint="Is the upper bound of your generator's method included or excluded?",
        body="""
            self._check_filled()
            end = self.num_inserted - 1
            return self._read(self.generator.integers(self._oldest(), end, size=batch_size))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="draws without replacement",
        hint="May a batch hold a transition twice? May it be larger than the buffer?",
        body="""
            self._check_filled()
            held = np.arange(self._oldest(), self.num_inserted)
            return self._read(self.generator.permutation(held)[:batch_size])
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="numpy's global generator",
        hint="Two runs of one seed must draw the same batches, whatever else draws numbers. Whose "
        "generator do you use?",
        body="""
            self._check_filled()
            numbers = np.random.randint(self._oldest(), self.num_inserted, size=batch_size)
            return self._read(numbers)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="one transition, many times",
        hint="How many numbers do you draw for a batch?",
        body="""
            self._check_filled()
            number = self.generator.integers(self._oldest(), self.num_inserted)
            return self._read(np.full(batch_size, number))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="frames that are gone",
        hint="A buffer of images runs out of frames before it runs out of slots. Which transition "
        "is the oldest that is still held?",
        body="""
            self._check_filled()
            first = max(0, self.num_inserted - self.capacity)
            return self._read(self.generator.integers(first, self.num_inserted, size=batch_size))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="numbers from 0 to the length",
        hint="Transition number 0 is overwritten sooner or later. What do the numbers of those "
        "that are held begin with?",
        body="""
            self._check_filled()
            return self._read(self.generator.integers(0, len(self), size=batch_size))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="a new generator each time",
        hint="What does the second batch look like, compared with the first?",
        body="""
            self._check_filled()
            generator = np.random.default_rng(0)
            numbers = generator.integers(self._oldest(), self.num_inserted, size=batch_size)
            return self._read(numbers)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="an empty buffer is not refused",
        hint="What does the card promise about an empty buffer?",
        body="""
            first, end = self._oldest(), max(self.num_inserted, 1)
            return self._read(self.generator.integers(first, end, size=batch_size))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="right for two laps",
        hint="How often has the buffer been filled by the time you take the capacity off once?",
        body="""
            first = self.num_inserted
            if first >= self.capacity:
                first -= self.capacity
            slots = first + np.arange(num_lanes)
            return np.where(slots >= self.capacity, slots - self.capacity, slots)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="goes around once at most",
        hint="With more lanes than slots, how often does a step go past the end?",
        body="""
            first = self.num_inserted % self.capacity
            room = self.capacity - first
            if num_lanes <= room:
                return slice(first, first + num_lanes)
            return np.concatenate([np.arange(first, self.capacity), np.arange(num_lanes - room)])
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="each slot once, in ascending order",
        hint="Which slot belongs to lane 0 where the step goes past the end?",
        body="""
            return np.unique((self.num_inserted + np.arange(num_lanes)) % self.capacity)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="half a batch, twice",
        hint="How many numbers do you draw for a batch of B? Does one of them tell another?",
        body="""
            self._check_filled()
            first, end = self._oldest(), self.num_inserted
            numbers = self.generator.integers(first, end, size=(batch_size + 1) // 2)
            return self._read(np.tile(numbers, 2)[:batch_size])
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="neighbours in pairs",
        hint="How many numbers do you draw for a batch of B? Does one of them tell another?",
        body="""
            self._check_filled()
            first, end = self._oldest(), self.num_inserted
            numbers = self.generator.integers(first, end, size=(batch_size + 1) // 2)
            return self._read(np.repeat(numbers, 2)[:batch_size])
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="reads single steps",
        hint="What does `_read` do that your reading does not, where `n_step` is above 1?",
        body="""
            self._check_filled()
            numbers = self.generator.integers(self._oldest(), self.num_inserted, size=batch_size)
            return self._read_one_step(numbers)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="never fewer than two",
        hint="How many rows has a batch of one?",
        body="""
            self._check_filled()
            size = max(batch_size, 2)
            return self._read(self.generator.integers(self._oldest(), self.num_inserted, size=size))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="slots in int16",
        hint="How large is the largest slot of a buffer of a million?",
        body="""
            first = self.num_inserted % self.capacity
            return ((first + np.arange(num_lanes)) % self.capacity).astype(np.int16)
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="with replacement only where the batch is large",
        hint="How likely is it that the second of two draws repeats the first? Does your batch of "
        "two know of that?",
        body="""
            self._check_filled()
            held = np.arange(self._oldest(), self.num_inserted)
            is_large = 2 * batch_size > len(held)
            return self._read(self.generator.choice(held, batch_size, replace=is_large))
        """,
    ),
    Misconception(
        todo="ReplayBuffer.next_slots",
        name="remembers where it stopped",
        hint="May the method change the buffer? Call it twice, and insert nothing between.",
        body="""
            first = getattr(self, "cursor", self.num_inserted % self.capacity)
            self.cursor = (first + num_lanes) % self.capacity
            return (first + np.arange(num_lanes)) % self.capacity
        """,
    ),
    Misconception(
        todo="ReplayBuffer.sample",
        name="not what the last batch began with",
        hint="Is a draw independent of those of the batch before?",
        body="""
            self._check_filled()
            first, end = self._oldest(), self.num_inserted
            numbers = self.generator.integers(first, end, size=batch_size)
            while len(self) > 1 and numbers[0] == getattr(self, "last", None):
                numbers[0] = self.generator.integers(first, end)
            self.last = numbers[0]
            return self._read(numbers)
        """,
    ),
]

MERGE = [
    Misconception(
        todo="RunningMeanStd.merge",
        name="the mean of two means",
        hint="A batch of 1 and a past of 1000 samples should not weigh the same.",
        body="""
            delta = mean - self.mean
            n = self.count + count
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = (self.mean + mean) / 2 if self.count else mean
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="forgets that the means differ",
        hint="Two groups without any spread of their own, at different places: what is the "
        "variance of all of them together?",
        body="""
            n = self.count + count
            self.variance = (self.count * self.variance + count * variance) / n
            self.mean = self.mean + (mean - self.mean) * count / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="weights the wrong way round",
        hint="The more samples the new batch has, the closer the mean must come to the batch's.",
        body="""
            delta = mean - self.mean
            n = self.count + count
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = self.mean + delta * self.count / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="divides by n - 1",
        hint="By what does the card divide the sum of squared deviations?",
        body="""
            delta = mean - self.mean
            n = self.count + count
            between = delta**2 * self.count * count / n
            squares = self.count * self.variance + count * variance + between
            self.variance = squares / max(n - 1, 1)
            self.mean = self.mean + delta * count / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="does not count",
        hint="How many samples has it seen after two batches?",
        body="""
            delta = mean - self.mean
            n = self.count + count
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = self.mean + delta * count / n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="sums of squares",
        hint="Try samples around a million with a spread of one: how many digits of the variance "
        "are left?",
        body="""
            n = self.count + count
            ours = self.count * (self.variance + self.mean**2)
            theirs = count * (variance + mean**2)
            self.mean = (self.count * self.mean + count * mean) / n
            self.variance = (ours + theirs) / n - self.mean**2
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="the new mean in place of the old one",
        hint="Which of the two means stands in the difference: the one before or the one after?",
        body="""
            n = self.count + count
            self.mean = self.mean + (mean - self.mean) * count / n
            delta = mean - self.mean
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="keeps the caller's arrays",
        hint="After the first batch, whose memory are `self.mean` and `self.variance`? The caller "
        "may use its arrays again.",
        body="""
            n = self.count + count
            if self.count == 0:
                self.mean, self.variance, self.count = mean, variance, n
                return
            delta = mean - self.mean
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = self.mean + delta * count / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="changes the caller's mean",
        hint="What do operations such as `-=` do to an array that the caller holds?",
        body="""
            n = self.count + count
            mean -= self.mean
            between = mean**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = self.mean + mean * count / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="counts before it uses the count",
        hint="Which n_a stands in the formulas: the one before the batch or the one after it?",
        body="""
            self.count += count
            n = self.count
            delta = mean - self.mean
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = self.mean + delta * count / n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="float32",
        hint="How many digits has a float32? The card of `update` says in what type to count.",
        body="""
            n = self.count + count
            delta = np.asarray(mean, np.float32) - np.asarray(self.mean, np.float32)
            between = delta**2 * self.count * count / n
            self.variance = (self.count * self.variance + count * variance + between) / n
            self.mean = self.mean + delta * count / n
            self.count = n
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="a smallest variance",
        hint="Who adds an epsilon, and where? What is the variance of numbers in millionths?",
        body="""
            total = self.count + count
            delta = mean - self.mean
            between = delta**2 * (self.count * count / total)
            variance = (self.count * self.variance + count * variance + between) / total
            self.mean = self.mean + delta * (count / total)
            self.variance = np.maximum(variance, 1e-9)
            self.count = total
        """,
    ),
    Misconception(
        todo="RunningMeanStd.merge",
        name="forgets beyond a million",
        hint="How much does the next sample weigh after a billion of them?",
        body="""
            total = self.count + count
            delta = mean - self.mean
            between = delta**2 * (self.count * count / total)
            self.variance = (self.count * self.variance + count * variance + between) / total
            self.mean = self.mean + delta * (count / total)
            self.count = min(total, 1_000_000)
        """,
    ),
]

EPISODE_BUFFER = [
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="truncation does not end an episode",
        hint="What is in the lane after a time limit: the same episode, or another one?",
        body="""
            for lane in np.flatnonzero(dones).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="goes on where both flags are set",
        hint="An episode may terminate in the step that reaches its time limit. What does your "
        "operation make of two true flags?",
        body="""
            for lane in np.flatnonzero(np.asarray(dones) ^ np.asarray(truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="loses the last step",
        hint="The row that was appended last belongs to the episode. Which row comes after it?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps) - 1
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end + 1
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="the next episode begins where this one did",
        hint="What is the lane's first row once its second episode has ended?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="the next episode begins a row too late",
        hint="Is there a row between the last one of an episode and the first one of the next?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end + 1
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="all lanes begin anew",
        hint="Which lanes does an end in one lane concern?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
            if np.any(dones) or np.any(truncateds):
                self.first_rows[:] = len(self.steps)
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="counts episodes in place of steps",
        hint="`num_steps` is compared with what you count. In what unit is it?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += 1
                self.first_rows[lane] = end
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="lane and row exchanged",
        hint="Which axis of `rows()` is time, and which is the lane?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[lane, a:b] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="in the order of lanes",
        hint="In which order should the episodes come: by lane, or by their ends?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[a:b, lane] for lane, a, b in sorted(self.finished)])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="without the last row",
        hint="A slice ends before its second number. What is the third number of a triple?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[a : b - 1, lane] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="unfinished episodes too",
        hint="May the batch hold steps of an episode whose return is not known yet?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[:, lane] for lane in range(rows.shape[1])])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="forgets nothing",
        hint="What would the next call return?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            return {
                name: np.concatenate([rows[a:b, lane] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="forgets before it reads",
        hint="What is left in `self.finished` at the moment you go through it?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            self._forget_finished()
            return {
                name: np.concatenate([rows[a:b, lane] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="takes what is not full",
        hint="What does the card promise as long as too few steps are finished?",
        body="""
            batch = {
                name: np.concatenate([rows[a:b, lane] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="rows of all lanes",
        hint="What shape should a batch of observations have? A step of the batch belongs to one "
        "lane.",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[a:b] for _, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="numpy's numbers",
        hint="Which type does the card promise for the numbers of a triple?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)):
                first, end = self.first_rows[lane], len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += int(end - first)
                self.first_rows[lane] = end
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="writes truncation into dones",
        hint="`dones` belongs to the caller: what is changed in place there?",
        body="""
            dones |= truncateds
            for lane in np.flatnonzero(dones).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="notes one end a step",
        hint="How many episodes can end with one row?",
        body="""
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist()[:1]:
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="views of the buffer",
        hint="What does your batch hold once an insert has written into the buffer's memory?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            parts = {
                name: [rows[a:b, lane] for lane, a, b in self.finished]
                for name, rows in self.steps.rows().items()
            }
            is_single = len(self.finished) == 1
            self._forget_finished()
            if is_single:
                return {name: part[0] for name, part in parts.items()}
            return {name: np.concatenate(part) for name, part in parts.items()}
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="no more than num_steps",
        hint="Are the last rows of your batch a whole episode?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[a:b, lane] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
            self._forget_finished()
            return {name: values[: self.num_steps] for name, values in batch.items()}
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="drops the unfinished episodes",
        hint="What has become of the rows of an episode that goes on?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[a:b, lane] for lane, a, b in self.finished])
                for name, rows in self.steps.rows().items()
            }
            self.first_rows[:] = len(self.steps)
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.take",
        name="everything in float32",
        hint="Of which type are images in the buffer, and in your batch?",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            batch = {
                name: np.concatenate([rows[first:end, lane] for lane, first, end in self.finished])
                for name, rows in self.steps.rows().items()
            }
            for name in ("observations", "next_observations"):
                batch[name] = batch[name].astype(np.float32)
            self._forget_finished()
            return batch
        """,
    ),
    Misconception(
        todo="EpisodeBuffer.record_ends",
        name="stops when the buffer is full",
        hint="A full buffer takes more steps in until it is emptied. Which episodes end in them?",
        body="""
            if self.is_full:
                return
            for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
                first, end = int(self.first_rows[lane]), len(self.steps)
                self.finished.append((lane, first, end))
                self.num_finished_steps += end - first
                self.first_rows[lane] = end
        """,
    ),
]

SUM_TREE = [
    Misconception(
        todo="SumTree.set",
        name="leaf numbers taken for node numbers",
        hint="Node 1 is the root. Which node is leaf 0?",
        body="""
            for leaf, value in zip(leaves, np.broadcast_to(values, np.shape(leaves))):
                node = int(leaf)
                self.sums[node] = value
                while node > 1:
                    node //= 2
                    self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1]
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="leaves only",
        hint="Which nodes hold a sum that a changed leaf is part of?",
        body="""
            self.sums[leaves + self.num_leaves] = values
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="stops at the parents",
        hint="Is the root right? There are `num_levels` levels above the leaves.",
        body="""
            nodes = leaves + self.num_leaves
            self.sums[nodes] = values
            if self.num_levels:
                nodes = nodes // 2
                self.sums[nodes] = self.children[nodes].sum(axis=1)
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="stops below the root",
        hint="Which node holds the total, and is it ever written?",
        body="""
            nodes = leaves + self.num_leaves
            self.sums[nodes] = values
            for _ in range(self.num_levels - 1):
                nodes = nodes // 2
                self.sums[nodes] = self.children[nodes].sum(axis=1)
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="changes the sums by differences",
        hint="Put in 1e17 and take it out again: what is left of the small numbers?",
        body="""
            for leaf, value in zip(leaves, np.broadcast_to(values, np.shape(leaves))):
                node = int(leaf) + self.num_leaves
                difference = value - self.sums[node]
                self.sums[node] = value
                while node > 1:
                    node //= 2
                    self.sums[node] += difference
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="the first of two values counts",
        hint="A leaf may occur twice in a call. Which of its values should stay?",
        body="""
            values = np.broadcast_to(values, len(leaves))
            leaves, first = np.unique(leaves, return_index=True)
            nodes = leaves + self.num_leaves
            self.sums[nodes] = values[first]
            for _ in range(self.num_levels):
                nodes = nodes // 2
                self.sums[nodes] = self.children[nodes].sum(axis=1)
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="adds to the leaves",
        hint="Does the card add the new value to the old one?",
        body="""
            nodes = leaves + self.num_leaves
            np.add.at(self.sums, nodes, values)
            for _ in range(self.num_levels):
                nodes = nodes // 2
                self.sums[nodes] = self.children[nodes].sum(axis=1)
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="changes the caller's leaves",
        hint="`leaves` is the caller's array. What do your `+=` and `//=` do to it?",
        body="""
            leaves += self.num_leaves
            self.sums[leaves] = values
            for _ in range(self.num_levels):
                leaves //= 2
                self.sums[leaves] = self.children[leaves].sum(axis=1)
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="a border belongs to the leaf before it",
        hint="Leaf 0 covers [0, x_0). To which leaf does the position x_0 belong?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_right = (u > left) & (right > 0)
                u = np.where(goes_right, u - left, u)
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="keeps the position when it goes right",
        hint="A right subtree's positions begin at 0 again. What has to be taken off?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                nodes = 2 * nodes + ((u >= left) & (right > 0))
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="takes off the sum when it goes left, too",
        hint="By hand: a position below the left child's sum. What is it within the left subtree?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                nodes = 2 * nodes + ((u >= left) & (right > 0))
                u = np.abs(u - left)
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="nodes in place of leaves",
        hint="The walk ends at a node. Which leaf is that?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_right = (u >= left) & (right > 0)
                u = np.where(goes_right, u - left, u)
                nodes = 2 * nodes + goes_right
            return nodes
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="walks into nothing",
        hint="Let rounding have moved a position to the very end of a subtree whose right half is "
        "empty. Which way does your walk turn?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left = self.sums[2 * nodes]
                goes_right = u >= left
                u = np.where(goes_right, u - left, u)
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="turns the wrong way",
        hint="The left child's leaves come first. Which way does a small position go?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_left = (u >= left) & (right > 0)
                u = np.where(goes_left, u - left, u)
                nodes = 2 * nodes + ~goes_left
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="changes the caller's positions",
        hint="`positions` is the caller's array. What is in it after your walk?",
        body="""
            nodes = np.ones(positions.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_right = (positions >= left) & (right > 0)
                positions -= left * goes_right
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="keeps the old value where the new one is 0",
        hint="May a leaf become 0? Leaves of what was overwritten have to.",
        body="""
            values = np.broadcast_to(values, len(leaves))
            nodes = leaves[values > 0] + self.num_leaves
            self.sums[nodes] = values[values > 0]
            for _ in range(self.num_levels):
                nodes = nodes // 2
                self.sums[nodes] = self.children[nodes].sum(axis=1)
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="a new array of sums",
        hint="`children` is a view of `sums`. Of which array, after your call?",
        body="""
            nodes = leaves + self.num_leaves
            self.sums = self.sums.copy()
            self.sums[nodes] = values
            for _ in range(self.num_levels):
                nodes = nodes // 2
                self.sums[nodes] = self.sums[2 * nodes] + self.sums[2 * nodes + 1]
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="turns right only where the rest fits in",
        hint="Let rounding have moved a position beyond the total. Where does your walk end?",
        body="""
            u = np.array(positions, np.float64)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_right = (u >= left) & (u - left < right)
                u = np.where(goes_right, u - left, u)
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="positions in float32",
        hint="How many digits of a position does your walk keep?",
        body="""
            u = np.array(positions, np.float32)
            nodes = np.ones(u.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_right = (u >= left) & (right > 0)
                u = np.where(goes_right, u - left, u)
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.set",
        name="small sums become nothing",
        hint="May a priority be a billionth? What is then the chance of being drawn, when all are?",
        body="""
            values = np.broadcast_to(values, leaves.shape)
            for leaf, value in zip(leaves.tolist(), values, strict=True):
                node = leaf + self.num_leaves
                self.sums[node] = value
                while node > 1:
                    node //= 2
                    total = self.sums[2 * node] + self.sums[2 * node + 1]
                    self.sums[node] = total if total > 1e-6 else 0.0
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="keeps the positions below the total, and no more",
        hint="Rounding can put a position at the end of a subtree in the middle, too.",
        body="""
            remaining = np.minimum(positions, self.total * (1 - 1e-12))
            nodes = np.ones(remaining.shape, np.int64)
            for _ in range(self.num_levels):
                left = self.sums[2 * nodes]
                goes_right = remaining >= left
                remaining = remaining - left * goes_right
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
    Misconception(
        todo="SumTree.find",
        name="takes small leaves for nothing",
        hint="Small against what? All the leaves may be small.",
        body="""
            remaining = np.array(positions, np.float64)
            nodes = np.ones(remaining.shape, np.int64)
            for _ in range(self.num_levels):
                left, right = self.sums[2 * nodes], self.sums[2 * nodes + 1]
                goes_right = (remaining >= left) & (right > 1e-9)
                remaining = remaining - left * goes_right
                nodes = 2 * nodes + goes_right
            return nodes - self.num_leaves
        """,
    ),
]

PRIORITIZED = [
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="one random number for all segments",
        hint="How many r_b are there?",
        body="""
            fractions = np.arange(batch_size) + self.generator.random()
            return fractions * self.tree.total / batch_size
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="independent draws",
        hint="Can two positions of your batch lie in one segment?",
        body="""
            return self.generator.random(batch_size) * self.tree.total
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="independent draws, sorted",
        hint="Ascending is not enough: can two positions of your batch lie in one segment?",
        body="""
            return np.sort(self.generator.random(batch_size)) * self.tree.total
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="segments counted from 1",
        hint="Where does the first segment begin, and can the last position exceed the total?",
        body="""
            fractions = np.arange(1, batch_size + 1) + self.generator.random(batch_size)
            return fractions * self.tree.total / batch_size
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="segments as long as the total",
        hint="How long is each of B equal segments?",
        body="""
            return (np.arange(batch_size) + self.generator.random(batch_size)) * self.tree.total
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="the middle of each segment",
        hint="Would every transition ever be drawn if the positions were the same in every batch?",
        body="""
            return (np.arange(batch_size) + 0.5) * self.tree.total / batch_size
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="not normalised",
        hint="What is the largest weight of every batch?",
        body="""
            return ((len(self) * probabilities) ** -importance_exponent).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="normalised to a sum of 1",
        hint="By what is each weight divided: the sum of the batch's, or something else?",
        body="""
            weights = (len(self) * probabilities) ** -importance_exponent
            return (weights / weights.sum()).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="the exponent's sign",
        hint="Does what is drawn often get a large weight or a small one?",
        body="""
            weights = (len(self) * probabilities) ** importance_exponent
            return (weights / weights.max()).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="divided by the smallest",
        hint="Can a weight exceed 1? The card says where the weights lie.",
        body="""
            weights = (len(self) * probabilities) ** -importance_exponent
            return (weights / weights.min()).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="float64",
        hint="Which type does the card return?",
        body="""
            weights = (len(self) * probabilities) ** -importance_exponent
            return weights / weights.max()
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="the exponent is ignored",
        hint="With an exponent of 0 every weight is 1. With yours?",
        body="""
            weights = 1.0 / (len(self) * probabilities)
            return (weights / weights.max()).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="changes the caller's probabilities",
        hint="`probabilities` is the caller's array. What is in it afterwards?",
        body="""
            probabilities *= len(self)
            weights = probabilities**-importance_exponent
            return (weights / weights.max()).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="remembers the first total",
        hint="Does the total stay as it is from one call to the next?",
        body="""
            if not hasattr(self, "first_total"):
                self.first_total = self.tree.total
            fractions = np.arange(batch_size) + self.generator.random(batch_size)
            return fractions * self.first_total / batch_size
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="sorted random numbers",
        hint="Is the random number of the last segment Uniform[0, 1), whatever the others are?",
        body="""
            fractions = np.arange(batch_size) + np.sort(self.generator.random(batch_size))
            return fractions * self.tree.total / batch_size
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="divides only where the largest exceeds 1",
        hint="What is the largest weight where every transition of the batch is a frequent one?",
        body="""
            weights = (len(self) * probabilities) ** -importance_exponent
            return (weights / max(weights.max(), 1.0)).astype(np.float32)
        """,
    ),
    Misconception(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="a column",
        hint="Which shape does the card return?",
        body="""
            weights = (len(self) * probabilities) ** -importance_exponent
            return (weights / weights.max()).astype(np.float32)[:, None]
        """,
    ),
]

SCHEDULE = [
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="goes on beyond the last point",
        hint="What is epsilon long after its last point? It must not become negative.",
        body="""
            if step <= self.points[0][0] or len(self.points) == 1:
                return float(self.points[0][1])
            index = bisect.bisect_right(self.points, step, key=itemgetter(0))
            index = min(index, len(self.points) - 1)
            (start, first), (end, last) = self.points[index - 1 : index + 1]
            return first + (last - first) * (step - start) / (end - start)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="begins before the first point",
        hint="What is the value before the first point?",
        body="""
            if step >= self.points[-1][0] or len(self.points) == 1:
                return float(self.points[-1][1])
            index = max(bisect.bisect_right(self.points, step, key=itemgetter(0)), 1)
            (start, first), (end, last) = self.points[index - 1 : index + 1]
            return first + (last - first) * (step - start) / (end - start)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="a staircase",
        hint="What is the value half way between two points?",
        body="""
            index = bisect.bisect_right(self.points, step, key=itemgetter(0))
            return float(self.points[max(index - 1, 0)][1])
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="one line from the first point to the last",
        hint="Does your schedule go through the points in the middle?",
        body="""
            (start, first), (end, last) = self.points[0], self.points[-1]
            if step <= start or start == end:
                return float(first)
            return first + (last - first) * min((step - start) / (end - start), 1.0)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="the way is measured from step 0",
        hint="Which part of the way from one point to the next has been made at the first of them?",
        body="""
            index = bisect.bisect_right(self.points, step, key=itemgetter(0))
            if index == 0 or index == len(self.points):
                return float(self.points[max(index - 1, 0)][1])
            (start, first), (end, last) = self.points[index - 1 : index + 1]
            return first + (last - first) * step / end
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="the two values exchanged",
        hint="Just after a point, the value should be close to that point's.",
        body="""
            index = bisect.bisect_right(self.points, step, key=itemgetter(0))
            if index == 0 or index == len(self.points):
                return float(self.points[max(index - 1, 0)][1])
            (start, first), (end, last) = self.points[index - 1 : index + 1]
            return last + (first - last) * (step - start) / (end - start)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="whole numbers stay whole",
        hint="Of which type is the value where the YAML file says 1 and not 1.0?",
        body="""
            index = bisect.bisect_right(self.points, step, key=itemgetter(0))
            if index == 0 or index == len(self.points):
                return self.points[max(index - 1, 0)][1]
            (start, first), (end, last) = self.points[index - 1 : index + 1]
            return first + (last - first) * (step - start) / (end - start)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="forgets the points it has passed",
        hint="May a schedule be asked for an earlier step than last time? It keeps no state.",
        body="""
            points = self.points
            while len(points) > 1 and step >= points[1][0]:
                points.pop(0)
            if len(points) == 1 or step <= points[0][0]:
                return float(points[0][1])
            (start, first), (end, last) = points[:2]
            return first + (last - first) * (step - start) / (end - start)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="cut to [0, 1]",
        hint="Is every schedule a probability?",
        body="""
            index = bisect.bisect_right(self.points, step, key=itemgetter(0))
            if index == 0 or index == len(self.points):
                return float(self.points[max(index - 1, 0)][1])
            (start, first), (end, last) = self.points[index - 1 : index + 1]
            return min(max(first + (last - first) * (step - start) / (end - start), 0.0), 1.0)
        """,
    ),
    Misconception(
        todo="PiecewiseSchedule.__call__",
        name="three pieces at most",
        hint="How many points may a schedule have?",
        body="""
            import numpy as np

            steps, values = zip(*self.points[:4], strict=True)
            return float(np.interp(step, steps, values))
        """,
    ),
]

MLP = [
    Misconception(
        todo="build_mlp",
        name="an activation behind the output layer",
        hint="Can your network's output leave the range of the hidden activation?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(activation)]
            return nn.Sequential(*layers, make_activation(output_activation)).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="one hidden layer too few",
        hint="`n_layers` counts the hidden layers. Does the output layer count as one of yours?",
        body="""
            layers = []
            for _ in range(n_layers - 1):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="a hidden layer even if none is asked for",
        hint="What should `n_layers=0` give?",
        body="""
            layers = []
            for _ in range(max(n_layers, 1)):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="the output activation is forgotten",
        hint="Which of the arguments does your network not depend on?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            return nn.Sequential(*layers, nn.Linear(input_size, output_size)).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="hidden layers that share their weights",
        hint="How many weights has your network? A module that is listed twice is still one.",
        body="""
            layers = []
            if n_layers:
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                hidden = nn.Linear(size, size)
                for _ in range(n_layers - 1):
                    layers += [hidden, make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="hidden layers as wide as the input",
        hint="How many numbers does the second hidden layer get from the first?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
            width = size if n_layers else input_size
            layers += [nn.Linear(width, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="no activations between the layers",
        hint="What is a linear map of a linear map?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers.append(nn.Linear(input_size, size))
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="left on the CPU",
        hint="On which device do the batches arrive that your network gets?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="biases that begin at 0",
        hint="Which initialisation does the card ask for?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            for layer in layers[::2]:
                nn.init.zeros_(layer.bias)
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="orthogonal weights",
        hint="Which initialisation does the card ask for?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            network = nn.Sequential(*layers).to(device)
            for layer in network[::2]:
                if not layer.weight.is_meta:
                    nn.init.orthogonal_(layer.weight, 2.0)
            return network
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="a Sequential of Sequentials",
        hint="Under which names does a checkpoint of your network keep its weights?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]

            hidden = nn.Sequential(*layers[:-2])
            return nn.Sequential(hidden, nn.Sequential(*layers[-2:])).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="weights that cannot be trained",
        hint="What does an optimizer do with your network?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]

            return nn.Sequential(*layers).to(device).requires_grad_(False)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="flattens the inputs",
        hint="May the inputs have several leading axes? Which of them does your first layer leave?",
        body="""
            layers = [nn.Flatten()]
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers += [nn.Linear(input_size, output_size), make_activation(output_activation)]
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="bounded output activations only",
        hint="Which names may the output activation have? The card says where they stand.",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers.append(nn.Linear(input_size, output_size))
            if output_activation in ("tanh", "sigmoid", "selu"):
                layers.append(make_activation(output_activation))
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Misconception(
        todo="build_mlp",
        name="an output layer that begins smaller",
        hint="Whose initialisation does the card ask for, and of which layers?",
        body="""
            layers = []
            for _ in range(n_layers):
                layers += [nn.Linear(input_size, size), make_activation(activation)]
                input_size = size
            layers.append(nn.Linear(input_size, output_size))
            layers[-1].weight.data *= 0.9
            layers.append(make_activation(output_activation))
            return nn.Sequential(*layers).to(device)
        """,
    ),
]

MISCONCEPTIONS = [
    *FRAME_STACK,
    *TIME_LIMIT,
    *ENV_RUNNER,
    *REPLAY,
    *MERGE,
    *EPISODE_BUFFER,
    *SUM_TREE,
    *PRIORITIZED,
    *SCHEDULE,
    *MLP,
]
