/**
 * One machine at run time: batches in, records and checkpoint out in one transaction, live values onto the board.
 * Holes (design.md §3): from the loss of the link the ledger waits for `refill_hold`; if the source comes back in time
 * the truth goes in as if nothing had happened, else a gap is recorded from the last moment we saw.
 *
 *   starting ─ batch ─► following ─ link lost ─► holding ─ batch ─► following
 *       └────── hold runs out ──────► blind ◄────── hold runs out ┘   (blind ─ batch ─► following)
 *
 * A checkpoint is written with records, and without any at most every CHECKPOINT_MS: a kill repeats that much reading.
 * At most COMMITS_IN_FLIGHT commits wait for the disk; then the source is made to wait.
 */
import type { Detector } from "../contract/detector.ts";
import type { Finding, LiveValue } from "../contract/finding.ts";
import type { Arrival, Batch, Cursor } from "../contract/observation.ts";
import type { Outbox } from "../contract/outbox.ts";
import type { Ports } from "../contract/ports.ts";
import type { NewRecord, RecordType } from "../contract/record.ts";
import type { Link } from "../contract/source.ts";
import { rfc3339, type UnixMs } from "../contract/time.ts";
import type { MachineSettings, SourceSettings } from "../config/model.ts";
import type { WritableBoard } from "./board.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { createPipeline, type Pipeline, type PipelineState, type Step } from "./pipeline.ts";

export interface MachineParts<State> {
  readonly settings: MachineSettings;
  readonly source: SourceSettings;
  /** JSON of the machine's RecordContext. */
  readonly context: string;
  readonly detector: Detector<State>;
  readonly outbox: Outbox;
  readonly board: WritableBoard;
  readonly ports: Ports;
}

export interface MachineStatus {
  readonly phase: Phase;
  readonly link: Link;
  readonly peer: string | null;
  readonly caughtUp: boolean;
  readonly clockOffsetMs: number | null;
  readonly lateReadings: number;
  /** Through which event time, and which row, this machine's first revisions are complete. */
  readonly complete: { readonly time: UnixMs; readonly seq: number } | null;
  readonly lastBatchAt: UnixMs | null;
}

type Phase = "starting" | "following" | "holding" | "blind" | "stopped";

const COMMITS_IN_FLIGHT = 16;
const CHECKPOINT_MS = 5_000;
const IDLE_CHECKPOINT_MS = 30_000;
const CHECKPOINT_READINGS = 5_000;
const BLIND_TICK_MS = 1_000;

export class Machine<State> {
  readonly id: string;
  readonly #parts: MachineParts<State>;
  readonly #pipeline: Pipeline<State>;
  readonly #key: string;
  readonly #startedAt: UnixMs;
  readonly #live = new Map<string, LiveValue>();
  /** Stored, and not shown yet: a history that is read in is not shown record by record. */
  readonly #latest = new Map<RecordType, NewRecord>();
  readonly #inFlight = new Set<Promise<void>>();

  #state: PipelineState<State>;
  #cursor: Cursor | null = null;
  /** A checkpoint of this machine is in the buffer, or on its way there. */
  #stored = false;
  #phase: Phase = "starting";
  #link: Link = { state: "connecting", attempt: 0 };
  #peer: string | null = null;
  #caughtUp = false;
  #complete: MachineStatus["complete"] = null;
  #lastSeq = 0;
  #lastBatchAt: UnixMs | null = null;
  #uncommittedReadings = 0;
  #lastCommitMono: number;
  #failure: unknown = null;
  #cancelTimer = (): void => undefined;
  /** The position whose batch made the detectors throw; the second time in a row it is passed over. */
  #stumbledAt: string | null = null;

  constructor(parts: MachineParts<State>) {
    const { settings, source, ports, detector } = parts;
    this.id = settings.id;
    this.#parts = parts;
    this.#pipeline = createPipeline(settings, source, detector);
    this.#key = `machine/${settings.id}`;
    this.#startedAt = ports.clock.now().unixMs;
    this.#lastCommitMono = ports.network.now().monoMs;
    // What an earlier run stored may not have reached a bridge yet: whoever holds less than that is promised nothing.
    this.#lastSeq = parts.outbox.status().lastSeq;
    this.#state = this.#pipeline.initial();
    this.#load();
    this.#hold();
  }

