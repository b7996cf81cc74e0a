/** A day of a running agent, with restarts in it: its receipt says what the destination holds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { StoredRecord } from "../../agent/contract/outbox.ts";
import type { Body } from "../../agent/contract/record.ts";
import { handMachine, IDLE, watch, type HandMachine, type Watching } from "./hand-machine.ts";

const HOUR = 3_600;
const receiptsIn = (records: readonly StoredRecord[]): readonly Body<"receipt">[] => records.filter(({ type }) => type === "receipt").map(({ body }) => JSON.parse(body) as Body<"receipt">);

async function cycles(machine: HandMachine, watching: Watching, from: number, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const second = from + n * 100;
    machine.says(second, { exec: "ACTIVE" });
    machine.says(second + 60, { exec: "READY", pcount: 20 + n });
    await watching.sent(machine);
  }
  machine.passes(from + count * 100);
  await watching.caughtUp(machine);
}

describe("the receipt of a day", () => {
  it("counts what was delivered over restarts of the agent, and comes after midnight", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "cellgate-receipt-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    await using machine = await handMachine();
    machine.says(-10, IDLE);
    const held: StoredRecord[] = [];
    for (const [round, second] of [0, 1_000, 2_000].entries()) {
      const watching = await watch(machine.agent.url, { dataDir, second });
      await watching.caughtUp(machine);
      await cycles(machine, watching, second, 5 + round);
      await watching.stop();
      held.push(...watching.running.delivered);
    }
    await using last = await watch(machine.agent.url, { dataDir, second: 3_000 });
    await last.caughtUp(machine);
    await last.clock.advance((17 * HOUR) * 1_000); // From 06:50 to 23:50.
    await last.caughtUp(machine);
    expect(receiptsIn(last.running.delivered)).toEqual([]);
    await last.clock.advance(0.4 * HOUR * 1_000);
    await last.running.until(() => receiptsIn(last.running.delivered).length > 0, "the receipt comes");
    held.push(...last.running.delivered);
    const [receipt] = receiptsIn(held);
    const [range] = receipt?.ranges ?? [];
    const mine = new Set(held.filter(({ machine: whose, type, seq }) => whose === "VMC-3" && type !== "receipt" && seq >= (range?.fromSeq ?? 0) && seq <= (range?.toSeq ?? 0)).map(({ seq }) => seq));
    expect(receipt).toMatchObject({ date: "2026-01-05", start: "2026-01-05T00:00:00.000Z", end: "2026-01-06T00:00:00.000Z" });
    const [bridge] = receipt?.destinations ?? [];
    expect(bridge).toMatchObject({ name: "bridge", due: mine.size, waiting: 0, dropped: {} });
    expect(bridge?.delivered).toBe(mine.size);
    expect(Object.values(receipt?.made ?? {}).reduce((sum, count) => sum + count, 0)).toBe(mine.size);
    expect(receipt?.made["cycle"]).toBeGreaterThanOrEqual(18);
    expect(receipt?.samples.read).toBeGreaterThan(36);
    // Told once, though the agent looks on.
    await last.clock.advance(HOUR * 1_000);
    expect(receiptsIn(last.running.delivered)).toHaveLength(1);
  }, 60_000);
});
