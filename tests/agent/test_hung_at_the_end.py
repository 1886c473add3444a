"""An agent that was asked to end ends, whatever its threads wait for."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from schedune_testing.hung import hung

_BEGIN = """
import asyncio, sys
from pathlib import Path
root = Path(sys.argv[1])
async def main():
    {work}
asyncio.run(main())
"""
PROBE = """
    from schedune_agent.probes.artifacts import ArtifactProbe
    await ArtifactProbe([root])()
"""
OPENING = """
    from schedune_agent.probes.image_roots import ImageFile
    from schedune_agent.probes.image_work import work_on
    file = ImageFile(root / "image", (0, 0, 0, 0))
    task = asyncio.create_task(work_on("look", [file], 5, print))
    await asyncio.sleep(0.5)
"""
WATCH = """
    from schedune_agent.system.watching import Watched, watch
    task = asyncio.create_task(watch([Watched(root / "below")], print))
    await asyncio.sleep(0.5)
"""


@pytest.mark.parametrize("work", [PROBE, OPENING, WATCH], ids=["probe", "opening", "watch"])
def test_a_thread_at_a_root_that_hangs_does_not_keep_the_agent(tmp_path: Path, work: str) -> None:
    with hung(tmp_path):
        began = time.monotonic()
        script = _BEGIN.format(work=work.strip())
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            timeout=20, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began < 20
