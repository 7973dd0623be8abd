"""The grid world against its rules, by hand and by search."""

import itertools
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import assume, given
from hypothesis import strategies as st

from hw.envs.gridworld import GridWorldEnv
from hw.envs.make_env import make_env

UP, DOWN, LEFT, RIGHT = range(4)


def walk(env, actions):
    env.reset()
    return [env.step(action) for action in actions]


@pytest.mark.parametrize("kwargs", [{}, {"size": 7, "walls": [[0, 1], [1, 1]]}, {"size": 2}])
def test_gymnasium_s_checks_pass_without_a_warning(kwargs, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make("GridWorld-v0", **kwargs).unwrapped)


def test_the_shortest_way_returns_9_3():
    steps = walk(make_env("GridWorld-v0"), [DOWN, RIGHT] * 4)
    assert [step[1] for step in steps] == [-0.1] * 7 + [10.0]
    assert [step[2] for step in steps] == [False] * 7 + [True]
    assert not any(step[3] for step in steps)
    np.testing.assert_array_equal(steps[0][0], np.array([0.25, 0.0], np.float32))
    np.testing.assert_array_equal(steps[-1][0], np.array([1.0, 1.0], np.float32))


@pytest.mark.parametrize(
    ("action", "expected"), [(UP, (0, 1)), (DOWN, (2, 1)), (LEFT, (1, 0)), (RIGHT, (1, 2))]
)
def test_the_four_actions(action, expected):
    assert GridWorldEnv().move((1, 1), action) == expected


def test_walls_and_borders_stop_a_move():
    env = GridWorldEnv(walls=[[0, 1]])
    steps = walk(env, [UP, LEFT, RIGHT, DOWN, RIGHT, UP])
    positions = [tuple(step[0] * 4) for step in steps]
    assert positions == [(0, 0), (0, 0), (0, 0), (1, 0), (1, 1), (1, 1)]
    assert {step[1] for step in steps} == {-0.1}
    far = GridWorldEnv(size=3)
    assert far.move((2, 1), DOWN) == (2, 1)
    assert far.move((1, 2), RIGHT) == (1, 2)


def test_the_time_limit_truncates_after_100_steps():
    ends = [step[2:4] for step in walk(make_env("GridWorld-v0"), [UP] * 100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


def test_an_episode_begins_at_the_start_again():
    env = GridWorldEnv()
    walk(env, [DOWN, DOWN])
    np.testing.assert_array_equal(env.reset()[0], [0.0, 0.0])
    assert env.path == [(0, 0)]


# The shortest way


@pytest.mark.parametrize("size", [2, 5, 9])
def test_without_walls_the_way_is_the_manhattan_distance(size):
    assert GridWorldEnv(size=size).shortest_path_length() == 2 * (size - 1)


def test_a_detour_by_hand():
    gaps_on_the_way = [[1, 1], [1, 2], [1, 3], [1, 4], [3, 0], [3, 1], [3, 2], [3, 3]]
    assert GridWorldEnv(walls=gaps_on_the_way).shortest_path_length() == 8
    snake = [[0, 1], [1, 1], [2, 1], [3, 1], [4, 3], [3, 3], [2, 3], [1, 3]]
    assert GridWorldEnv(walls=snake).shortest_path_length() == 16


def reachable_lengths(size, walls):
    """Bellman-Ford, as another way to the same number."""
    cells = [cell for cell in itertools.product(range(size), repeat=2) if cell not in walls]
    lengths = dict.fromkeys(cells, np.inf)
    lengths[0, 0] = 0
    for _ in cells:
        for row, column in cells:
            for neighbour in ((row + 1, column), (row - 1, column), (row, column + 1)):
                if neighbour in lengths:
                    lengths[neighbour] = min(lengths[neighbour], lengths[row, column] + 1)
            neighbour = (row, column - 1)
            if neighbour in lengths:
                lengths[neighbour] = min(lengths[neighbour], lengths[row, column] + 1)
    return lengths[size - 1, size - 1]


@given(st.integers(2, 5), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_any_walls(size, walls):
    walls = {wall for wall in walls if max(wall) < size} - {(0, 0), (size - 1, size - 1)}
    expected = reachable_lengths(size, walls)
    if np.isinf(expected):
        with pytest.raises(ValueError, match="no way to the goal"):
            GridWorldEnv(size=size, walls=list(walls))
    else:
        env = GridWorldEnv(size=size, walls=[list(wall) for wall in walls])
        assert env.shortest_path_length() == expected


@given(
    st.lists(st.integers(0, 3), max_size=40),
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6),
)
def test_no_walk_leaves_the_grid_or_enters_a_wall(actions, walls):
    walls -= {(0, 0), (4, 4)}
    assume(np.isfinite(reachable_lengths(5, walls)))
    env = GridWorldEnv(walls=list(walls))
    for observation, *_ in walk(env, actions):
        assert observation in env.observation_space
        assert tuple(int(x) for x in observation * 4) not in walls
    assert len(env.path) == len(actions) + 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"walls": [[0, 0]]}, r"wall \[0, 0\] stands on the start or the goal"),
        ({"walls": [[4, 4]]}, "stands on the start or the goal"),
        ({"walls": [[0, 1], [1, 0]]}, r"no way to the goal \[4, 4\]"),
        ({"walls": [[5, 0]]}, "each from 0 to 4"),
        ({"walls": [[-1, 0]]}, "each from 0 to 4"),
        ({"walls": [[1, 2, 3]]}, r"must be \[row, column\]"),
        ({"walls": [[1.5, 2]]}, r"must be \[row, column\]"),
        ({"size": 1}, "size is 1; it must be at least 2"),
    ],
)
def test_impossible_grids_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        GridWorldEnv(**kwargs)


# Pictures


def test_text_shows_the_way_walked():
    env = GridWorldEnv(render_mode="ansi", size=3, walls=[[1, 1]])
    walk(env, [RIGHT, RIGHT, DOWN])
    assert env.render() == "S * *\n. # A\n. . G\n"


def centre(picture, size, row, column):
    cell = picture.shape[0] // size
    return tuple(picture[row * cell + cell // 2, column * cell + cell // 2].tolist())


def test_the_picture_shows_agent_walls_and_way():
    env = GridWorldEnv(render_mode="rgb_array", size=4, walls=[[2, 2]])
    walk(env, [RIGHT, RIGHT, DOWN])
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape[0] == picture.shape[1]
    assert picture.shape[0] % 2 == 0
    agent, way, floor = (centre(picture, 4, *cell) for cell in ((1, 2), (0, 1), (3, 0)))
    wall, goal = centre(picture, 4, 2, 2), centre(picture, 4, 3, 3)
    assert len({agent, way, floor, wall, goal}) == 5
    assert centre(picture, 4, 0, 2) == way
    assert centre(picture, 4, 2, 1) == floor
    env.step(DOWN)  # into the wall
    np.testing.assert_array_equal(env.render(), picture)
    env.step(LEFT)
    moved = env.render()
    assert centre(moved, 4, 1, 1) == agent
    assert centre(moved, 4, 1, 2) == way
    env.reset()
    assert centre(env.render(), 4, 0, 1) == floor


def test_without_a_render_mode_nothing_is_drawn():
    env = GridWorldEnv()
    env.reset()
    assert env.render() is None


def test_a_window_is_opened_and_closed(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = GridWorldEnv(render_mode="human")
    env.reset()
    env.step(DOWN)
    assert env.window.get_size() == (510, 510)
    assert env.render() is None
    env.close()
    env.close()
    assert env.window is None
