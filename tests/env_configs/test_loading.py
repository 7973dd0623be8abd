"""Experiments from YAML: every file loads, every mistake is named."""

from pathlib import Path

import pytest
import yaml

from hw.env_configs.loading import algorithms, bind, load_config, parse_override
from hw.env_configs.run_settings import RunSettings
from hw.infrastructure.errors import ConfigError

SWEEPS = set(Path("experiments").glob("sweeps/*.yaml"))
EXPERIMENTS = sorted(set(Path("experiments").glob("**/*.yaml")) - SWEEPS)
MINIMAL = {"base_config": "sac", "env_name": "Pendulum-v1"}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_loads_makes_its_agent_and_states_what_to_expect(path):
    config = load_config(path)
    assert config.settings.exp_name == path.stem
    assert "expect" in yaml.safe_load(path.read_text(encoding="utf-8"))
    envs = config.recipe.envs.make_evaluation_envs(1)
    agent = config.recipe.make_agent(envs)
    observations, _ = envs.reset(seed=[0])
    actions = agent.get_action(observations)
    assert actions.shape == envs.action_space.shape
    envs.step(actions)  # clips what a Gaussian policy may ask for
    envs.close()


def test_the_factory_has_the_documented_defaults():
    values = bind(MINIMAL).values
    expected = {
        "hidden_size": 128,
        "num_layers": 3,
        "actor_learning_rate": 3e-4,
        "critic_learning_rate": 3e-4,
        "total_steps": 300_000,
        "batch_size": 128,
        "discount": 0.99,
        "random_steps": 5000,
        "training_starts": 10_000,
        "use_soft_target_update": False,
        "actor_gradient_type": "reinforce",
        "num_actor_samples": 1,
        "num_critic_updates": 1,
        "num_critic_networks": 1,
        "use_entropy_bonus": True,
        "temperature": 0.1,
        "target_update_period": 1000,
        "soft_target_update_rate": None,
    }
    assert {key: values[key] for key in expected} == expected


def test_the_command_line_wins_over_the_file_and_the_file_over_the_factory(tmp_path):
    path = write(
        tmp_path / "a.yaml",
        "base_config: sac\nenv_name: Pendulum-v1\nbatch_size: 32\ndiscount: 0.9",
    )
    values = load_config(path, dict([parse_override("discount=0.5")])).values
    assert (values["hidden_size"], values["batch_size"], values["discount"]) == (128, 32, 0.5)


def test_resolved_values_load_again_to_the_same(tmp_path):
    for given in (
        MINIMAL,
        MINIMAL | {"use_soft_target_update": True},
        MINIMAL | {"total_episodes": 3},
    ):
        given_path = write(tmp_path / "given.yaml", yaml.safe_dump(given))
        values = load_config(given_path).values
        assert values["target_entropy"] == -1.0
        path = write(tmp_path / "config.yaml", yaml.safe_dump(values))
        assert load_config(path).values == values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3e-4", 3e-4),
        ("1E3", 1000.0),
        ("-2e-1", -0.2),
        ("2", 2),
        ("true", True),
        ("null", None),
        ("min", "min"),
        ("{eval_return: 1e3}", {"eval_return": 1000.0}),
    ],
)
def test_values_on_the_command_line_are_yaml_with_plain_exponents(text, expected):
    assert parse_override(f"key={text}") == ("key", expected)


