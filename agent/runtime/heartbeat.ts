/**
 * What the agent says about itself, retained: its heartbeat with `completeThrough` (design.md §5.3), and each machine's
 * health. Every HEARTBEAT_MS, and at once when a link changes; nothing here reaches the ledger.
 */
import type { AgentIdentity, LiveOutput } from "../contract/destination.ts";
import type { Outbox } from "../contract/outbox.ts";
import type { Ports } from "../contract/ports.ts";
import type { Link } from "../contract/source.ts";
import { rfc3339 } from "../contract/time.ts";
import type { WritableBoard } from "./board.ts";
import type { MachineStatus } from "./machine.ts";

export interface DestinationStatus {
  readonly name: string;
  readonly link: Link;
  readonly live?: Pick<LiveOutput, "status">;
}
export interface HeartbeatParts {
  readonly identity: AgentIdentity;
  readonly outbox: Outbox;
  readonly board: WritableBoard;
  readonly ports: Ports;
  readonly machines: readonly { readonly id: string; status(): MachineStatus }[];
  readonly destinations: readonly DestinationStatus[];
}

const HEARTBEAT_MS = 10_000;
const LOOK_MS = 250;

/** Resolves when the signal aborts. */
export async function heartbeat(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  const { network } = parts.ports;
  const startedAt = parts.ports.clock.now().unixMs;
  let shown = "";
  let dueMono = 0;
  const followed = new Set<string>();
  while (!signal.aborted) {
    const now = network.now().monoMs;
    const links = JSON.stringify([parts.machines.map((machine) => [machine.status().link.state, machine.status().phase, hasCaughtUp(machine, followed)]), parts.destinations.map(({ link }) => link.state)]);
    if (now >= dueMono || links !== shown) {
      shown = links;
      dueMono = now + HEARTBEAT_MS;
      show(parts, startedAt);
    }
    await network.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** Once since its link came up: that it is behind for a moment is not worth a message. */
function hasCaughtUp(machine: HeartbeatParts["machines"][number], followed: Set<string>): boolean {
  const { link, caughtUp } = machine.status();
  if (link.state !== "up") followed.delete(machine.id);
  else if (caughtUp) followed.add(machine.id);
  return followed.has(machine.id);
}

function show({ identity, outbox, board, ports, machines, destinations }: HeartbeatParts, startedAt: ReturnType<Ports["clock"]["now"]>["unixMs"]): void {
  const at = rfc3339(ports.clock.now().unixMs);
  const complete = Object.fromEntries(machines.flatMap((machine) => {
    const { complete: through } = machine.status();
    return through === null ? [] : [[machine.id, { time: rfc3339(through.time), epoch: outbox.epoch, seq: through.seq }] as const];
  }));
  for (const machine of machines) board.put({ scope: "health", machine: machine.id, payload: healthOf(machine.status(), at) });
  board.put({
    scope: "heartbeat",
    payload: {
      schema: "heartbeat/1", status: "online", at, agent: identity.id, version: identity.version, bootId: identity.bootId, startedAt: rfc3339(startedAt),
      completeThrough: Object.fromEntries(destinations.map(({ name }) => [name, complete])),
      destinations: destinations.map(({ name, link, live }) => ({ name, link: linkOf(link), ...(live && { live: live.status() }) })),
      buffer: outbox.status(),
    },
  });
}

function healthOf(status: MachineStatus, at: string): object {
  return {
    at, phase: status.phase, link: linkOf(status.link), peer: status.peer, caughtUp: status.caughtUp, clockOffsetMs: status.clockOffsetMs,
    lateReadings: status.lateReadings, lastDataAt: status.lastBatchAt === null ? null : rfc3339(status.lastBatchAt),
    completeThrough: status.complete === null ? null : rfc3339(status.complete.time),
  };
}

/** A link's words without what only the log needs. */
function linkOf(link: Link): object {
  switch (link.state) {
    case "connecting": return { state: link.state };
    case "up": return { state: link.state, peer: link.peer };
    case "down": return { state: link.state, fault: link.fault, message: link.message };
    case "stopped": return { state: link.state, ...(link.message !== undefined && { message: link.message }) };
  }
}
