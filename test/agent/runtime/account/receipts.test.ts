/** Receipts over a real buffer: they add up, come when they are due, survive restarts, and agree with what a receiver at a real broker holds. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import * as fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { auditRecords } from "../../../../agent/audit/audit.ts";
import type { RecordType } from "../../../../agent/contract/record.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { temporaryDirectory } from "../../../buffer/support.ts";
import { findTool } from "../../../support/needs.ts";
import { startMosquitto, subscribe } from "../../../support/broker.ts";
import { delivering, destinationAt } from "../../../support/delivering.ts";
import { addsUp, shop, type Receipt, type Shop } from "./receipt-shop.ts";

const MORNING = Date.parse("2026-03-28T07:00:00Z"); // The night after it the clocks go forward: a day of 23 hours.
const HOUR = 3_600_000;
const opened = (of: Shop): Shop => {
  onTestFinished(() => of.close().catch(() => undefined));
  return of;
};
const all = (of: Shop, name: string): readonly number[] => of.outbox.pending(name, 0, 100_000).map(({ seq }) => seq);
const settle = (of: Shop, name: string, accepted: readonly number[], rejected: readonly number[] = []): void =>
  of.outbox.settle(name, { accepted, rejected: rejected.map((seq) => ({ seq, reason: "topic name invalid" })) });

describe("a receipt", () => {
  it("says what was read, made and became of it, shortly after the site's midnight", async () => {
    const own = opened(shop(temporaryDirectory(), ["VMC-3", "VMC-4"], MORNING));
    await own.tells("VMC-3", ["state", "cycle"], 7);
    await own.tells("VMC-4", ["state"], 2);
    await own.tells("VMC-3", ["connection", "cycle"], 5);
    settle(own, "bridge", [1, 2, 3], [4]);
    await own.clock.advance(16 * HOUR - 1); // 23:59:59.999 in Paris.
    expect(await own.receipts()).toEqual([]);
    await own.clock.advance(299_000);
    expect(await own.receipts()).toEqual([]);
    await own.clock.advance(2_000);
    const [one, other, ...more] = await own.receipts();
    expect(more).toEqual([]);
    expect(one).toMatchObject({
      machine: "VMC-3", rev: 1, status: "closed", date: "2026-03-28", start: "2026-03-27T23:00:00.000Z", end: "2026-03-28T23:00:00.000Z", durationMs: 24 * HOUR, utcOffsetMin: 60,
      samples: { read: 12, late: 0 }, made: { state: 1, cycle: 2, connection: 1 }, ranges: [{ epoch: own.outbox.epoch, fromSeq: 1 }],
      destinations: [
        { name: "bridge", due: 4, delivered: 2, confirmed: null, waiting: 1, dropped: { refused: 1 } },
        { name: "archive", due: 2, delivered: 0, confirmed: null, waiting: 2, dropped: {} },
      ],
      gaps: { count: 1, ms: 60_000 },
    });
    expect(other).toMatchObject({ machine: "VMC-4", made: { state: 1 }, samples: { read: 2 }, destinations: [{ name: "bridge", due: 1, delivered: 1, waiting: 0, dropped: {} }], gaps: { count: 0, ms: 0 } });
    expect([one, other].every((receipt) => receipt !== undefined && addsUp(receipt))).toBe(true);
  });
  it("is not the last while its machine is out of sight: the gap of a night that is served in the morning is not in it", async () => {
    const own = opened(shop(temporaryDirectory(), ["VMC-3", "VMC-4"], MORNING));
    await own.tells("VMC-3", ["state"]);
    await own.tells("VMC-4", ["state"]);
    await own.clock.advance(14 * HOUR);
    await own.gap("VMC-3", MORNING + 14 * HOUR, "open");
    settle(own, "bridge", all(own, "bridge"));
    settle(own, "archive", all(own, "archive"));
    await own.clock.advance(3 * HOUR);
    expect((await own.receipts()).map(({ machine, rev, gaps }) => [machine, rev, gaps])).toEqual([["VMC-3", 1, { count: 1, ms: 2 * HOUR }], ["VMC-4", 1, { count: 0, ms: 0 }]]);
    await own.clock.advance(6 * HOUR);
    await own.gap("VMC-3", MORNING + 14 * HOUR, "void");
    settle(own, "bridge", all(own, "bridge"));
    expect((await own.receipts()).slice(2).map(({ machine, rev, gaps }) => [machine, rev, gaps])).toEqual([["VMC-3", 2, { count: 0, ms: 0 }]]);
  });
  it("is not the last while a gap of the day may still be declared", async () => {
    const own = opened(shop(temporaryDirectory(), ["VMC-3"], MORNING));
    await own.tells("VMC-3", ["state"]);
    settle(own, "bridge", all(own, "bridge"));
    const before = unixMs(MORNING + 16 * HOUR - 60_000);
    own.seesThrough(before);
    await own.clock.advance(16 * HOUR + 301_000);
    expect((await own.receipts()).map(({ rev, gaps }) => [rev, gaps.count])).toEqual([[1, 0]]);
    await own.gap("VMC-3", before, MORNING + 16 * HOUR + 400_000);
    settle(own, "bridge", all(own, "bridge"));
    own.seesThrough(null);
    expect((await own.receipts()).slice(1).map(({ rev, gaps }) => [rev, gaps])).toEqual([[2, { count: 1, ms: 60_000 }]]);
  });
  it("is revised once, when everything has arrived", async () => {
    const own = opened(shop(temporaryDirectory(), ["VMC-3"], MORNING));
    await own.tells("VMC-3", ["state", "cycle"]);
    await own.clock.advance(17 * HOUR);
    await own.tells("VMC-3", ["state"]);
    expect((await own.receipts()).map(({ rev }) => rev)).toEqual([1]);
    settle(own, "bridge", all(own, "bridge"));
    expect((await own.receipts()).map(({ rev }) => rev)).toEqual([1]);
    settle(own, "archive", all(own, "archive"));
    const receipts = await own.receipts();
    expect(receipts.map(({ rev, date }) => [rev, date])).toEqual([[1, "2026-03-28"], [2, "2026-03-28"]]);
    expect(new Set(receipts.map(({ recordId }) => recordId)).size).toBe(1);
    expect(receipts[1]?.destinations).toMatchObject([{ due: 2, delivered: 2, waiting: 0 }, { due: 1, delivered: 1, waiting: 0 }]);
    await own.clock.advance(2 * HOUR);
    expect(await own.receipts()).toHaveLength(2);
  });
  it("waits for the bridge where it confirms, and says how far it has", async () => {
    const own = opened(shop(temporaryDirectory(), ["VMC-3"], MORNING, { destinations: [{ name: "bridge", confirm: true }, { name: "archive", types: ["cycle"] }] }));
    await own.tells("VMC-3", ["state", "state", "state"]);
    settle(own, "bridge", all(own, "bridge"));
    expect(own.outbox.confirm("bridge", own.outbox.epoch, 2)).toMatchObject({ ok: true });
    await own.clock.advance(17 * HOUR);
    expect((await own.receipts())[0]?.destinations[0]).toEqual({ name: "bridge", due: 3, delivered: 3, confirmed: 2, waiting: 0, dropped: {} });
    expect(own.outbox.confirm("bridge", own.outbox.epoch, 3)).toMatchObject({ ok: true });
    expect((await own.receipts()).map(({ rev, destinations }) => [rev, destinations[0]?.confirmed])).toEqual([[1, 2], [2, 3]]);
  });
  it("is final after a week, whatever waits then", async () => {
    const own = opened(shop(temporaryDirectory(), ["VMC-3"], MORNING));
    await own.tells("VMC-3", ["state"]);
    await own.clock.advance(17 * HOUR);
    expect(await own.receipts()).toHaveLength(1);
    settle(own, "bridge", []);
    await own.tells("VMC-3", ["state"]);
    await own.clock.advance(8 * 24 * HOUR);
    const receipts = await own.receipts();
    expect(receipts.filter(({ date }) => date === "2026-03-28")).toHaveLength(1); // Nothing new is said.
    settle(own, "bridge", all(own, "bridge"));
    expect((await own.receipts()).filter(({ date }) => date === "2026-03-28")).toHaveLength(1);
  });
  it("counts what went with a damaged buffer file as dropped, and what was saved from it as waiting", async () => {
    const dataDir = temporaryDirectory();
    const own = opened(shop(dataDir, ["VMC-3"], MORNING));
    for (let n = 0; n < 300; n++) await own.tells("VMC-3", ["state", "state", "state", "cycle"]);
    settle(own, "bridge", all(own, "bridge").slice(0, 100));
    settle(own, "archive", all(own, "archive").slice(0, 25));
    await own.outbox.close();
    const db = new Database(join(dataDir, "cellgate.db"));
    db.prepare("UPDATE record SET body = 'x' WHERE seq IN (500, 501, 1100)").run();
    db.close();
    const epoch = own.outbox.epoch;
    await own.restart();
    expect(own.outbox.epoch).not.toBe(epoch);
    await own.tells("VMC-3", ["cycle"]);
    settle(own, "bridge", all(own, "bridge").slice(0, 200));
    await own.clock.advance(17 * HOUR);
    const [receipt] = await own.receipts();
    expect(receipt?.ranges.map((range) => range.epoch)).toEqual([epoch, own.outbox.epoch]);
    expect(receipt?.made).toEqual({ state: 900, cycle: 301 });
    const [bridge] = receipt?.destinations ?? [];
    expect(bridge).toMatchObject({ due: 1_201, dropped: { buffer_corrupt: 3 } });
    expect(receipt !== undefined && addsUp(receipt)).toBe(true);
    expect(bridge?.delivered).toBeGreaterThanOrEqual(200);
  });
  it("is stored with what it counts: at whatever moment the files are taken, counts and rows agree", { timeout: 60_000 }, async () => {
    const dataDir = temporaryDirectory();
    const own = opened(shop(dataDir, ["VMC-3", "VMC-4"], MORNING));
    const telling: Promise<void>[] = [];
    for (let n = 0; n < 60; n++) {
      telling.push(own.tells(n % 3 === 0 ? "VMC-4" : "VMC-3", n % 5 === 0 ? [] : ["state", "cycle", "count"].slice(0, 1 + (n % 3)) as RecordType[]));
      if (n % 20 === 19) await own.clock.advance(9 * HOUR);
      if (n % 4 === 3) await telling[n - 2];
      if (n % 6 !== 5) continue;
      // As a kill would leave them: whatever is in the log, nothing closed.
      const copy = temporaryDirectory();
      for (const name of ["cellgate.db", "cellgate.db-wal"]) copyFileSync(join(dataDir, name), join(copy, name));
      const db = new Database(join(copy, "cellgate.db"));
      const rows = db.prepare<[], { readonly name: string; readonly count: number }>("SELECT m.name, count(*) AS count FROM record r JOIN machine m ON m.id = r.machine GROUP BY m.id").all();
      for (const machine of ["VMC-3", "VMC-4"]) {
        const stored = (key: string): string | undefined => db.prepare<[string], string>("SELECT json FROM checkpoint WHERE key = ?").pluck().get(key);
        const days = [JSON.parse(stored(`machine/${machine}`) ?? '{"made":{}}'), ...(JSON.parse(stored(`receipts/${machine}`) ?? '{"days":[]}') as { days: { tally: unknown }[] }).days.map(({ tally }) => tally)] as { readonly made: Record<string, number> }[];
        expect(days.flatMap(({ made }) => Object.values(made)).reduce((sum, count) => sum + count, 0)).toBe(rows.find(({ name }) => name === machine)?.count ?? 0);
      }
      db.close();
    }
    await Promise.all(telling);
  });
  it("counts the same however often the agent is ended between commits, and adds up", { timeout: 120_000 }, async () => {
    const types: readonly RecordType[] = ["state", "cycle", "alarm", "count"];
    const step = fc.oneof(
      fc.record({ what: fc.constant("tells" as const), machine: fc.constantFrom("VMC-3", "VMC-4"), types: fc.array(fc.constantFrom(...types), { maxLength: 4 }) }),
      fc.constant({ what: "restart" as const }),
      fc.record({ what: fc.constant("passes" as const), hours: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ what: fc.constant("settles" as const), name: fc.constantFrom("bridge", "archive"), count: fc.integer({ min: 0, max: 6 }), refused: fc.integer({ min: 0, max: 2 }) }),
      fc.constant({ what: "look" as const }),
    );
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const dataDir = temporaryDirectory();
      const own = shop(dataDir, ["VMC-3", "VMC-4"], MORNING);
      const made = new Map<string, number>();
      const last = new Map<string, Receipt>();
      const look = async (): Promise<void> => {
        for (const receipt of await own.receipts()) last.set(`${receipt.machine} ${receipt.date}`, receipt);
      };
      const today = (): string => new Date(own.clock.now().unixMs + 2 * HOUR).toISOString().slice(0, 10);
      try {
        for (const one of steps) {
          if (one.what === "restart") await own.restart();
          else if (one.what === "passes") await own.clock.advance(one.hours * HOUR);
          else if (one.what === "look") await look();
          else if (one.what === "tells") {
            await own.tells(one.machine, one.types);
            const key = `${one.machine} ${today()}`;
            // The clocks change that night: what is told within an hour of midnight is of either day.
            made.set(key, (made.get(key) ?? 0) + one.types.length);
          } else {
            const seqs = all(own, one.name).slice(0, one.count);
            settle(own, one.name, seqs.slice(one.refused), seqs.slice(0, one.refused));
          }
        }
        await own.clock.advance(48 * HOUR);
        await look();
        for (const name of ["bridge", "archive"]) settle(own, name, all(own, name));
        await look();
        const told = [...last.values()];
        expect(told.every(addsUp)).toBe(true);
        expect(told.every(({ destinations }) => destinations.every(({ waiting }) => waiting === 0))).toBe(true);
        const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);
        expect(sum(told.flatMap(({ made: of }) => Object.values(of)))).toBe(sum(made.values()));
        expect(sum(told.map(({ destinations }) => destinations.find(({ name }) => name === "bridge")?.due ?? 0))).toBe(sum(made.values()));
      } finally {
        await own.close();
      }
    }), { numRuns: 25 });
  });
});

describe.skipIf(findTool("mosquitto") === null)("a bridge that checks the receipts", () => {
  it("holds what they say was delivered, with refused and given-up records beside", async () => {
    await using broker = await startMosquitto(["max_packet_size 4000"]);
    await using bridge = await subscribe(broker.port, "cellgate/#", 5);
    // The archive is dead and may keep 60 kB.
    const own = opened(shop(temporaryDirectory(), ["VMC-3", "VMC-4"], MORNING, { destinations: [{ name: "bridge" }, { name: "archive", types: ["cycle"], limitBytes: 60_000 }] }));
    for (let n = 0; n < 60; n++) {
      await own.tells("VMC-3", ["state", "cycle", "cycle", "cycle", "cycle", "cycle", "cycle", "cycle"]);
      await own.tells("VMC-4", ["state", ...Array.from({ length: 12 }, (): RecordType => "cycle")]);
    }
    await own.tells("VMC-3", ["state"], 1, "x".repeat(8_000)); // More than the broker takes.
    await using delivery = delivering(destinationAt(broker.port), own.outbox);
    await delivery.untilLink(({ state }) => state === "up");
    await expect.poll(() => own.outbox.status().destinations[0]?.waiting, { timeout: 15_000 }).toBe(0);
    let lost = 0;
    await expect.poll(async () => {
      await own.tells("VMC-3", []);
      const before = lost;
      lost = own.outbox.status().destinations[1]?.lost ?? 0;
      return lost > 0 && lost === before;
    }, { timeout: 30_000, interval: 200 }).toBe(true);
    await own.clock.advance(17 * HOUR);
    await own.tells("VMC-3", ["state"]);
    const receipts = await own.receipts();
    await expect.poll(() => bridge.received.filter(({ topic }) => topic.endsWith("/rec/receipt")).length, { timeout: 15_000 }).toBe(2);
    const events = bridge.received.filter(({ topic }) => topic.includes("/rec/")).map(({ text }) => JSON.parse(text) as { readonly seq: number; readonly source: string; readonly type: string; readonly data: Receipt });
    for (const receipt of receipts) {
      const [range] = receipt.ranges;
      const held = events.filter(({ seq, source, type }) => source.endsWith(receipt.machine.toLowerCase()) && !type.includes("receipt") && seq >= (range?.fromSeq ?? 0) && seq <= (range?.toSeq ?? 0));
      const [atBridge, atArchive] = receipt.destinations;
      expect([atBridge?.delivered, atBridge?.waiting, atBridge?.dropped]).toEqual([new Set(held.map(({ seq }) => seq)).size, 0, receipt.machine === "VMC-3" ? { oversize: 1 } : {}]);
      expect(atArchive?.dropped).toEqual({ destination_limit: expect.any(Number) as number });
      expect(addsUp(receipt)).toBe(true);
    }
    // What the archive lost: the loss records tell of as many as all receipts together.
    expect(receipts.reduce((sum, { destinations }) => sum + (destinations[1]?.dropped["destination_limit"] ?? 0), 0)).toBe(lost);
    expect(own.outbox.status().destinations[1]?.lost).toBe(lost);
    const report = await auditRecords((async function* () { for (const { data } of events) if (data.date !== undefined) yield JSON.stringify(data); })());
    expect(report.findings).toEqual([]);
  }, 60_000);
});
