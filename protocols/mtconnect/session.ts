/**
 * One link to one device of an agent: finds where to begin (position.ts), then streams or polls and turns documents
 * into batches. Whatever does not fit the position throws LinkError: the next session begins at the last stored cursor
 * and finds out what was missed. A position is always given before the values it leads to are.
 */
import { InvariantError, LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Cursor, Gap } from "../../agent/contract/observation.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { Described } from "../../agent/contract/survey.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Agent, Asked, Streams } from "./agent.ts";
import { explainAgentErrors } from "./agent-error.ts";
import type { ConditionSets } from "../shared/mtconnect/conditions.ts";
import type { MTConnectConfig } from "./config.ts";
import type { Client } from "./http.ts";
import { bufferHeader, decodePosition, encodePosition, resumeAt, startOf, strayed, type BufferHeader, type Position } from "./position.ts";
import { readingsOf } from "./readings.ts";

interface Parts {
  readonly agent: Agent;
  readonly client: Client;
  readonly config: MTConnectConfig;
  readonly ports: Ports;
  peer(): string;
  describe(): Described;
}

/** More readings than this are given in several batches: none holds the machine up for long. */
const READINGS_PER_BATCH = 1_000;
const POLL_MS = 1_000;
const RECOVERY_ATTEMPTS = 6;

export class AgentSession implements Session {
  readonly #parts: Parts;
  readonly #conditionsText = new WeakMap<ConditionSets, string>();
  /** Dropped once it was used: its texts hold on to the whole document. */
  #snapshot: Streams | null;
  readonly #model: string | null;

  constructor(parts: Parts, snapshot: Streams) {
    this.#parts = parts;
    this.#snapshot = snapshot;
    this.#model = snapshot.header.model;
  }

  get peer(): string {
    return this.#parts.peer();
  }

  describe(): Described {
    return this.#parts.describe();
  }

  async close(): Promise<void> {
    this.#parts.client.close();
    await Promise.resolve();
  }

  async *read(from: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
    try {
      yield* this.#follow(from, signal);
    } catch (cause) {
      if (!signal.aborted) throw cause;
    }
  }

