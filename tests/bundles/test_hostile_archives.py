"""Archives of strangers: names, sizes, counts and bytes that are not what a submission has."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from bundled import (
    MANIFEST,
    RECORDS,
    Members,
    entry,
    raw_zip,
    records_of,
    refused,
    sealed,
    spoilt,
    written,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gengauge.bundle import open_bundle
from gengauge.errors import GengaugeError

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "trials/../../evil", "/etc/passwd", "C:\\evil", "..\\evil", "\\\\host\\evil",
        "trials/0123456789abcdef/../../../evil", "datasets/../evil/real.png",
    ],
)  # fmt: skip
def test_a_member_that_leads_out(members: Members, tmp_path: Path, name: str) -> None:
    refused(
        written(tmp_path / "a.zip", sealed({**members, name: b"x"})),
        "its name leads out of the bundle|a bundle has no such member",
    )
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "name",
    [
        "evil.html", "report.html", "records-2.jsonl", "trials/0123456789abcdef/index.html",
        "trials/x/samples.png", "environments/../../x.json", "trials/0123456789abcdef/a\x1b[2J.png",
        "environments/0123456789ABCDEF.json", "trials/0123456789abcdef/checkpoint/w.safetensors",
        ".htaccess", "datasets/.git/real.png", "", "trials/0123456789abcdef/samples.png/",
    ],
)  # fmt: skip
def test_a_member_that_no_bundle_has(members: Members, tmp_path: Path, name: str) -> None:
    refused(
        written(tmp_path / "a.zip", sealed({**members, name: b""})),
        "a bundle has no such member|its name leads out|it is no plain file",
    )


def test_members_of_one_name(members: Members, tmp_path: Path) -> None:
    good = [(entry(n), c) for n, c in members.items()]
    path = tmp_path / "a.zip"
    with pytest.warns(UserWarning, match="Duplicate name"):
        path.write_bytes(raw_zip([*good, (entry(RECORDS), b"{}")]))
    refused(path, "'records.jsonl': two members have this name")
    folder = "datasets/Digits", "datasets/digits"
    extra = [(entry(f"{name}/real.txt"), b"") for name in folder]
    path.write_bytes(raw_zip([*good, *extra]))
    refused(path, "differs in upper and lower case alone")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_pipes_and_devices(members: Members, tmp_path: Path, mode: int) -> None:
    good = [(entry(n), c) for n, c in members.items()]
    path = tmp_path / "a.zip"
    link = entry("trials/0123456789abcdef/samples.png", mode | 0o777)
    path.write_bytes(raw_zip([*good, (link, b"/etc/passwd")]))
    refused(path, "samples.png': it is (a link|no plain file)")


def zeros(size: int, stated: int) -> bytes:
    """Return an archive of ``size`` zero bytes, of which it states ``stated``; little is held."""
    block, most = 1 << 24, (1 << 32) - 1
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = once * (size // block) + packer.flush()
    name, crc = RECORDS.encode(), zlib.crc32(bytes(min(stated, block)))
    extra = struct.pack("<HHQ", 1, 8, stated) if stated > most else b""
    lengths = (len(content), min(stated, most), len(name), len(extra))
    head = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 33, crc, *lengths)
    local = b"PK\x03\x04" + head + name + extra + content
    rest = struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, 0)
    listed = b"PK\x01\x02\x14\x03" + head + rest + name + extra
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(listed), len(local), 0)
    return local + listed + end


def test_ten_gigabytes_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zeros(10 << 30, 10 << 30))
    assert path.stat().st_size < 1 << 24
    refused(path, "'records.jsonl': it unpacks to 10,737,418,240 bytes, expected at most")


def test_zeros_that_hide_their_size(tmp_path: Path) -> None:
    """No more is unpacked than is stated: here the thousand bytes that are told of."""
    path = tmp_path / "a.zip"
    path.write_bytes(zeros(10 << 30, 1000))
    refused(path, "'manifest.json': it is missing")


def test_many_members_that_are_too_much_together(
    members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "10K")
    refused(written(tmp_path / "a.zip", members), "it unpacks to .* bytes, expected at most 10,240")


def test_a_million_members(tmp_path: Path) -> None:
    one = b"PK\x01\x02\x14\x03" + bytes(22) + struct.pack("<H", 1) + bytes(16) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(one) * 1_000_000, 0, 0)
    path = tmp_path / "a.zip"
    path.write_bytes(one * 1_000_000 + end)
    assert path.stat().st_size > 40_000_000
    refused(path, "more members than a bundle may have")
    few = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(one) * 1_000_000, 0, 0)
    path.write_bytes(one * 1_000_000 + few)  # it states one
    refused(path, "more members than a bundle may have")
    long = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(one) * 120_000, 0, 0)
    path.write_bytes(one * 120_000 + long)
    refused(path, "has 120,000 members, expected at most 100,000")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.9999])
def test_a_bundle_that_is_cut_off(bundle: Path, tmp_path: Path, share: float) -> None:
    content = bundle.read_bytes()
    path = tmp_path / "a.zip"
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "no whole zip archive")


@pytest.mark.parametrize(
    "around", [(b"#!/bin/sh\n", b""), (b"", b"<script>"), (b"GIF89a", b""), (b"", b"PK\5\6")]
)
def test_an_archive_that_is_something_else_too(
    bundle: Path, tmp_path: Path, around: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(around[0] + bundle.read_bytes() + around[1])
    refused(path, "no (plain|whole) zip archive")


def test_a_wrong_digest(members: Members, tmp_path: Path) -> None:
    name = next(n for n in members if n.endswith("points.json"))
    wrong = written(tmp_path / "a.zip", {**members, name: members[name] + b" "})
    refused(wrong, "points.json': its content is not that of its digest")
    longer = {**members, RECORDS: members[RECORDS].replace(b"gmm", b"vae")}
    refused(written(tmp_path / "b.zip", longer), "'records.jsonl': its content is not that of")


def test_members_and_manifest_disagree(members: Members, tmp_path: Path) -> None:
    name = next(n for n in members if n.endswith("points.json"))
    less = {n: c for n, c in members.items() if n != name}
    refused(written(tmp_path / "a.zip", less), "points.json': it is in the manifest alone")
    more = {**members, "trials/0123456789abcdef/samples.txt": b"x"}
    refused(written(tmp_path / "b.zip", more), "samples.txt': it is in the archive alone")
    nobody = sealed({**members, "trials/0123456789abcdef/samples.txt": b"x"})
    refused(written(tmp_path / "c.zip", nobody), "no record refers to it")
    counts = sealed(members, counts={"trials": 400})
    refused(written(tmp_path / "d.zip", counts), "'manifest.json': its 'counts' are not those of")
    keys = sealed(members, comparability_keys=[])
    refused(written(tmp_path / "e.zip", keys), "its 'comparability_keys' are not those of")
    samples = {r["trial"]: {"sha256": "0" * 64, "size": 3} for r in records_of(members)}
    refused(
        written(tmp_path / "f.zip", sealed(members, samples=samples)),
        "samples.safetensors': it is not what the manifest's digest of samples says",
    )
    for wrong in ({"x": 1}, {next(iter(samples)): {"sha256": "y", "size": 3}}):
        refused(written(tmp_path / "g.zip", sealed(members, samples=wrong)), "digest of samples")
    gone = {MANIFEST: members[MANIFEST]}
    refused(written(tmp_path / "h.zip", sealed(gone)), "'records.jsonl': it is missing")


@pytest.mark.parametrize("content", [b"[]", b"{}", b"NaN", b"[" * 10**5, b'{"gengauge_bundle":1}'])
def test_a_manifest_that_is_none(members: Members, tmp_path: Path, content: bytes) -> None:
    refused(written(tmp_path / "a.zip", {**members, MANIFEST: content}), "'manifest.json': ")


def test_a_newer_version_says_so(members: Members, tmp_path: Path) -> None:
    newer = "newer gengauge .* 2, and this one reads 1.; upgrade"
    refused(written(tmp_path / "a.zip", sealed(members, gengauge_bundle=2)), newer)
    refused(written(tmp_path / "b.zip", sealed(members, schema_version=2)), newer)
    path = written(tmp_path / "c.zip", spoilt(members, lambda r: r.update(schema_version=2)))
    refused(path, f"'records.jsonl': line 1: .*{newer}")
    path = written(tmp_path / "d.zip", spoilt(members, lambda r: r.update(schema_version=0)))
    refused(path, "line 1: 'schema_version' is 0, expected 1")


def test_packed_in_other_ways(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    refused(path, "packed in a way that a bundle does not use")
    content = bytearray(written(tmp_path / "b.zip", members).read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, "it is encrypted")


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_any_byte_may_be_another(bundle: Path, tmp_path: Path, data: st.DataObject) -> None:
    """A changed byte is refused, or was one that says nothing: then the records are the same."""
    content = bytearray(bundle.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(1, 600).map(lambda i: -i))
        content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "fuzzed.zip"
    path.write_bytes(content)
    try:
        found = open_bundle(path).records()
    except GengaugeError:
        return
    assert found == open_bundle(bundle).records()
