/** A file of which a lying device kept some pages and lost others: SQLite finds nothing wrong with it, and what stands on one page speaks of rows that are on none. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { commitOf, record } from "../records.ts";
import { open, temporaryDirectory } from "../support.ts";

it("a loss that is noted as told by a row which is not there is told again", async () => {
  const dataDir = temporaryDirectory();
  const first = open({ dataDir });
  await first.commit(commitOf([1, 2, 3, 4, 5].map((n) => record(n))));
  first.settle("bridge", { accepted: [], rejected: [{ seq: 2, reason: "refused for the test" }] });
  await first.commit(commitOf([record(6)]));
  const { epoch } = first;
  expect(first.pending("bridge", 0, 10).map(({ seq, type }) => [seq, type])).toContainEqual([7, "loss"]);
  await first.close();
  const db = new Database(join(dataDir, "cellgate.db"));
  db.exec("DELETE FROM record WHERE seq > 5; UPDATE meta SET value = '5' WHERE key = 'last'");
  db.close();
  rmSync(join(dataDir, "cellgate.db-tail")); // It was not kept either.

  const next = open({ dataDir });
  expect(next.epoch).not.toBe(epoch);
  const losses = next.pending("bridge", 0, 100).flatMap(({ type, body }) => (type === "loss" ? [JSON.parse(body) as object] : []));
  expect(losses).toContainEqual(expect.objectContaining({ destination: "bridge", reason: "refused", lostEpoch: epoch, fromSeq: 2, toSeq: 2 }));
});
