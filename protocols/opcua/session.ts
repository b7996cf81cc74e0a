/**
 * One session at a server: what is followed, what is missing and asked for again, and the messages as batches.
 *
 *   first values of all nodes, together (initial) ─► a batch a message ─► … ─► silence, or a lost subscription: LinkError
 *
 * While the connection is away the library mends it within the session, and the server hands over what it queued: no hole.
 * Where the server forgot us the session ends, and the supervisor's next one begins with a gap. Three keepalives without a
 * word end it too, whatever the library believes.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Cursor, Gap, Reading } from "../../agent/contract/observation.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { Described } from "../../agent/contract/survey.ts";
import { unixMs, type MonoMs, type UnixMs } from "../../agent/contract/time.ts";
import { addressWords } from "./address.ts";
import { AlarmSet } from "./alarms.ts";
import type { Following } from "./following.ts";
import type { Notice } from "./mailbox.ts";
import { inTime } from "./points.ts";
import type { Change, Translator } from "./profile.ts";
import type { SessionParts } from "./session-parts.ts";
import { credible, sampleOf } from "./values.ts";

const KEEPALIVES_MISSED = 3;
const SLACK_MS = 2_000;
/** However slow a server makes its keepalives. */
const LONGEST_KEEPALIVE_MS = 120_000;
/** By so much a server's clock is set, not corrected. */
const CLOCK_SET_MS = 5_000;
const DAY_MS = 86_400_000;
/** So long the first values may take. */
const FIRST_VALUES_MS = 1_000;
/** How far time may lag behind the server's clock because a change may not have been looked at yet. */
const LONGEST_LAG_MS = 1_000;

export class OpcuaSession implements Session {
  readonly peer: string;
  readonly #parts: SessionParts;
  readonly #following: Following;
  readonly #alarms: AlarmSet;
  readonly #last = new Map<string, Change>();
  #translator: Translator;
  #heard: UnixMs | null = null;
  #remindedAt: MonoMs | null = null;
  #warned = false;

  constructor(parts: SessionParts, following: Following) {
    this.#parts = parts;
    this.#following = following;
    this.#alarms = new AlarmSet(parts.alarmClauses ?? []);
    this.peer = parts.peer;
    this.#translator = parts.profile.translator();
  }

  /** No history: a server without our session has nothing to resume. */
  async *read(_from: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch, void, void> {
    try {
      yield await this.#first(signal);
      for (;;) {
        const notice = await this.#next(signal);
        this.#requireSteadyClock(notice);
        await this.#following.askAgain(signal);
        await this.#remindDaily();
        yield await this.#batch(notice, signal);
      }
    } catch (cause) {
      if (signal.aborted) return;
      throw cause;
    }
  }

  describe(): Described {
    const { open: { facts }, profile, alarmClauses, guard } = this.#parts;
    return {
      facts: { ...facts, profile: profile.name, nodes: `${this.#following.followed} followed`, alarms: alarmClauses !== null ? "as events" : "not read", "session timeout": `${guard.sessionMs / 1_000} s` },
      refused: this.#following.missing.map(({ wanted, why }) => ({ what: addressWords(wanted.address), why })),
    };
  }

  close(): Promise<void> {
    return this.#parts.open.close();
  }

  async #remindDaily(): Promise<void> {
    const { open, ports: { network } } = this.#parts;
    const now = network.now().monoMs;
    this.#remindedAt ??= now;
    if (now - this.#remindedAt < DAY_MS) return;
    this.#remindedAt = now;
    await open.remind();
  }

  async #next(signal: AbortSignal): Promise<Notice> {
    const { mailbox, config, ports, where, guard } = this.#parts;
    const silentMs = Math.min(Math.max(config.keepalive, guard.keepaliveMs), LONGEST_KEEPALIVE_MS) * KEEPALIVES_MISSED + SLACK_MS;
    const deadline = ports.network.deadline(silentMs, signal);
    try {
      return await mailbox.next(deadline.signal);
    } catch (cause) {
      if (!deadline.signal.aborted || signal.aborted) throw cause;
      throw new LinkError("timeout", "backoff", `OPC UA server at ${where} has said nothing for ${silentMs / 1_000} s, not even that it lives: switched off, cable, or its server hangs`, { cause });
    } finally {
      deadline.clear();
    }
  }

