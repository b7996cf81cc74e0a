/** Puts a configuration's parts together: buffer, drivers, destinations, detectors. With main.ts and registry.ts the only place that knows them all. */
import { placeOf, type Configuration, type SourceSettings } from "./config/model.ts";
import { ConfigError, InvariantError } from "./contract/errors.ts";
import type { Ports } from "./contract/ports.ts";
import type { Driver, Place } from "./contract/source.ts";
import { machineDetector, type MachineDetectState } from "./detect/machine.ts";
import { recordId } from "./detect/record-id.ts";
import { utcOffsetMin } from "./detect/zone.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "./registry.ts";
import { contextOf, identityOf, type AgentParts } from "./runtime/agent.ts";
import type { SourceLook } from "./runtime/health/held-sources.ts";
import { systemClockProbe } from "./runtime/time/clock-probe.ts";
import { createClockTrust } from "./runtime/time/clock-trust.ts";
import { dayIn } from "./runtime/account/day-book.ts";
import { keepIn } from "./runtime/keep.ts";
import { AT_ONCE } from "./runtime/link/pacing.ts";
import { lossRecord, type DescribeLoss } from "../buffer/loss/loss.ts";
import { RELEASED } from "./version.ts";
import { mqttDestination } from "../buffer/mqtt/destination.ts";
import type { MqttConfig } from "../buffer/mqtt/config.ts";
import { openOutbox, type OutboxOptions } from "../buffer/outbox.ts";
import { quickCheckBy } from "../buffer/damage/quick-check.ts";

/** Opens the buffer: throws StoreError when that cannot be done. `program`: the file of our own program, where it is one that can check a buffer. */
export function assemble(configuration: Configuration, ports: Ports, version: string, program?: string): AgentParts<MachineDetectState> {
  const { agent } = configuration;
  const outbox = openOutbox(bufferOptions(configuration, ports, program));
  return {
    configuration, version, ports, detector: machineDetector, outbox,
    clockTrust: createClockTrust({ waitMs: agent.clockWaitMs, notBefore: RELEASED, probe: systemClockProbe() }, ports),
    driver: (source, own) => driverOf(source, own, placeOf(configuration)),
    destination: ({ kind, config, name }, identity, own) => named(DESTINATION_KINDS, kind).create(config, identity, { ...own, keep: keepIn(agent.dataDir) }, name),
    look: lookAt,
    pacing: ({ kind, config }) => named(DESTINATION_KINDS, kind).pacing?.(config) ?? AT_ONCE,
  };
}

/** What the buffer of a configuration is opened with. */
export function bufferOptions(configuration: Configuration, ports: Ports, program?: string): OutboxOptions {
  const { agent, buffer, destinations } = configuration;
  const log = ports.log.child({ part: "buffer" });
  return {
    dataDir: agent.dataDir, clock: ports.network, log, describeLoss: describeLoss(configuration),
    destinations: destinations.map(({ name, confirm, types, limitBytes }) => ({ name, confirm, ...(types && { types }), ...(limitBytes !== null && { limitBytes }) })),
    budgetBytes: buffer.budgetBytes, keepFree: buffer.keepFree, historyMs: buffer.historyMs, healWindowMs: buffer.healWindowMs,
    ...(buffer.card && { card: buffer.card }), dayOf: dayIn(agent.timezone),
    ...(program !== undefined && { quickCheck: quickCheckBy(program, { clock: ports.network, log }) }),
  };
}

/** What the agent tells of a source beside its driver; the code that asks for registers is loaded when somebody wants some. */
function lookAt({ kind, config }: SourceSettings): SourceLook {
  const known = named(SOURCE_KINDS, kind);
  return {
    summary: known.summary?.(config) ?? kind, address: known.address?.(config) ?? null,
    registers: async (question, ports, signal) => (await known.survey?.load())?.registers?.(config, question, ports, signal) ?? null,
  };
}

export const driverOf = ({ kind, config }: SourceSettings, ports: Ports, place?: Place): Driver => named(SOURCE_KINDS, kind).create(config, ports, place);

/** What arrives at the broker of the first destination. */
export async function* followConfigured(configuration: Configuration, machine: string | undefined, ports: Ports, signal: AbortSignal): AsyncGenerator<string, void, void> {
  const destination = configuration.destinations.find(({ kind }) => kind === mqttDestination.kind);
  if (!destination) throw new ConfigError(["the configuration has no MQTT destination to follow"]);
  const { followRecords } = await import("../buffer/mqtt/follow.ts");
  const machines = machine === undefined ? configuration.machines.map(({ id }) => id) : [machine];
  yield* followRecords({ config: destination.config as MqttConfig, identity: identityOf(configuration.agent, { version: "", ports }, ""), machines, ports }, signal);
}

function named<K extends { readonly kind: string }>(kinds: readonly K[], kind: string): K {
  const found = kinds.find((one) => one.kind === kind);
  if (!found) throw new InvariantError(`a checked configuration names the unknown kind ${kind}`);
  return found;
}

function describeLoss({ agent }: Configuration): DescribeLoss {
  const context = JSON.stringify(contextOf(agent, null));
  return (loss) => ({
    context,
    record: lossRecord(loss, recordId({ agent: agent.id, machine: "" }, "loss", [loss.destination, loss.lostEpoch, loss.fromSeq]), utcOffsetMin(agent.timezone, loss.start)),
  });
}
