"""Set-up finds its way on machines that are configured differently."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DIGEST = "ab" * 32


@pytest.fixture
def setup() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "hack" / "setup.py"
    spec = importlib.util.spec_from_file_location("hack_setup", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page",
    [
        f'{{"files": [{{"url": "../../f/uv.whl", "hashes": {{"sha256": "{DIGEST}"}}}}]}}',
        f'<a href="../../f/uv.whl#sha256={DIGEST}">uv.whl</a>',
    ],
)
def test_the_wheel_is_found_by_its_digest_in_both_forms_of_index(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(setup, "fetch", lambda *_: page.encode())
    found = setup.find_wheel("https://index.example/simple/uv/", DIGEST)
    assert found == "https://index.example/f/uv.whl"


def test_an_index_without_the_pinned_file_is_told_by_its_address(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "fetch", lambda *_: b'{"files": []}')
    with pytest.raises(SystemExit, match=r"https://index\.example/simple/uv/ lists no uv"):
        setup.find_wheel("https://index.example/simple/uv/", DIGEST)


def test_the_index_of_pips_configuration_is_used(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://index.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert setup.index_url() == "https://index.example/simple"


def test_the_environment_goes_before_pips_configuration(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert setup.index_url() == "https://other.example/simple"


def test_a_password_in_an_index_url_is_never_shown(
    setup: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        setup.fetch("https://me:hidden@127.0.0.1:1/simple/uv/")
    assert "hidden" not in str(raised.value) + capsys.readouterr().err
