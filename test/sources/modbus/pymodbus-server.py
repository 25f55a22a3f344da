"""pymodbus's server on a free port: prints the port, serves until its input ends.

argv[1]: framer, "socket" (Modbus TCP) or "rtu" (RTU over TCP)
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

VALUES = [
    (100, DataType.INT16, -12345),
    (110, DataType.UINT16, 54321),
    (120, DataType.INT32, -123456789),
    (130, DataType.UINT32, 4123456789),
    (140, DataType.INT64, -1234567890123456),
    (150, DataType.UINT64, 9007199254740991),
    (160, DataType.FLOAT32, -0.15625),
    (170, DataType.FLOAT64, -273.15),
]


async def main() -> None:
    registers = [SimData(address, values=value, datatype=kind) for address, kind, value in VALUES]
    holding = [*registers, SimData(200, values=list(range(200, 700)), datatype=DataType.UINT16)]
    bits = [SimData(0, values=[address % 3 == 0 for address in range(48)], datatype=DataType.BITS)]
    inputs = [SimData(0, values=list(range(1000, 1100)), datatype=DataType.UINT16)]
    devices = [SimDevice(unit, simdata=(bits, bits, holding, inputs)) for unit in (1, 7)]
    server = ModbusTcpServer(devices, framer=FramerType(sys.argv[1]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


asyncio.run(main())
