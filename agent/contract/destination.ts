/** Where records go. A destination connects and delivers; the loop in `agent/runtime/link/deliver.ts` retries and keeps the cursor. */
import type { LinkError } from "./errors.ts";
import type { Mark, Marking, Outcome, StoredRecord } from "./outbox.ts";
import type { Keep, Ports } from "./ports.ts";
import type { NewRecord, RecordType } from "./record.ts";
import type { Problem, Shape } from "./shape.ts";
import type { UnixMs } from "./time.ts";

/** A retained value outside the ledger: it overtakes a backlog, and only the newest of a topic matters. */
export type Retained =
  | { readonly scope: "live"; readonly machine: string; readonly name: string; readonly payload: object }
  | { readonly scope: "health"; readonly machine: string; readonly payload: object }
  | { readonly scope: "heartbeat"; readonly payload: object };
/** The newest record of a type, once it is stored: for live outputs. The ledger carries it in full, so it is never retained. */
export interface Latest {
  readonly scope: "record";
  readonly machine: string;
  readonly record: NewRecord;
}

/** Current values. `all` is what a new link begins with, `onChange` tells of newer ones. */
export interface Board {
  all(): readonly (Retained | Latest)[];
  /** The listener may be given a value that is newer again by the time it leaves: only the newest matters. */
  onChange(listener: (changed: readonly (Retained | Latest)[]) => void): () => void;
}

export interface Delivery {
  /** For people: "broker at mqtts://broker.example.com:8883, MQTT 5". */
  readonly peer: string;
  /**
   * Sends in order with a bounded window; returns what was acknowledged when the link is lost midway, and throws only
   * when nothing was. `isRepeat` is asked once for each record, at the moment it leaves: one that may have been sent
   * before says so. Default: none was.
   */
  deliver(records: readonly StoredRecord[], signal: AbortSignal, isRepeat?: (record: StoredRecord) => boolean): Promise<Outcome>;
  /** Publishes retained values; a newer one of the same topic replaces one that has not left yet. Never throws; loss shows in `lost`. */
  retain(values: readonly Retained[]): void;
  /** What another life of this buffer had left at the other end, if that can be had; null: nothing. Bounded, never rejects. Nothing is delivered or marked before it has settled. Absent: nothing is looked for. */
  readonly found?: Promise<Mark | null>;
  /** Leaves at the other end that rows through this number may be known there. Rows handed over are marked without it, before they leave. Never throws. */
  mark?(through: number): void;
  /** What a person should know although the link works: a certificate that soon expires, a topic nobody listens to. */
  warnings(): readonly string[];
  /** Settles once, when the link is gone. Never rejects. */
  readonly lost: Promise<LinkError>;
  /** Says goodbye (heartbeat offline), idempotent, bounded, never throws. */
  close(): Promise<void>;
}

/** What may come back through a destination: topics `…/_agent/{id}/{confirm,replay,cmd}` (design.md §5.3). */
export const DOWNLINK_KINDS = ["confirm", "replay", "cmd"] as const;
export type DownlinkKind = (typeof DOWNLINK_KINDS)[number];
/** Takes one message as it came. Never throws: whatever is wrong with it is counted and told in health. */
export type Downlink = (kind: DownlinkKind, payload: Uint8Array) => void;

export interface Destination {
  readonly kind: string;
  readonly name: string;
  /** `marking`: whose rows they are, where an older copy of them is to be known as one; absent: no mark is kept. */
  connect(signal: AbortSignal, downlink: Downlink, marking?: Marking): Promise<Delivery>;
  readonly live?: LiveOutput;
}

/** Current values on a link of their own, beside the ledger: nothing that happens there delays or settles a record. */
export interface LiveOutput {
  /** Runs until the signal aborts, then says goodbye (bounded). Never rejects. */
  run(board: Board, signal: AbortSignal): Promise<void>;
  /** For health: plain JSON, small. */
  status(): object;
}


/** Who we are, for topics and payloads. Slugs are made of these; ERP codes never are. */
export interface AgentIdentity {
  readonly id: string;
  readonly enterprise?: string;
  readonly site?: string;
  readonly area?: string;
  readonly cell?: string;
  readonly version: string;
  readonly bootId: string;
  /** Of the buffer file. */
  readonly epoch: string;
  /** When this release was made: a system clock that shows less is not set. */
  readonly releasedAt?: UnixMs;
}

/** What the configuration alone knows of the site. */
export interface SitePlan {
  readonly agent: Pick<AgentIdentity, "id" | "enterprise" | "site" | "area" | "cell">;
  /** Ids of the machines. */
  readonly machines: readonly string[];
}

/** How soon things leave, and how fast a backlog does. Real time. */
export interface Pacing {
  /** Longest wait of a record before it is sent, from when it was learned; 0: at once. Sending one sends all before it (design.md §5.3). */
  readonly latencyMs: Readonly<Record<RecordType, number>>;
  /** Live values of one topic that come within this are sent as one, the newest. */
  readonly liveMs: number;
  /** Records of a backlog per second; null: as fast as the link takes them. */
  readonly drainPerSecond: number | null;
}

export interface DestinationKind<Config> {
  readonly kind: string;
  readonly shape: Shape<Config>;
  /** Problems that only the whole file shows (a topic too deep with this site's levels; `earlier`: a name that another of this kind has); paths within the destination's own keys. Pure. */
  check?(config: Config, plan: SitePlan, earlier: readonly { readonly name: string; readonly config: Config }[]): readonly Problem[];
  /** For people, one line each: where it connects, and where each machine's records go. Pure; no secrets. */
  summary?(config: Config, plan: SitePlan): readonly string[];
  /** Pure. Without it everything leaves at once. */
  pacing?(config: Config): Pacing;
  /** `name`: the destination's name in the YAML, under which the outbox keeps its cursor. */
  create(config: Config, identity: AgentIdentity, ports: DestinationPorts, name: string): Destination;
}

export interface DestinationPorts extends Ports {
  readonly keep: Keep;
}
