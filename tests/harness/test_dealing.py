"""Cards are dealt by load and memory. No card is needed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from gate_runs import record
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import Cli

from gengauge import dealing
from gengauge.dealing import Card, Dealer, cards, needs
from gengauge.store import RunStore

GB = 1 << 30
TWO = [Card(0, "GPU-a"), Card(1, "GPU-b")]


class Table:
    """Cards whose free memory a test sets."""

    def __init__(self, *free: int) -> None:
        self.bytes = list(free)

    def free(self, card: Card) -> int:
        return self.bytes[card.index]


def names(dealer: Dealer, *models: str) -> list[str | None]:
    dealt = [dealer.take(model) for model in models]
    return [d[0].name if d else None for d in dealt]


def test_the_emptiest_card_comes_first_then_the_one_with_fewest_trials() -> None:
    dealer = Dealer(TWO, Table(10 * GB, 40 * GB), {"vae": 3 * GB}.get)
    assert names(dealer, "vae", "vae", "vae") == ["GPU-b", "GPU-a", "GPU-b"]


def test_a_card_is_not_shared_while_a_need_is_unknown() -> None:
    dealer = Dealer(TWO, Table(80 * GB, 80 * GB), {"vae": GB}.get)
    assert names(dealer, "new", "vae", "new", "vae") == ["GPU-a", "GPU-b", None, "GPU-b"]


def test_what_has_been_dealt_counts_before_it_is_held() -> None:
    dealer = Dealer(TWO[:1], Table(10 * GB), {"vae": 4 * GB}.get)
    assert names(dealer, "vae", "vae", "vae") == ["GPU-a", "GPU-a", None]


def test_what_others_take_meanwhile_counts() -> None:
    table = Table(10 * GB)
    dealer = Dealer(TWO[:1], table, {"vae": 4 * GB}.get)
    assert names(dealer, "vae") == ["GPU-a"]
    table.bytes[0] = 3 * GB
    assert names(dealer, "vae") == [None]


def test_a_card_given_back_is_dealt_again() -> None:
    dealer = Dealer(TWO[:1], Table(GB), lambda model: None)
    first = dealer.take("vae")
    assert first is not None
    assert dealer.take("vae") is None
    dealer.give_back(first)
    assert dealer.take("vae") == first


def test_a_run_goes_on_where_no_card_has_room() -> None:
    dealer = Dealer(TWO, Table(GB, 2 * GB), {"huge": 90 * GB}.get)
    assert names(dealer, "huge", "huge", "huge") == ["GPU-b", "GPU-a", None]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 80), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from("ab?"), st.booleans()), max_size=30),
)
def test_needs_never_exceed_what_a_card_had(free: list[int], steps: list) -> None:
    known = {"a": 3, "b": 20}
    dealer = Dealer([Card(i, str(i)) for i in range(len(free))], Table(*free), known.get)
    held: list = []
    for model, back in steps:
        if back and held:
            dealer.give_back(held.pop(0))
        elif (dealt := dealer.take(model)) is not None:
            held.append(dealt)
        for card in range(len(free)):
            there = [need for c, need in held if c.index == card]
            assert len(there) <= 1 or sum(there) <= free[card]
    assert held or not any(not back for _, back in steps) or dealer.take("a") is not None


def test_needs_are_the_peaks_of_earlier_records(tmp_path) -> None:
    store = RunStore(tmp_path)
    for i, peak in enumerate((GB, 5 * GB, None)):
        one = record(seed=i)
        one["model"]["base"], one["peak_memory"] = "vae", {"host": 1, "device": peak}
        store.append(one)
    need = needs(store)
    assert need("vae") == int(1.2 * 5 * GB) + GB
    assert need("gan") is None


def test_cards_of_another_make_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ["H200", "T4", "H200"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_name", made.__getitem__)
    monkeypatch.setattr(dealing, "_uuid", lambda i: f"GPU-{i}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cards(torch.device("cuda")) == [Card(0, "GPU-0"), Card(2, "GPU-2")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 3,MIG-x")
    assert [c.name for c in cards(torch.device("cuda"))] == ["5", "MIG-x"]
    assert cards(torch.device("cuda:1")) == [Card(1, "")]  # pinned: it is called cuda:1 there too


def test_nothing_is_dealt_on_the_cpu(tmp_path) -> None:
    assert dealing.deal(torch.device("cpu"), RunStore(tmp_path)) is None


@pytest.mark.gpu
def test_two_trials_share_the_cards_of_this_machine(cli: Cli, tmp_path: Path) -> None:
    device = torch.device("cuda")
    assert dealing.Memory().free(cards(device)[0]) > 0
    models = ("-m", "vae", "-m", "vae[latent=3]", "--budget", "20steps", "-s", "likelihood")
    asked = ("run", "-d", "points/moons", *models, "--limit", "600", "--samples", "50")
    for seeds in ("0", "0-2"):  # the first know no need, and the others do
        done = cli(*asked, "--device", "cuda", "-j", "2", "--seeds", seeds, "-o", "out")
        assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out/records.jsonl").read_text().splitlines()
    assert len(lines) == 6
    assert all(json.loads(line)["peak_memory"]["device"] > 0 for line in lines)
