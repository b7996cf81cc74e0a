import type { Batch, Cursor } from "./observation.ts";
import type { Fault } from "./errors.ts";
import type { Ports } from "./ports.ts";
import type { Shape } from "./shape.ts";
import type { Address, Described, Survey } from "./survey.ts";

/** A way to reach one device. Holds no state; never retries, logs, stamps times, or writes to the device. */
export interface Driver {
  readonly kind: string;
  connect(signal: AbortSignal): Promise<Session>;
}

/** One live link. `read` is called once; it ends on abort and throws `LinkError` when the link is lost. */
export interface Session {
  /** For people: "Mazak agent 2.0.0.11 at 10.0.4.12:5000, device MAZAK". */
  readonly peer: string;
  read(from: Cursor | null, signal: AbortSignal): AsyncIterable<Batch>;
  /** What the device has said of itself so far; asks nothing. */
  describe?(): Described;
  /** Idempotent, bounded, never throws. */
  close(): Promise<void>;
}

/** What of the agent itself a kind may use that must be known by name, or keeps files beside the buffer (OPC UA: certificates). */
export interface Place {
  readonly agentId: string;
  readonly dataDir: string;
}

/** How a kind of source is configured and made; `agent/registry.ts` lists them. */
export interface SourceKind<Config> {
  readonly kind: string;
  /** Decodes the source's own keys of the YAML. The keys all sources share are `agent/config`'s. */
  readonly shape: Shape<Config>;
  /** For people: "http://10.0.7.21:8082, device VF2". Pure; no secrets. */
  summary?(config: Config): string;
  /** Where the device is. Pure. */
  address?(config: Config): Address;
  /** For `probe` and `discover`: the usual TCP ports, and the code, loaded when one of them runs. */
  readonly survey?: { readonly ports: readonly number[]; load(): Promise<Survey<Config>> };
  create(config: Config, ports: Ports, place?: Place): Driver;
}

/** The state of a link, for health and the page; detectors see the same loss as data. */
export type Link =
  | { readonly state: "connecting"; readonly attempt: number }
  | { readonly state: "up"; readonly peer: string; readonly describe?: () => Described }
  | { readonly state: "down"; readonly fault: Fault; readonly message: string; readonly retryInMs: number }
  | { readonly state: "stopped"; readonly fault?: Fault; readonly message?: string };
