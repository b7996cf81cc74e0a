/**
 * How `cellgate probe` and `cellgate discover` look at a device. Every part is optional for a kind, and its code is loaded
 * only when one of the two runs. Looking is reading: nothing is asked beyond what the protocol's own first reads ask.
 */
import type { Ports } from "./ports.ts";

/** Where a device is reached. Two sources with the same address share its few slots. */
export type Address = TcpAddress | { readonly serial: string };
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** What a device says of itself, for people. */
export interface Described {
  /** In the order to show: "series": "31i-B". */
  readonly facts: Readonly<Record<string, string>>;
  /** What it does not give, and why. */
  readonly refused: readonly { readonly what: string; readonly why: string }[];
}

/** YAML keys of a source, without `type`. */
export type Keys = Readonly<Record<string, unknown>>;

/** Something of this kind answered. */
export interface Found extends Partial<Described> {
  /** "FANUC 31i-B M (G31Z 10.0)". */
  readonly words: string;
  /** A source that this kind's own shape accepts. */
  readonly keys: Keys;
  /** What a person must still do, a sentence each. */
  readonly notes?: readonly string[];
  /** Values under the device's own names, where it has no signals of ours without a configuration. */
  readonly said?: readonly { readonly name: string; readonly value: string; readonly signal?: string }[];
}

export interface Looking {
  readonly at: TcpAddress;
  readonly timeoutMs: number;
}

/** One register and its neighbours, read in every way that it could be meant. */
export interface RegisterQuestion {
  readonly unit: number;
  readonly table: "holding" | "input";
  readonly address: number;
}
export interface RegisterReadings {
  readonly rows: readonly {
    readonly address: number;
    /** Absent: of one register. Else the order of the bytes of two. */
    readonly order?: string;
    /** By type: "u16", "f32". */
    readonly values: Readonly<Record<string, string>>;
  }[];
  /** What the device refused, in its words. */
  readonly refused: readonly string[];
}

export interface Survey<Config> {
  /**
   * Who answers: none when it is of another kind. One connection, closed politely on every way out. Rejects with LinkError (nothing there, or nothing that makes sense), or with the signal's reason.
   */
  identify(looking: Looking, ports: Ports, signal: AbortSignal): Promise<readonly Found[]>;
  /** Enough of a source to read the device by; null: it cannot be read without a configuration. */
  readonly keys?: (at: Address) => Keys;
  /** For registers: `config` says the bus. */
  registers?(config: Config, question: RegisterQuestion, ports: Ports, signal: AbortSignal): Promise<RegisterReadings>;
  /** A source for the device that a recording is of: what came over the wire, in a file. Null: it is no such recording. */
  readonly fromCapture?: (bytes: Uint8Array) => Found | null;
  /** A source on a serial line at this path, with the usual settings. */
  readonly serialKeys?: (path: string) => Keys;
}
