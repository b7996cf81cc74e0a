import { describe, expect, it } from "vitest";
import type { OutboxStatus, StoreCondition } from "../../../../agent/contract/outbox.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { agentHealth, type DestinationStatus } from "../../../../agent/runtime/health/health.ts";
import type { MachineStatus } from "../../../../agent/runtime/machine/machine-status.ts";
import { IDENTITY } from "../../../support/delivering.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { memoryOutbox } from "../../../support/memory-outbox.ts";

const AT = unixMs(Date.UTC(2026, 0, 5, 6));
const silent: DestinationStatus["downlinks"] = { status: () => ({ accepted: { confirm: 2, replay: 0, cmd: 0 }, refused: { confirm: 0, replay: 1, cmd: 0 }, lastRefusals: ["replay: more often than 0.1 a second"] }) };

function healthOf({ lastDue, dead = 0, condition = { state: "ok" }, complete = { time: AT, seq: 12 } }: { readonly lastDue: readonly number[]; readonly dead?: number; readonly condition?: StoreCondition; readonly complete?: MachineStatus["complete"] }) {
  const status = memoryOutbox().status();
  const [backlog] = status.destinations;
  if (!backlog) throw new Error("the outbox has a destination");
  const now: OutboxStatus = { ...status, condition, destinations: lastDue.map((seq, index) => ({ ...backlog, name: `d${index}`, lastDue: seq, waiting: 3, rejected: 9, dead, lost: 1, oldestWaitingAt: index === 0 ? AT : null })) };
  const machine = { phase: "following", link: { state: "up", peer: "a machine" }, peer: "a machine", caughtUp: true, clockOffsetMs: 0, lateReadings: 0, holeSince: null, complete, lastBatchAt: null } as unknown as MachineStatus;
  return agentHealth({
    identity: IDENTITY, startedAt: fakeClock(AT).now(), outbox: { epoch: "epoch-1", status: () => now }, endurance: { status: () => null }, clockTrust: { state: () => "waiting" }, ports: { clock: fakeClock() }, machines: [{ id: "VMC-3", status: () => machine }],
    destinations: lastDue.map((_, index) => ({ name: `d${index}`, link: index === 0 ? { state: "up", peer: "broker" } : { state: "down", fault: "unreachable", message: "nothing listens there", retryInMs: 1 }, delivery: index === 0 ? { warnings: () => ["the certificate ends in 3 days"] } : null, downlinks: silent })),
  });
}

describe("health", () => {
  it("completeThrough names no row beyond the last one due to a destination", () => {
    const through = (seq: number): object => ({ "VMC-3": { time: "2026-01-05T06:00:00.000Z", epoch: "epoch-1", seq } });
    expect(healthOf({ lastDue: [12, 40, 7, 0] }).heartbeat).toMatchObject({ completeThrough: { d0: through(12), d1: through(12), d2: through(7), d3: through(0) } });
    expect(healthOf({ lastDue: [12], complete: null }).heartbeat).toMatchObject({ completeThrough: { d0: {} } });
  });

  it("says of each destination how it stands, what warns, and what its broker asked", () => {
    expect(healthOf({ lastDue: [12, 12] }).heartbeat).toMatchObject({ destinations: [
      { name: "d0", link: { state: "up", peer: "broker" }, warnings: ["the certificate ends in 3 days"], waiting: 3, lost: 1, oldestWaitingAt: "2026-01-05T06:00:00.000Z", downlinks: { refused: { replay: 1 } } },
      { name: "d1", link: { state: "down", fault: "unreachable", message: "nothing listens there" }, warnings: [], oldestWaitingAt: null },
    ] });
  });

  it("tells of dead letters as long as there are some, whether the link is there or not", () => {
    const told = "Dead letters: 4. They were refused for good or cannot be read; look with cellgate buffer dead.";
    expect(healthOf({ lastDue: [12, 12], dead: 4 }).heartbeat).toMatchObject({ destinations: [{ warnings: [told, "the certificate ends in 3 days"], rejected: 9, dead: 4 }, { warnings: [told] }] });
  });

  it("says in words what the buffer suffers from, and is plain JSON", () => {
    const { heartbeat, machines } = healthOf({ lastDue: [1], condition: { state: "degraded", fault: "full", since: AT, message: "the disk is full: free some room", heldRecords: 5, heldBytes: 900 } });
    expect(JSON.parse(JSON.stringify(heartbeat))).toMatchObject({ buffer: { epoch: "epoch-1", condition: { state: "degraded", since: "2026-01-05T06:00:00.000Z", message: "the disk is full: free some room", heldRecords: 5 } } });
    expect(heartbeat).not.toHaveProperty("buffer.destinations");
    expect(machines).toMatchObject({ "VMC-3": { phase: "following", caughtUp: true } });
  });
});
