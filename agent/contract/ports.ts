import type { Clock } from "./time.ts";

/** What a part of the agent may use of the world, handed in at creation. Nothing reaches for a global instead. */
export interface Ports {
  /** The agent's time: scaled in a demo, fake in tests. Event time, holds, ticks. */
  readonly clock: Clock;
  /** Real time for network deadlines and back-off: never scaled. */
  readonly network: Clock;
  readonly log: Log;
  /** Uniform in [0, 1): jitter only. Nothing that reaches a record may depend on it. */
  readonly random: () => number;
  readonly secret: Secrets;
}

/** Small texts that outlive a restart, beside the buffer. Rejects when the disk fails. */
export interface Keep {
  /** Null: nothing was kept under this key. A key is made of letters, digits, `.`, `_` and `-`. */
  read(key: string): Promise<string | null>;
  /** Whole or not at all, and synced to the disk before it resolves. */
  write(key: string, text: string): Promise<void>;
}

export type LogFields = Readonly<Record<string, unknown>>;
/** Level by who must act: error = data lost or a person needed; warn = trouble, nothing lost; info = starts, stops, link changes. */
export interface Log {
  debug(fields: LogFields, sentence: string): void;
  info(fields: LogFields, sentence: string): void;
  warn(fields: LogFields, sentence: string): void;
  error(fields: LogFields, sentence: string): void;
  child(fields: LogFields): Log;
}

/** Where a secret lies; the YAML never holds one. `credential` is a systemd credential name. */
export type SecretRef = { readonly file: string } | { readonly env: string } | { readonly credential: string };
/** Reads a secret each time it is needed, so that rotation needs no restart. Rejects with `ConfigError` naming the place, never the value. */
export type Secrets = (reference: SecretRef) => Promise<string>;
