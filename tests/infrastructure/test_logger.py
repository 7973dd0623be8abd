"""What the logger writes, read back by those who will read it."""

import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.errors import MissingExtraError
from hw.infrastructure.logger import Logger, write_video


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_events(run_dir):
    return EventAccumulator(str(run_dir), size_guidance={"scalars": 0, "histograms": 0}).Reload()


def scalars(run_dir, name):
    return [(event.step, event.value) for event in read_events(run_dir).Scalars(name)]


def test_what_is_logged_under_one_step_is_one_row(tmp_path):
    logger = Logger(tmp_path)
    logger.log_scalar(1.5, "critic/loss", step=10)
    logger.log_scalars({"actor/loss": -2.0, "train/num_updates": 7}, step=10)
    logger.log_episode(episode_return=-3.25, episode_length=200, step=20)
    logger.close()
    assert read_rows(tmp_path / "metrics.jsonl") == [
        {"step": 10, "critic/loss": 1.5, "actor/loss": -2.0, "train/num_updates": 7},
        {"step": 20, "train/return": -3.25, "train/episode_length": 200},
    ]


def test_a_row_is_written_when_the_next_begins_and_reaches_the_file_at_a_flush(tmp_path):
    logger = Logger(tmp_path)
    logger.log_scalar(1.0, "a", step=1)
    logger.log_scalar(2.0, "a", step=2)
    logger.flush()
    assert read_rows(logger.metrics_path) == [{"step": 1, "a": 1.0}, {"step": 2, "a": 2.0}]
    logger.flush()
    logger.log_scalars({}, step=3)
    logger.close()
    assert len(read_rows(logger.metrics_path)) == 2


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (0.1, 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(4), 4),
        (np.array(0.25), 0.25),
        (torch.tensor(-1.5), -1.5),
    ],
)
def test_any_kind_of_number_can_be_logged(tmp_path, value, number):
    logger = Logger(tmp_path)
    logger.log_scalar(value, "x", step=1)
    logger.close()
    assert read_rows(logger.metrics_path) == [{"step": 1, "x": number}]
    assert scalars(tmp_path, "x") == [(1, pytest.approx(number))]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, torch.tensor(torch.nan)])
def test_a_number_that_is_not_finite_is_null(tmp_path, value):
    logger = Logger(tmp_path)
    logger.log_scalars({"bad": value, "good": 1.0}, step=1)
    logger.close()
    text = logger.metrics_path.read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"step": 1, "bad": None, "good": 1.0}
    ((step, written),) = scalars(tmp_path, "bad")
    assert step == 1
    np.testing.assert_equal(written, float(value))


def test_event_files_hold_the_scalars(tmp_path):
    logger = Logger(tmp_path)
    for step in (5, 10, 15):
        logger.log_scalars({"a": step / 2, "b": -step}, step)
    logger.close()
    assert scalars(tmp_path, "a") == [(5, 2.5), (10, 5.0), (15, 7.5)]
    assert scalars(tmp_path, "b") == [(5, -5.0), (10, -10.0), (15, -15.0)]


def test_a_vector_is_a_histogram_of_its_finite_values(tmp_path):
    logger = Logger(tmp_path)
    vector = torch.tensor([[1.0, 2.0], [5.0, torch.nan]], requires_grad=True)
    logger.log_scalars({"td_errors": vector, "loss": 1.0}, step=3)
    logger.log_histogram(np.array([np.inf]), "nothing", step=3)
    logger.log_histogram(np.arange(6), "whole", step=4)
    logger.close()
    assert read_rows(logger.metrics_path) == [{"step": 3, "loss": 1.0}]
    events = read_events(tmp_path)
    assert set(events.Tags()["histograms"]) == {"td_errors", "whole"}
    (event,) = events.Histograms("td_errors")
    found = event.histogram_value
    assert (event.step, found.num, found.min, found.max, found.sum) == (3, 3, 1.0, 5.0, 8.0)
    assert events.Histograms("whole")[0].histogram_value.sum == 15.0


def test_single_steps_are_written_only_if_asked_for(tmp_path):
    for log_every_step in (False, True):
        logger = Logger(tmp_path, log_every_step=log_every_step)
        logger.log_step({"actions": np.array([[0.5]]), "dones": np.array([True])}, step=4)
        logger.close()
        assert (tmp_path / "steps.jsonl").exists() == log_every_step
    assert read_rows(tmp_path / "steps.jsonl") == [{"step": 4, "actions": [[0.5]], "dones": [True]}]
    assert read_rows(tmp_path / "metrics.jsonl") == []


# Going on after an interruption


def log_steps(logger, steps, value):
    for step in steps:
        logger.log_scalar(value, "a", step)
        logger.log_step({"reward": value}, step)