  /** The values as they are now, in one batch: the server may spread them over several messages. */
  async #first(signal: AbortSignal): Promise<Batch> {
    const { alarmClauses, config, ports: { network } } = this.#parts;
    const alarmsFollowed = alarmClauses !== null;
    const began = network.now().monoMs;
    const patienceMs = FIRST_VALUES_MS + 2 * config.publishing;
    const changes: Change[] = [...this.#following.absent()];
    const alarms: Reading[] = [];
    let notice: Notice | null = null;
    while (!this.#following.isComplete || (alarmsFollowed && alarms.length === 0)) {
      notice = await this.#next(signal);
      changes.push(...this.#changesOf(notice));
      const heard = this.#alarms.hear(notice);
      alarms.push(...heard.readings);
      // A keepalive says that nothing waits: what has not come by now, will not come soon. The first one may be older than our
      // asking; and where values keep changing there is none.
      const waitedMs = network.now().monoMs - began;
      const isKeepalive = notice.values.length === 0 && notice.events.length === 0;
      if (waitedMs > patienceMs && (isKeepalive || waitedMs > config.keepalive)) break;
    }
    const { now } = this.#stamped(notice);
    // Some servers bracket nothing; alarms that come later are events.
    if (alarmsFollowed && alarms.length === 0) alarms.push(...this.#alarms.settle(now));
    const known: Reading = { kind: "reading", signal: "availability", initial: true, ...(now !== null && { sourceTime: now }), quality: "GOOD", value: "AVAILABLE" };
    return this.#made(notice, [known, ...(await this.#translated(changes, signal)), ...alarms]);
  }

  async #batch(notice: Notice, signal: AbortSignal): Promise<Batch> {
    const changes = this.#changesOf(notice);
    const heard = this.#alarms.hear(notice);
    const gap = this.#gapBefore(notice, changes);
    const retold = gap === null ? [] : this.#retell(changes);
    if (heard.refresh || (gap !== null && this.#parts.alarmClauses !== null)) await this.#parts.guard.refreshConditions(signal);
    const readings = [...retold, ...(await this.#translated(changes, signal))];
    return this.#made(notice, [...(gap === null ? [] : [gap]), ...inTime([...readings, ...heard.readings])]);
  }

  #changesOf({ values, now }: Notice): readonly Change[] {
    const { config: { stamps, session, sampling, measure_sampling: slow } } = this.#parts;
    const changes = values.flatMap(({ handle, wire }): readonly Change[] => {
      const wanted = this.#following.wantedBy(handle);
      if (wanted === undefined) return [];
      const told = sampleOf(wire, stamps, wanted.element);
      const initial = this.#following.arrived(handle, told.status);
      // What is so since long has an old stamp; what changed has waited no longer than the server keeps our session.
      const sample = credible(told, wire, { now, oldestMs: initial ? Number.POSITIVE_INFINITY : session + SLACK_MS + (wanted.samplingMs ?? Math.max(sampling, slow)) });
      if (sample !== told) this.#warnOfClocks(wanted.key);
      return this.#following.passes(handle, sample) ? [{ key: wanted.key, sample, initial }] : [];
    });
    return byTime(changes);
  }

  /** A clock that was set back: by it what follows would be before what was. The link ends, and the next one measures the clock anew. */
  #requireSteadyClock({ now }: Notice): void {
    if (now !== null && this.#heard !== null && now < this.#heard - CLOCK_SET_MS) throw new LinkError("lost", "backoff", `OPC UA server at ${this.#parts.where}: its clock was set back`);
  }

  #warnOfClocks(key: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#parts.ports.log.warn({ value: key, server: this.#parts.where }, "stamps of a value are of another clock than the server's: the server's time is taken instead; set the device's clock, or stamps: server");
  }

  async #translated(changes: readonly Change[], signal: AbortSignal): Promise<readonly Reading[]> {
    for (const change of changes) this.#last.set(change.key, change);
    const wanted = this.#translator.wants(changes);
    const evidence = wanted.length === 0 ? [] : await this.#following.readNow(wanted, signal);
    return this.#translator.take(changes, evidence);
  }

  /** The server's queue was full, or ours: what was lost may have been a stop and a start. */
  #gapBefore({ lost }: Notice, changes: readonly Change[]): Gap | null {
    const overflowed = changes.filter(({ key, sample }) => sample.overflowed && this.#following.decides(key));
    if (lost === 0 && overflowed.length === 0) return null;
    const { log } = this.#parts.ports;
    log.warn({ values: overflowed.map(({ key }) => key).slice(0, 5), lost }, "values were lost because a queue was full: raise queue, or publishing is too slow");
    const to = overflowed[0]?.sample.at ?? this.#heard;
    return { kind: "gap", reason: "overflow", ...(lost > 0 && { missing: lost }), ...(this.#heard !== null && { from: this.#heard }), ...(to !== null && to !== undefined && { to }) };
  }

  /** After a gap nothing is known until it is told again; what did not change is as it was. */
  #retell(changes: readonly Change[]): readonly Reading[] {
    const overflowed = new Set(changes.filter(({ sample }) => sample.overflowed).map(({ key }) => key));
    this.#translator = this.#parts.profile.translator();
    const kept = [...this.#last.values()].filter(({ key }) => !overflowed.has(key)).map((change): Change => ({ ...change, initial: true }));
    return this.#translator.take(byTime(kept), []);
  }

  /** A change that happened just before may not have been looked at: time goes on only so far. */
  #stamped(notice: Notice | null): { readonly now: UnixMs | null } {
    const lagMs = Math.min(LONGEST_LAG_MS, this.#following.samplingMs);
    const now = notice?.now ?? null;
    return { now: now === null ? null : unixMs(now - lagMs) };
  }

  #made(notice: Notice | null, items: Batch["items"]): Batch {
    const { now } = this.#stamped(notice);
    if (now !== null) this.#heard = now;
    return { items, ...(now !== null && { sourceNow: now }), caughtUp: notice?.more !== true };
  }
}

function byTime(changes: readonly Change[]): readonly Change[] {
  return inTime(changes.map((change) => ({ ...change, ...(change.sample.at !== undefined && { sourceTime: change.sample.at }) })));
}
