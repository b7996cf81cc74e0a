/** `cellgate buffer peek`: the records kept, as lines a person can read or as JSON. */
import type { BufferReader, DamagedRow } from "../../contract/buffer-reader.ts";
import type { LedgerRow, StoredRecord } from "../../contract/outbox.ts";
import { RECORD_TYPES } from "../../contract/record.ts";
import { rfc3339, type UnixMs } from "../../contract/time.ts";
import { firstSince } from "../../runtime/account/lasting.ts";
import type { Option, Options } from "../arguments.ts";
import { GOOD, type Command } from "../cli.ts";
import { recordFieldWords } from "../tail.ts";
import { write } from "../terminal.ts";
import { COMMON, configured, oneOfNames, reading, wholeNumber, type BufferParts } from "./parts.ts";
import { SINCE, sinceOf } from "./since.ts";

const DESTINATION: Option = { kind: "value", value: "NAME", help: "only what is due to this destination, with what still waits for it" };
export const FILTERS: Options = {
  machine: { kind: "value", value: "ID", help: "only this machine's" },
  type: { kind: "value", value: "TYPE", help: `only records of one type: ${RECORD_TYPES.join(", ")}` },
  since: SINCE,
};

export interface Shown {
  readonly row: LedgerRow | DamagedRow;
  /** With its place in the destination's chain; null where no destination was asked for, or the row is damaged. */
  readonly record: StoredRecord | null;
  /** Null where no destination was asked for. */
  readonly waits: boolean | null;
}
export interface Wanted {
  readonly machine: string | undefined;
  readonly type: string | undefined;
  readonly destination: string | undefined;
  readonly since: UnixMs | undefined;
}

const SLICE = 500;
const DEFAULT_LIMIT = 100;

/** Rows wanted, oldest first, read in slices. `onSlice`: how far it has come, in row numbers. */
export async function* wantedRows(reader: BufferReader, wanted: Wanted, signal: AbortSignal, onSlice?: (seq: number) => Promise<void>): AsyncGenerator<Shown, void, void> {
  const { destination } = wanted;
  const last = reader.lastSeq;
  let after = wanted.since === undefined ? 0 : firstSince(reader, last, wanted.since) - 1;
  while (after < last) {
    signal.throwIfAborted();
    const slice: readonly Shown[] = destination === undefined
      ? reader.rows(after, SLICE).map((row) => ({ row, record: null, waits: null }))
      : reader.due(destination, after, SLICE).map(({ row, waits }) => ({ row, record: "damaged" in row ? null : row, waits }));
    for (const shown of slice) {
      if (shown.row.seq > last) return;
      after = shown.row.seq;
      if (isWanted(shown.row, wanted)) yield shown;
    }
    if (slice.length === 0) return;
    await onSlice?.(after);
  }
}

function isWanted(row: LedgerRow | DamagedRow, { machine, type, since }: Wanted): boolean {
  if ("damaged" in row) return machine === undefined && type === undefined;
  return (machine === undefined || row.machine === machine) && (type === undefined || row.type === type) && (since === undefined || row.observedAt >= since);
}

export const peekCommand = (parts: BufferParts): Command => ({
  name: "buffer peek",
  summary: "show records that are in the buffer",
  positionals: [],
  options: {
    ...COMMON, ...FILTERS, destination: DESTINATION,
    limit: { kind: "value", value: "N", help: "at most so many, from the oldest that fits on", default: String(DEFAULT_LIMIT) },
  },
  details: "Reads only; the agent may run or not. With --json one JSON object a line, with its number (seq).\n--since goes by when the agent learned a record, not by what it tells of.",
  async run(args, io, signal) {
    const settings = await configured(parts, args, io);
    const limit = wholeNumber(args.value("limit") ?? "", "--limit");
    const [type, since] = [args.value("type"), args.value("since")];
    if (type !== undefined) oneOfNames(type, RECORD_TYPES, "record type");
    const from = since === undefined ? undefined : sinceOf(since, parts.ports().network.now().unixMs);
    return reading(parts, settings.agent.dataDir, async (reader) => {
      const destination = args.value("destination");
      if (destination !== undefined) oneOfNames(destination, reader.destinations, "destination in the buffer");
      let shown = 0;
      for await (const one of wantedRows(reader, { machine: args.value("machine"), type, destination, since: from }, signal)) {
        if (!(await write(io.stdout, `${args.flag("json") ? asJson(one) : inWords(one)}\n`))) return GOOD;
        shown += 1;
        if (shown >= limit) break;
      }
      if (shown === 0) await write(io.stderr, "no record fits\n");
      else if (shown >= limit) await write(io.stderr, `${limit} shown; there may be more: --limit N\n`);
      return GOOD;
    });
  },
});

function asJson({ row, waits }: Shown): string {
  const own = waits === null ? {} : { waiting: waits };
  if ("damaged" in row) return JSON.stringify({ seq: row.seq, damaged: true, ...own });
  const { seq, machine, type, id, rev, start, observedAt, late, clock, body } = row;
  return JSON.stringify({ seq, machine, type, id, rev, start: rfc3339(start), observedAt: rfc3339(observedAt), late, clock, ...own, body: JSON.parse(body) as unknown });
}

function inWords({ row, waits }: Shown): string {
  const seq = String(row.seq).padStart(8);
  const mark = waits === null ? "" : waits ? "  waits" : "  done ";
  if ("damaged" in row) return `${seq}${mark}  DAMAGED: the row does not match its checksum; cellgate buffer verify says more`;
  return `${seq}${mark}  ${rfc3339(row.start)}  ${(row.machine ?? "agent").padEnd(10)}  ${row.type.padEnd(10)} rev ${row.rev}  ${recordFieldWords(JSON.parse(row.body) as object)}${row.late ? "  (late)" : ""}`;
}
