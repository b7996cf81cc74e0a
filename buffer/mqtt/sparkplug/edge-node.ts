/**
 * One Sparkplug edge node, the agent, and its devices, the machines: what is born, what changed, what died. It outlives
 * its links; a link is lent to it by `attach`. Sparkplug 3.0 §5: births before data, one sequence of 0 to 255 over node
 * and devices, changes only.
 *
 *   absent ─ attach ─► waiting ─ birth ─► born ─ rebirth asked for too soon ─► paused ─► born …     any ─ detach ─► absent
 *
 * Outside `born` no data is sent: changes are kept as history (bounded) and sent as historical after the next birth, a
 * few at a time between what is live. Reads only: of all commands a rebirth alone is obeyed; the others are counted.
 */
import type { Latest, Retained } from "../../../agent/contract/destination.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { MonoMs } from "../../../agent/contract/time.ts";
import type { SparkplugConfig, SparkplugNames } from "./config.ts";
import { Device } from "./device.ts";
import { MetricSet } from "./metric-set.ts";
import { CommandError, decodeCommand, encodePayload, type CommandMetric, type Metric } from "./payload.ts";
import { liveUpdates, nodeUpdates, recordUpdates } from "./updates.ts";
import { NODE_METRICS } from "./vocabulary.ts";

const REBIRTH = "Node Control/Rebirth";
const BDSEQ = "bdSeq";
const HISTORY_MS = 100;
const HISTORY_METRICS = 50;

export type Send = (topic: string, payload: Uint8Array) => void;
export interface NodeParts {
  readonly config: SparkplugConfig;
  readonly names: SparkplugNames;
  /** Of the destination: its part of the buffer is told. */
  readonly destination: string;
  /** What changes within this is sent together, the newest of each metric; 0: at once. */
  readonly liveMs: number;
  readonly ports: Ports;
}
type Phase = "absent" | "waiting" | "born" | "paused";
interface Link {
  readonly send: Send;
  readonly bdSeq: number;
}

