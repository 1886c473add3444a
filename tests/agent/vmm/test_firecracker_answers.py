"""What an answer at Firecracker's socket proves: that a question is refused ends no guest."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schedune_agent.system import processes
from schedune_agent.vmm.firecracker.requests import api_socket
from schedune_agent.vmm.firecracker.vm import FirecrackerVm
from schedune_agent.vmm.port import Request, VmmError, VmmRefusalError, VmPaths

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
WHO = b'{"id":"uid","state":"Not started","vmm_version":"1.16.1","app_name":"Firecracker"}'


@asynccontextmanager
async def answering(folder: Path, *answers: tuple[int, bytes]) -> AsyncIterator[FirecrackerVm]:
    """Speak to a socket of our own process that gives these answers, in this order."""
    (folder / "run").mkdir()
    paths, left = VmPaths(folder / "run", folder / "vms" / "uid"), list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status, body = left.pop(0)
        head = f"HTTP/1.1 {status} \r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    identity = processes.read_identity(os.getpid(), BOOT_ID)
    assert identity is not None
    handle = processes.prove(identity, BOOT_ID)
    assert handle is not None
    server = await asyncio.start_unix_server(answer, str(api_socket(paths)))
    vm = FirecrackerVm(handle, paths, "uid")
    try:
        yield vm
    finally:
        vm.close()
        server.close()


async def test_a_question_that_is_refused_leaves_it_open_how_the_guest_is(tmp_path: Path) -> None:
    async with answering(tmp_path, (400, b'{"error":"too many\nconnections"}')) as vm:
        with pytest.raises(VmmError) as found:
            await vm.verify()
    assert not isinstance(found.value, VmmRefusalError)
    assert "too many connections" in str(found.value)


async def test_a_request_that_is_refused_before_the_start_is_a_refusal(tmp_path: Path) -> None:
    refused = (400, b'{"fault_message":"The kernel file cannot be opened"}')
    async with answering(tmp_path, (200, WHO), refused) as vm:
        with pytest.raises(VmmRefusalError, match="The kernel file cannot be opened"):
            await vm.begin([Request("PUT", "/boot-source", "{}")])
