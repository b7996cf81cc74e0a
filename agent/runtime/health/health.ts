/**
 * What the agent knows of itself, as plain JSON: the heartbeat's payload, and each machine's health. The same goes to the
 * broker, to commands on the same computer, and to the local page. `schema` is heartbeat/1: keys may be added, none changes.
 */
import type { AgentIdentity, Delivery, LiveOutput } from "../../contract/destination.ts";
import type { DestinationBacklog, Outbox, OutboxStatus } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Link } from "../../contract/source.ts";
import { rfc3339, type Instant } from "../../contract/time.ts";
import type { ClockTrust } from "../time/clock-trust.ts";
import { startOf } from "../time/dating.ts";
import type { Endurance } from "../account/endurance.ts";
import type { Downlinks } from "../link/downlinks.ts";
import type { MachineStatus } from "../machine/machine-status.ts";

export interface DestinationStatus {
  readonly name: string;
  readonly link: Link;
  /** The live link, while there is one. */
  readonly delivery: Pick<Delivery, "warnings"> | null;
  /** What a mark there says of our buffer that is not believed. */
  readonly doubt?: string | null;
  readonly downlinks: Pick<Downlinks, "status">;
  readonly live?: Pick<LiveOutput, "status">;
}
export interface HealthParts {
  readonly identity: AgentIdentity;
  readonly startedAt: Instant;
  readonly outbox: Pick<Outbox, "epoch" | "status">;
  readonly endurance: Pick<Endurance, "status">;
  readonly ports: Pick<Ports, "clock">;
  readonly clockTrust: Pick<ClockTrust, "state">;
  readonly machines: readonly { readonly id: string; status(): MachineStatus }[];
  readonly destinations: readonly DestinationStatus[];
}
export interface AgentHealth {
  readonly heartbeat: object;
  /** By machine id. */
  readonly machines: Readonly<Record<string, object>>;
}

const WARNINGS = 10;

export function agentHealth({ identity, startedAt, outbox, endurance, ports, clockTrust, machines, destinations }: HealthParts): AgentHealth {
  const at = rfc3339(ports.clock.now().unixMs);
  const { destinations: backlogs, ...buffer } = outbox.status();
  const own = new Map(backlogs.map((backlog) => [backlog.name, backlog]));
  const statuses = machines.map((machine) => [machine.id, machine.status()] as const);
  return {
    heartbeat: {
      schema: "heartbeat/1", status: "online", at, agent: identity.id, version: identity.version, bootId: identity.bootId, startedAt: rfc3339(startOf(startedAt, ports.clock.now())),
      clock: { state: clockTrust.state() },
      completeThrough: Object.fromEntries(destinations.map(({ name }) => [name, completeFor(own.get(name), statuses, outbox.epoch)])),
      destinations: destinations.map((destination) => destinationHealth(destination, own.get(destination.name))),
      buffer: { ...buffer, condition: conditionOf(buffer), lasting: endurance.status() },
    },
    machines: Object.fromEntries(statuses.map(([id, status]) => [id, machineHealth(status, at)])),
  };
}

/**
 * Per machine, how far whoever holds this destination's chain has everything. Never a number beyond the last row due to it:
 * a row that a filter keeps from it could be waited for until the next one comes.
 */
function completeFor(backlog: DestinationBacklog | undefined, machines: readonly (readonly [string, MachineStatus])[], epoch: string): object {
  return Object.fromEntries(machines.flatMap(([id, { complete }]) =>
    complete === null ? [] : [[id, { time: rfc3339(complete.time), epoch, seq: Math.min(complete.seq, backlog?.lastDue ?? complete.seq) }] as const]));
}

function destinationHealth({ name, link, delivery, doubt = null, downlinks, live }: DestinationStatus, backlog: DestinationBacklog | undefined): object {
  const { name: _, oldestWaitingAt = null, ...counts } = backlog ?? {};
  const dead = backlog?.dead ?? 0;
  const asked = downlinks.status();
  const warnings = [...(dead === 0 ? [] : [`Dead letters: ${dead}. They were refused for good or cannot be read; look with cellgate buffer dead.`]), ...(doubt === null ? [] : [doubt]), ...(asked.warning === undefined ? [] : [asked.warning]), ...(delivery?.warnings() ?? [])];
  return {
    name, link: linkOf(link), warnings: warnings.slice(0, WARNINGS), ...counts,
    oldestWaitingAt: oldestWaitingAt === null ? null : rfc3339(oldestWaitingAt), downlinks: asked, ...(live && { live: live.status() }),
  };
}

function conditionOf({ condition }: Pick<OutboxStatus, "condition">): object {
  return condition.state === "ok" ? condition : { ...condition, since: rfc3339(condition.since) };
}

function machineHealth(status: MachineStatus, at: string): object {
  return {
    at, phase: status.phase, link: linkOf(status.link), peer: status.peer, caughtUp: status.caughtUp, clockOffsetMs: status.clockOffsetMs, clockShiftMs: status.clockShiftMs, clockWarning: status.clockWarning,
    lateReadings: status.lateReadings, holeSince: status.holeSince === null ? null : rfc3339(status.holeSince), lastDataAt: status.lastBatchAt === null ? null : rfc3339(status.lastBatchAt),
    completeThrough: status.complete === null ? null : rfc3339(status.complete.time),
  };
}

/** A link's words without what only the log needs. */
export function linkOf(link: Link): object {
  switch (link.state) {
    case "connecting": return { state: link.state };
    case "up": return { state: link.state, peer: link.peer };
    case "down": return { state: link.state, fault: link.fault, message: link.message };
    case "stopped": return { state: link.state, ...(link.message !== undefined && { message: link.message }) };
  }
}