def test_a_resumed_run_logs_no_step_twice(tmp_path):
    logger = Logger(tmp_path, log_every_step=True)
    log_steps(logger, range(1, 4), value=0.0)
    state = logger.state_dict()
    log_steps(logger, range(4, 9), value=1.0)
    logger.close()

    resumed = Logger(tmp_path, log_every_step=True)
    resumed.load_state_dict(state)
    log_steps(resumed, range(4, 6), value=2.0)
    resumed.close()
    expected = [(1, 0.0), (2, 0.0), (3, 0.0), (4, 2.0), (5, 2.0)]
    rows, steps = (read_rows(tmp_path / name) for name in ("metrics.jsonl", "steps.jsonl"))
    assert [(row["step"], row["a"]) for row in rows] == expected
    assert [(row["step"], row["reward"]) for row in steps] == expected
    assert scalars(tmp_path, "a") == expected


def test_a_state_says_how_far_the_files_reach_also_after_a_resume(tmp_path):
    """The second state is taken before anything is written; what it cuts back to is whole rows."""
    logger = Logger(tmp_path)
    log_steps(logger, [1], value=0.0)
    state = logger.state_dict()
    assert state["metrics_bytes"] == logger.metrics_path.stat().st_size
    log_steps(logger, range(2, 9), value=1.0)
    logger.close()

    resumed = Logger(tmp_path)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    log_steps(resumed, range(2, 30), value=2.0)
    resumed.load_state_dict(state)
    log_steps(resumed, [2], value=3.0)
    resumed.close()
    assert read_rows(logger.metrics_path) == [{"step": 1, "a": 0.0}, {"step": 2, "a": 3.0}]


def test_a_state_holds_the_row_under_way(tmp_path):
    logger = Logger(tmp_path)
    logger.log_scalar(1.0, "a", step=5)
    state = logger.state_dict()
    assert state["last_step"] == 5
    assert read_rows(logger.metrics_path) == [{"step": 5, "a": 1.0}]
    logger.log_scalar(2.0, "a", step=6)  # is dropped by the restore, though never written
    logger.load_state_dict(state)
    logger.close()
    assert read_rows(logger.metrics_path) == [{"step": 5, "a": 1.0}]


def test_a_metrics_file_that_was_lost_is_begun_anew(tmp_path):
    logger = Logger(tmp_path)
    log_steps(logger, range(5), value=0.0)
    state = logger.state_dict()
    logger.close()
    logger.metrics_path.unlink()
    resumed = Logger(tmp_path)
    resumed.load_state_dict(state)
    log_steps(resumed, [5], value=1.0)
    resumed.close()
    assert read_rows(logger.metrics_path) == [{"step": 5, "a": 1.0}]


def test_sessions_that_begin_within_one_second_keep_their_event_files(tmp_path):
    for step in range(3):
        logger = Logger(tmp_path)
        logger.log_scalar(step, "a", step)
        logger.close()
    assert scalars(tmp_path, "a") == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_killed_at_any_moment_a_logger_leaves_whole_lines_and_records(tmp_path):
    random = np.random.default_rng(0)
    for number in range(12):
        run_dir = tmp_path / str(number)
        run_dir.mkdir()
        pid = os.fork()
        if pid == 0:
            logger = Logger(run_dir, log_every_step=True)
            for step in range(10**9):
                logger.log_scalars({f"group/name_{i}": step + i / 7 for i in range(20)}, step)
                logger.log_histogram(np.arange(step % 50), "group/vector", step)
                logger.log_step({"actions": np.ones(50)}, step)
        time.sleep(random.uniform(0.0, 0.3))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for name in ("metrics.jsonl", "steps.jsonl"):
            text = (run_dir / name).read_text() if (run_dir / name).exists() else ""
            assert text == "" or text.endswith("\n")
            steps = [json.loads(line)["step"] for line in text.splitlines()]
            assert steps == list(range(len(steps)))
        for path in run_dir.glob("events*"):
            events = list(EventFileLoader(str(path)).Load())  # raises on half a record at the end
            assert [event.step for event in events] == sorted(event.step for event in events)


