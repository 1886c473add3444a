"""Make the checkout usable with nothing but Python: uv into the cache, packages into .venv.

Only the standard library, and neither pip nor ensurepip: Debian ships Python without
them. Prints the path of uv. Called by the Makefile.
"""

import base64
import configparser
import hashlib
import html
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_VERSION = "0.13.9"
UV_WHEELS = {
    "x86_64": "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    "aarch64": "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
}
STAMP = ROOT / ".venv" / ".schedune-setup"


def say(message):
    """Print one line of progress."""
    sys.stderr.write(f"setup: {message}\n")
    sys.stderr.flush()


def cache_directory():
    """Return where this user's caches are."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "schedune"


def index_url():
    """Return the package index: the user's own setting, else the one of uv.lock."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name]
    configured = configured_index()
    if configured:
        return configured
    found = re.search(r'registry = "([^"]+)"', (ROOT / "uv.lock").read_text())
    return found[1] if found else sys.exit("setup: uv.lock names no package index")


def configured_index():
    """Return what pip's configuration files say; the user's go before the machine's."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    given = [Path(os.environ["PIP_CONFIG_FILE"])] if os.environ.get("PIP_CONFIG_FILE") else []
    for path in (
        *given,
        config / "pip/pip.conf",
        Path.home() / ".pip/pip.conf",
        Path("/etc/pip.conf"),
    ):
        settings = configparser.RawConfigParser()
        try:
            settings.read(path)
        except configparser.Error as error:
            say(f"ignoring {path}: {error}")
            continue
        found = settings.get("global", "index-url", fallback=None)
        if found:
            return found
    return None


def fetch(url, accept="*/*"):
    """Return what is behind a URL; a name and password in it are sent, and never shown."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = urllib.parse.urlunsplit(parts._replace(netloc=host))
    headers = {"Accept": accept}
    if parts.username:
        account = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        headers["Authorization"] = "Basic " + base64.b64encode(account.encode()).decode()
    try:
        request = urllib.request.Request(bare, headers=headers)  # noqa: S310 - the user's own index
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - the same
            return answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        remedy = "setup: set PIP_INDEX_URL to an index that you can reach"
        sys.exit(f"setup: cannot reach {bare}: {error}\n{remedy}")


def find_wheel(page, wanted):
    """Return where the index keeps the file of this digest; old indexes answer in HTML."""
    text = fetch(page, "application/vnd.pypi.simple.v1+json, text/html;q=0.5").decode()
    if text.lstrip().startswith("{"):
        files = json.loads(text)["files"]
        links = [one["url"] for one in files if one["hashes"].get("sha256") == wanted]
    else:
        found = re.findall(rf'href="([^"]*#sha256={wanted})"', text)
        links = [html.unescape(one).partition("#")[0] for one in found]
    if not links:
        sys.exit(f"setup: {page} lists no uv {UV_VERSION} with sha256 {wanted}")
    return urllib.parse.urljoin(page, links[0])


def download_uv(target):
    """Fetch the pinned uv wheel, check its digest, take the program out."""
    machine = platform.machine()
    if machine not in UV_WHEELS:
        sys.exit(f"setup: no uv for {machine}; install uv {UV_VERSION} yourself and put it on PATH")
    say(f"fetching uv {UV_VERSION} for {machine} (once, about 25 MB)")
    wanted = UV_WHEELS[machine]
    url = find_wheel(f"{index_url().rstrip('/')}/uv/", wanted)
    content = fetch(url)
    if hashlib.sha256(content).hexdigest() != wanted:
        sys.exit(f"setup: {url} is not the file that is pinned")
    target.parent.mkdir(parents=True, exist_ok=True)
    wheel = target.parent / f"uv-{os.getpid()}.whl"
    wheel.write_bytes(content)
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        fresh = target.with_name(f"uv-{os.getpid()}")
        with archive.open(member) as source, fresh.open("wb") as out:
            shutil.copyfileobj(source, out)
    wheel.unlink()
    fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    fresh.replace(target)


def ensure_uv():
    """Return the pinned uv, from PATH, the cache, or the package index."""
    on_path = shutil.which("uv")
    if on_path:
        version = subprocess.run(
            [on_path, "--version"], capture_output=True, text=True, check=False
        )
        if version.stdout.split()[1:2] == [UV_VERSION]:
            return Path(on_path)
    target = cache_directory() / "uv" / UV_VERSION / "uv"
    if not target.exists():
        download_uv(target)
    return target


def wanted_state():
    """Digest what the environment is made of."""
    content = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "uv.lock"))
    return hashlib.sha256(content + UV_VERSION.encode()).hexdigest()


def environment_of_uv():
    """Return uv's environment: this checkout's .venv, and the certificates that Python trusts."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["UV_PROJECT_ENVIRONMENT"] = str(ROOT / ".venv")
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    return environment


def main():
    """Set up what is missing; a second run finds everything there."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever calls us may be older
        sys.exit(f"setup: Python 3.11 or newer is needed, this is {platform.python_version()}")
    state = wanted_state()
    if STAMP.exists() and STAMP.read_text() == state:
        return
    uv = ensure_uv()
    say("installing the locked packages into .venv")
    command = [
        str(uv),
        "sync",
        "--locked",
        "--quiet",
        "--project",
        str(ROOT),
        "--python",
        sys.executable,
    ]
    if subprocess.run(command, cwd=ROOT, env=environment_of_uv(), check=False).returncode:
        sys.exit(f"setup: `{' '.join(command)}` failed; its message stands above")
    STAMP.write_text(state)
    say("done")


if __name__ == "__main__":
    main()
