"""Walks along latents: written by the trial, shown by the page, absent where there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from PIL import Image

from gengauge import Dataset, Split
from gengauge.artifacts import LATENTS, STEPS, save_traversals
from gengauge.gather import gather
from gengauge_reports import html
from gengauge_reports.ranking import tables
from gengauge_reports.traversals import traversals


@dataclass
class Walker:
    """Answers with rows that grow brighter from left to right."""

    latents: int
    asked: list[tuple[int, int]] = field(default_factory=list)

    def traverse(self, rows, steps):
        self.asked.append((rows, steps))
        walk = torch.linspace(0, 1, steps).view(1, steps, 1, 1, 1)
        return walk.expand(min(rows, self.latents), steps, 1, 4, 4)


def evidence(model, modality="image"):
    splits = [Split(torch.zeros(3, 1, 4, 4, dtype=torch.uint8))] * 3
    return SimpleNamespace(dataset=Dataset("d", modality, *splits, levels=17), model=model)


def test_a_latent_is_a_row_and_a_step_a_column(tmp_path):
    walker = Walker(3)
    save_traversals(evidence(walker), tmp_path)
    assert walker.asked == [(LATENTS, STEPS)]
    sheet = Image.open(tmp_path / "traversals.png")
    assert sheet.size == (
        STEPS * 34 + 2,
        3 * 34 + 2,
    )  # pictures of 4 x 4 are shown eight times larger
    middle = [sheet.getpixel((2 + 34 * column + 16, 2 + 34 + 16)) for column in range(STEPS)]
    assert middle == [round(255 * column / (STEPS - 1)) for column in range(STEPS)]


def test_nothing_is_written_where_there_is_nothing_to_show(tmp_path):
    for model, modality in ((Walker(0), "image"), (object(), "image"), (Walker(3), "points")):
        save_traversals(evidence(model, modality), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_the_sheets_of_those_who_have_one(factory, make_score, hostile):
    for name in ("vae", hostile, "flow"):
        made = factory.add(name, [make_score("fd", 1.0, 0.1)])
        if name != "flow":
            factory.grid(factory.store.trial_folder(made["trial"]) / "traversals.png", 5)
    [table] = tables(gather([factory.store]))
    assert sorted(s["title"] for s in traversals(table)) == sorted([hostile, "vae"])
    page = html.render([factory.store]).decode()
    assert "Along the latents" in page
    assert 'alt="Pictures of vae along its latents, one latent a row"' in page
    assert f"Pictures of {hostile}" not in page  # escaped


def test_without_sheets_there_is_no_section(run):
    assert b"Along the latents" not in html.render([run])
