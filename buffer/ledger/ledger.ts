/**
 * Records, checkpoints and the texts they share, on one connection. Writing methods are called inside `transaction`;
 * when that throws, what was kept in memory of it is read again from the file, so memory never runs ahead of the disk.
 * Every row read is checked against its checksum; a bad one comes back as `damaged`, never as a record.
 */
import type { Checkpoint, LedgerRow } from "../../agent/contract/outbox.ts";
import type { RecordType } from "../../agent/contract/record.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { crcOf, recordCrc, uuidBytes, uuidText } from "./checksum.ts";
import type { Connection } from "./connection.ts";
import { mended } from "./mend.ts";
import { TYPE_CODES, typeOfCode } from "./schema.ts";
import { faulty } from "../store-error.ts";

/** A record ready to be written: its texts made, its id checked. */
export type PreparedRow = Omit<LedgerRow, "seq">;

export interface StoredRow {
  readonly seq: number;
  readonly machine: number;
  readonly type: number;
  readonly id: Buffer;
  readonly rev: number;
  readonly start: number;
  readonly observed: number;
  readonly late: number;
  readonly context: number;
  readonly crc: number;
  readonly body: string;
}
/** A row as read: a record without its place in a destination's chain, or the number of a row that cannot be believed. */
export type ReadRow = LedgerRow | { readonly seq: number; readonly damaged: true };

export const RECORD_COLUMNS = "r.seq, r.machine, r.type, r.id, r.rev, r.start, r.observed, r.late, r.context, r.crc, r.body";
/** Rows checked when the file is opened: the last ones are those a torn write would have hit. */
const TAIL_ROWS = 1_000;

/** Bits of the column `late`; a file of the older version knows the first alone. */
const LATE = 1;
const SHIFTED = 2;
const UNSYNCHRONISED = 4;
const marksOf = ({ late, clock }: PreparedRow): number =>
  (late ? LATE : 0) | (clock === "shifted" ? SHIFTED : clock === "unsynchronised" ? UNSYNCHRONISED : 0);
const doubtOf = (marks: number): LedgerRow["clock"] => ((marks & UNSYNCHRONISED) !== 0 ? "unsynchronised" : (marks & SHIFTED) !== 0 ? "shifted" : null);

type Dictionary = ReturnType<typeof dictionary>;
interface TextRow { readonly id: number; readonly text: string; readonly crc: number }

/** A dictionary of texts: few, all in memory, each stored once. `isMending`: one with a flipped bit is read as it was. */
function dictionary(db: Connection, table: "machine" | "context", column: "name" | "json", isMending: boolean) {
  const all = db.prepare<[], TextRow>(`SELECT id, ${column} AS text, crc FROM ${table}`);
  const bytesOf = db.prepare<[number], Buffer>(`SELECT CAST(${column} AS BLOB) FROM ${table} WHERE id = ?`).pluck();
  const insert = db.prepare<[number, string, number]>(`INSERT INTO ${table} (id, ${column}, crc) VALUES (?, ?, ?)`);
  const ids = new Map<string, number>();
  const texts = new Map<number, string>();
  const load = (): void => {
    ids.clear();
    texts.clear();
    damaged = 0;
    for (const stored of all.all()) {
      const isWhole = stored.crc === crcOf(`${stored.id}|${stored.text}`);
      const read = isWhole ? stored : isMending ? mended(stored.id, bytesOf.get(stored.id) ?? Buffer.alloc(0), stored.crc) : null;
      if (!isWhole) damaged++;
      if (read === null) continue; // Records that refer to it read as damaged; a new commit writes it anew.
      ids.set(read.text, read.id);
      texts.set(read.id, read.text);
    }
    const highest = db.prepare<[], number | null>(`SELECT max(id) FROM ${table}`).pluck().get() ?? 0;
    next = highest + 1;
  };
  let next = 1;
  let damaged = 0;
  load();
  return {
    load,
    damaged: (): number => damaged,
    text: (id: number): string | undefined => texts.get(id),
    id(text: string): number {
      const known = ids.get(text);
      if (known !== undefined) return known;
      const id = next++;
      insert.run(id, text, crcOf(`${id}|${text}`));
      ids.set(text, id);
      texts.set(id, text);
      return id;
    },
  };
}

