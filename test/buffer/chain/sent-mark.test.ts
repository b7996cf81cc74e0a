/** How far a destination was sent, kept across restarts: what may be a repeat says so, and little else does. */
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import type { RecordType } from "../../../agent/contract/record.ts";
import { BLOCK_ROWS } from "../../../buffer/chain/sent-mark.ts";
import { commitOf, record } from "../records.ts";
import { open, temporaryDirectory } from "../support.ts";

const ROWS = 3 * BLOCK_ROWS;

async function filled(outbox: Outbox, rows = ROWS, type: RecordType = "state"): Promise<void> {
  const from = outbox.status().lastSeq + 1;
  for (let n = from; n < from + rows; n += 500) await outbox.commit(commitOf(Array.from({ length: Math.min(500, from + rows - n) }, (_, index) => record(n + index, type))));
}
/** Sends `count` rows from the cursor on, as a link does; which of them may be repeats. */
async function send(outbox: Outbox, count: number, name = "bridge"): Promise<readonly number[]> {
  const repeats: number[] = [];
  for (let [after, left] = [0, count]; left > 0;) {
    const rows = outbox.sendable(name, after, Math.min(256, left));
    if (rows.length === 0) await outbox.arrival(outbox.status().syncedSeq, AbortSignal.timeout(10_000));
    for (const { seq } of rows) if (outbox.sending(name, seq)) repeats.push(seq);
    after = rows.at(-1)?.seq ?? after;
    left -= rows.length;
  }
  return repeats;
}
/** What a kill leaves: the files as they are now. */
function killed(dataDir: string): string {
  const copy = temporaryDirectory();
  for (const name of ["cellgate.db", "cellgate.db-wal", "cellgate.db-tail"]) if (existsSync(join(dataDir, name))) copyFileSync(join(dataDir, name), join(copy, name));
  return copy;
}
const through = (last: number): readonly number[] => Array.from({ length: last }, (_, index) => index + 1);
const lastRepeat = async (dataDir: string): Promise<number> => {
  const repeats = await send(open({ dataDir: killed(dataDir) }), ROWS);
  expect(repeats).toEqual(through(repeats.length));
  return repeats.length;
};

it("after a kill every row that was sent says that it may come again, and of those never sent one block at most", { timeout: 60_000 }, async () => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir });
  await filled(outbox);
  for (const sent of [1, 300, 2_500, 3_500, 7_900]) {
    await send(outbox, sent);
    const repeats = await lastRepeat(dataDir);
    expect(repeats).toBeGreaterThanOrEqual(sent);
    expect(repeats).toBeLessThanOrEqual(sent + BLOCK_ROWS);
  }
});

it("one life repeats exactly what it sent, and an orderly end hands exactly that on", async () => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir });
  await filled(outbox, 3_000);
  expect(await send(outbox, 700)).toEqual([]);
  outbox.settle("bridge", { accepted: through(10), rejected: [] });
  expect(await send(outbox, 1_000)).toEqual(through(700).slice(10));
  await outbox.close();
  expect(await send(open({ dataDir }), 2_000)).toEqual(through(1_010).slice(10));
});

it("kills without sending add nothing, and what is learned after one is no repeat", { timeout: 60_000 }, async () => {
  let dataDir = temporaryDirectory();
  const first = open({ dataDir });
  await filled(first, 100);
  await send(first, 20);
  for (let lives = 0; lives < 5; lives++) {
    dataDir = killed(dataDir);
    await filled(open({ dataDir }), BLOCK_ROWS - 1_000);
  }
  const repeats = await send(open({ dataDir: killed(dataDir) }), 8_000);
  expect([repeats.length >= 20, repeats.length <= 20 + BLOCK_ROWS]).toEqual([true, true]);
});

it("rows few and far between under a filter are not held back for the mark", async () => {
  const outbox = open({ dataDir: temporaryDirectory(), destinations: [{ name: "bridge" }, { name: "alarms", types: ["alarm"] }] });
  for (let alarms = 1; alarms <= 3; alarms++) {
    await filled(outbox, 2 * BLOCK_ROWS);
    const seq = await outbox.commit(commitOf([record(1_000_000 + alarms, "alarm")]));
    expect(outbox.sendable("alarms", 0, 10).map((row) => row.seq)).toEqual([seq]);
    expect(outbox.sending("alarms", seq)).toBe(false);
    outbox.settle("alarms", { accepted: [seq], rejected: [] });
  }
});

it("nothing is held back from who follows, and a record costs no write for it", async () => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir });
  const marks = new Set<unknown>();
  const db = new Database(join(dataDir, "cellgate.db"), { readonly: true });
  for (let n = 1; n <= 100; n++) {
    const seq = await outbox.commit(commitOf([record(n)]));
    expect(outbox.sendable("bridge", seq - 1, 10).map((row) => row.seq)).toEqual([seq]);
    outbox.sending("bridge", seq);
    outbox.settle("bridge", { accepted: [seq], rejected: [] });
    marks.add(db.prepare("SELECT through FROM sent").pluck().get());
  }
  db.close();
  expect([...marks]).toEqual([BLOCK_ROWS]);
});

it.each([
  ["a file that never kept it", "DELETE FROM sent"],
  ["an agent without it that has sent meanwhile", "UPDATE destination SET through = 9000"],
])("%s: all that waits may have been sent", async (what, change) => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir });
  await filled(outbox);
  await outbox.close();
  const db = new Database(join(dataDir, "cellgate.db"));
  db.exec(change);
  if (what.startsWith("an agent")) {
    const { crcOf } = await import("../../../buffer/ledger/checksum.ts");
    db.prepare("UPDATE destination SET through_n = 9000, crc = ?").run(crcOf("1|9000|9000|0"));
  }
  db.close();
  const again = open({ dataDir });
  const { waiting } = again.status().destinations[0] ?? { waiting: 0 };
  expect(waiting).toBeGreaterThan(2_000);
  expect((await send(again, waiting)).length).toBe(waiting);
});

it("what a new file carries over from a damaged one may have been sent out of that; what is new was not", async () => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir });
  await filled(outbox, 400);
  await send(outbox, 100);
  await outbox.close();
  rmSync(join(dataDir, "cellgate.db-tail"));
  const db = new Database(join(dataDir, "cellgate.db"));
  db.prepare("UPDATE record SET body = 'x' WHERE seq = 400").run();
  db.close();
  const fresh = open({ dataDir });
  expect(fresh.epoch).not.toBe(outbox.epoch);
  const rows = fresh.sendable("bridge", 0, 1_000);
  const carried = rows.filter(({ type }) => type === "state").map(({ seq }) => seq);
  expect([carried.length, rows.length > carried.length]).toEqual([399, true]);
  expect(rows.filter(({ seq }) => fresh.sending("bridge", seq)).map(({ seq }) => seq)).toEqual(carried);
});
