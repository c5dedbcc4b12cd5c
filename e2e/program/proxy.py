"""A relay of TCP connections whose connections can be cut: a process of its own, told what to do on its standard input.

    proxy.py FROM_PORT TO_PORT

`cut` breaks every connection as a firewall's reset does; `hold SECONDS` passes nothing on for so long; its end closes all.
"""
import asyncio
import socket
import struct
import sys

PIECE = 65536
RESET = struct.pack("ii", 1, 0)


class Relay:
    """All connections of one port."""

    def __init__(self, target):
        self.target, self.writers, self.open = target, set(), asyncio.Event()
        self.open.set()

    async def serve(self, reader, writer):
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, other_writer}
        await asyncio.gather(self.pass_on(reader, other_writer), self.pass_on(other_reader, writer))
        self.writers -= {writer, other_writer}

    async def pass_on(self, reader, writer):
        """Until one side closes; then the other one is closed too."""
        try:
            while piece := await reader.read(PIECE):
                await self.open.wait()
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def cut(self):
        for writer in list(self.writers):
            connection = writer.get_extra_info("socket")
            if connection and connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    async def hold(self, seconds):
        self.open.clear()
        await asyncio.sleep(seconds)
        self.open.set()


async def main(port, target):
    relay = Relay(target)
    await asyncio.start_server(relay.serve, "127.0.0.1", port, backlog=512)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("ready", flush=True)
    while command := (await commands.readline()).decode().split():
        if command[0] == "cut":
            relay.cut()
        else:
            asyncio.ensure_future(relay.hold(float(command[1])))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
