/**
 * One machine at run time: batches in, records and checkpoint out in one transaction, live values onto the board.
 * Holes (design.md §3): from the loss of the link the ledger waits for `refill_hold`; if the source comes back in time
 * the truth goes in as if nothing had happened, else a gap is recorded from the last moment we saw, and the state from
 * before it is kept. With the source's first batch the detectors run again from there, and what was published since is
 * corrected (hole.ts). What the source no longer has, its driver says as a gap.
 *
 *   starting ─ batch ─► following ─ link lost ─► holding ─ batch ─► following
 *       └────── hold runs out ──────► blind ◄────── hold runs out ┘   (blind ─ batch ─► following)
 *
 * A checkpoint is written with records, and without any at most every CHECKPOINT_MS: a kill repeats that much reading.
 */
import type { Detector } from "../../contract/detector.ts";
import type { Finding } from "../../contract/finding.ts";
import type { Arrival, Batch, Cursor } from "../../contract/observation.ts";
import type { Ports } from "../../contract/ports.ts";
import type { NewRecord } from "../../contract/record.ts";
import type { Link } from "../../contract/source.ts";
import { rfc3339, type Instant, type UnixMs } from "../../contract/time.ts";
import type { MachineSettings, SourceSettings } from "../../config/model.ts";
import type { WritableBoard } from "../link/board.ts";
import { isSet, type ClockTrust } from "../time/clock-trust.ts";
import { eventNow, isDatable, startOf } from "../time/dating.ts";
import type { DayBook } from "../account/day-book.ts";
import { bounded, closed, holeFrom, isServed, NO_HOLE, reopened, told, type Hole } from "./hole.ts";
import { recalled } from "./live-recall.ts";
import { LiveValues } from "./machine-live.ts";
import type { MachineStatus, Phase } from "./machine-status.ts";
import { MachineStore, type Circumstances, type Ledger, type Stored } from "./machine-store.ts";
import { createPipeline, type Pipeline, type PipelineState, type Step } from "./pipeline.ts";
import { standingAfter, type Standing } from "./revise.ts";
import { SourceClockHealth } from "../time/source-clock-health.ts";

export interface MachineParts<State> {
  readonly settings: MachineSettings;
  readonly source: SourceSettings;
  /** JSON of the machine's RecordContext. */
  readonly context: string;
  readonly detector: Detector<State>;
  readonly outbox: Ledger;
  readonly board: WritableBoard;
  /** What is counted of it for its receipts. */
  readonly book: DayBook;
  readonly clockTrust: Pick<ClockTrust, "state">;
  readonly ports: Ports;
}

const CHECKPOINT_MS = 5_000;
const IDLE_CHECKPOINT_MS = 30_000;
const CHECKPOINT_READINGS = 5_000;
const BLIND_TICK_MS = 1_000;

export class Machine<State> {
  readonly id: string;
  readonly #parts: MachineParts<State>;
  readonly #pipeline: Pipeline<State>;
  readonly #store: MachineStore<State>;
  readonly #startedAt: Instant;
  readonly #live: LiveValues;
  readonly #sourceClock: SourceClockHealth;

  #state: PipelineState<State>;
  #cursor: Cursor | null = null;
  #standing: Standing = {};
  #hole: Hole<State> = NO_HOLE;
  #phase: Phase = "starting";
  #link: Link = { state: "connecting", attempt: 0 };
  #peer: string | null = null;
  #caughtUp = false;
  #lastBatchAt: UnixMs | null = null;
  #uncommittedReadings = 0;
  #cancelTimer = (): void => undefined;
  /** The position whose batch made the detectors throw; the second time in a row it is passed over. */
  #stumbledAt: string | null = null;