def test_an_integer_may_be_written_with_an_exponent():
    values = bind(MINIMAL | {"total_steps": 1e6, "learn_temperature": True}).values
    assert values["total_steps"] == 1_000_000
    assert isinstance(values["total_steps"], int)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it needs at least base_config and env_name"),
        ("# nothing\n", "is empty"),
        ("base_config: [", "is not valid YAML: line 1"),
        ("a: 1\n\tb: 2", "is not valid YAML: line 2"),
        ("- a\n- b", "must hold `key: value` lines"),
        ("just words", "must hold `key: value` lines"),
        ("a: 1\na: 2", "the key 'a' stands twice"),
        ("a: !!python/object/apply:os.system ['true']", "is not valid YAML: line 1"),
        ("env_name: Pendulum-v1", "base_config: is missing; choose from constant, dqn"),
        (
            "base_config: sacc\nenv_name: A",
            "base_config: unknown 'sacc'; choose from constant, dqn",
        ),
        ("base_config: sac", "env_name: is missing"),
        ("seed: 2024-13-45", "is not valid YAML: month must be in 1..12"),
        ("seed: !!int abc", "is not valid YAML"),
        ("[" * 3000, "is not valid YAML"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, text, message):
    path = write(tmp_path / "bad.yaml", text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path):
    with pytest.raises(ConfigError, match="none.yaml: cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="binary.yaml: cannot be read"):
        load_config(tmp_path / "binary.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("temprature", 0.1, "temprature: unknown key; did you mean 'temperature'?"),
        ("hiden_size", 1, "hiden_size: unknown key; did you mean 'hidden_size'?"),
        ("zzz", 1, "zzz: unknown key"),
        ("use_dueling", True, "use_dueling: unknown key; a setting of dqn only"),
        ("hidden_size", "big", "hidden_size: should be a valid integer, got 'big'"),
        ("hidden_size", 2.5, "hidden_size: should be a valid integer"),
        ("hidden_size", True, "hidden_size: should be a valid integer"),
        ("batch_size", 0, "batch_size: should be greater than or equal to 1, got 0"),
        ("discount", 1.5, "discount: should be less than or equal to 1, got 1.5"),
        ("temperature", -1, "temperature: should be greater than or equal to 0"),
        ("temperature", float("nan"), "temperature: should be"),
        ("actor_learning_rate", 0, "actor_learning_rate: should be greater than 0"),
        ("use_tanh", 1, "use_tanh: should be a valid boolean, got 1"),
        ("env_name", 3, "env_name: should be a valid string, got 3"),
        ("activation", "reluu", "activation: should be 'tanh' or 'relu', got 'reluu'"),
        ("actor_gradient_type", "x", "should be 'reinforce' or 'reparametrize', got 'x'"),
        ("exp_name", "../../etc", "exp_name: "),
        ("expect", {"eval_retrun": 1}, "expect: "),
        ("expect", "soon", "expect: "),
        ("seed", -1, "seed: should be greater than or equal to 0"),
    ],
)
def test_a_bad_key_or_value_is_named(key, value, message):
    with pytest.raises(ConfigError) as error:
        bind(MINIMAL | {key: value})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target_critic_backup_type": "min"}, "min needs num_critic_networks of at least 2"),
        ({"target_critic_backup_type": "doubleq"}, "doubleq needs num_critic_networks"),
        (
            {
                "target_critic_backup_type": "redq",
                "num_critic_networks": 2,
                "redq_subset_size": 3,
            },
            "redq_subset_size: is 3, more than num_critic_networks, 2",
        ),
        (
            {"use_soft_target_update": True, "target_update_period": 10},
            "target_update_period: belongs to hard updates",
        ),
        ({"priority_exponent": 0.7}, "priority_exponent: needs use_prioritized_replay: true"),
        ({"importance_exponent": 1.0}, "importance_exponent: needs use_prioritized_replay: true"),
        (
            {"replay_buffer_capacity": 16, "batch_size": 32},
            "batch_size: is 32, more than replay_buffer_capacity, 16",
        ),
        ({"soft_target_update_rate": 0.1}, "needs use_soft_target_update: true"),
        ({"total_steps": 90000, "total_episodes": 10}, "either total_steps or total_episodes"),
        ({"total_steps": 500}, "training_starts: is 10000, not below total_steps, 500"),
        ({"fixed_std": 0.1}, "fixed_std: needs state_dependent_std: false"),
        (
            {"learn_temperature": True, "use_entropy_bonus": False},
            "learn_temperature: needs use_entropy_bonus: true",
        ),
        ({"learn_temperature": True, "temperature": 0}, "temperature: must be positive"),
        (
            {"total_episodes": 5, "learning_rate_schedule": "linear"},
            "learning_rate_schedule: linear needs total_steps",
        ),
        (
            {"actor_gradient_type": "reparametrize", "num_actor_samples": 10},
            "num_actor_samples: belongs to actor_gradient_type: reinforce",
        ),
    ],
)
def test_a_contradiction_is_named(given, message):
    with pytest.raises(ConfigError) as error:
        bind(MINIMAL | given)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("env_name", "message"),
    [
        ("CartPole-v1", "soft actor-critic needs a continuous Box"),
        ("Pendulumm-v1", "Did you mean 'Pendulum-v1'?"),
        ("no_such_module:Env-v0", "needs a package that is not installed"),
    ],
)
def test_an_environment_that_does_not_suit_is_named(env_name, message):
    recipe = bind({"base_config": "sac", "env_name": env_name}).recipe
    with pytest.raises(ConfigError, match="env_name: ") as error:
        recipe.make_agent(recipe.envs.make_evaluation_envs(1))
    assert message in str(error.value)


@pytest.mark.parametrize("algorithm", ["sac", "td3", "dqn"])
def test_the_exponents_of_prioritised_replay_are_written_down_where_they_hold(algorithm):
    names = ("priority_exponent", "importance_exponent")
    given = {"base_config": algorithm, "env_name": "Pendulum-v1"}
    assert [bind(given).values[name] for name in names] == [None, None]
    prioritised = bind(given | {"use_prioritized_replay": True, "importance_exponent": 0.5})
    assert [prioritised.values[name] for name in names] == [0.6, 0.5]
    assert bind(prioritised.values).values == prioritised.values