  async *#follow(from: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
    let position = yield* this.#start(from, signal);
    for await (const streams of this.#documents(() => position.next, signal)) {
      for (const step of this.#batches(position, streams)) {
        position = step.position;
        yield step.batch;
      }
    }
  }

  /** Everything before the first document of the stream; returns where that begins. */
  async *#start(from: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch, Position> {
    const snapshot = this.#snapshot;
    this.#snapshot = null;
    if (snapshot === null) throw new InvariantError("a session is read once");
    const header = this.#buffer(snapshot);
    const saved = decodePosition(from);
    const start = saved === "unreadable" ? { kind: "restarted" as const } : startOf(saved, header);
    let position: Position;
    if (saved === null) {
      position = await this.#begin(header, signal);
      yield { items: [], cursor: this.#cursor(position), caughtUp: false, ...now(header.created) };
    } else if (saved !== "unreadable" && start.kind === "resume") position = saved;
    else {
      const recovered = await this.#recover(saved === "unreadable" ? null : saved, header, signal);
      position = recovered.position;
      yield recovered.batch;
    }
    if (position.initial !== null) {
      const given = await this.#initial(position, saved === null ? snapshot : null, signal);
      position = given.position;
      yield given.batch;
    }
    return position;
  }

  #buffer({ header }: Streams): BufferHeader {
    const buffer = bufferHeader(header);
    if (buffer === null) throw new LinkError("protocol", "backoff", `the agent's document says neither instanceId nor nextSequence: without them nothing can be read twice without loss (${this.#parts.peer()})`);
    return buffer;
  }

  #cursor(position: Position): Cursor {
    const { conditions } = position;
    const text = this.#conditionsText.get(conditions) ?? JSON.stringify(conditions);
    this.#conditionsText.set(conditions, text);
    return encodePosition(position, text);
  }

  /** The first start: no values yet, only where they begin. */
  async #begin(header: BufferHeader, signal: AbortSignal): Promise<Position> {
    const { instance, next, created } = header;
    const empty = { instance, seen: null, conditions: {} };
    if (this.#parts.config.history === "current") return { ...empty, next, initial: { at: next - 1, now: created } };
    for (let attempt = 0, buffer = header; attempt < RECOVERY_ATTEMPTS; attempt++) {
      const first = resumeAt(buffer, attempt);
      if (first <= 1 || first >= buffer.next) return { ...empty, next: first, initial: null };
      const asked = await this.#parts.agent.current(first, signal);
      if (asked.kind === "streams") return { ...empty, instance: buffer.instance, next: first, initial: { at: first, now: null } };
      if (!asked.outOfRange) return { ...empty, next: first, initial: null };
      buffer = await this.#bufferNow(signal);
    }
    throw tooFast();
  }

  async #bufferNow(signal: AbortSignal): Promise<BufferHeader> {
    return this.#buffer(streamsOf(await this.#parts.agent.current(null, signal)));
  }

  /** The values that were so before `position.next`: states, not events. */
  async #initial(position: Position, snapshot: Streams | null, signal: AbortSignal): Promise<{ readonly position: Position; readonly batch: Batch }> {
    const { at = 0, now: when = null } = position.initial ?? {};
    let streams = when === null ? null : snapshot;
    if (streams === null) {
      const asked = await this.#parts.agent.current(at, signal);
      if (asked.kind === "streams") streams = asked.streams;
      else if (asked.outOfRange && at > 0) throw new LinkError("lost", "backoff", "the agent's buffer moved on while its values were being read");
    }
    const { readings, conditions } = this.#initialReadings(position, streams);
    const after = { ...position, conditions, seen: when ?? position.seen, initial: null };
    return { position: after, batch: { items: readings, cursor: this.#cursor(after), caughtUp: when !== null, ...now(when) } };
  }

  #initialReadings(position: Position, streams: Streams | null): ReturnType<typeof readingsOf> {
    const before = streams?.observations.filter(({ sequence }) => sequence < position.next) ?? [];
    return readingsOf(before, {}, { instance: position.instance, initial: true });
  }

  /** A hole: what is left of the buffer, the values as of its start, and the gap before it, in one batch. */
  async #recover(saved: Position | null, header: BufferHeader, signal: AbortSignal): Promise<{ readonly position: Position; readonly batch: Batch }> {
    const { agent } = this.#parts;
    // Without `at` nobody says what was so at the buffer's start, and what does not change is never reported: begin at the present.
    let knowsAt = true;
    for (let attempt = 0, buffer = header; attempt < RECOVERY_ATTEMPTS; attempt++) {
      const overrun = saved !== null && saved.instance === buffer.instance && saved.next <= buffer.next;
      const from = saved === null || !knowsAt ? buffer.next : resumeAt(buffer, attempt);
      const whole = from >= buffer.next;
      const stamp = whole ? { kind: "stamp" as const, at: buffer.created } : await agent.stampAt(from, signal);
      const known = stamp.kind === "refused" || (from <= 1 && !whole) ? null : await agent.current(whole ? null : from, signal);
      if (known?.kind === "refused" && !known.outOfRange) knowsAt = false;
      if (stamp.kind === "refused" || known?.kind === "refused") {
        buffer = await this.#bufferNow(signal);
        continue;
      }
      const streams = known?.kind === "streams" ? known.streams : null;
      const end = whole && streams ? this.#buffer(streams) : buffer;
      if (end.instance !== buffer.instance) throw new LinkError("lost", "backoff", "the agent restarted while its buffer was being read");
      const next = whole ? end.next : from;
      const bare: Position = { instance: buffer.instance, next, seen: saved?.seen ?? null, conditions: {}, initial: null };
      const { readings, conditions } = this.#initialReadings(bare, streams);
      const position = { ...bare, conditions, seen: stamp.at ?? bare.seen };
      const gap = gapOf(saved, { overrun, next, to: stamp.at });
      return { position, batch: { items: [gap, ...readings], cursor: this.#cursor(position), caughtUp: false, ...now(end.created) } };
    }
    throw tooFast();
  }

  async *#documents(next: () => number, signal: AbortSignal): AsyncGenerator<Streams> {
    const { agent, config, ports } = this.#parts;
    if (config.streaming !== "poll") {
      yield* agent.stream(next(), signal);
      if (config.streaming === "stream") throw new LinkError("unsupported", "backoff", "the agent does not stream, and streaming: stream is configured; auto polls instead");
    }
    for (;;) {
      const from = next();
      const streams = await this.#poll(from, signal);
      yield streams;
      const { next: reached, last } = this.#buffer(streams);
      if (reached > last || reached <= from) await ports.network.sleep(Math.max(config.interval, POLL_MS), signal);
    }
  }

  /** MTConnect.NET answers `from` at the end of its buffer with OUT_OF_RANGE: nothing new, when its header agrees. */
  async #poll(from: number, signal: AbortSignal): Promise<Streams> {
    const asked = await this.#parts.agent.sample(from, signal);
    if (asked.kind === "streams") return asked.streams;
    const { header } = streamsOf(await this.#parts.agent.current(null, signal));
    const buffer = this.#buffer({ header, observations: [] });
    if (buffer.next < from || buffer.first > from) return { header, observations: [] };
    if (buffer.next > from) throw new LinkError("lost", "backoff", `the agent says that ${from} is out of range, and that it has ${buffer.first} to ${buffer.last}`);
    return { header, observations: [] };
  }

  *#batches(before: Position, streams: Streams): Generator<{ readonly position: Position; readonly batch: Batch }> {
    const header = this.#buffer(streams);
    const wrong = strayed(before, header);
    if (wrong !== null) throw new LinkError("lost", "backoff", wrong);
    if (this.#model !== null && streams.header.model !== null && streams.header.model !== this.#model) throw new LinkError("lost", "backoff", "the agent's device model changed: it is read again");
    const fresh = streams.observations.filter(({ sequence }) => sequence >= before.next);
    let position = before;
    for (let at = 0; at === 0 || at < fresh.length; at += READINGS_PER_BATCH) {
      const some = fresh.slice(at, at + READINGS_PER_BATCH);
      const last = at + READINGS_PER_BATCH >= fresh.length;
      const caughtUp = last && header.next > header.last;
      const { readings, conditions } = readingsOf(some, position.conditions, { instance: position.instance, initial: false });
      const reached = (some.at(-1)?.sequence ?? -1) + 1;
      const newest = some.reduce<UnixMs | null>((max, one) => (one.at !== null && (max === null || one.at > max) ? one.at : max), position.seen);
      position = { ...position, conditions, next: last ? Math.max(header.next, reached) : reached, seen: caughtUp ? header.created ?? newest : newest };
      yield { position, batch: { items: readings, cursor: this.#cursor(position), caughtUp, ...now(header.created) } };
    }
  }
}

const now = (created: UnixMs | null): { readonly sourceNow?: UnixMs } => (created === null ? {} : { sourceNow: created });

const tooFast = (): LinkError => new LinkError("lost", "backoff", "the agent's buffer runs over faster than its values can be read: enlarge it in the agent's configuration (BufferSize)");

function streamsOf(asked: Asked): Streams {
  if (asked.kind === "refused") throw explainAgentErrors(asked.errors, asked.url);
  return asked.streams;
}

function gapOf(saved: Position | null, { overrun, next, to }: { readonly overrun: boolean; readonly next: number; readonly to: UnixMs | null }): Gap {
  const from = saved?.seen ?? null;
  return {
    kind: "gap", reason: overrun ? "position-jump" : "source-restarted",
    ...(from !== null && { from }),
    // Clocks of agent and adapter differ: an end before the beginning says nothing.
    ...(to !== null && (from === null || to >= from) && { to }),
    ...(overrun && saved !== null && { missing: next - saved.next }),
  };
}
