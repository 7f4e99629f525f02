"""Sends cards to the Hub, or says what would be sent."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gengauge.errors import UsageError
from gengauge.urls import redacted

README = "README.md"


@dataclass(frozen=True)
class Upload:
    """The files of one repository by name."""

    repo: str
    files: Mapping[str, bytes]


def check_repo(repo: str) -> None:
    """Raise ``UsageError`` unless ``repo`` can name a repository of the Hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"--repo '{repo}' names no repository: {error}") from None
    if repo.count("/") != 1:
        raise UsageError(f"--repo '{repo}' names no repository; write USER/NAME")


def send(uploads: Sequence[Upload], dry_run: bool) -> None:
    """Send each to its repository, where a token is there; else say what would be sent.

    Where a repository has a README.md already a pull request is opened: nobody's card is
    overwritten. ``UsageError`` says what the Hub would not take.
    """
    from huggingface_hub import HfApi, get_token

    for upload in uploads:
        check_repo(upload.repo)
    token = None if dry_run else get_token()
    api = HfApi(token=token)
    for upload in uploads:
        if token:
            _send(api, upload)
        else:
            _tell(upload, str(api.endpoint))
    if not token and not dry_run:
        say("nothing was sent: there is no token; set HF_TOKEN or run `hf auth login`")


def _tell(upload: Upload, endpoint: str) -> None:
    total = sum(map(len, upload.files.values()))
    say(f"would send {len(upload.files)} files ({total:,} bytes) to {endpoint}/{upload.repo}:")
    for name, content in upload.files.items():
        say(f"  {name} ({len(content):,} bytes)")


def _send(api: object, upload: Upload) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi

    assert isinstance(api, HfApi)
    try:
        api.create_repo(upload.repo, exist_ok=True)
        taken = api.file_exists(upload.repo, README)
        done = api.create_commit(
            upload.repo,
            [CommitOperationAdd(name, content) for name, content in upload.files.items()],
            commit_message="Add results measured by gengauge", create_pr=taken,
        )  # fmt: skip
    except Exception as error:  # of the library, of the network under it, of the Hub
        first = redacted(str(error).strip().partition("\n")[0])
        raise UsageError(
            f"'{upload.repo}' was not sent: {type(error).__name__}: {first}"
        ) from error
    say(f"sent to {done.pr_url or done.commit_url}")


def say(line: str) -> None:
    """Tell the user something on stderr."""
    print(line, file=sys.stderr)