def test_a_bad_override_is_named_as_such(tmp_path):
    path = write(tmp_path / "a.yaml", "base_config: sac\nenv_name: Pendulum-v1")
    with pytest.raises(ConfigError, match="command line: temprature: unknown key"):
        load_config(path, {"temprature": 1})
    for text in ("temperature", "=1", "a=[1", "seed=2024-13-45"):
        with pytest.raises(ConfigError, match="--set"):
            parse_override(text)


def test_an_error_message_stays_short_whatever_the_value():
    with pytest.raises(ConfigError) as error:
        bind(MINIMAL | {"env_name": [["x"] * 1000] * 1000})
    assert len(str(error.value)) < 300


def test_merge_keys_work(tmp_path):
    text = "base_config: sac\nenv_name: Pendulum-v1\nexpect: {<<: {eval_return: 1}}"
    assert load_config(write(tmp_path / "a.yaml", text)).settings.expect == {"eval_return": 1}


def test_a_factory_of_ones_own_is_named_by_its_module():
    own = bind(MINIMAL | {"base_config": "hw.env_configs.td3_config:td3_config"})
    expected = bind(MINIMAL | {"base_config": "td3"})
    assert own.values == expected.values | {"base_config": own.algorithm}
    for name, message in (
        ("no_such_module:f", "base_config: no_such_module:f: cannot import"),
        ("hw.env_configs.td3_config:td3_confg", "did you mean 'td3_config'"),
    ):
        with pytest.raises(ConfigError, match=message):
            bind(MINIMAL | {"base_config": name})


def test_algorithms_are_found_by_name_and_no_two_signatures_share_a_key():
    assert algorithms() == ["constant", "dqn", "pg", "ppo", "random", "sac", "td3"]
    run_keys = set(RunSettings.__dataclass_fields__)
    from hw.env_configs.loading import _parameters, find_factory

    for algorithm in algorithms():
        assert not run_keys & set(_parameters(find_factory(algorithm)))


# --- limits -----------------------------------------------------------------------------------

LAUGHS = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
LAUGHS = f"a0: &a0 [ha]\n{LAUGHS}"
MERGES = "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 10))
MERGES = f"a0: &a0 {{ha: 1}}\n{MERGES}"


@pytest.mark.parametrize(
    "text", [LAUGHS, MERGES, "a: &a [*a]", "a: &a {b: *a}"], ids=["lists", "merges", "self", "map"]
)
def test_anchors_that_explode_are_refused_at_once(tmp_path, text):
    path = write(tmp_path / "a.yaml", yaml.safe_dump(MINIMAL) + text)
    with pytest.raises(ConfigError, match=r"a\.yaml: is not valid YAML: .*anchors make more than"):
        load_config(path)
    with pytest.raises(ConfigError, match="--set"):
        parse_override("wrappers=" + "[" * 10_000)


def test_anchors_that_repeat_a_little_are_fine(tmp_path):
    text = "actor_learning_rate: &rate 1e-3\ncritic_learning_rate: *rate\n"
    values = load_config(write(tmp_path / "a.yaml", yaml.safe_dump(MINIMAL) + text)).values
    assert values["actor_learning_rate"] == values["critic_learning_rate"] == 1e-3


def test_a_file_of_megabytes_is_refused_unread(tmp_path):
    path = write(tmp_path / "a.yaml", "#" * 2_000_000)
    with pytest.raises(ConfigError, match=r"a\.yaml: has 2,000,000 bytes"):
        load_config(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("total_steps", 10**300),
        ("total_steps", float("inf")),
        ("total_steps", 1e300),
        ("batch_size", 10**13),
        ("seed", 2**64),
        ("num_envs", 10**9),
        ("hidden_size", 10**6),
        ("num_layers", 10**6),
        ("num_eval_trajectories", 10**9),
        ("actor_learning_rate", float("nan")),
        ("actor_learning_rate", float("inf")),
        ("hidden_size", -3),
        ("num_envs", 0),
        ("batch_size", -1),
        ("replay_buffer_capacity", -1),
        ("checkpoint_interval", -10),
        ("num_eval_trajectories", -10),
        ("seed", -1),
        ("exp_name", "../../outside"),
        ("exp_name", "/etc"),
        ("exp_name", ".."),
        ("exp_name", "a/b"),
        ("exp_name", "a\\b"),
        ("exp_name", "a\n"),
        ("exp_name", "a\0"),
        ("exp_name", "x" * 300),
    ],
)
def test_what_is_too_large_or_negative_or_leads_elsewhere_is_refused_by_name(key, value):
    with pytest.raises(ConfigError) as error:
        bind(MINIMAL | {key: value})
    assert error.value.key == key
    assert len(str(error.value)) < 300


def test_a_number_of_too_many_digits_is_no_valid_yaml(tmp_path):
    path = write(tmp_path / "a.yaml", yaml.safe_dump(MINIMAL) + "total_steps: " + "9" * 10_000)
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_config(path)