  constructor(parts: MachineParts<State>) {
    const { settings, source, context, outbox, ports, detector, board, book } = parts;
    this.id = settings.id;
    this.#parts = parts;
    this.#pipeline = createPipeline(settings, source, detector);
    this.#live = new LiveValues(settings.id, board);
    this.#sourceClock = new SourceClockHealth(source, ports.log);
    this.#store = new MachineStore({ machine: settings.id, context, detectorVersion: detector.version, outbox, ports, book, onStored: (records) => {
      this.#live.stored(records);
      this.#showLive();
    } });
    this.#startedAt = ports.clock.now();
    this.#state = this.#pipeline.initial();
    this.#load();
    for (const value of recalled(this.#state.stamp, this.#standing, settings.rules.mainPath)) this.#live.take(value);
    if (this.#state.stamp.blind) this.#live.lose(this.#seenUntil());
    if (this.#store.exists) this.#live.hide(this.#startedAt.unixMs, "agent-stopped");
    this.#hold();
  }

  cursor(): Cursor | null {
    return this.#cursor;
  }

  async take(batch: Batch, received = this.#parts.ports.clock.now()): Promise<void> {
    await this.#throwFailure();
    const arrival: Arrival = { source: this.#parts.source.name, received, ...(!isSet(this.#parts.clockTrust.state()) && { unsynchronised: true }) };
    this.#cancelTimer();
    this.#phase = "following";
    this.#resumeHole();
    const [next, findings] = this.#conclusionsOf(batch, arrival);
    this.#state = next;
    this.#cursor = batch.cursor ?? this.#cursor;
    this.#sourceClock.look(next.stamp);
    this.#stumbledAt = null;
    this.#caughtUp = batch.caughtUp;
    this.#lastBatchAt = received.unixMs;
    const first = !this.#store.exists;
    this.#uncommittedReadings += batch.items.length;
    this.#parts.book.read(batch.items);
    this.#conclude(findings);
    await this.#store.room(first);
    await this.#throwFailure();
  }

  onLink(now: Link): void {
    const { log, clock } = this.#parts.ports;
    this.#link = now;
    if (now.state === "up") {
      this.#peer = now.peer;
      this.#state = this.#pipeline.session(this.#state, this.#phase === "starting" ? "agent-stopped" : "link-down");
      log.info({ peer: now.peer }, "source connected");
    } else if (now.state === "down") {
      log.warn({ fault: now.fault, reason: now.message, retryInMs: now.retryInMs }, "source lost");
      if (this.#phase !== "following") return;
      this.#phase = "holding";
      this.#caughtUp = false;
      this.#hold();
      this.#live.hide(clock.now().unixMs, "link-down");
    }
  }

  status(): MachineStatus {
    return {
      phase: this.#phase, link: this.#link, peer: this.#peer, caughtUp: this.#caughtUp, ...this.#sourceClock.status(this.#state.stamp),
      lateReadings: this.#state.stamp.late, holeSince: this.#hole.since, complete: this.#store.complete, lastBatchAt: this.#lastBatchAt,
    };
  }

  /** A day is over by the agent's clock: its counts are stored, though the machine says nothing. */
  endDay(): void {
    if (this.#phase !== "stopped" && this.#store.exists && !this.#store.hasFailed) this.#commit([]);
  }

  /** Commits what is in hand and stops the timers. */
  async stop(): Promise<void> {
    this.#cancelTimer();
    if (this.#phase !== "stopped" && this.#store.exists && !this.#store.hasFailed) this.#commit([]);
    this.#phase = "stopped";
    await this.#store.settle();
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
      const [next, findings] = this.#pipeline.gap(this.#state, this.#seenUntil(), "position-jump");
      return [{ ...next, stamp: { ...next.stamp, known: {} } }, findings];
    }
  }

  /** Where nothing was ever seen: since the start, by the clock as it is set now. */
  #seenUntil(): UnixMs {
    const { seen, axis } = this.#state.stamp;
    return seen ?? axis ?? startOf(this.#startedAt, this.#parts.ports.clock.now());
  }

  #load(stored: Stored<State> | null = this.#store.load()): boolean {
    if (stored === null) return false;
    const { saved, hole } = stored;
    this.#state = saved?.state ?? this.#pipeline.initial();
    this.#cursor = saved?.cursor ?? null;
    this.#standing = saved?.standing ?? {};
    this.#hole = hole;
    return true;
  }

  /** Until the hold ends, nothing is recorded of the silence. */
  #hold(waitMs = this.#parts.source.refillHoldMs): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.ports.clock.after(waitMs, () => {
      if (!isDatable(this.#state.stamp, this.#parts.clockTrust.state())) return this.#hold(BLIND_TICK_MS);
      // After a restart inside a hole its gap is recorded already, and its start stands.
      if (this.#hole.kept === null) this.#beginHole();
      this.#phase = "blind";
      this.#showLive();
      this.#blindTick();
    });
  }

  #beginHole(): void {
    const at = this.#seenUntil();
    const reason = this.#phase === "starting" && this.#store.exists ? "agent-stopped" : "link-down";
    const settled = this.#closeHole();
    const [next, findings] = this.#pipeline.gap(this.#state, at, reason);
    if (this.#mayServe())
      this.#hole = holeFrom(this.#hole, at, { state: this.#state, cursor: this.#cursor, standing: this.#standing, live: this.#live.all() });
    this.#live.lose(at);
    this.#state = next;
    this.#phase = "blind";
    this.#parts.ports.log.warn({ since: rfc3339(at) }, "the source did not come back in time: recorded as unknown");
    this.#conclude(findings, settled);
  }

  /** It has a position to be asked from, dates what it says, and what was before is not lost already. */
  #mayServe(): boolean {
    return this.#store.exists && this.#cursor !== null && this.#parts.source.time !== "gateway" && !this.#state.stamp.blind;
  }

  /** The source is back: whatever it serves of the hole follows on the state from before it. */
  #resumeHole(): void {
    const { since, kept } = this.#hole;
    if (since === null || kept === null) return;
    this.#hole = reopened(this.#hole);
    this.#state = this.#pipeline.session(kept.state);
    this.#cursor = kept.cursor;
    this.#standing = kept.standing;
    for (const value of kept.live) this.#live.take(value);
    this.#parts.ports.log.info({ since: rfc3339(since) }, "the source is back: what it still has of the hole is read, and what was published of it is corrected");
  }

  /** What the hole being served leaves in doubt, if one is: taken back, or open as before. */
  #closeHole(): readonly NewRecord[] {
    if (!isServed(this.#hole)) return [];
    const { hole, records } = closed(this.#hole, this.#standing);
    this.#hole = hole;
    return records;
  }

  #now(): UnixMs | null {
    return eventNow(this.#state.stamp, this.#parts.ports.clock.now(), isSet(this.#parts.clockTrust.state()));
  }

  /** While blind, event time goes on by our own clock: shifts still end. */
  #blindTick(): void {
    const { clock } = this.#parts.ports;
    this.#cancelTimer = clock.after(BLIND_TICK_MS, () => {
      // What the disk refused meanwhile is concluded again, from the last state it has.
      if (this.#store.hasFailed && this.#load(this.#store.reload()) && !this.#state.stamp.blind) this.#beginHole();
      const at = this.#now();
      const [next, findings] = at === null ? [this.#state, []] : this.#pipeline.tick(this.#state, at);
      this.#state = next;
      if (findings.length > 0) this.#conclude(findings);
      this.#blindTick();
    });
  }

  /** `before`: records that go ahead of those among the findings. */
  #conclude(findings: readonly Finding[], before: readonly NewRecord[] = []): void {
    const concluded: NewRecord[] = [];
    for (const finding of findings) {
      if (finding.kind === "record") concluded.push(finding.record);
      else if (finding.kind === "live") this.#live.take(finding);
    }
    this.#standing = standingAfter(this.#standing, concluded);
    const through = this.#pipeline.completeThrough(this.#state);
    const known = this.#hole;
    const { hole, records } = told(known, concluded, through);
    this.#hole = hole;
    const served = isServed(hole);
    const all = [...before, ...records, ...(this.#caughtUp ? this.#closeHole() : [])];
    this.#hole = bounded(this.#hole, this.#parts.ports.log);
    const isOwed = this.#uncommittedReadings >= CHECKPOINT_READINGS || this.#store.sinceCommitMs >= (this.#uncommittedReadings > 0 ? CHECKPOINT_MS : IDLE_CHECKPOINT_MS);
    if (all.length > 0 || !this.#store.exists || isOwed || known !== this.#hole) this.#commit(all, { served, promised: known.promised, isPatient: all.length === 0 && this.#store.exists && known === this.#hole });
    this.#showLive();
  }

  #commit(records: readonly NewRecord[], how: Circumstances = { served: isServed(this.#hole), promised: this.#hole.promised, isPatient: false }): void {
    this.#uncommittedReadings = 0;
    this.#store.commit({
      saved: { state: this.#state, cursor: this.#cursor, standing: this.#standing }, hole: this.#hole,
      records, through: this.#pipeline.completeThrough(this.#state), ...how,
    });
  }

  #showLive(): void {
    if (this.#caughtUp || this.#phase === "blind") this.#live.show();
  }

  /** What was not stored is taken back: the last stored position and state stand, and the source is read again from there. */
  async #throwFailure(): Promise<void> {
    const failure = await this.#store.failure();
    if (failure === null) return;
    this.#load();
    throw failure;
  }
}
