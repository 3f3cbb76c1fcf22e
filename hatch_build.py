"""hatchling's hooks: the native core, compiled into the wheel, or beside its sources for an editable install; and the
README as package indexes show it.
"""

import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

if TYPE_CHECKING:
    from hpac_cli.core import compile as core
else:  # the file alone: the package imports what is not there while it is built
    place = importlib.util.spec_from_file_location(
        "hpac_core_compile", Path(__file__).parent / "src/hpac_cli/core/compile.py"
    )
    core = sys.modules[place.name] = importlib.util.module_from_spec(place)
    place.loader.exec_module(core)


class CoreHook(BuildHookInterface[BuilderConfig]):
    """Builds the core with `compile.py` and marks the wheel as one for its platform and every Python."""

    def dependencies(self) -> list[str]:
        return core.required_packages()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        compiler = core.find_compiler()
        self.app.display_info(f"the core is compiled by {compiler.command[0]} for {compiler.target.triple}")
        if version == "editable":
            core.build(compiler)
            return
        self.work = tempfile.TemporaryDirectory()
        library = core.build(compiler, Path(self.work.name))
        build_data["force_include"][str(library)] = f"hpac_cli/core/{library.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{compiler.target.tag}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.work.cleanup()


_LINK = re.compile(r"(!?\[[^\]]*\]\()(?![a-z]+:|#)")
"""A link or picture of Markdown, up to its address, if that is a path."""


class ReadmeHook(MetadataHookInterface):
    """Gives the package its README, and its addresses where HPAC_HOMEPAGE names one: that of the repository's page.

    Indexes know nothing of the files beside the README, so links to them lead there.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        home = os.environ.get("HPAC_HOMEPAGE", "").rstrip("/")
        if home:
            metadata["urls"] = {
                "Homepage": home,
                "Changelog": f"{home}/blob/main/CHANGELOG.md",
                "Issues": f"{home}/issues",
            }
            text = _LINK.sub(lambda link: f"{link[1]}{home}/{'raw' if link[1][0] == '!' else 'blob'}/main/", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
