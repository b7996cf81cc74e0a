/**
 * Shows what the agent knows of itself, retained: its heartbeat with `completeThrough` (design.md §5.3), and each machine's
 * health. Every HEARTBEAT_MS, and at once when a link or the buffer's condition changes; nothing here reaches the ledger.
 * Looked at is what costs no look at files or tables: the whole status is made only to be shown.
 */
import type { WritableBoard } from "../link/board.ts";
import { agentHealth, type HealthParts } from "./health.ts";
import type { Outbox } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";

export interface HeartbeatParts extends HealthParts {
  readonly outbox: Pick<Outbox, "epoch" | "status" | "condition" | "fault">;
  readonly board: WritableBoard;
  readonly ports: Pick<Ports, "clock" | "network">;
}

const HEARTBEAT_MS = 10_000;
const LOOK_MS = 250;

/** Resolves when the signal aborts. */
export async function heartbeat(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  const { outbox, ports: { network } } = parts;
  let shown = "";
  let dueMono = 0;
  const followed = new Set<string>();
  while (!signal.aborted) {
    const now = network.now().monoMs;
    const seen = JSON.stringify([
      parts.machines.map((machine) => standing(machine, followed)), parts.destinations.map(({ link }) => link.state), outbox.condition().state, outbox.fault(),
    ]);
    if (now >= dueMono || seen !== shown) {
      shown = seen;
      dueMono = now + HEARTBEAT_MS;
      show(parts);
    }
    await network.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** Puts it on the board now. */
export function show(parts: HeartbeatParts): void {
  const { heartbeat, machines } = agentHealth(parts);
  for (const [machine, payload] of Object.entries(machines)) parts.board.put({ scope: "health", machine, payload });
  parts.board.put({ scope: "heartbeat", payload: heartbeat });
}

/** Link, phase, and whether it has caught up once since its link came up: that it is behind for a moment is not worth a message. */
function standing(machine: HeartbeatParts["machines"][number], followed: Set<string>): readonly unknown[] {
  const { link, phase, caughtUp } = machine.status();
  if (link.state !== "up") followed.delete(machine.id);
  else if (caughtUp) followed.add(machine.id);
  return [link.state, phase, followed.has(machine.id)];
}
