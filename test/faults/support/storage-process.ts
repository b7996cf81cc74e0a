/**
 * The process under test of the storage cases: the real buffer, two machines that commit facts from their checkpoints
 * on, and a receiver for each destination that is a log file. It does as the agent does: when a commit fails it reads the
 * checkpoint again and goes on from there; when the buffer cannot be read it waits and asks again. As the MQTT side does, a
 * receiver is told a mark before a row beyond it, and the mark that a life before left is heard before any row leaves.
 * Ends with REPLACED when the buffer was set aside. One argument, JSON (Work). Says a JSON object a line on standard output: opened, working, {told}, closed.
 */
import { openSync, writeSync } from "node:fs";
import type { Mark, Outbox } from "../../../agent/contract/outbox.ts";
import { StoreError } from "../../../agent/contract/errors.ts";
import type { Log } from "../../../agent/contract/ports.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { eventWriter } from "../../../buffer/mqtt/cloud-events.ts";
import { openOutbox, type OutboxOptions } from "../../../buffer/outbox.ts";
import { lossRecord } from "../../../buffer/loss/loss.ts";
import { recordId } from "../../../agent/detect/record-id.ts";
import { commitOf } from "../../buffer/records.ts";
import { seeded } from "../../support/seeded.ts";
import { DESTINATIONS, fact, MACHINES, REPLACED } from "./work.ts";

export interface Work {
  readonly dataDir: string;
  /** Where the logs go; `*.marks` for both: then each line says by S or R which it belongs to, and lines with A are what was announced. */
  readonly stored: string;
  readonly received: string;
  /** Names this life in the log of what was received. */
  readonly connection: string;
  readonly seed: number;
  /** Facts each machine tells in this life, beyond those of its checkpoint; null: for ever. */
  readonly facts: number | null;
  /** By destination: what lies with it of a life before. */
  readonly announced?: Readonly<Record<string, Pick<Mark, "epoch" | "through">>>;
  /** Destinations that are away for the whole of this life. */
  readonly away?: readonly string[];
  readonly options?: Partial<Pick<OutboxOptions, "groupMs" | "carryPages" | "budgetBytes">>;
}

const IN_FLIGHT = 4;
const GROUP = 6;
/** Between two commits of a machine: several are under way, and the logs stay small. */
const PAUSE_MS = 4;
const BATCH = 40;
const REFUSED_SHARE = 0.02;
const AGAIN_MS = 20;
/** A destination with nothing to do looks again. Drained is what was found so some times in a row: a refusal leaves a loss record a little later. */
const LOOK_MS = 25;
const DRAINED_LOOKS = 4;

const work = JSON.parse(process.argv[2] ?? "") as Work;
const clock = systemClock();
const say = (what: object): void => void writeSync(1, `${JSON.stringify(what)}\n`);
const at = (level: string) => (fields: object, sentence: string): void => void writeSync(2, `${level} ${sentence} ${JSON.stringify(fields)}\n`);
const log: Log = { debug: () => undefined, info: at("info"), warn: at("warn"), error: at("error"), child: () => log };
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const together = work.stored.endsWith(".marks");
const received = openSync(work.received, "a");
const files = { S: openSync(work.stored, "a"), R: received, A: received };
const mark = (kind: keyof typeof files, lines: readonly string[]): void => {
  if (lines.length > 0) writeSync(files[kind], lines.map((line) => `${together ? `${kind} ` : ""}${line}\n`).join(""));
};

const outbox: Outbox = openOutbox({
  dataDir: work.dataDir, clock, log, groupMs: 3, carryPages: 60, ...work.options,
  describeLoss: (loss) => ({ context: "{}", record: lossRecord(loss, recordId({ agent: "faults", machine: "" }, "loss", [loss.destination, loss.lostEpoch, loss.fromSeq]), 0) }),
  destinations: DESTINATIONS.map(({ name, types }) => ({ name, ...(types !== null && { types }) })),
});
say({ opened: outbox.epoch });
// The agent is put together again in the same process; here another life does that.
void outbox.replaced.then(async () => {
  await outbox.close();
  process.exit(REPLACED);
});
const write = eventWriter({ epoch: outbox.epoch, bootId: work.connection }, (machine) => `cellgate/v1/test/${machine ?? "_agent/x"}`);
const random = seeded(work.seed);
const telling = new Set<string>(MACHINES);
let told = 0;
let drained = false;