  cursor(): Cursor | null {
    return this.#cursor;
  }

  async take(batch: Batch): Promise<void> {
    await this.#throwFailure();
    const arrival: Arrival = { source: this.#parts.source.name, received: this.#parts.ports.clock.now() };
    this.#cancelTimer();
    this.#phase = "following";
    const [next, findings] = this.#conclusionsOf(batch, arrival);
    this.#state = next;
    this.#cursor = batch.cursor ?? this.#cursor;
    this.#stumbledAt = null;
    this.#caughtUp = batch.caughtUp;
    this.#lastBatchAt = arrival.received.unixMs;
    const first = !this.#stored;
    this.#uncommittedReadings += batch.items.length;
    this.#conclude(findings);
    while (this.#inFlight.size >= COMMITS_IN_FLIGHT || (first && this.#inFlight.size > 0)) await Promise.race(this.#inFlight);
    await this.#throwFailure();
  }

  onLink(now: Link): void {
    const { log, clock } = this.#parts.ports;
    this.#link = now;
    if (now.state === "up") {
      this.#peer = now.peer;
      this.#state = this.#pipeline.session(this.#state);
      log.info({ peer: now.peer }, "source connected");
    } else if (now.state === "down") {
      log.warn({ fault: now.fault, reason: now.message, retryInMs: now.retryInMs }, "source lost");
      if (this.#phase !== "following") return;
      this.#phase = "holding";
      this.#caughtUp = false;
      this.#hold();
      // The board says at once what the ledger says only when the hold has run out.
      this.#show("state", { value: "UNKNOWN", at: rfc3339(clock.now().unixMs), because: "link-down" });
    }
  }

  status(): MachineStatus {
    return {
      phase: this.#phase, link: this.#link, peer: this.#peer, caughtUp: this.#caughtUp, clockOffsetMs: this.#state.stamp.offsetMs,
      lateReadings: this.#state.stamp.late, complete: this.#complete, lastBatchAt: this.#lastBatchAt,
    };
  }

  /** Commits what is in hand and stops the timers. */
  async stop(): Promise<void> {
    this.#cancelTimer();
    if (this.#phase !== "stopped" && this.#stored && this.#failure === null) this.#commit([]);
    this.#phase = "stopped";
    await Promise.allSettled(this.#inFlight);
  }

  /** Input that makes us stumble twice is passed over and leaves a gap: one bad document must not silence a machine for ever. */
  #conclusionsOf(batch: Batch, arrival: Arrival): Step<State> {
    try {
      return this.#pipeline.batch(this.#state, batch, arrival);
    } catch (cause) {
      const position = JSON.stringify(this.#cursor);
      const { log } = this.#parts.ports;
      if (this.#stumbledAt !== position || batch.cursor === undefined) {
        this.#stumbledAt = position;
        throw cause;
      }
      log.error({ position, items: batch.items.length, reason: cause instanceof Error ? cause.stack : String(cause) }, "input that cannot be processed is passed over and recorded as unknown: please report this");
      const at = this.#state.stamp.seen ?? this.#state.stamp.axis ?? this.#startedAt;
      const [next, findings] = this.#pipeline.gap(this.#state, at, "position-jump");
      return [{ ...next, stamp: { ...next.stamp, known: {} } }, findings];
    }
  }

  #load(): void {
    const decoded = decodeCheckpoint<State>(this.#parts.outbox.checkpoint(this.#key), this.#parts.detector.version);
    this.#stored = decoded.found !== "none";
    this.#state = decoded.found === "usable" ? decoded.state : this.#pipeline.initial();
    this.#cursor = decoded.found === "usable" ? decoded.cursor : null;
    if (decoded.found === "unusable")
      this.#parts.ports.log.error({ reason: decoded.reason }, "the saved position cannot be used: reading starts anew, and the span between is unknown");
  }

  /** Until the hold ends, nothing is recorded of the silence. */
  #hold(): void {
    const { clock, log } = this.#parts.ports;
    this.#cancelTimer();
    this.#cancelTimer = clock.after(this.#parts.source.refillHoldMs, () => {
      const at = this.#state.stamp.seen ?? this.#state.stamp.axis ?? this.#startedAt;
      const reason = this.#phase === "starting" && this.#stored ? "agent-stopped" : "link-down";
      const [next, findings] = this.#pipeline.gap(this.#state, at, reason);
      this.#state = next;
      this.#phase = "blind";
      log.warn({ since: rfc3339(at) }, "the source did not come back in time: recorded as unknown");
      this.#conclude(findings);
      this.#blindTick();
    });
  }

  /** While blind, event time follows our own clock, moved by the source's last known offset: shifts still end. */
  #blindTick(): void {
    const { clock } = this.#parts.ports;
    this.#cancelTimer = clock.after(BLIND_TICK_MS, () => {
      const [next, findings] = this.#pipeline.tick(this.#state, this.#pipeline.now(this.#state, clock.now().unixMs));
      this.#state = next;
      if (findings.length > 0) this.#conclude(findings);
      this.#blindTick();
    });
  }

  #conclude(findings: readonly Finding[]): void {
    const records: NewRecord[] = [];
    for (const finding of findings) {
      if (finding.kind === "record") records.push(finding.record);
      else if (finding.kind === "live") this.#live.set(finding.name, finding);
    }
    const sinceMs = this.#parts.ports.network.now().monoMs - this.#lastCommitMono;
    const owed = this.#uncommittedReadings >= CHECKPOINT_READINGS || sinceMs >= (this.#uncommittedReadings > 0 ? CHECKPOINT_MS : IDLE_CHECKPOINT_MS);
    if (records.length > 0 || !this.#stored || owed) this.#commit(records);
    else if (this.#inFlight.size === 0) this.#announce(this.#pipeline.completeThrough(this.#state));
    if (this.#caughtUp || this.#phase === "blind") this.#showLive();
  }

  #commit(records: readonly NewRecord[]): void {
    const { outbox, context, detector, ports } = this.#parts;
    const through = this.#pipeline.completeThrough(this.#state);
    const promised = this.#complete === null ? null : rfc3339(this.#complete.time);
    const late = promised !== null && records.some((record) => record.rev === 1 && record.body.end !== null && record.body.end <= promised);
    this.#stored = true;
    this.#uncommittedReadings = 0;
    this.#lastCommitMono = ports.network.now().monoMs;
    const done: Promise<void> = outbox.commit({
      machine: this.id, context, records, observedAt: ports.clock.now().unixMs, late,
      checkpoint: { key: this.#key, json: encodeCheckpoint({ state: this.#state, cursor: this.#cursor }, detector.version) },
    }).then((seq) => {
      if (records.length > 0) this.#lastSeq = seq;
      this.#announce(through);
      for (const record of records) this.#latest.set(record.type, record);
      if (this.#caughtUp || this.#phase === "blind") this.#showLive();
    }, (cause: unknown) => {
      this.#failure ??= cause;
    }).finally(() => this.#inFlight.delete(done));
    this.#inFlight.add(done);
  }

  #announce(through: UnixMs | null): void {
    if (through !== null && (this.#complete === null || through >= this.#complete.time)) this.#complete = { time: through, seq: this.#lastSeq };
  }

  #showLive(): void {
    for (const { name, value, at } of this.#live.values()) this.#show(name, { value, at: rfc3339(at) });
    this.#live.clear();
    for (const record of this.#latest.values()) this.#parts.board.put({ scope: "record", machine: this.id, record });
    this.#latest.clear();
  }

  #show(name: string, payload: object): void {
    this.#parts.board.put({ scope: "live", machine: this.id, name, payload });
  }

  /** What was not stored is taken back: the last stored position and state stand, and the source is read again from there. */
  async #throwFailure(): Promise<void> {
    if (this.#failure === null) return;
    await Promise.allSettled(this.#inFlight);
    const cause = this.#failure;
    this.#load();
    this.#failure = null;
    throw cause instanceof Error ? cause : new Error("the buffer failed", { cause });
  }
}
