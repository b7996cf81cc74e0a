/** What the `buffer` commands are made of: with assemble.ts, main.ts and registry.ts the only places that know the buffer and the command line. */
import type { Kinds } from "./config/kinds.ts";
import type { Ports } from "./contract/ports.ts";
import { bufferOptions } from "./assemble.ts";
import { bufferCommands } from "./cli/buffer/commands.ts";
import type { Command } from "./cli/cli.ts";
import { identityOf } from "./runtime/agent.ts";
import { askAgent } from "./runtime/health/control.ts";
import { eventWriter } from "../buffer/mqtt/cloud-events.ts";
import type { MqttConfig } from "../buffer/mqtt/config.ts";
import { mqttDestination } from "../buffer/mqtt/destination.ts";
import { DEFAULT_TOPIC, topicsOf } from "../buffer/mqtt/topic.ts";
import { isDirectoryHeld } from "../buffer/ledger/connection.ts";
import { openOutbox } from "../buffer/outbox.ts";
import { openReader } from "../buffer/tools/reader.ts";
import { repairBuffer } from "../buffer/tools/repair.ts";
import { structureCheckBy } from "../buffer/tools/structure.ts";

/** `program`: the file of our own program, where it is one that can check a buffer. */
export const bufferCommandsOf = (kinds: Kinds, ports: () => Ports, version: string, program: string | undefined): readonly Command[] => bufferCommands({
  kinds, ports,
  read: (dataDir) => openReader(dataDir, { clock: ports().network, structure: program === undefined ? null : structureCheckBy(program) }),
  open: (configuration, own) => openOutbox(bufferOptions(configuration, own)),
  isHeld: isDirectoryHeld,
  ask: (dataDir, request, own, signal) => askAgent(dataDir, request, own.network, signal),
  event(configuration, own, epoch, destination) {
    const identity = identityOf(configuration.agent, { version, ports: own }, epoch);
    const settings = configuration.destinations.find(({ name, kind }) => name === destination && kind === mqttDestination.kind);
    const topics = topicsOf(settings === undefined ? DEFAULT_TOPIC : (settings.config as MqttConfig).topic, identity);
    const writeEvent = eventWriter(identity, (machine) => topics.source(machine));
    return (record) => writeEvent(record, { publishedAt: own.clock.now().unixMs, replay: true });
  },
  repair: (configuration, own, damage) => repairBuffer(bufferOptions(configuration, own), damage),
});
