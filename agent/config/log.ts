/**
 * The log: JSON lines over pino, straight to a stream. What repeats is written once, then counted: the same sentence
 * from the same place with the same fault comes again at most once in ten minutes, with `repeated`, or when a place has
 * come to rest on it: the last line of a place that flapped and now is quiet is always the true one. Secrets are hidden
 * by the names of their fields and in URLs; texts and nesting are cut. Memory is bounded: at most 500 kinds of line are
 * counted at a time, the one that began longest ago gives way. `debug` is protocol traffic and is never counted.
 */
import pino, { type DestinationStream, type Logger } from "pino";
import type { Log, LogFields } from "../contract/ports.ts";
import { rfc3339, type Clock } from "../contract/time.ts";
import { HIDDEN, maskUrls, namesSecret } from "./mask.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogOptions {
  /** A stream: standard output under systemd, standard error for commands that print results. */
  readonly destination: DestinationStream;
  readonly level: LogLevel;
  /** Real time, even where the agent's is scaled. */
  readonly clock: Clock;
}

export interface ClosableLog extends Log {
  /** Writes what was counted and not yet told. */
  close(): void;
}

const QUIET_MS = 600_000;
/** A place that says nothing for so long has come to rest. */
const REST_MS = 15_000;
const MAXIMUM_KINDS = 500;
const MAXIMUM_TEXT = 4_000;
const MAXIMUM_DEPTH = 5;
const MAXIMUM_ENTRIES = 50;

export function createLog({ destination, level, clock }: LogOptions): ClosableLog {
  const root = pino({
    level,
    base: null,
    messageKey: "sentence",
    timestamp: () => `,"time":"${rfc3339(clock.now().unixMs)}"`,
    formatters: { level: (label) => ({ level: label }) },
  }, destination);
  const repetition = new Repetition(clock);
  return { ...logOver(root, "", repetition), close: () => { repetition.close(); } };
}

function logOver(logger: Logger, place: string, repetition: Repetition): Log {
  const counted = (level: "info" | "warn" | "error") => (fields: LogFields, sentence: string): void => {
    if (!logger.isLevelEnabled(level)) return;
    const shown = redacted(fields);
    const kind = JSON.stringify([level, place, sentence, typeof fields["fault"] === "string" ? fields["fault"] : ""]);
    repetition.say(place, kind, (repeated) => { logger[level](repeated === null ? shown : { ...shown, ...repeated }, sentence); });
  };
  return {
    debug(fields, sentence) {
      if (logger.isLevelEnabled("debug")) logger.debug(redacted(fields), sentence);
    },
    info: counted("info"),
    warn: counted("warn"),
    error: counted("error"),
    child(fields) {
      const shown = redacted(fields);
      return logOver(logger.child(shown), `${place}${JSON.stringify(shown)}`, repetition);
    },
  };
}

interface Counted {
  count: number;
  /** Writes the newest of the lines that were counted. */
  write: (repeated: { readonly repeated: number } | null) => void;
  cancel: () => void;
}

class Repetition {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, Counted>();
  /** Last kind written at each place; bounded like the kinds. */
  readonly #written = new Map<string, string>();
  readonly #resting = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  say(place: string, kind: string, write: Counted["write"]): void {
    this.#resting.get(place)?.();
    const known = this.#kinds.get(kind);
    if (known) {
      known.count += 1;
      known.write = write;
      if (this.#written.get(place) !== kind) this.#tellAtRest(place, kind);
      return;
    }
    if (this.#written.size >= MAXIMUM_KINDS) this.#written.clear();
    this.#written.set(place, kind);
    const oldest = this.#kinds.size >= MAXIMUM_KINDS ? this.#kinds.keys().next().value : undefined;
    if (oldest !== undefined) this.#tell(oldest);
    write(null);
    this.#await(kind, { count: 0, write, cancel: () => undefined });
  }

  close(): void {
    for (const stop of this.#resting.values()) stop();
    for (const kind of this.#kinds.keys()) this.#tell(kind);
  }

  #tellAtRest(place: string, kind: string): void {
    const cancel = this.#clock.after(REST_MS, () => {
      this.#resting.delete(place);
      const counted = this.#kinds.get(kind);
      if (!this.#tell(kind) || !counted) return;
      this.#written.set(place, kind);
      this.#await(kind, counted);
    });
    this.#resting.set(place, () => {
      this.#resting.delete(place);
      cancel();
    });
  }

  #await(kind: string, counted: Counted): void {
    counted.count = 0;
    counted.cancel = this.#clock.after(QUIET_MS, () => {
      if (this.#tell(kind)) this.#await(kind, counted);
    });
    this.#kinds.set(kind, counted);
  }

  /** Forgets the kind; true when there was something to tell. */
  #tell(kind: string): boolean {
    const counted = this.#kinds.get(kind);
    if (!counted) return false;
    this.#kinds.delete(kind);
    counted.cancel();
    if (counted.count > 0) counted.write({ repeated: counted.count });
    return counted.count > 0;
  }
}

const redacted = (fields: LogFields): LogFields => shownGroup(fields, 0);

function shownGroup(group: LogFields, depth: number): LogFields {
  const entries = Object.entries(group).slice(0, MAXIMUM_ENTRIES).map(([key, value]) => [key, namesSecret(key) ? HIDDEN : shown(value, depth + 1)] as const);
  return Object.fromEntries(entries);
}

function shown(value: unknown, depth: number): unknown {
  if (typeof value === "string") return maskUrls(value.length > MAXIMUM_TEXT ? `${value.slice(0, MAXIMUM_TEXT)}… (${value.length} characters)` : value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAXIMUM_DEPTH) return "…";
  if (value instanceof Error) return shownError(value, depth);
  if (value instanceof Date || value instanceof URL) return maskUrls(String(value));
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, MAXIMUM_ENTRIES).map((entry) => shown(entry, depth + 1));
  return shownGroup(value as LogFields, depth);
}

const shownError = (error: Error, depth: number): unknown => ({
  name: error.name,
  message: shown(error.message, depth),
  ...("code" in error && { code: shown(error.code, depth + 1) }),
  ...(error.stack !== undefined && { stack: shown(error.stack, depth) }),
  ...(error.cause !== undefined && { cause: shown(error.cause, depth + 1) }),
});
