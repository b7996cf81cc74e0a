/**
 * The whole agent put to work: outbox, deliveries, one supervised source per machine, heartbeat; and its orderly end.
 * Stopping: sources first (a control's session slots are scarce), then what is in hand is committed, then deliveries
 * settle what the broker still acknowledges, then the store closes. Each step has a deadline, all of it under 5 s.
 */
import type { AgentIdentity, Delivery, Destination, LiveOutput, Pacing } from "../contract/destination.ts";
import type { Detector } from "../contract/detector.ts";
import type { Outbox } from "../contract/outbox.ts";
import type { Log, Ports } from "../contract/ports.ts";
import type { RecordContext } from "../contract/record.ts";
import type { Driver, Link } from "../contract/source.ts";
import { RELEASED } from "../version.ts";
import type { AgentSettings, Configuration, DestinationSettings, MachineSettings, SourceSettings } from "../config/model.ts";
import { createBoard, retainedOf, type WritableBoard } from "./link/board.ts";
import type { ClockTrust } from "./time/clock-trust.ts";
import { serveControl } from "./health/control.ts";
import { controlVerbs } from "./health/control-verbs.ts";
import { deliver } from "./link/deliver.ts";
import { DayBook } from "./account/day-book.ts";
import { Downlinks } from "./link/downlinks.ts";
import { Endurance } from "./account/endurance.ts";
import { HeldSources, type SourceLook } from "./health/held-sources.ts";
import { agentHealth, type DestinationStatus } from "./health/health.ts";
import { heartbeat, show, type HeartbeatParts } from "./health/heartbeat.ts";
import { Machine } from "./machine/machine.ts";
import { receipts } from "./account/receipts.ts";
import { supervise } from "./link/supervise.ts";
import { UntilSet } from "./time/until-set.ts";

export interface AgentParts<State> {
  readonly configuration: Configuration;
  readonly version: string;
  readonly ports: Ports;
  readonly detector: Detector<State>;
  readonly outbox: Outbox;
  readonly clockTrust: ClockTrust;
  driver(source: SourceSettings, ports: Ports): Driver;
  destination(settings: DestinationSettings, identity: AgentIdentity, ports: Ports): Destination;
  pacing(settings: DestinationSettings): Pacing;
  look(source: SourceSettings): SourceLook;
}

const STEP_DEADLINE_MS = 2_000;

/** Resolves after `signal` has aborted and everything is closed; rejects when a part failed that the agent cannot go on without. */
export async function runAgent<State>(parts: AgentParts<State>, signal: AbortSignal): Promise<void> {
  const { configuration, outbox, ports, clockTrust } = parts;
  const identity = identityOf(configuration.agent, parts, outbox.epoch);
  const board = createBoard();
  const sources = new AbortController();
  const deliveries = new AbortController();
  const machines = configuration.machines.flatMap((settings) => settings.sources.slice(0, 1).map((source) => {
    const own = { ...ports, log: ports.log.child({ machine: settings.id, source: source.name }) };
    const context = JSON.stringify(contextOf(configuration.agent, settings));
    const book = new DayBook({ machine: settings.id, timezone: configuration.agent.timezone, destinations: configuration.destinations });
    const machine = new Machine({ settings, source, context, detector: parts.detector, outbox, board, book, clockTrust, ports: own });
    const untilSet = new UntilSet({ clockTrust, clock: ports.clock, take: (batch, received) => machine.take(batch, received) }, sources.signal);
    return { machine, source, look: parts.look(source), untilSet, book, context, driver: parts.driver(source, own), ports: own };
  }));
  const supervising = machines.map(({ machine, untilSet, driver, ports: own }) => supervise({
    driver, ports: own, cursor: () => machine.cursor(), take: (batch) => untilSet.take(batch),
    onLink(link) {
      untilSet.onLink(link);
      machine.onLink(link);
    },
  }, sources.signal));
  const kept = configuration.destinations.map((settings) => keepDestination(settings, { parts, identity, board, showNow: () => { show(health); } }, deliveries.signal));
  const endurance = new Endurance({ outbox, ports, dataDir: configuration.agent.dataDir, buffer: configuration.buffer });
  const health: HeartbeatParts = {
    endurance, identity, outbox, board, ports, clockTrust, startedAt: ports.clock.now(), machines: machines.map(({ machine }) => machine), destinations: kept.map(({ status }) => status),
  };
  const serving = [
    heartbeat(health, sources.signal),
    endurance.watch(sources.signal),
    clockTrust.settled(sources.signal).then(() => receipts({
      agent: configuration.agent.id, timezone: configuration.agent.timezone, outbox, ports, destinations: configuration.destinations,
      machines: machines.map(({ machine, book, context }) => ({ id: machine.id, context, book, completeThrough: () => machine.status().complete?.time ?? null, endDay: () => { machine.endDay(); } })),
    }, sources.signal), () => undefined), // Aborted: there is nothing to receipt.
    clockTrust.watch(sources.signal),
    serveControl({
      dataDir: configuration.agent.dataDir, ports,
      answer: controlVerbs({ outbox, sources: new HeldSources(machines, board, sources.signal), destinations: configuration.destinations.map(({ name }) => name), health: () => agentHealth(health) }),
    }, sources.signal),
  ];
  const delivering = kept.map(({ running }) => running);

  try {
    await Promise.race([aborted(signal), failing(replaced(outbox)), ...[...delivering, ...supervising, ...serving].map(failing)]);
  } finally {
    sources.abort(new Error("the agent is stopping"));
    await within(ports, Promise.allSettled(supervising));
    await within(ports, Promise.allSettled(machines.map(({ machine }) => machine.stop())));
    deliveries.abort(new Error("the agent is stopping"));
    await within(ports, Promise.allSettled([...delivering, ...serving]));
    for (const { downlinks } of kept) downlinks.stop();
    await outbox.close();
  }
}