/** What a failing buffer throws is waited out; anything else is a fault of ours. */
async function patiently<T>(attempt: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (!(cause instanceof StoreError) || cause.fault === "closed" || cause.fault === "corrupt") throw cause;
      await sleep(AGAIN_MS);
    }
  }
}

async function tell(machine: string): Promise<void> {
  const read = (): Promise<number> => patiently(() => (JSON.parse(outbox.checkpoint(`machine/${machine}`) ?? '{"n":0}') as { n: number }).n);
  let n = await read();
  const last = work.facts === null ? Infinity : n + work.facts;
  const inFlight = new Set<Promise<void>>();
  let failed = false;
  while (n < last || inFlight.size > 0) {
    if (failed || n >= last || inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
    if (failed && inFlight.size === 0) {
      failed = false;
      await sleep(AGAIN_MS);
      n = await read();
    }
    if (failed || n >= last || inFlight.size >= IN_FLIGHT) continue;
    const count = Math.min(last - n, 1 + Math.floor(random() * GROUP));
    const facts = Array.from({ length: count }, (_, index) => fact(machine, n + 1 + index));
    n += count;
    const commit = commitOf(facts, { machine, checkpoint: { key: `machine/${machine}`, json: JSON.stringify({ n, text: "c".repeat(Math.floor(random() * 2_000)) }) } });
    const done: Promise<void> = outbox.commit(commit).then((seq) => {
      mark("S", facts.map(({ type, id, rev }, index) => JSON.stringify({ epoch: outbox.epoch, seq: seq - count + 1 + index, machine, type, id, rev })));
      if (told++ === 0) say({ working: true });
    }, (cause: unknown) => {
      if (!(cause instanceof StoreError) || cause.fault === "corrupt") throw cause;
      failed = true;
    }).finally(() => inFlight.delete(done));
    inFlight.add(done);
    await sleep(random() * PAUSE_MS);
  }
  telling.delete(machine);
}

async function receive(name: string): Promise<void> {
  const own = seeded(work.seed + name.length);
  const before = work.announced?.[name];
  if (before !== undefined && outbox.heard({ ...before, life: "before" }).isOlder) return; // Another file takes its place.
  let announced = 0;
  const announce = (through: number): void => {
    if (through <= announced) return;
    announced = through;
    if (together) mark("A", [JSON.stringify({ destination: name, epoch: outbox.epoch, seq: through })]);
  };
  announce(outbox.synced());
  for (let after = 0; ;) {
    const rows = await patiently(() => outbox.sendable(name, after, BATCH));
    if (rows.length === 0) {
      if (drained) return;
      await sleep(LOOK_MS);
      continue;
    }
    after = rows.at(-1)?.seq ?? after;
    const refused = new Set(rows.filter(({ type }) => name === "picky" && type !== "loss" && own() < REFUSED_SHARE).map(({ seq }) => seq));
    const taken = rows.filter(({ seq }) => !refused.has(seq));
    announce(after);
    mark("R", taken.map((row) => `${work.connection}\t${name}\t${write(row, { publishedAt: clock.now().unixMs, replay: outbox.sending(name, row.seq) })}`));
    // Acknowledged in two parts, the later one first.
    const middle = Math.floor(own() * taken.length);
    const settle = (part: typeof taken, reject: readonly number[]): Promise<void> =>
      patiently(() => { outbox.settle(name, { accepted: part.map(({ seq }) => seq), rejected: reject.map((seq) => ({ seq, reason: "refused for the test" })) }); });
    await settle(taken.slice(middle), [...refused]);
    await settle(taken.slice(0, middle), []);
    await sleep(0);
  }
}

async function watch(): Promise<void> {
  for (let looks = 0; looks < DRAINED_LOOKS; await sleep(LOOK_MS)) {
    const waits = telling.size > 0 || (await patiently(() => outbox.status())).destinations.some(({ name, waiting }) => !work.away?.includes(name) && waiting > 0);
    looks = waits ? 0 : looks + 1;
  }
  drained = true;
}

await Promise.all([watch(), ...MACHINES.map(tell), ...DESTINATIONS.filter(({ name }) => !work.away?.includes(name)).map(({ name }) => receive(name))]);
say({ told: Object.fromEntries(MACHINES.map((machine) => [machine, (JSON.parse(outbox.checkpoint(`machine/${machine}`) ?? '{"n":0}') as { n: number }).n])) });
await outbox.close();
say({ closed: true });
