"""pymodbus's server with troubles: prints its port; lines on its input change how it answers (see server.c of
libmodbus): none | delay MS | exception CODE | silent | close | split MS | twice | late MS

Holding register n holds n, 0 to 999. argv[1]: framer, "socket" (Modbus TCP) or "rtu" (RTU over TCP)
"""

import asyncio
import sys
import time

from pymodbus import FramerType
from pymodbus.pdu import ExceptionResponse
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

mode, argument, held = "none", 0, b""
server: ModbusTcpServer


def write_later(data: bytes, seconds: float) -> None:
    def write() -> None:
        for connection in list(server.active_connections.values()):
            if connection.transport:
                connection.transport.write(data)

    asyncio.get_running_loop().call_later(seconds, write)


def on_packet(sending: bool, data: bytes) -> bytes:
    """What pymodbus is about to send, and what it sends instead."""
    global held
    if not sending or mode in ("none", "exception"):
        return data
    if mode == "silent":
        return b""
    if mode == "close":
        for connection in list(server.active_connections.values()):
            connection.close()
        return b""
    if mode == "delay":
        time.sleep(argument / 1000)
    elif mode == "twice":
        return data + data
    elif mode == "split":
        write_later(data[3:], argument / 1000)
        return data[:3]
    elif mode == "late":
        if not held:
            held = data
            return b""
        data, held = held + data, b""
    return data


def on_pdu(sending: bool, pdu):
    if sending and mode == "exception":
        answer = ExceptionResponse(pdu.function_code, argument)
        answer.dev_id, answer.transaction_id = pdu.dev_id, pdu.transaction_id
        return answer
    return pdu


async def main() -> None:
    global mode, argument, held, server
    holding = [SimData(0, values=list(range(1000)), datatype=DataType.UINT16)]
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    device = SimDevice(1, simdata=(bits, bits, holding, holding))
    server = ModbusTcpServer(
        [device],
        framer=FramerType(sys.argv[1]),
        address=("127.0.0.1", 0),
        trace_packet=on_packet,
        trace_pdu=on_pdu,
    )
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        words = line.split()
        mode, argument, held = words[0], int(words[1]) if len(words) > 1 else 0, b""
        print(mode, flush=True)
    await server.shutdown()


asyncio.run(main())
