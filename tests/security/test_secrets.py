"""Tokens and passwords reach neither what is shown nor what is written: errors, events, status, log, trackers."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import CurationError
from curation.hub import hub_refusal
from curation.redaction import HIDDEN, VARIABLES, redacted
from engine.config import TrainConfig, compose
from engine.errors import ConfigError, EngineError
from engine.events import EventWriter, Warned
from engine.journal import Journal
from engine.rundir import RunDir, create_run
from engine.training.trackers import hparams
from engine.worker import failed
from loratui.flags import parse_flags

TOKEN = "hf_" + "AbCdEfGh12" * 3
KEY = "0123456789abcdef0123456789abcdef01234567"
LETTERS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=16, max_size=40)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path / "runs", "cat", TrainConfig())


@settings(deadline=None)
@given(secret=LETTERS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_of_the_environment_is_hidden_wherever_it_stands(secret: str, before: str, after: str) -> None:
    for variable in VARIABLES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(variable, secret)
            assert secret not in redacted(f"{before}{secret}{after}{secret}").replace(HIDDEN, "")


@settings(deadline=None)
@given(secret=LETTERS)
def test_what_has_the_form_of_a_secret_is_hidden(secret: str) -> None:
    for text in (
        f"hf_{secret}",
        f"https://user:{secret}@host/path",
        f"socks5://{secret}@host:80/",
        f"for url 'https://host/file?token={secret}&x=1'",
        f"https://cdn/file?X-Amz-Signature={secret}",
        f"authorization: Bearer {secret}",
        f"https://hooks.slack.com/services/T0/B0/{secret}",
        f"posted to 'https://discord.com/api/webhooks/1234/{secret}'",
    ):
        assert secret not in redacted(text) and HIDDEN in redacted(text)


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_characters="@?&="), max_size=60))
def test_other_text_stays_as_it_is(text: str) -> None:
    if "hf_" not in text and "Bearer" not in text and "Basic" not in text:
        assert redacted(text) == text


def test_captions_and_paths_stay_as_they_are() -> None:
    for text in ("a photo of TOK @ home", "me@home.org", "https://host/a?width=3", "token=TOK", "s3://bucket/key"):
        assert redacted(text) == text


@pytest.mark.parametrize("kind", [CurationError, EngineError, ConfigError])
def test_an_error_never_tells_a_secret(kind: type[CurationError], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    error = kind(f"The hub said: 401 for https://me:{KEY}@host/x?token={TOKEN}.", f"Try {KEY} again.")
    for told in (error.problem, error.remedy, str(error), repr(error)):
        assert TOKEN not in told and KEY not in told


def test_a_run_that_fails_tells_no_secret(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    journal = Journal(run)
    journal(Warned(message=f"The tracker failed: ConnectionError: https://api.wandb.ai?api_key={KEY}"))
    journal(failed(RuntimeError(f"Client error for url 'https://me:{KEY}@hub/x' with {TOKEN}"), run))
    written = "".join(path.read_text() for path in run.path.rglob("*") if path.is_file())
    assert TOKEN not in written and KEY not in written and HIDDEN in written
    assert len(run.events_file.read_text().splitlines()) == len(list(map(json.loads, run.events_file.open())))


def test_an_event_is_whole_json_whatever_is_hidden_in_it(run: RunDir) -> None:
    writer = EventWriter(run.events_file)
    writer.write(Warned(message=f'"https://me:{KEY}@host/" and \\ "?token={TOKEN}"'))
    [line] = run.events_file.read_text().splitlines()
    assert HIDDEN in json.loads(line)["message"]


def test_the_hub_is_told_of_by_name_alone() -> None:
    from huggingface_hub.utils import httpx

    refusal = hub_refusal("dataset", "somebody/photos", httpx.ConnectError(f"https://me:{KEY}@mirror {TOKEN}"))
    assert refusal is not None and KEY not in str(refusal) and TOKEN not in str(refusal)


@pytest.mark.parametrize("flag", [f"--hub_token={TOKEN}", f"--hub-token={TOKEN}"])
def test_a_token_on_a_pasted_command_line_goes_nowhere(flag: str, tmp_path: Path) -> None:
    try:
        flags = parse_flags(["--instance_data_dir=photos", flag])
    except ConfigError as refused:
        assert TOKEN not in str(refused)
        return
    assert TOKEN not in str(flags.notes)
    run = create_run(tmp_path, "cat", compose(flags=flags.tables).config)
    assert TOKEN not in run.config_file.read_text()


def test_a_tracker_is_told_no_address() -> None:
    config = TrainConfig.model_validate({"sample": {"validation_prompt": f"https://hooks.example/T0/B0/{KEY}"}})
    assert KEY not in str(hparams(config)) and hparams(config)["sample.validation_prompt"] == HIDDEN
