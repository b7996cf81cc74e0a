/**
 * One connection to an adapter: greeting ─► following, until the link is lost. What comes within a moment goes into one
 * batch, so that what changed together is decided together. While nothing changes, a sign of life lets time go on: the
 * answer to our PING, or, from adapters that give none, a connection that the system still finds alive.
 */
import type { Socket } from "node:net";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Cursor, Reading } from "../../agent/contract/observation.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { Described } from "../../agent/contract/survey.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { malformed } from "../shared/bytes.ts";
import { AdapterClock } from "./clock.ts";
import { whereOf, type ShdrConfig } from "./config.ts";
import { Inlet } from "./inlet.ts";
import { LineDecoder } from "./line.ts";
import { LineSplitter } from "./lines.ts";
import type { Names, Said } from "./names.ts";
import { proposal } from "./propose.ts";
import { Reader, timeOf } from "./readings.ts";

/** All that is ever written to an adapter. */
const PING = "* PING\n";
/** A greeting ends with the first pause, or after a while. */
const PAUSE_MS = 250;
const GREETING_MS = 1_000;
/** Lines that come so close to each other make one batch; one that has begun is waited for, but not for long. */
const TOGETHER_MS = 25;
const WAITS = 4;
/** Few, so that one adapter that never stops leaves the others their time; while it has more there is a rest after so much work. */
const READINGS_PER_BATCH = 50;
const [WORK_MS, REST_MS] = [2, 5] as const;
const READINGS_OF_GREETING = 10_000;
/** Without PONG nobody can tell a silent machine from a dead one, but the system asks the peer about as often. */
const TICK_MS = 5_000;
const FIRST_WORD_MS = 60_000;
/** So many lines that no adapter sends, and nothing else: this is none. */
const STRANGE_LINES = 20;
const HEARTBEAT = { least: 1, most: 30 * 60_000, shortest: 250 } as const;

export interface Parts {
  readonly socket: Socket;
  readonly config: ShdrConfig;
  readonly names: Names;
  readonly ports: Ports;
}

export class AdapterSession implements Session {
  readonly #parts: Parts;
  readonly #inlet: Inlet;
  readonly #clock: AdapterClock;
  readonly #reader: Reader;
  readonly #splitter = new LineSplitter();
  readonly #decoder = new LineDecoder();
  readonly #opened: number;
  #said: Said = { device: null, isConverted: false };
  #isRelative = false;
  #version: string | null = null;
  #heartbeatMs: number | null = null;
  #pinged: number;
  #looked: number;
  #heard: number | null = null;
  #lives = false;
  /** The last batch did not say that it was all. */
  #owes = false;
  #newest: number | null = null;
  #opening = true;
  #greetedSince: number | null = null;
  #restedAt = 0;
  #pending: Reading[] = [];
  #strange = 0;

  constructor(parts: Parts) {
    const { socket, config, names, ports } = parts;
    this.#parts = parts;
    this.#inlet = new Inlet(socket, `the adapter at ${whereOf(config)}`, ports.network);
    this.#clock = new AdapterClock(ports.clock.now());
    this.#reader = new Reader(names, this.#clock);
    this.#opened = this.#pinged = this.#looked = ports.network.now().monoMs;
    socket.write(PING);
  }

