/** Machines that make records, a real buffer, and the receipts of it: days go by as the test says. */
import type { Outbox } from "../../../../agent/contract/outbox.ts";
import type { Body, NewRecord, RecordType } from "../../../../agent/contract/record.ts";
import { DayBook, dayIn } from "../../../../agent/runtime/account/day-book.ts";
import { writeReceipts, type ReceiptParts } from "../../../../agent/runtime/account/receipts.ts";
import type { UnixMs } from "../../../../agent/contract/time.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { openOutbox, type OutboxOptions } from "../../../../buffer/outbox.ts";
import { CONTEXT, commitOf, record } from "../../../buffer/records.ts";
import { memoryLog, options } from "../../../buffer/support.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { testPorts } from "../../../support/ports.ts";

const TIMEZONE = "Europe/Paris";
const DESTINATIONS = [{ name: "bridge", types: null }, { name: "archive", types: ["cycle"] as const }];
export type Receipt = Body<"receipt"> & { readonly machine: string; readonly rev: number; readonly recordId: string };

export interface Shop {
  readonly outbox: Outbox;
  readonly clock: ReturnType<typeof fakeClock>;
  /** What a machine tells in one commit; numbers go on by themselves. */
  tells(machine: string, types: readonly RecordType[], readings?: number, pad?: string): Promise<void>;
  /** A gap since `from`, as it is known now: open, void, or ended. */
  gap(machine: string, from: number, as: "open" | "void" | number): Promise<void>;
  /** Nothing is known of any machine after that, until null. */
  seesThrough(at: UnixMs | null): void;
  /** Like a kill: what was not stored is forgotten, all else is read again. */
  restart(): Promise<void>;
  /** What is due by the clock; returns every receipt that is in the buffer, oldest first. */
  receipts(): Promise<readonly Receipt[]>;
  close(): Promise<void>;
}

export function shop(dataDir: string, machines: readonly string[], start: number, more: Partial<OutboxOptions> = {}): Shop {
  const clock = fakeClock(start);
  const network = systemClock();
  let number = 0;
  let seenThrough: UnixMs | null = null;
  const open = (): { outbox: Outbox; books: ReadonlyMap<string, DayBook> } => {
    const outbox = openOutbox(options({
      dataDir, destinations: [{ name: "bridge" }, { name: "archive", types: ["cycle"] }], dayOf: dayIn(TIMEZONE), log: memoryLog(),
      clock: { ...network, now: () => ({ ...network.now(), unixMs: clock.now().unixMs }) }, ...more,
    }));
    const books = new Map(machines.map((machine) => {
      const book = new DayBook({ machine, timezone: TIMEZONE, destinations: DESTINATIONS });
      const tally = outbox.checkpoint(`machine/${machine}`);
      book.load({ tally: tally === null ? null : JSON.parse(tally), book: outbox.checkpoint(book.key), late: 0 }, { epoch: outbox.epoch, lastSeq: outbox.status().lastSeq });
      return [machine, book] as const;
    }));
    return { outbox, books };
  };
  let opened = open();
  const commit = async (machine: string, records: readonly NewRecord[], readings: number): Promise<void> => {
    const { outbox, books } = opened;
    const book = books.get(machine);
    if (!book) throw new Error(`no machine ${machine}`);
    const at = clock.now().unixMs;
    book.read(Array.from({ length: readings }, () => ({ kind: "reading", signal: "execution", value: "ACTIVE", quality: "GOOD" })));
    const { tally, also } = book.count({ at, records, late: 0, epoch: outbox.epoch, lastSeq: outbox.status().lastSeq });
    const seq = await outbox.commit(commitOf(records, { machine, context: contextOf(machine), observedAt: at, checkpoint: { key: `machine/${machine}`, json: JSON.stringify(tally) }, alsoCheckpoints: also }));
    if (records.length > 0) book.stored(tally.day, seq, records.length);
  };
  return {
    get outbox() { return opened.outbox; },
    clock,
    tells: (machine, types, readings = 1, pad = "") => commit(machine, types.map((type) => record(++number, type, { status: "closed", kind: "gap", start: new Date(clock.now().unixMs).toISOString(), end: new Date(clock.now().unixMs + 60_000).toISOString(), pad })), readings),
    gap: (machine, from, as) => commit(machine, [record(900_000 + (from % 1_000), "connection", { status: typeof as === "number" ? "closed" : as, kind: "gap", start: new Date(from).toISOString(), end: typeof as === "number" ? new Date(as).toISOString() : null })], 0),
    seesThrough: (at) => void (seenThrough = at),
    async restart() {
      await opened.outbox.close();
      opened = open();
    },
    async receipts() {
      const { outbox, books } = opened;
      const parts: ReceiptParts = {
        agent: "cell-7", timezone: TIMEZONE, outbox, ports: testPorts({ clock, network }), destinations: DESTINATIONS,
        machines: [...books].map(([id, book]) => ({ id, context: contextOf(id), book, completeThrough: () => seenThrough ?? clock.now().unixMs, endDay: () => void commit(id, [], 0) })),
      };
      // Days are ended by commits of the machines: what they close is told at the next look.
      for (let look = 0; look < 2; look++) {
        await writeReceipts(parts, new AbortController().signal);
        await outbox.commit(commitOf([], { checkpoint: { key: "look", json: "{}" } }));
      }
      return outbox.history(0, 1_000_000).filter(({ type }) => type === "receipt")
        .map(({ machine, rev, id, body }) => ({ ...(JSON.parse(body) as Body<"receipt">), machine: machine ?? "", rev, recordId: id }));
    },
    close: () => opened.outbox.close(),
  };
}

const contextOf = (machine: string): string => CONTEXT.replace("VMC-3", machine);

/** due = delivered + waiting + what was dropped, at every destination. */
export const addsUp = ({ destinations }: Receipt): boolean => destinations.every(({ due, delivered, waiting, dropped }) => delivered >= 0 &&
  due === delivered + waiting + Object.values(dropped).reduce((sum, count) => sum + count, 0));
