"""Correct solutions of hw1_harness that are written otherwise than the reference."""

from course.bank import Variant

VARIANTS = [
    Variant(
        todo="FrameStack.push",
        name="a new array, rolled",
        body="""
            self.frames = np.roll(self.frames, -1, axis=0)
            self.frames[-1] = observation
        """,
    ),
    Variant(
        todo="FrameStack.push",
        name="a loop from the oldest on",
        body="""
            for i in range(1, len(self.frames)):
                self.frames[i - 1] = self.frames[i]
            self.frames[len(self.frames) - 1] = observation
        """,
    ),
    Variant(
        todo="FrameStack.push",
        name="concatenate",
        body="""
            newest = np.asarray(observation, self.frames.dtype)[np.newaxis]
            self.frames = np.concatenate((self.frames[1:], newest), axis=0)
        """,
    ),
    Variant(
        todo="TimeLimit.step",
        name="an if, and the results as a list",
        body="""
            results = list(self.env.step(action))
            self.num_steps = self.num_steps + 1
            if not self.num_steps < self.max_steps:
                results[3] = True
            return tuple(results)
        """,
    ),
    Variant(
        todo="TimeLimit.step",
        name="steps that are left",
        body="""
            is_last = self.max_steps - self.num_steps <= 1
            obs, reward, terminated, cut, info = self.env.step(action)
            self.num_steps += 1
            return obs, reward, terminated, bool(cut | is_last), info
        """,
    ),
    Variant(
        todo="EnvRunner.count_step",
        name="a loop over environments",
        body="""
            episodes = []
            ended = np.zeros(self.num_envs, dtype=bool)
            for i in range(self.num_envs):
                self.episode_returns[i] += rewards[i]
                self.episode_lengths[i] += 1
                if dones[i] or truncateds[i]:
                    ended[i] = True
                    score, length = self.episode_returns[i].item(), self.episode_lengths[i].item()
                    episodes.append(Episode(score, length, self.episode_seeds[i].item()))
            if episodes:
                self._begin_episodes(ended)
            return episodes
        """,
    ),
    Variant(
        todo="EnvRunner.count_step",
        name="new arrays and a comprehension",
        body="""
            self.episode_returns = self.episode_returns + rewards
            self.episode_lengths = self.episode_lengths + 1
            over = np.logical_or(dones, truncateds)
            rows = zip(
                self.episode_returns[over].tolist(),
                self.episode_lengths[over].tolist(),
                self.episode_seeds[over].tolist(),
            )
            episodes = [Episode(*row) for row in rows]
            if over.any():
                self._begin_episodes(over)
            return episodes
        """,
    ),
    Variant(
        todo="ReplayBuffer.next_slots",
        name="always an array",
        body="""
            return (self.num_inserted + np.arange(num_lanes)) % self.capacity
        """,
    ),
    Variant(
        todo="ReplayBuffer.next_slots",
        name="a loop",
        body="""
            slots = []
            for lane in range(num_lanes):
                slots.append((self.num_inserted + lane) % self.capacity)
            return np.array(slots)
        """,
    ),
    Variant(
        todo="ReplayBuffer.sample",
        name="positions among those held",
        body="""
            self._check_filled()
            positions = self.generator.random(batch_size) * len(self)
            return self._read(self._oldest() + positions.astype(np.int64))
        """,
    ),
    Variant(
        todo="ReplayBuffer.sample",
        name="choice among a list of numbers",
        body="""
            if self.num_inserted == 0:
                raise UserError("nothing to sample")
            held = np.arange(self._oldest(), self.num_inserted)
            return self._read(self.generator.choice(held, batch_size))
        """,
    ),
    Variant(
        todo="ReplayBuffer.sample",
        name="one draw after the other",
        body="""
            self._check_filled()
            first, end = self._oldest(), self.num_inserted
            numbers = [self.generator.integers(first, end) for _ in range(batch_size)]
            return self._read(np.array(numbers))
        """,
    ),
    Variant(
        todo="RunningMeanStd.merge",
        name="second moments about the common mean",
        body="""
            n = self.count + count
            common = (self.count * self.mean + count * mean) / n
            ours = self.variance + (self.mean - common) ** 2
            theirs = variance + (mean - common) ** 2
            self.variance = (self.count * ours + count * theirs) / n
            self.mean = common
            self.count = n
        """,
    ),
    Variant(
        todo="RunningMeanStd.merge",
        name="fractions, and the first batch apart",
        body="""
            if self.count == 0:
                self.mean, self.variance = np.array(mean), np.array(variance)
                self.count = count
                return
            theirs = count / (self.count + count)
            ours = 1.0 - theirs
            gap = self.mean - mean
            self.variance = ours * self.variance + theirs * variance + ours * theirs * gap * gap
            self.mean = self.mean - theirs * gap
            self.count += count
        """,
    ),
    Variant(
        todo="EpisodeBuffer.record_ends",
        name="a loop over all lanes",
        body="""
            end = len(self.steps)
            for lane in range(len(dones)):
                if dones[lane] or truncateds[lane]:
                    first = self.first_rows[lane].item()
                    self.finished.append((lane, first, end))
                    self.num_finished_steps += end - first
                    self.first_rows[lane] = end
        """,
    ),
    Variant(
        todo="EpisodeBuffer.record_ends",
        name="without a loop",
        body="""
            (lanes,) = np.nonzero(np.asarray(dones) | np.asarray(truncateds))
            firsts = self.first_rows[lanes]
            row = len(self.steps)
            self.finished += [(*pair, row) for pair in zip(lanes.tolist(), firsts.tolist())]
            self.num_finished_steps += int(row * len(lanes) - firsts.sum())
            self.first_rows[lanes] = row
        """,
    ),
    Variant(
        todo="EpisodeBuffer.take",
        name="index arrays",
        body="""
            if self.num_finished_steps < self.num_steps:
                raise ValueError("not enough finished steps")
            lengths = [end - first for _, first, end in self.finished]
            lanes = np.repeat([lane for lane, _, _ in self.finished], lengths)
            steps = np.concatenate([np.arange(first, end) for _, first, end in self.finished])
            batch = {name: values[steps, lanes] for name, values in self.steps.rows().items()}
            self._forget_finished()
            return batch
        """,
    ),
    Variant(
        todo="EpisodeBuffer.take",
        name="row by row",
        body="""
            if not self.is_full:
                raise ValueError("not full")
            rows = self.steps.rows()
            parts = {name: [] for name in rows}
            for lane, first, end in self.finished:
                for step in range(first, end):
                    for name in rows:
                        parts[name].append(rows[name][step, lane].copy())
            self._forget_finished()
            return {name: np.stack(part) for name, part in parts.items()}
        """,
    ),
    Variant(
        todo="SumTree.set",
        name="leaf by leaf, up to the root",
        body="""
            values = np.broadcast_to(values, np.shape(leaves))
            for leaf, value in zip(leaves, values):
                node = self.num_leaves + int(leaf)
                self.sums[node] = value
                while node > 1:
                    node //= 2
                    self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1]
        """,
    ),
    Variant(
        todo="SumTree.set",
        name="the whole tree anew",
        body="""
            self.sums[self.num_leaves + leaves] = values
            first = self.num_leaves // 2
            while first >= 1:
                self.sums[first : 2 * first] = self.children[first : 2 * first].sum(axis=1)
                first //= 2
        """,
    ),
    Variant(
        todo="SumTree.set",
        name="parents without repetition",
        body="""
            nodes = self.num_leaves + leaves
            self.sums[nodes] = values
            for _ in range(self.num_levels):
                nodes = np.unique(nodes // 2)
                self.sums[nodes] = self.sums[2 * nodes] + self.sums[2 * nodes + 1]
        """,
    ),
    Variant(
        todo="SumTree.find",
        name="a walk for each position",
        body="""
            leaves = []
            for u in positions:
                node = 1
                while node < self.num_leaves:
                    node *= 2
                    if u >= self.sums[node] and self.sums[node + 1] > 0:
                        u = u - self.sums[node]
                        node += 1
                leaves.append(node - self.num_leaves)
            return np.array(leaves, dtype=np.int64)
        """,
    ),
    Variant(
        todo="SumTree.find",
        name="cumulative sums",
        body="""
            ends = np.cumsum(self.leaves)
            found = np.searchsorted(ends, positions, side="right")
            return np.minimum(found, np.flatnonzero(self.leaves).max())
        """,
    ),
    Variant(
        todo="SumTree.find",
        name="level by level, with where",
        body="""
            u = positions + 0.0
            nodes = np.ones(len(u), dtype=np.int64)
            for _ in range(self.num_levels):
                left = self.sums[2 * nodes]
                right = (u >= left) & (self.sums[2 * nodes + 1] > 0)
                u = np.where(right, u - left, u)
                nodes = np.where(right, 2 * nodes + 1, 2 * nodes)
            return nodes - self.num_leaves
        """,
    ),
    Variant(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="uniform between the segments' borders",
        body="""
            borders = np.linspace(0.0, self.tree.total, batch_size + 1)
            return self.generator.uniform(borders[:-1], borders[1:])
        """,
    ),
    Variant(
        todo="PrioritizedReplayBuffer.stratified_positions",
        name="one after the other",
        body="""
            length = self.tree.total / batch_size
            return np.array([(b + self.generator.random()) * length for b in range(batch_size)])
        """,
    ),
    Variant(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="logarithms",
        body="""
            log_weights = -importance_exponent * np.log(len(self) * probabilities)
            return np.exp(log_weights - log_weights.max()).astype(np.float32)
        """,
    ),
    Variant(
        todo="PrioritizedReplayBuffer.importance_weights",
        name="N cancels",
        body="""
            ratios = probabilities.min() / probabilities
            return np.float32(ratios**importance_exponent)
        """,
    ),
    Variant(
        todo="PiecewiseSchedule.__call__",
        name="np.interp",
        body="""
            import numpy as np

            steps, values = zip(*self.points)
            return float(np.interp(step, steps, values))
        """,
    ),
    Variant(
        todo="PiecewiseSchedule.__call__",
        name="a search from the end",
        body="""
            if step <= self.points[0][0]:
                return float(self.points[0][1])
            for (start, first), (end, last) in zip(self.points, self.points[1:]):
                if step < end:
                    weight = (end - step) / (end - start)
                    return weight * first + (1 - weight) * last
            return float(self.points[-1][1])
        """,
    ),
    Variant(
        todo="build_mlp",
        name="a list of widths",
        body="""
            widths = [input_size] + [size] * n_layers + [output_size]
            layers = []
            for i in range(n_layers + 1):
                name = output_activation if i == n_layers else activation
                layers.append(nn.Linear(widths[i], widths[i + 1]))
                layers.append(make_activation(name))
            return nn.Sequential(*layers).to(device)
        """,
    ),
    Variant(
        todo="build_mlp",
        name="made on the device",
        body="""
            network = nn.Sequential()
            width = input_size
            for _ in range(n_layers):
                network.append(nn.Linear(width, size, device=device))
                network.append(make_activation(activation))
                width = size
            network.append(nn.Linear(width, output_size, device=device))
            network.append(make_activation(output_activation))
            return network
        """,
    ),
]
