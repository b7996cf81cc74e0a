"""Two units that pymodbus serves, over TCP or on a serial line, with the values that peers.test.ts expects.

usage: pymodbus-server.py tcp PORT | serial PATH BAUD
Prints "ready" when it answers. Unit 1: holding registers 0 to 199 hold their own address; coils 0 to 99 are on where 3
divides their number; register 300 is all there is beyond. Unit 2: input registers hold two floats, high word first.
"""
import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer


def units():
    holdings = {address: address for address in range(200)}
    holdings[300] = 0x1234
    plc = ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, [address % 3 == 0 for address in range(100)]),
        di=ModbusSequentialDataBlock(0, [False, True]),
        hr=ModbusSparseDataBlock(holdings),
        ir=ModbusSequentialDataBlock(0, [7]),
        zero_mode=True,
    )
    # 230.5 is 4366 8000, -12.25 is C144 0000.
    meter = ModbusSlaveContext(ir=ModbusSequentialDataBlock(0, [0x4366, 0x8000, 0xC144, 0x0000]), zero_mode=True)
    return ModbusServerContext(slaves={1: plc, 2: meter}, single=False)


async def main():
    if sys.argv[1] == "tcp":
        server = ModbusTcpServer(units(), address=("127.0.0.1", int(sys.argv[2])), ignore_missing_slaves=False)
        asyncio.get_running_loop().call_later(0.3, lambda: print("ready", flush=True))
        await server.serve_forever()
    else:
        server = ModbusSerialServer(units(), framer=ModbusRtuFramer, port=sys.argv[2], baudrate=int(sys.argv[3]), ignore_missing_slaves=True)
        await server.start()
        print("ready", flush=True)
        await server.serve_forever()


asyncio.run(main())