  get peer(): string {
    const { config, names } = this.#parts;
    return [
      `SHDR adapter ${this.#version === null ? "" : `${this.#version} `}at ${whereOf(config)}`,
      ...(names.device === null ? [] : [`device ${names.device}`]),
      this.#heartbeatMs === null ? "no heartbeat" : `heartbeat ${this.#heartbeatMs} ms`,
      ...(this.#reader.strangers === 0 ? [] : [`${this.#reader.strangers} keys not mapped`]),
    ].join(", ");
  }

  describe(): Described {
    const { names } = this.#parts;
    const strangers = this.#reader.seen.filter(({ isKnown }) => !isKnown);
    return {
      facts: { "adapter version": this.#version ?? "not said", heartbeat: this.#heartbeatMs === null ? "none" : `${this.#heartbeatMs} ms`, ...(names.device !== null && { device: names.device }), keys: String(this.#reader.seen.length) },
      refused: strangers.map(({ key }) => ({ what: key, why: "this key is in no map and in no Devices.xml" })),
    };
  }

  async close(): Promise<void> {
    this.#parts.socket.destroy();
    await Promise.resolve();
  }

  async *read(_: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
    try {
      for (;;) {
        const chunk = await this.#inlet.next(this.#waitMs(), signal);
        if (chunk !== "quiet") this.#take(chunk);
        if (!this.#opening && this.#pending.length > 0 && !this.#inlet.holds) await this.#gather(signal);
        for (const batch of this.#due(chunk === "quiet")) {
          yield batch;
          // While the batch was being taken nobody listened: that is no silence of the adapter.
          if (this.#heard !== null) this.#heard = this.#now;
        }
        if (!this.#inlet.holds) this.#restedAt = this.#now;
        else if (this.#now - this.#restedAt >= WORK_MS) await this.#rest(signal);
      }
    } catch (cause) {
      if (!signal.aborted) throw cause;
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    await this.#parts.ports.network.sleep(REST_MS, signal);
    this.#restedAt = this.#now;
  }

  get #now(): number { return this.#parts.ports.network.now().monoMs; }

  /** Until the next thing to do if nothing comes. */
  #waitMs(): number {
    const now = this.#now;
    const beat = this.#heartbeatMs === null ? Math.max(this.#heard ?? this.#opened, this.#looked) + TICK_MS : this.#pinged + this.#everyMs;
    const greeting = this.#opening && this.#greetedSince !== null ? Math.min((this.#heard ?? now) + PAUSE_MS, this.#greetedSince + GREETING_MS) : beat;
    return Math.max(1, Math.min(beat, greeting, this.#owes ? now + TOGETHER_MS : beat) - now);
  }

  get #everyMs(): number { return Math.max(HEARTBEAT.shortest, this.#heartbeatMs ?? 0); }

  #take(chunk: Uint8Array): void {
    for (const text of this.#splitter.push(chunk)) this.#line(text);
  }

  async #gather(signal: AbortSignal): Promise<void> {
    for (let wait = 0; wait < WAITS && this.#pending.length < READINGS_PER_BATCH; wait++) {
      await this.#parts.ports.network.sleep(TOGETHER_MS, signal);
      for (let more = this.#inlet.ready(); more !== null; more = this.#pending.length < READINGS_PER_BATCH ? this.#inlet.ready() : null) this.#take(more);
      if (this.#splitter.isEmpty) return;
    }
  }

  #line(text: string): void {
    const line = this.#decoder.decode(text);
    if (line.kind === "nothing" && line.strange) return this.#stray(text);
    this.#strange = 0;
    this.#heard = this.#now;
    if (this.#opening) this.#greetedSince ??= this.#heard;
    if (line.kind === "command") this.#command(line.name, line.value);
    if (line.kind !== "data") return;
    const { monoMs } = this.#parts.ports.clock.now();
    const at = timeOf(line.stamp, this.#clock, { monoMs, isRelative: this.#isRelative });
    if (at !== null && this.#opening) this.#newest = Math.max(this.#newest ?? at, at);
    if (at !== null && !this.#opening) this.#clock.heard(at, monoMs);
    this.#pending.push(...this.#reader.readings(line.fields, at, { said: this.#said, opening: this.#opening, monoMs }));
  }

  #stray(text: string): void {
    if (++this.#strange < STRANGE_LINES) return;
    const bytes = Buffer.from(text, "utf8");
    throw malformed(`what the adapter at ${whereOf(this.#parts.config)} sends`, `is no SHDR (${STRANGE_LINES} lines without a sense): is this an adapter's port?`, bytes, 0);
  }

  /** Unknown ones are passed over. */
  #command(name: string, value: string): void {
    const says = (word: string): boolean => value.toLowerCase() === word;
    if (name === "pong") {
      const ms = Number(value);
      if (Number.isInteger(ms) && ms >= HEARTBEAT.least && ms <= HEARTBEAT.most) this.#heartbeatMs = ms;
      this.#lives = true;
    } else if (name === "device") this.#said = { ...this.#said, device: value === "" ? null : value.slice(0, 256) };
    else if (name === "conversionrequired") this.#said = { ...this.#said, isConverted: says("no") || says("false") };
    else if (name === "relativetime") this.#isRelative = says("yes") || says("true");
    else if (name === "adapterversion" && !says("unavailable")) this.#version = value.slice(0, 64);
  }

  *#due(isQuiet: boolean): Generator<Batch> {
    const now = this.#now;
    this.#beat(now);
    if (!this.#opening) {
      if (this.#pending.length > 0 || this.#lives || (this.#owes && isQuiet)) yield this.#batch();
    } else if (this.#greetedSince !== null && (now - (this.#heard ?? now) >= PAUSE_MS || now - this.#greetedSince >= GREETING_MS || this.#pending.length >= READINGS_OF_GREETING)) yield this.#batch();
  }

  #batch(): Batch {
    const { clock } = this.#parts.ports;
    const items = this.#pending;
    const caughtUp = this.#opening || items.length === 0 || (items.length < READINGS_PER_BATCH && this.#splitter.isEmpty && !this.#inlet.holds);
    this.#owes = !caughtUp;
    if (this.#opening) this.#endGreeting();
    this.#pending = [];
    this.#lives = false;
    const sourceNow = this.#clock.at(clock.now().monoMs);
    return { items, caughtUp, ...(sourceNow !== null && { sourceNow: unixMs(sourceNow) }) };
  }

  #endGreeting(): void {
    const { names, config, ports } = this.#parts;
    if (names.isEmpty) throw new LinkError("unsupported", { afterMs: 60_000 }, `the adapter at ${whereOf(config)} answers, and nothing says what its items mean: ${proposal(this.#reader.seen)}. Or give its Devices.xml under devices`);
    if (this.#newest !== null) this.#clock.greeted(this.#newest, ports.clock.now().monoMs);
    this.#opening = false;
  }

  /** Signs of life, asked for and missed. */
  #beat(now: number): void {
    const { socket, config } = this.#parts;
    const heard = this.#heard ?? this.#opened;
    if (this.#heartbeatMs === null) {
      if (now - Math.max(heard, this.#looked) < TICK_MS) return;
      this.#looked = now;
      if (this.#heard === null && now - this.#opened >= FIRST_WORD_MS) throw new LinkError("timeout", "backoff", `the adapter at ${whereOf(config)} takes the connection and says nothing in ${FIRST_WORD_MS / 1_000} s: is this an adapter's port, and is its control connected?`);
      // Half a line that never ends is no sign of life.
      if (this.#heard !== null && this.#splitter.isEmpty) {
        this.#heard = now;
        this.#lives = true;
      }
      if (this.#heard !== null && now - heard >= FIRST_WORD_MS) throw new LinkError("timeout", "backoff", `a line of the adapter at ${whereOf(config)} has not ended in ${FIRST_WORD_MS / 1_000} s`);
      return;
    }
    if (now - heard >= 2 * this.#heartbeatMs + config.patience) throw new LinkError("timeout", "backoff", `nothing from the adapter at ${whereOf(config)} for ${Math.trunc(now - heard)} ms, although it promised a sign of life every ${this.#heartbeatMs} ms`);
    if (now - this.#pinged < this.#everyMs) return;
    this.#pinged = now;
    socket.write(PING);
  }
}