interface KeepOptions {
  readonly parts: Pick<AgentParts<unknown>, "outbox" | "ports" | "destination" | "pacing">;
  readonly identity: AgentIdentity;
  readonly board: WritableBoard;
  /** Puts heartbeat and health on the board. */
  readonly showNow: () => void;
}

/** One destination at work: its delivery loop, its live output beside that, and what its broker may ask of us. */
function keepDestination(settings: DestinationSettings, { parts, identity, board, showNow }: KeepOptions, signal: AbortSignal): { readonly status: DestinationStatus; readonly downlinks: Downlinks; readonly running: Promise<void> } {
  const { name } = settings;
  const { outbox } = parts;
  const ports = { ...parts.ports, log: parts.ports.log.child({ destination: name }) };
  const destination = parts.destination(settings, identity, ports);
  const downlinks = new Downlinks({ destination: name, outbox, ports, commands: { heartbeat() {
    showNow();
    status.delivery?.retain(retainedOf(board.all()));
  } } });
  const status: { readonly name: string; link: Link; delivery: Delivery | null; doubt: string | null; readonly downlinks: Downlinks; readonly live?: LiveOutput } = {
    name, link: { state: "connecting", attempt: 1 }, delivery: null, doubt: null, downlinks, ...(destination.live && { live: destination.live }),
  };
  const delivered = deliver({
    destination, outbox, board, ports, pacing: parts.pacing(settings), downlink: downlinks.take,
    onLink(link) {
      status.link = link;
      logLink(ports.log, link);
    },
    onDelivery(delivery) { status.delivery = delivery; },
    onDoubt(words) { status.doubt = words; },
  }, signal);
  return { status, downlinks, running: Promise.all([delivered, destination.live?.run(board, signal)]).then(() => undefined) };
}

/** Rejects when the buffer had to be set aside: what stands in its place is opened by a new start. */
async function replaced(outbox: Outbox): Promise<void> {
  throw await outbox.replaced;
}

/** The log counts what repeats: a broker that is away for a night is no thousand lines. */
function logLink(log: Log, link: Link): void {
  if (link.state === "up") log.info({ peer: link.peer }, "destination connected");
  if (link.state === "down") log.warn({ fault: link.fault, reason: link.message, retryInMs: Math.round(link.retryInMs) }, "destination lost: records are kept until it is back");
  if (link.state === "stopped" && link.fault !== undefined) log.error({ fault: link.fault, reason: link.message }, "destination stopped: trying again would not help");
}

const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => {
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => { resolve(); }, { once: true });
});
/** A part that ends well does not end the agent; one that fails does. */
const failing = async (part: Promise<void>): Promise<void> => {
  await part;
  await new Promise(() => undefined);
};

async function within(ports: Ports, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, ports.network.sleep(STEP_DEADLINE_MS, done.signal).catch(() => undefined)]);
  done.abort(new Error("done"));
}

export function identityOf(agent: AgentSettings, parts: { readonly version: string; readonly ports: Ports }, epoch: string): AgentIdentity {
  return { ...levels(agent), id: agent.id, version: parts.version, bootId: parts.ports.clock.now().boot, epoch, releasedAt: RELEASED };
}

const levels = (agent: AgentSettings): { readonly enterprise?: string; readonly site?: string; readonly area?: string; readonly cell?: string } => ({
  ...(agent.enterprise !== undefined && { enterprise: agent.enterprise }),
  ...(agent.site !== undefined && { site: agent.site }),
  ...(agent.area !== undefined && { area: agent.area }),
  ...(agent.cell !== undefined && { cell: agent.cell }),
});

/** What is the same in every record of the machine, or of the agent itself. */
export function contextOf(agent: AgentSettings, machine: MachineSettings | null): RecordContext {
  return {
    environment: agent.environment,
    equipment: { ...levels(agent), machine: machine?.id ?? null },
    erp: machine?.workCenter === undefined ? null : { workCenter: machine.workCenter },
    tz: machine?.rules.timezone ?? agent.timezone,
  };
}
