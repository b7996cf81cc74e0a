/**
 * The nodes of one session: which are followed under which handle, which are missing. One bad node never drops the rest;
 * missing ones are asked for again, slowly, since they appear after a program is loaded or a right is given.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { MonoMs } from "../../agent/contract/time.ts";
import type { OpcuaConfig } from "./config.ts";
import type { Followed, Looking, ReadOnly } from "./guard.ts";
import { inWords, isAbsent, locate, explorerOf, type Found, type Located, type Missing } from "./nodes.ts";
import type { Change, Wanted } from "./profile.ts";
import { sampleOf, type Sample } from "./values.ts";

const AGAIN_MS = 60_000;
const GONE: Sample = { raw: null, quality: "UNAVAILABLE", status: "missing", overflowed: false };

export interface FollowingParts {
  readonly config: OpcuaConfig;
  readonly ports: Ports;
  readonly guard: ReadOnly;
  readonly where: string;
}

export class Following {
  readonly #parts: FollowingParts;
  readonly #byHandle = new Map<number, Located>();
  readonly #onDemand: readonly Located[];
  readonly #first = new Set<number>();
  readonly #deadbands = new Map<number, Deadband>();
  #missing: readonly Missing[];
  #askedAt: MonoMs;
  #samplingMs = 0;

  private constructor(parts: FollowingParts, found: Found) {
    this.#parts = parts;
    this.#onDemand = found.present.filter(({ wanted }) => wanted.onDemand === true);
    this.#missing = found.missing;
    this.#askedAt = parts.ports.network.now().monoMs;
  }

  static async begin(parts: FollowingParts, found: Found, signal: AbortSignal): Promise<Following> {
    const following = new Following(parts, found);
    await following.#follow(found.present.filter(({ wanted }) => wanted.onDemand !== true), signal);
    const told = following.#missing.filter(({ wanted }) => !wanted.optional);
    if (told.length > 0) parts.ports.log.warn({ nodes: told.slice(0, 10).map(inWords), count: told.length }, "some values cannot be read; they are asked for again each minute");
    return following;
  }

  /** The longest time after which the server looks at a state. */
  get samplingMs(): number {
    return this.#samplingMs;
  }
  /** Every node has said its first value. */
  get isComplete(): boolean {
    return this.#first.size === 0;
  }

  wantedBy(handle: number): Wanted | undefined {
    return this.#byHandle.get(handle)?.wanted;
  }
  decides(key: string): boolean {
    return [...this.#byHandle.values()].some(({ wanted }) => wanted.key === key && wanted.pace === "state");
  }

  /** A value came; true when it is the node's first. A node that has gone is asked for again, unless it says by itself that it is back. */
  arrived(handle: number, status: string): boolean {
    const located = this.#byHandle.get(handle);
    if (located !== undefined) {
      this.#missing = this.#missing.filter(({ wanted }) => wanted !== located.wanted);
      if (isAbsent(status)) this.#missing = [...this.#missing, { wanted: located.wanted, why: status }];
    }
    return this.#first.delete(handle);
  }

  get missing(): readonly Missing[] {
    return this.#missing;
  }
  get followed(): number {
    const gone = new Set(this.#missing.map(({ wanted }) => wanted));
    return [...this.#byHandle.values()].filter(({ wanted }) => !gone.has(wanted)).length;
  }

  /** What must be there and is not: known to be unavailable. */
  absent(): readonly Change[] {
    return this.#missing.filter(({ wanted }) => !wanted.optional).map(({ wanted }) => ({ key: wanted.key, sample: GONE, initial: true }));
  }

  /** Values as they are now, of nodes that are not followed. What cannot be read is not there. */
  async readNow(keys: readonly string[], signal: AbortSignal): Promise<readonly Change[]> {
    const { guard, config: { stamps }, ports: { log } } = this.#parts;
    const located = this.#onDemand.filter(({ wanted }) => keys.includes(wanted.key));
    if (located.length === 0) return [];
    try {
      const values = await guard.read(located.map(({ nodeId }) => nodeId), signal);
      return located.flatMap(({ wanted }, index) => {
        const wire = values[index];
        return wire === undefined ? [] : [{ key: wanted.key, sample: sampleOf(wire, stamps, wanted.element), initial: false }];
      });
    } catch (cause) {
      signal.throwIfAborted();
      log.debug({ reason: cause instanceof Error ? cause.message : String(cause) }, "evidence could not be read");
      return [];
    }
  }

  /** When it is time: are the missing nodes there now? Throws LinkError when the server's namespaces are other ones. */
  async askAgain(signal: AbortSignal): Promise<void> {
    const { ports: { network }, guard, where } = this.#parts;
    const now = network.now().monoMs;
    if (this.#missing.length === 0 || now - this.#askedAt < AGAIN_MS) return;
    this.#askedAt = now;
    try {
      if (!(await guard.isAsBefore(signal))) throw new LinkError("lost", "backoff", `OPC UA server at ${where}: it numbers its namespaces anew (another program was loaded?): all nodes are looked for again`);
      const found = await locate(guard, explorerOf(guard, signal), this.#missing.map(({ wanted }) => wanted), signal);
      this.#missing = found.missing;
      await this.#leave(found.present, signal);
      await this.#follow(found.present, signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof LinkError && cause.fault !== "timeout") throw cause;
    }
  }

  /** What was followed under an earlier node of the same name, which has gone. */
  async #leave(located: readonly Located[], signal: AbortSignal): Promise<void> {
    const again = new Set(located.map(({ wanted }) => wanted));
    for (const [handle, { wanted }] of this.#byHandle) {
      if (!again.has(wanted)) continue;
      this.#byHandle.delete(handle);
      this.#deadbands.delete(handle);
      this.#first.delete(handle);
      await this.#parts.guard.unfollow(handle, signal);
    }
  }

  /** False: a change smaller than the point's deadband, which the server did not want to filter. */
  passes(handle: number, { raw, quality }: Sample): boolean {
    const deadband = this.#deadbands.get(handle);
    if (deadband === undefined) return true;
    const { last, width } = deadband;
    if (last !== null && last.quality === quality && typeof last.raw === "number" && typeof raw === "number" && Math.abs(raw - last.raw) < width) return false;
    deadband.last = { raw, quality };
    return true;
  }

  /** Null: the server refused it. */
  #take(item: Located, followed: Followed | undefined): number | null {
    const { handle, status, samplingMs } = followed ?? { handle: null, status: "no answer", samplingMs: 0 };
    if (handle === null) {
      this.#missing = [...this.#missing, { wanted: item.wanted, why: status }];
      return null;
    }
    this.#byHandle.set(handle, item);
    this.#first.add(handle);
    if (item.wanted.pace === "state") this.#samplingMs = Math.max(this.#samplingMs, samplingMs);
    return handle;
  }

  async #follow(located: readonly Located[], signal: AbortSignal): Promise<void> {
    const { config, guard } = this.#parts;
    const alike = Map.groupBy(located, ({ wanted }) => JSON.stringify(lookingAt(wanted, config)));
    for (const some of alike.values()) {
      const [one] = some;
      if (one === undefined) continue;
      const looking = lookingAt(one.wanted, config);
      const followed = await guard.follow(some.map(({ nodeId }) => nodeId), looking, signal);
      const unfiltered = some.filter((_, index) => looking.deadband !== undefined && FILTER_REFUSED.test(followed[index]?.status ?? ""));
      for (const [index, item] of some.entries()) if (!unfiltered.includes(item)) this.#take(item, followed[index]);
      if (unfiltered.length === 0) continue;
      const again = await guard.follow(unfiltered.map(({ nodeId }) => nodeId), { ...looking, deadband: undefined }, signal);
      for (const [index, item] of unfiltered.entries()) {
        const handle = this.#take(item, again[index]);
        if (handle !== null && looking.deadband !== undefined) this.#deadbands.set(handle, { width: looking.deadband, last: null });
      }
    }
  }
}

/** A deadband on what is no analog item, or on any: then the values are filtered here. */
const FILTER_REFUSED = /Filter|Deadband/u;

interface Deadband {
  readonly width: number;
  last: Pick<Sample, "raw" | "quality"> | null;
}

const lookingAt = ({ pace, samplingMs, queue, deadband }: Wanted, config: OpcuaConfig): Looking => ({
  samplingMs: samplingMs ?? (pace === "state" ? config.sampling : config.measure_sampling), queue: queue ?? config.queue, deadband,
});