export class EdgeNode {
  readonly topics: { readonly death: string; readonly commands: readonly string[] };
  readonly #parts: NodeParts;
  readonly #own: MetricSet;
  readonly #devices = new Map<string, Device>();
  #aliases = 0;
  readonly #bdSeqAlias: number;
  #phase: Phase = "absent";
  #link: Link | null = null;
  #seq = 0;
  #lastRebirth: MonoMs | null = null;
  #cancelRebirth: (() => void) | null = null;
  #cancelHistory: (() => void) | null = null;
  #cancelChanges: (() => void) | null = null;
  #births = 0;
  #rebirths = 0;
  #refused = 0;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.topics = { death: this.#topic("NDEATH"), commands: [this.#topic("NCMD"), this.#topic("DCMD", "+")] };
    this.#bdSeqAlias = this.#nextAlias();
    this.#own = new MetricSet(NODE_METRICS, () => this.#nextAlias(), 0);
  }

  /** Current values, from the board: all of them, or those that changed. */
  take(values: readonly (Retained | Latest)[]): void {
    const isSent = this.#phase === "born";
    for (const value of values) this.#apply(value, isSent);
    if (!isSent) return;
    if (this.#parts.liveMs === 0) this.#sendChanges();
    else this.#cancelChanges ??= this.#parts.ports.network.after(this.#parts.liveMs, () => this.#sendChanges());
  }

  /** A link is there; nothing is sent before `birth`. */
  attach(send: Send, bdSeq: number): void {
    this.#link = { send, bdSeq };
    this.#phase = "waiting";
  }

  birth(): void {
    if (this.#phase === "waiting") this.#bear();
  }

  detach(): void {
    this.#pause();
    this.#phase = "absent";
    this.#link = null;
  }

  /** The payload of NDEATH for the link with this number: its will, and its goodbye. */
  death(bdSeq: number): Uint8Array {
    const timestamp = this.#now();
    return encodePayload({ timestamp, metrics: [{ name: BDSEQ, timestamp, datatype: "Int64", showsDatatype: true, value: bdSeq }] });
  }

  /** A message on one of `topics.commands`. `isRetained`: it lay at the broker, and nobody asks for it now. */
  command({ topic, payload, isRetained }: { readonly topic: string; readonly payload: Uint8Array; readonly isRetained: boolean }): void {
    if (isRetained) return this.#refuse(topic, "it is retained, so nobody knows when it was meant");
    const metrics = this.#decoded(topic, payload);
    if (metrics === null) return;
    const asked = topic === this.topics.commands[0] ? metrics.filter(({ name, isTrue }) => name === REBIRTH && isTrue).length : 0;
    if (asked > 0) this.#askRebirth();
    if (metrics.length > asked || metrics.length === 0) this.#refuse(topic, "it would write; this agent only reads");
  }

  status(): { readonly phase: Phase; readonly births: number; readonly rebirths: number; readonly refusedCommands: number; readonly kept: number; readonly dropped: number } {
    const devices = [...this.#devices.values()];
    return {
      phase: this.#phase, births: this.#births, rebirths: this.#rebirths, refusedCommands: this.#refused,
      kept: devices.reduce((sum, { metrics }) => sum + metrics.missed, 0), dropped: devices.reduce((sum, { metrics }) => sum + metrics.dropped, 0),
    };
  }

  #decoded(topic: string, payload: Uint8Array): readonly CommandMetric[] | null {
    try {
      return decodeCommand(payload);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#refuse(topic, error.message);
      return null;
    }
  }

  #apply(value: Retained | Latest, isSent: boolean): void {
    switch (value.scope) {
      case "heartbeat":
        for (const update of nodeUpdates(value.payload, this.#parts.destination, this.#now())) this.#own.take(update, isSent);
        break;
      case "health":
        this.#device(value.machine).takeHealth(value.payload);
        break;
      case "live": {
        const device = this.#device(value.machine);
        device.takeLive(value);
        for (const update of liveUpdates(value)) device.metrics.take(update, isSent && device.isBorn);
        break;
      }
      case "record": {
        const device = this.#device(value.machine);
        for (const update of recordUpdates(value)) device.metrics.take(update, isSent && device.isBorn);
        break;
      }
    }
  }

  #device(machine: string): Device {
    const known = this.#devices.get(machine);
    if (known) return known;
    const device = new Device(() => this.#nextAlias(), this.#parts.config.history);
    this.#devices.set(machine, device);
    return device;
  }

  #bear(): void {
    if (!this.#link) return;
    this.#phase = "born";
    this.#births++;
    this.#seq = 0;
    const timestamp = this.#now();
    this.#send("NBIRTH", null, [
      { name: BDSEQ, alias: this.#bdSeqAlias, timestamp, datatype: "Int64", showsDatatype: true, value: this.#link.bdSeq },
      { name: REBIRTH, timestamp, datatype: "Boolean", showsDatatype: true, value: false },
      ...this.#own.birth(timestamp),
    ], timestamp);
    for (const device of this.#devices.values()) device.isBorn = false;
    this.#sendChanges();
  }

  /** Births and deaths of devices first, then what changed. */
  #sendChanges(): void {
    this.#cancelChanges?.();
    this.#cancelChanges = null;
    const timestamp = this.#now();
    for (const [machine, device] of this.#devices) {
      if (device.isBorn && !device.isThere) {
        device.isBorn = false;
        device.metrics.interrupt();
        this.#send("DDEATH", machine, [], timestamp);
      } else if (device.isThere && (!device.isBorn || device.metrics.isNew)) {
        device.isBorn = true;
        this.#send("DBIRTH", machine, device.metrics.birth(timestamp), timestamp);
      }
    }
    const own = this.#own.changes(timestamp);
    if (own.length > 0) this.#send("NDATA", null, own, timestamp);
    for (const [machine, device] of this.#devices) {
      const changed = device.isBorn ? device.metrics.changes(timestamp) : [];
      if (changed.length > 0) this.#send("DDATA", machine, changed, timestamp);
    }
    this.#historySoon();
  }

  #historySoon(): void {
    if (this.#cancelHistory || ![...this.#devices.values()].some((device) => device.isBorn && device.metrics.missed > 0)) return;
    this.#cancelHistory = this.#parts.ports.network.after(HISTORY_MS, () => {
      this.#cancelHistory = null;
      const timestamp = this.#now();
      for (const [machine, device] of this.#devices) {
        const missed = device.isBorn ? device.metrics.history(HISTORY_METRICS) : [];
        if (missed.length > 0) this.#send("DDATA", machine, missed, timestamp);
      }
      this.#historySoon();
    });
  }

  /** At most one in `rebirth_interval`: what is asked for within it is answered together at its end. */
  #askRebirth(): void {
    if (this.#phase !== "born") return;
    const { network } = this.#parts.ports;
    const sinceMs = this.#lastRebirth === null ? Number.POSITIVE_INFINITY : network.now().monoMs - this.#lastRebirth;
    const leftMs = this.#parts.config.rebirth_interval - sinceMs;
    const again = (): void => {
      this.#cancelRebirth = null;
      this.#lastRebirth = network.now().monoMs;
      this.#rebirths++;
      this.#bear();
    };
    this.#pause();
    if (leftMs <= 0) again();
    else this.#cancelRebirth = network.after(leftMs, again);
  }

  /** No data from here on. */
  #pause(): void {
    this.#cancelRebirth?.();
    this.#cancelHistory?.();
    this.#cancelChanges?.();
    this.#cancelRebirth = this.#cancelHistory = this.#cancelChanges = null;
    for (const { metrics } of this.#devices.values()) metrics.interrupt();
    if (this.#phase === "born") this.#phase = "paused";
  }

  #refuse(topic: string, reason: string): void {
    if (this.#refused === 0) this.#parts.ports.log.warn({ topic, reason }, "a Sparkplug command is refused; further ones are only counted, in health");
    this.#refused++;
  }

  #send(type: string, machine: string | null, metrics: readonly Metric[], timestamp: number): void {
    const topic = machine === null ? this.#topic(type) : this.#topic(type, this.#parts.names.device(machine));
    this.#link?.send(topic, encodePayload({ timestamp, seq: this.#seq, metrics }));
    this.#seq = (this.#seq + 1) % 256;
  }

  #topic(type: string, device?: string): string {
    const { group, node } = this.#parts.names;
    return `spBv1.0/${group}/${type}/${node}${device === undefined ? "" : `/${device}`}`;
  }

  #nextAlias(): number {
    return ++this.#aliases;
  }

  #now(): number {
    return this.#parts.ports.clock.now().unixMs;
  }
}
