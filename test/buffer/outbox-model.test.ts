/** The outbox on SQLite against the model of test/conformance/outbox.ts. A crash here is a copy of the files as they lie. */
import { cpSync, existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { RECORD_TYPES } from "../../agent/contract/record.ts";
import type { Outbox } from "../../agent/contract/outbox.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { followModel, type Filter, type Step } from "../conformance/outbox.ts";
import { commitOf, record } from "./records.ts";
import { options, temporaryDirectory } from "./support.ts";

const filters: readonly Filter[] = [{ name: "all" }, { name: "some", types: ["cycle", "downtime"] }, { name: "rare", types: ["summary"] }];
const commit = fc.record({
  types: fc.array(fc.constantFrom(...RECORD_TYPES), { maxLength: 6 }),
  checkpoint: fc.option(fc.record({ key: fc.constantFrom("a", "b"), json: fc.json() })),
  machine: fc.constantFrom("M1", "M2", null),
  context: fc.constantFrom("{}", '{"a":1}'),
});
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("commit" as const), commits: fc.array(commit, { minLength: 1, maxLength: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("settle" as const), destination: fc.nat(2), picks: fc.array(fc.boolean(), { maxLength: 12 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "crash" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

it("does what the model does, over commits, settlements, closes and crashes", { timeout: 60_000 }, async () => {
  const root = temporaryDirectory();
  const opened: Outbox[] = [];
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (drawn) => {
    let n = 0;
    const steps = drawn.map((one): Step => one.kind !== "commit" ? one : {
      kind: "commit",
      commits: one.commits.map(({ types, ...rest }) => commitOf(types.map((type) => record(++n, type, { n, text: "é" })), rest)),
    });
    let dataDir = mkdtempSync(join(root, "run-"));
    const openHere = (): Outbox => {
      const outbox = openOutbox(options({ dataDir, destinations: filters }));
      opened.push(outbox);
      return outbox;
    };
    await followModel({
      outbox: openHere(),
      crash() {
        const copy = mkdtempSync(join(root, "crash-"));
        for (const name of ["cellgate.db", "cellgate.db-wal"]) if (existsSync(join(dataDir, name))) cpSync(join(dataDir, name), join(copy, name));
        dataDir = copy;
        return Promise.resolve(openHere());
      },
      async reopen() {
        await opened.at(-1)?.close();
        return openHere();
      },
    }, filters, steps);
    for (const outbox of opened.splice(0)) await outbox.close();
    expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
  }), { numRuns: 60, ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}) });
});
