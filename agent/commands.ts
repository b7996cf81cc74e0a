/**
 * Every command but `run`. Loaded only when one of them is meant: what an agent that runs for years does not need takes
 * no memory beside it. With assemble.ts, buffer-parts.ts, main.ts and registry.ts the only places that know all parts.
 */
import { auditCommand } from "./cli/audit.ts";
import { checkCommand } from "./cli/check.ts";
import type { Command } from "./cli/cli.ts";
import { opcuaCommands } from "./cli/opcua.ts";
import { discoverCommand } from "./cli/discover.ts";
import { probeCommand } from "./cli/probe.ts";
import { recordCommand } from "./cli/record.ts";
import { replayCommand } from "./cli/replay.ts";
import { schemaCommand } from "./cli/schema.ts";
import { simulateCommand } from "./cli/simulate.ts";
import { simulateModbusCommand } from "./cli/simulate-modbus.ts";
import { simulateFocasCommand } from "./cli/simulate-focas.ts";
import { simulateHaasCommand } from "./cli/simulate-haas.ts";
import { simulateOpcuaCommand } from "./cli/simulate-opcua.ts";
import { simulateShdrCommand } from "./cli/simulate-shdr.ts";
import { tailCommand } from "./cli/tail.ts";
import { versionCommand } from "./cli/version.ts";
import type { Kinds } from "./config/kinds.ts";
import type { Ports } from "./contract/ports.ts";
import { driverOf, followConfigured } from "./assemble.ts";
import { bufferCommandsOf } from "./buffer-parts.ts";
import { isDirectoryHeld } from "../buffer/ledger/connection.ts";
import { machineDetector } from "./detect/machine.ts";
import { asyncApiDocument } from "../buffer/mqtt/asyncapi.ts";
import { recordSchemas } from "../buffer/mqtt/schemas.ts";
import { certificateCare } from "../protocols/opcua/care.ts";
import { VERSION } from "./version.ts";

/** `ports`: quiet ones, for commands whose results go to standard output. */
export const otherCommands = (kinds: Kinds, ports: () => Ports): readonly Command[] => [
  checkCommand(kinds),
  discoverCommand({ kinds, ports, isHeld: isDirectoryHeld }),
  probeCommand({ kinds, ports, driver: driverOf, isHeld: isDirectoryHeld }),
  tailCommand({ kinds, ports, driver: driverOf, followRecords: followConfigured }),
  recordCommand({ kinds, ports, driver: driverOf }),
  replayCommand({ kinds, detector: machineDetector }),
  auditCommand,
  simulateCommand,
  simulateModbusCommand,
  simulateFocasCommand,
  simulateHaasCommand,
  simulateOpcuaCommand,
  simulateShdrCommand,
  ...bufferCommandsOf(kinds, ports, VERSION, process.argv[1]),
  ...opcuaCommands({ kinds, ports, ...certificateCare(() => ports().log) }),
  schemaCommand({ kinds, records: recordSchemas, asyncapi: asyncApiDocument }),
  versionCommand({ version: VERSION, runtime: `${process.versions.node} ${process.platform} ${process.arch}` }),
];
