/**
 * The commit path alone: prepared records and checkpoints through the outbox, against raw better-sqlite3 inserts of the
 * same bytes in the same groups with the same durability (log synced in the thread pool before a group counts).
 * Also what it writes and keeps, and what slow syncs do to the event loop.
 */
import { execFile } from "node:child_process";
import { closeSync, fdatasync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import type { Commit } from "../../agent/contract/outbox.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { crcOf, uuidBytes } from "../../buffer/ledger/checksum.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { SCHEMA, TYPE_CODES } from "../../buffer/ledger/schema.ts";
import { describeLoss, silentLog } from "../buffer/records.ts";
import { findTool, needs } from "../support/needs.ts";
import { commitAll, prepareCommits, RECORDS_PER_COMMIT } from "./commit-load.ts";
import { atLeast, atMost, type Figure } from "./figure.ts";

const RECORDS = 50_000;
/** Interleaved, best of each: the machine may be busy with something else for a while. */
const ROUNDS = 7;
const IN_FLIGHT = 150;
/** Rows the outbox puts into one transaction under this load (GROUP_ROWS in buffer/outbox.ts). */
const GROUP_COMMITS = 50;
/** Numbers of a row as SQLite stores them, and the id: what a record takes beside its body. */
const FIXED_BYTES = 40;
const SYNC_MS = 50;
const run = promisify(execFile);

export async function commitPath(): Promise<Figure[]> {
  const commits = prepareCommits(RECORDS);
  const root = mkdtempSync(join(tmpdir(), "cellgate-bench-"));
  try {
    const [ours, raw]: [Measured[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      raw.push(await rawInserts(join(root, `raw-${round}`), commits));
      ours.push(await throughOutbox(join(root, `ours-${round}`), commits));
    }
    const stored = commits.reduce((sum, { records }) => sum + records.reduce((bytes, { body }) => bytes + Buffer.byteLength(JSON.stringify(body)) + FIXED_BYTES, 0), 0);
    const [best] = [...ours].sort((a, b) => b.rate - a.rate);
    return [
      atLeast("commit path alone", "records/s", best?.rate ?? 0, { limit: Math.max(...raw), least: 0.5 }),
      atMost("written per stored byte under load", "bytes", Math.max(...ours.map(({ written }) => written)) / stored, 3),
      atMost("kept per stored byte", "bytes", Math.max(...ours.map(({ kept }) => kept)) / stored, 1.2),
      ...await onSlowDisk(root),
    ];
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

interface Measured {
  readonly rate: number;
  readonly written: number;
  readonly kept: number;
}

async function throughOutbox(dataDir: string, commits: readonly Commit[]): Promise<Measured> {
  const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: systemClock(), log: silentLog, describeLoss });
  const [begin, before] = [process.hrtime.bigint(), writtenBytes()];
  await commitAll(outbox, commits, IN_FLIGHT);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  await outbox.close(); // Carries the log: its second writing of every page counts.
  return { rate: RECORDS / seconds, written: writtenBytes() - before, kept: statSync(join(dataDir, "cellgate.db")).size };
}

/** The same rows and checkpoints, texts made and checksums computed beforehand; the next group is inserted while one syncs. */
async function rawInserts(path: string, commits: readonly Commit[]): Promise<number> {
  const db = new Database(path);
  for (const setting of ["page_size = 4096", "journal_mode = WAL", "synchronous = NORMAL", "cache_size = -1500", "wal_autocheckpoint = 4000"]) db.pragma(setting);
  db.exec(SCHEMA);
  const insert = db.prepare("INSERT INTO record (seq, machine, type, id, rev, start, observed, late, context, crc, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const keep = db.prepare("INSERT INTO checkpoint (key, crc, json) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET crc = excluded.crc, json = excluded.json");
  let seq = 0;
  const groups = Array.from({ length: Math.ceil(commits.length / GROUP_COMMITS) }, (_, index) => {
    const group = commits.slice(index * GROUP_COMMITS, (index + 1) * GROUP_COMMITS);
    const rows = group.flatMap(({ records, observedAt }) => records.map(({ type, id, rev, start, body }) =>
      [++seq, 1, TYPE_CODES[type], uuidBytes(id, Buffer.alloc(16)), rev, start, observedAt, 0, 1, crcOf(id), JSON.stringify(body)]));
    const checkpoints = new Map(group.flatMap(({ checkpoint }) => (checkpoint?.json ? [[checkpoint.key, [checkpoint.key, crcOf(checkpoint.json), checkpoint.json]] as const] : [])));
    return { rows, checkpoints: [...checkpoints.values()] };
  });
  const write = db.transaction((group: (typeof groups)[number]) => {
    for (const row of group.rows) insert.run(...row);
    for (const row of group.checkpoints) keep.run(...row);
  });
  const descriptor = openSync(`${path}-wal`, "r");
  const sync = (): Promise<void> => new Promise((resolve, reject) => fdatasync(descriptor, (error) => (error ? reject(error) : resolve())));
  const begin = process.hrtime.bigint();
  let synced = Promise.resolve();
  for (const group of groups) {
    write(group);
    await synced;
    synced = sync();
  }
  await synced;
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  closeSync(descriptor);
  db.close();
  return (groups.length * GROUP_COMMITS * RECORDS_PER_COMMIT) / seconds;
}

/** What this process sent to storage; on a file system in memory, what it wrote to files. */
function writtenBytes(): number {
  const io = readFileSync("/proc/self/io", "utf8");
  const of = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io)?.[1] ?? 0);
  return of("write_bytes") || of("wchar");
}

async function onSlowDisk(root: string): Promise<Figure[]> {
  const line = needs("gcc");
  if (line !== null) {
    console.error(`The figures with slow syncs need a C compiler: ${line}`);
    return [];
  }
  const library = join(root, "slow-sync.so");
  await run(findTool("gcc") ?? "gcc", ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, join(import.meta.dirname, "slow-sync.c")]);
  const log = join(root, "syncs");
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "commit-slow.ts"), join(root, "slow"), "8", log],
    { env: { ...process.env, LD_PRELOAD: library, SLOW_SYNC_MS: String(SYNC_MS), SLOW_SYNC_LOG: log }, timeout: 120_000 });
  const found = JSON.parse(stdout) as { delayMs: number; stallMs: number; commits: number; blockingSyncs: number };
  console.error(`  longest stall of the event loop with ${SYNC_MS} ms syncs: ${found.stallMs.toFixed(0)} ms (carrying the log)`);
  return [
    atMost(`event loop delay p99 while each sync takes ${SYNC_MS} ms`, "ms", found.delayMs, 20),
    atMost("syncs in the event loop per 1,000 commits (carrying the log; none for a commit)", "syncs", found.blockingSyncs / found.commits * 1_000, 20),
  ];
}