type Values = (number | string | Buffer)[];
/** Rows per INSERT: measured, a third less time per row than one at a time; more gains nothing. */
const ROWS_AT_ONCE = 4;
const VALUES_PER_ROW = 11;
const insertRows = (db: Connection, rows: number) => db.prepare<Values>(
  `INSERT INTO record (seq, machine, type, id, rev, start, observed, late, context, crc, body) VALUES ${Array.from({ length: rows }, () => "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").join(", ")}`);

const prepareStatements = (db: Connection) => ({
  insert: insertRows(db, 1),
  insertMany: insertRows(db, ROWS_AT_ONCE),
  writeOver: db.prepare<Values>("INSERT OR REPLACE INTO record (seq, machine, type, id, rev, start, observed, late, context, crc, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  range: db.prepare<[number, number, number], StoredRow>(
    `SELECT ${RECORD_COLUMNS} FROM record r WHERE r.seq > ? AND r.seq <= ? ORDER BY r.seq LIMIT ?`),
  rangeExcept: db.prepare<[number, number, string, number], StoredRow>(
    `SELECT ${RECORD_COLUMNS} FROM record r WHERE r.seq > ? AND r.seq <= ? AND r.type NOT IN (SELECT value FROM json_each(?)) ORDER BY r.seq LIMIT ?`),
  next: db.prepare<[number, number, string], number>("SELECT seq FROM record WHERE seq > ? AND seq <= ? AND type NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT 1").pluck(),
  type: db.prepare<[number], number>("SELECT type FROM record WHERE seq = ?").pluck(),
  // Apart: asked for in one SELECT, SQLite scans the whole table (store-and-forward.md §2).
  first: db.prepare<[], number | null>("SELECT min(seq) FROM record").pluck(),
  last: db.prepare<[], number | null>("SELECT max(seq) FROM record").pluck(),
  meta: db.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck(),
  putMeta: db.prepare<[string, string]>("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
  checkpoint: db.prepare<[string], { readonly json: string; readonly crc: number }>("SELECT json, crc FROM checkpoint WHERE key = ?"),
  putCheckpoint: db.prepare<[string, number, string]>(
    "INSERT INTO checkpoint (key, crc, json) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET crc = excluded.crc, json = excluded.json"),
  dropCheckpoint: db.prepare<[string]>("DELETE FROM checkpoint WHERE key = ?"),
});

/** A file of the older layout has no such table, and nothing given up. */
function storedAbsent(db: Connection): Ledger["absent"] {
  if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'swept'").get() === undefined) return null;
  const ask = (what: string): number | null | undefined => db.prepare<[], number | null>(`SELECT ${what} FROM swept WHERE destination = 0`).pluck().get();
  const [from, to] = [ask("min(from_seq)"), ask("max(to_seq)")];
  return typeof from === "number" && typeof to === "number" ? { from, to } : null;
}

export class Ledger {
  readonly db: Connection;
  readonly epoch: string;
  readonly #statements: ReturnType<typeof prepareStatements>;
  /** Between these numbers rows were given up: one that is not there is no damage. */
  absent: { readonly from: number; readonly to: number } | null;
  readonly #machines: Dictionary;
  readonly #contexts: Dictionary;
  #lastSeq: number;
  /** Rows given a number but not yet handed to SQLite; fewer than ROWS_AT_ONCE, and only inside a transaction. */
  #values: Values = [];
  readonly #ids = Array.from({ length: ROWS_AT_ONCE }, () => Buffer.alloc(16));

  /** Throws SQLite's errors when the file is not a whole database of ours. `known`: what a damaged one cannot tell by itself. */
  constructor(db: Connection, known?: { readonly epoch: string; readonly lastSeq: number }) {
    this.db = db;
    this.#statements = prepareStatements(db);
    this.absent = known ? null : storedAbsent(db); // Of a damaged one: as soon as buffer/room/sweeps.ts can read it.
    this.#machines = dictionary(db, "machine", "name", known !== undefined);
    this.#contexts = dictionary(db, "context", "json", known !== undefined);
    const epoch = known?.epoch ?? this.#statements.meta.get("epoch");
    if (epoch === undefined) throw faulty("corrupt", `the database ${db.name} has no epoch`);
    this.epoch = epoch;
    this.#lastSeq = known?.lastSeq ?? this.#storedLast();
  }

  get lastSeq(): number { return this.#lastSeq; }
  /** Lowest number still kept; lastSeq + 1 when there is none. */
  get firstSeq(): number { return this.#statements.first.get() ?? this.#lastSeq + 1; }
  meta(key: string): string | undefined { return this.#statements.meta.get(key); }
  setMeta(key: string, value: string): void {
    this.#statements.putMeta.run(key, value);
  }

  transaction<T>(action: () => T): T {
    try {
      return this.db.transaction(() => {
        const result = action();
        this.flush();
        return result;
      }).immediate();
    } catch (cause) {
      this.#values = [];
      this.#machines.load();
      this.#contexts.load();
      this.#lastSeq = this.#storedLast();
      throw cause;
    }
  }
  /** Inside a transaction; whoever makes one himself calls `flush` before its end. */
  append(row: PreparedRow): number {
    const seq = this.#lastSeq + 1;
    const machine = row.machine === null ? 0 : this.#machines.id(row.machine);
    const context = this.#contexts.id(row.context);
    const [type, late] = [TYPE_CODES[row.type], marksOf(row)];
    const crc = recordCrc({ seq, machine, type, id: row.id, rev: row.rev, start: row.start, observed: row.observedAt, late, context, body: row.body });
    const id = uuidBytes(row.id, this.#ids[this.#values.length / VALUES_PER_ROW] ?? Buffer.alloc(16));
    this.#values.push(seq, machine, type, id, row.rev, row.start, row.observedAt, late, context, crc, row.body);
    this.#lastSeq = seq;
    if (this.#values.length === ROWS_AT_ONCE * VALUES_PER_ROW) {
      this.#statements.insertMany.run(...this.#values);
      this.#values = [];
    }
    return seq;
  }
  /** A row that nobody has seen gets another content. Inside a transaction. */
  writeOver(seq: number, row: PreparedRow): void {
    const machine = row.machine === null ? 0 : this.#machines.id(row.machine);
    const context = this.#contexts.id(row.context);
    const [type, late] = [TYPE_CODES[row.type], marksOf(row)];
    const crc = recordCrc({ seq, machine, type, id: row.id, rev: row.rev, start: row.start, observed: row.observedAt, late, context, body: row.body });
    this.flush();
    this.#statements.writeOver.run(seq, machine, type, uuidBytes(row.id, Buffer.alloc(16)), row.rev, row.start, row.observedAt, late, context, crc, row.body);
  }
  flush(): void {
    for (let at = 0; at < this.#values.length; at += VALUES_PER_ROW) this.#statements.insert.run(...this.#values.slice(at, at + VALUES_PER_ROW));
    this.#values = [];
  }
  saveCheckpoint({ key, json }: Checkpoint): void {
    if (json === null) this.#statements.dropCheckpoint.run(key);
    else this.#statements.putCheckpoint.run(key, crcOf(`${key}|${json}`), json);
  }
  /** Null: none. `damaged`: one whose checksum is wrong, which is as good as none, but must be said. */
  checkpoint(key: string): string | null | { readonly damaged: true } {
    const row = this.#statements.checkpoint.get(key);
    if (!row) return null;
    return row.crc === crcOf(`${key}|${row.json}`) ? row.json : { damaged: true };
  }
  checkpointKeys(): readonly string[] {
    return this.db.prepare<[], string>("SELECT key FROM checkpoint ORDER BY key").pluck().all();
  }

  decode(row: StoredRow): ReadRow {
    const type = typeOfCode(row.type);
    const machine = row.machine === 0 ? null : this.#machines.text(row.machine);
    const context = this.#contexts.text(row.context);
    const wellFormed = Buffer.isBuffer(row.id) && row.id.length === 16 && typeof row.body === "string";
    if (!wellFormed || type === undefined || machine === undefined || context === undefined) return { seq: row.seq, damaged: true };
    const id = uuidText(row.id);
    if (row.crc !== recordCrc({ ...row, id })) return { seq: row.seq, damaged: true };
    return {
      seq: row.seq, machine, type, id, rev: row.rev, start: unixMs(row.start), observedAt: unixMs(row.observed),
      late: (row.late & LATE) !== 0, clock: doubtOf(row.late), context, body: row.body,
    };
  }
  /** Rows after `after` up to and including `through`; numbers that should be there and are not come back damaged. */
  *read(after: number, through: number, limit: number): Generator<ReadRow> {
    let expected = after + 1;
    let given = 0;
    for (const row of this.#statements.range.all(after, through, limit)) {
      for (expected = this.#past(expected); expected < row.seq && given < limit; expected = this.#past(expected + 1), given++) yield { seq: expected, damaged: true };
      if (given >= limit) return;
      yield this.decode(row);
      expected = row.seq + 1;
      given++;
    }
    for (expected = this.#past(expected); expected <= through && given < limit; expected = this.#past(expected + 1), given++) yield { seq: expected, damaged: true };
  }
  /** Only what is there, without rows of these types. */
  *readExcept(after: number, through: number, limit: number, types: string): Generator<ReadRow> {
    for (const row of this.#statements.rangeExcept.all(after, through, types, limit)) yield this.decode(row);
  }
  /** The next row that is there; `types`: a JSON array of codes to pass over. */
  next(after: number, through: number, types = "[]"): number | undefined {
    return this.#statements.next.get(after, through, types);
  }
  typeOf(seq: number): RecordType | undefined {
    const code = this.#statements.type.get(seq);
    return code === undefined ? undefined : typeOfCode(code);
  }
  /** Rows after `after` up to `through` that can be read. */
  history(after: number, through: number, limit: number): readonly LedgerRow[] {
    const rows: LedgerRow[] = [];
    for (let last = after; rows.length < limit; ) {
      const found = this.#statements.range.all(last, through, limit - rows.length);
      for (const stored of found) {
        const row = this.decode(stored);
        if (!("damaged" in row)) rows.push(row);
        last = stored.seq;
      }
      if (found.length === 0) break;
    }
    return rows;
  }
  /** Texts that do not match their checksums: every record that refers to one cannot be read. */
  get damagedTexts(): number { return this.#machines.damaged() + this.#contexts.damaged(); }
  /** True when the newest rows are all there and whole. */
  tailIsWhole(): boolean {
    const from = Math.max(this.firstSeq - 1, this.#lastSeq - TAIL_ROWS);
    for (const row of this.read(from, this.#lastSeq, TAIL_ROWS)) if ("damaged" in row) return false;
    return true;
  }

  /** The next number that may be missed. */
  #past(seq: number): number {
    return this.absent && seq >= this.absent.from && seq <= this.absent.to ? this.absent.to + 1 : seq;
  }
  /** Kept in `meta` too once rows are deleted: an emptied table must not start its numbers again. */
  #storedLast(): number {
    return Math.max(this.#statements.last.get() ?? 0, Number(this.#statements.meta.get("last") ?? 0));
  }
}