def test_what_was_logged_before_a_state_survives_a_kill_and_the_rest_is_cut_off(tmp_path):
    """Three sessions, each killed some steps after its state, which the next one goes on from."""
    state_path = tmp_path / "state.npz"
    for first in (0, 10, 20):
        pid = os.fork()
        if pid == 0:
            logger = Logger(tmp_path, log_every_step=True)
            if first:
                logger.load_state_dict(load_state(state_path))
            log_steps(logger, range(first, first + 10), value=float(first))
            save_state(state_path, logger.state_dict())
            log_steps(logger, range(first + 10, first + 17), value=-1.0)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
    logger = Logger(tmp_path, log_every_step=True)
    logger.load_state_dict(load_state(state_path))
    logger.close()
    expected = [(step, float(step // 10 * 10)) for step in range(30)]
    assert [(row["step"], row["a"]) for row in read_rows(tmp_path / "metrics.jsonl")] == expected
    assert [row["step"] for row in read_rows(tmp_path / "steps.jsonl")] == list(range(30))
    assert scalars(tmp_path, "a") == expected
    written = [
        (event.step, value.tag)
        for path in sorted(tmp_path.glob("events*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
    assert written == [(step, "a") for step, _ in expected]  # nothing is left to TensorBoard


def test_a_run_begun_anew_forgets_what_was_logged(tmp_path):
    logger = Logger(tmp_path)
    log_steps(logger, range(5), value=0.0)
    logger.close()
    again = Logger(tmp_path)
    again.begin_anew()
    log_steps(again, range(2), value=1.0)
    again.close()
    assert scalars(tmp_path, "a") == [(0, 1.0), (1, 1.0)]
    assert [row["a"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1.0, 1.0]


# Videos


def read_video(path):
    """All frames, and frames per second."""
    from imageio_ffmpeg import read_frames

    stream = read_frames(str(path))
    meta = next(stream)
    width, height = meta["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in stream]
    return np.stack(frames), meta["fps"]


@pytest.mark.parametrize(("num_frames", "fps"), [(1, 30), (7, 30), (10, 20.0), (29, 50)])
def test_a_video_holds_each_frame_once(tmp_path, num_frames, fps):
    brightness = np.linspace(0, 240, num_frames).astype(np.uint8)
    frames = np.broadcast_to(brightness[:, None, None, None], (num_frames, 32, 48, 3))
    write_video(frames, tmp_path / "a" / "b.mp4", fps)
    read, read_fps = read_video(tmp_path / "a" / "b.mp4")
    assert read.shape == frames.shape
    assert read_fps == fps
    np.testing.assert_allclose(read.mean(axis=(1, 2, 3)), brightness, atol=6)


def test_a_video_of_odd_size_loses_a_row_and_a_column(tmp_path):
    frames = np.zeros((3, 33, 47, 3), np.uint8)
    frames[:, 16:, :, 0] = 250  # the lower half is red
    path = Logger(tmp_path).log_video(frames, "eval/episode_0", step=500, fps=10)
    assert path == tmp_path / "videos" / "eval_episode_0_step_500.mp4"
    read, _ = read_video(path)
    assert read.shape == (3, 32, 46, 3)
    red, green, blue = read[:, 20:].reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue, read[:, :12].mean()) < 40


def test_tensorboard_shows_a_small_copy_of_a_video(tmp_path):
    frames = np.zeros((250, 500, 500, 3), np.uint8)
    logger = Logger(tmp_path)
    logger.log_video(frames, "eval/episode_0", step=500, fps=30)
    logger.close()
    (image,) = read_events(tmp_path).Images("eval/episode_0")
    assert image.step == 500
    with PIL.Image.open(io.BytesIO(image.encoded_image_string)) as gif:
        assert gif.format == "GIF"
        assert gif.n_frames <= 84
        assert gif.size == (167, 167)


def test_an_interrupted_video_leaves_no_file(tmp_path, monkeypatch):
    import moviepy

    def stop(clip, name, **options):
        Path(name).write_bytes(b"half a video")
        raise KeyboardInterrupt

    monkeypatch.setattr(moviepy.VideoClip, "write_videofile", stop)
    with pytest.raises(KeyboardInterrupt):
        write_video(np.zeros((3, 4, 4, 3), np.uint8), tmp_path / "a.mp4", fps=1)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_video_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with pytest.raises(MissingExtraError, match=r"video.*\[video\]"):
        write_video(np.zeros((1, 2, 2, 3), np.uint8), tmp_path / "a.mp4", fps=1)


# Weights & Biases


def test_a_missing_wandb_is_named_and_only_if_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    Logger(tmp_path).close()
    with pytest.raises(MissingExtraError, match=r"wandb.*\[wandb\]"):
        Logger(tmp_path, use_wandb=True)


@pytest.mark.parametrize(("api_key", "mode"), [("secret", "online"), (None, "offline")])
def test_wandb_gets_the_settings_and_the_rows(tmp_path, monkeypatch, api_key, mode):
    calls = []
    run = SimpleNamespace(
        log=lambda row, step: calls.append((step, row)), finish=lambda: calls.append("finish")
    )
    fake = SimpleNamespace(
        api=SimpleNamespace(api_key=api_key),
        init=lambda **kwargs: calls.append(kwargs) or run,
        Histogram=list,
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)
    settings = {"base_config": "sac", "exp_name": "quick", "seed": 3}
    logger = Logger(tmp_path, settings, use_wandb=True)
    logger.log_scalar(1.0, "a", step=10)
    logger.log_histogram(np.array([1.0, np.inf, 2.0]), "b", step=10)
    logger.log_scalar(np.nan, "a", step=20)
    logger.close()
    assert calls[0]["config"] == settings
    assert calls[0]["group"] == "sac_quick"
    assert calls[0]["mode"] == mode
    assert calls[0]["name"] == tmp_path.name
    assert calls[0]["id"] == "_".join(tmp_path.resolve().parts[-3:])
    assert calls[0]["resume"] == "allow"  # a later session goes on where this one ends
    assert calls[1:] == [(10, {"b": [1.0, 2.0]}), (10, {"a": 1.0}), (20, {"a": None}), "finish"]
