/**
 * One link to one control: polls its paths and yields what changed, one batch a poll. A control that answers slowly gets
 * a rest as long as it took: it has a machine to run. A refused value never ends the session; anything out of step does.
 */
import type { Batch, Cursor, Reading } from "../../agent/contract/observation.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { Described } from "../../agent/contract/survey.ts";
import { Changes } from "../shared/changes.ts";
import { polls } from "../shared/poll.ts";
import type { FocasConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import { factsOf, type Control } from "./control.ts";
import type { PathReader } from "./path-reader.ts";

interface Parts {
  readonly connection: Connection;
  readonly control: Control;
  readonly paths: readonly PathReader[];
  readonly config: FocasConfig;
  readonly ports: Ports;
  readonly peer: string;
}

const RECONSIDER_MS = 10 * 60_000;

export class FocasSession implements Session {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get peer(): string {
    return this.#parts.peer;
  }

  describe(): Described {
    const { control, paths } = this.#parts;
    return { facts: factsOf(control), refused: paths.flatMap(({ refusals }) => refusals) };
  }

  async *read(_from: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
    const { lost } = this.#parts.connection;
    const link = new AbortController();
    const stop = (): void => { link.abort(signal.aborted ? signal.reason : lost.reason); };
    for (const one of [signal, lost]) one.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted || lost.aborted) stop();
      yield* this.#follow(link.signal);
    } catch (cause) {
      if (!signal.aborted) throw cause;
    } finally {
      for (const one of [signal, lost]) one.removeEventListener("abort", stop);
    }
  }

  async *#follow(signal: AbortSignal): AsyncGenerator<Batch> {
    const { config, ports } = this.#parts;
    const changes = new Changes();
    const everySlow = Math.max(1, Math.round(config.slow_interval / config.interval));
    let slowAt = 0;
    let before: number | null = null;
    let reconsiderAt = ports.network.now().monoMs + RECONSIDER_MS;
    for await (const { turn } of polls(config.interval, ports.clock, signal)) {
      const began = ports.network.now().monoMs;
      if (began >= reconsiderAt) {
        for (const path of this.#parts.paths) path.reconsider();
        reconsiderAt = began + RECONSIDER_MS;
      }
      const isSlow = turn >= slowAt;
      if (isSlow) slowAt = turn + everySlow;
      const at = ports.clock.now().monoMs;
      const sinceMs = before === null ? 0 : at - before;
      before = at;
      const readings = await this.#poll({ isSlow, sinceMs }, signal);
      // What changed may have done so since the poll before began: at a slow control that is more than the interval.
      const items = changes.of(readings, Math.ceil(sinceMs + ports.clock.now().monoMs - at));
      const tookMs = ports.network.now().monoMs - began;
      yield { items, caughtUp: true };
      if (tookMs * 2 > config.interval) await ports.network.sleep(tookMs, signal);
    }
  }

  close(): Promise<void> {
    return this.#parts.connection.close();
  }

  async #poll(turn: { readonly isSlow: boolean; readonly sinceMs: number }, signal: AbortSignal): Promise<readonly Reading[]> {
    const readings: Reading[] = [{ kind: "reading", signal: "availability", quality: "GOOD", value: "AVAILABLE" }];
    for (const path of this.#parts.paths) readings.push(...await path.poll(turn, signal));
    return readings;
  }
}
