"""The table library of the site: fetched from the npm registry when we raise it, shipped with us.

``python -m gengauge_reports.site.vendoring`` packs each package of ``vendor/vendor.toml`` with npm,
checks it against its pinned digest and puts its files into ``vendor/``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parent / "vendor"


def packages() -> list[dict[str, Any]]:
    """Return what ``vendor.toml`` says of each package."""
    found: list[dict[str, Any]] = tomllib.loads((VENDOR / "vendor.toml").read_text())["package"]
    return found


def digest(content: bytes) -> str:
    """Return the SHA-512 of ``content`` in base64, as npm writes it."""
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


def unpacked(package: dict[str, Any], packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the files wanted of a packed package; raise ``ValueError`` where a digest differs."""
    if (found := "sha512-" + digest(packed)) != package["integrity"]:
        raise ValueError(
            f"{package['name']} {package['version']}: expected {package['integrity']}, the "
            f"registry gave {found}; for a new version pin the digest that npm states for it"
        )
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for name, member in package["files"].items():
            file = archive.extractfile(member)
            if file is None:
                raise ValueError(f"{package['name']}: {member} is no file of the package")
            yield name, file.read()


def fetch() -> None:
    """Pack every package with npm and write the files wanted of it."""
    for package in packages():
        with tempfile.TemporaryDirectory() as folder:
            wanted = f"{package['name']}@{package['version']}"
            subprocess.run(["npm", "pack", wanted, "--silent"], cwd=folder, check=True)
            [path] = Path(folder).glob("*.tgz")
            for name, content in unpacked(package, path.read_bytes()):
                (VENDOR / name).write_bytes(content)
                print(f"{name}: sha512 {digest(content)}")


if __name__ == "__main__":
    fetch()
