/**
 * What all answers of one simulated agent share: model, ring, identity, clock, counters, and the cable, which when
 * pulled holds back every byte. Bounded by the ring; open streams are few and end with their connection.
 */
import type { Clock } from "../../contract/time.ts";
import type { Dialect } from "./dialect.ts";
import { errorDocument, streamsDocument, type AgentError, type HeaderFacts } from "./documents.ts";
import type { Model } from "./model.ts";
import { stampOf, type Entry } from "./observation.ts";
import type { Page } from "./page.ts";
import type { Ring } from "./ring.ts";

export interface Stats {
  probe: number;
  current: number;
  sample: number;
  assets: number;
  /** Answered with an error document. */
  errors: number;
  /** Anything but GET; `writes` leaves HEAD out. A client that only reads leaves both at 0. */
  nonGet: number;
  writes: number;
  streams: number;
  parts: number;
  bytes: number;
  observations: number;
}
const noStats = (): Stats => ({ probe: 0, current: 0, sample: 0, assets: 0, errors: 0, nonGet: 0, writes: 0, streams: 0, parts: 0, bytes: 0, observations: 0 });

/** A stream that waits for data. */
export interface Listener {
  readonly filter: Uint8Array | null;
  /** First matching number not sent yet; null when none. */
  pending: number | null;
  wake: () => void;
  /** Set by a fault: the loop writes this as its last part and ends. */
  expelled: boolean;
}

export class Core {
  readonly model: Model;
  readonly dialect: Dialect;
  readonly ring: Ring;
  /** Real time: intervals, heartbeats, stalls. */
  readonly network: Clock;
  readonly stats: Stats = noStats();
  readonly listeners = new Set<Listener>();
  instanceId: string;
  /** The agent's own clock, Unix ms: creationTime. */
  now: () => number;
  /** Called before each document: a playback hands over what is due. */
  beforeDocument: () => void = () => undefined;
  /** When the document being made is as of: read once, before what is due is handed over, so that nothing due lies before it. */
  /** The clock is the feed's own stamps. */
  recorded = false;
  private moment: number | null = null;
  /** deviceModelChangeTime. */
  modelChanged: string;
  private gate: { readonly open: Promise<void>; readonly release: () => void } | null = null;

  constructor(parts: { readonly model: Model; readonly dialect: Dialect; readonly ring: Ring; readonly clock: Clock; readonly network: Clock; readonly instanceId: string | undefined }) {
    this.model = parts.model;
    this.dialect = parts.dialect;
    this.ring = parts.ring;
    this.network = parts.network;
    this.now = () => parts.clock.now().unixMs;
    this.instanceId = parts.instanceId ?? String(Math.trunc(this.now() / 1000));
    this.modelChanged = stampOf(this.now());
  }
  /** Before each document. */
  begin(): void {
    this.moment = this.now();
    this.beforeDocument();
    // A recording's clock is its newest stamp, which may just have been handed over.
    if (this.recorded) this.moment = null;
  }
  get facts(): HeaderFacts {
    return { creationTime: `${new Date(this.moment ?? this.now()).toISOString().slice(0, 19)}Z`, instanceId: this.instanceId, bufferSize: this.ring.size, modelChanged: this.modelChanged };
  }
  streams(page: Page): string {
    return streamsDocument(page.body, this.model, { ...this.facts, sequences: page.sequences }, this.dialect);
  }
  error(errors: readonly AgentError[]): string {
    this.stats.errors++;
    return errorDocument(errors, this.facts, this.dialect);
  }
  store(entries: readonly Entry[]): void {
    for (const entry of entries) this.ring.push(entry);
    this.stats.observations += entries.length;
    for (const listener of this.listeners) {
      const hit = listener.filter === null ? entries[0] : entries.find((entry) => listener.filter?.[entry.item.index] === 1);
      if (hit === undefined) continue;
      listener.pending ??= hit.sequence;
      listener.wake();
    }
  }
  restart(instanceId: string): void {
    this.instanceId = instanceId;
    this.modelChanged = stampOf(this.now());
    this.ring.clear();
  }
  pull(): void {
    if (this.gate !== null) return;
    let release = (): void => undefined;
    const open = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.gate = { open, release };
  }
  plug(): void {
    this.gate?.release();
    this.gate = null;
  }
  get pulled(): boolean {
    return this.gate !== null;
  }
  /** Resolves when the cable is in; at once when it is. */
  async connected(): Promise<void> {
    while (this.gate !== null) await this.gate.open;
  }
}
