/**
 * What every driver must do, whatever it speaks (style-anchors.md §2.8): the list that a new kind of source runs before it
 * counts as one. The peer is real to it (sockets, pseudo-terminals), only scripted; network time may run fast.
 */
import { getEventListeners } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Gap, Reading } from "../../agent/contract/observation.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Driver, Session } from "../../agent/contract/source.ts";
import { monoMs, unixMs, type Clock } from "../../agent/contract/time.ts";
import { testPorts } from "../support/ports.ts";

/** A device that a test holds in its hand. It listens from the start. */
export interface DriverPeer extends AsyncDisposable {
  /** A driver for this peer, polling as often as its configuration lets it. */
  driver(ports: Ports): Driver;
  /** One deciding value becomes another than all before; returns what the driver will give for it. */
  change(): { readonly signal: string; readonly value: Reading["value"] };
  /** The peer no longer knows a value that it knew; returns its signal. Absent: the protocol cannot say so. */
  readonly blank?: () => string;
  /** Cuts every connection; new ones are refused from now on. */
  die(): Promise<void>;
  /** Connections stay open, and new ones are taken; nothing more is said. */
  stall(): void;
  /** From now on every answer, and all that it sends, is rubbish. */
  babble(): void;
  /**
   * While nobody reads: offers far more than a driver may hold. Resolves when nothing more is taken, with what the driver
   * took of it (bytes, answers) and the most that is right.
   */
  flood(): Promise<{ readonly taken: number; readonly most: number }>;
  /** Connections open now. */
  readonly connections: number;
  /** Requests so far that would have changed the device. */
  readonly writes: number;
}
export interface DriverTraits {
  /** It asks for present values: what changed and changed back between two polls was never owed. Else a loss is a gap. */
  readonly polled: boolean;
  /** Rubbish gives UNAVAILABLE values, and the link stays: a bus on which one of several devices babbles. Default: LinkError. */
  readonly endures?: boolean;
  /** Times faster than real that network time runs where a peer stalls. Default 20. */
  readonly haste?: number;
  /** How many waits are looked at for listeners left behind: fewer where a peer sends at its own pace. Default 10,000. */
  readonly waits?: number;
}

/** Call inside `describe`. `absent` is a driver whose peer does not exist. */
export function driverConformance(start: () => Promise<DriverPeer>, absent: (ports: Ports) => Promise<Driver>, { polled, endures = false, haste = 20, waits: most = 10_000 }: DriverTraits): void {
  let peer: DriverPeer | null = null;
  const begin = async (): Promise<DriverPeer> => (peer = await start());
  afterEach(async () => {
    // Whatever the test did: nothing was written, and nothing is left open.
    const used = peer;
    peer = null;
    if (used === null) return;
    expect(used.writes).toBe(0);
    await used[Symbol.asyncDispose]();
  });
  const fast = (): Ports => testPorts({ network: systemClock(haste) });

  it("yields: first what is so already, then what changes", async () => {
    const used = await begin();
    await using reading = await read(used.driver(testPorts()));
    const first = await reading.until(({ items }) => items.some(isReading));
    expect(readingsOf([first]).every(({ initial }) => initial === true)).toBe(true);
    await reading.untilCaughtUp();
    const { signal, value } = used.change();
    const seen = await reading.untilReading((one) => one.signal === signal && Object.is(one.value, value));
    expect(seen.initial ?? false).toBe(false);
    for (const one of readingsOf(reading.batches)) expect(one.value === null).toBe(one.quality === "UNAVAILABLE");
    expect(reading.peer).not.toBe("");
  });

  it("ends at once when told to while idle, without an error", async () => {
    const used = await begin();
    await using reading = await read(used.driver(testPorts()));
    await reading.untilCaughtUp();
    const ended = reading.rest();
    reading.stop();
    expect(await ended).toBeNull();
  });

  it("stops connecting when told to", async () => {
    const used = await begin();
    used.stall();
    const stop = new AbortController();
    const connecting = read(used.driver(testPorts()), stop).then(async (reading) => {
      const ended = await reading.rest();
      await reading[Symbol.asyncDispose]();
      return ended ?? (stop.signal.reason as unknown);
    }, (cause: unknown) => cause);
    setImmediate(() => { stop.abort(new Error("enough")); });
    expect(await connecting).toBe(stop.signal.reason);
  });

  it("a peer that dies is a LinkError", async () => {
    const used = await begin();
    await using reading = await read(used.driver(fast()));
    await reading.untilCaughtUp();
    const ended = reading.rest();
    await used.die();
    expect(expectLinkError(await ended).message).not.toBe("");
  });

  it("a peer that stalls is a LinkError, in bounded time", async () => {
    const used = await begin();
    await using reading = await read(used.driver(fast()));
    await reading.untilCaughtUp();
    used.stall();
    expect(expectLinkError(await reading.rest()).fault).toBe("timeout");
  });

  it("a peer that takes the connection and says nothing is a LinkError", async () => {
    const used = await begin();
    used.stall();
    expect(expectLinkError(await failure(used.driver(fast()))).fault).toBe("timeout");
  });

  it("rubbish is never a value", async () => {
    const used = await begin();
    await using reading = await read(used.driver(fast()));
    await reading.untilCaughtUp();
    const before = reading.batches.length;
    used.babble();
    if (endures) await reading.untilReading(({ quality }) => quality === "UNAVAILABLE");
    else expectLinkError(await reading.rest());
    expect(readingsOf(reading.batches.slice(before)).filter(({ quality }) => quality !== "UNAVAILABLE")).toEqual([]);
  });

  it("a peer that is not there is a LinkError that says where", async () => {
    const error = expectLinkError(await failure(await absent(fast())));
    expect(["refused", "unreachable", "timeout"]).toContain(error.fault);
    expect(error.message.length).toBeGreaterThan(20);
  });

  it("a slow consumer: what waits is bounded, and what is lost is said", async () => {
    const used = await begin();
    await using reading = await read(used.driver(testPorts()));
    await reading.untilCaughtUp();
    // What streams is streaming from here on.
    const { signal: first, value: now } = used.change();
    await reading.untilReading((one) => one.signal === first && Object.is(one.value, now));
    const before = reading.batches.length;
    const { taken, most } = await used.flood();
    expect(taken).toBeLessThanOrEqual(most);
    const { signal, value } = used.change();
    if (polled) await reading.untilReading((one) => one.signal === signal && Object.is(one.value, value));
    else await reading.until(({ items }) => items.some((item) => item.kind === "gap" || (item.signal === signal && Object.is(item.value, value))));
    expect(reading.batches.slice(before).reduce((sum, { items }) => Math.max(sum, items.length), 0)).toBeLessThanOrEqual(10_000);
  });

  it("UNAVAILABLE stays null", async ({ skip }) => {
    const used = await begin();
    if (used.blank === undefined) return skip("the protocol has no word for it");
    await using reading = await read(used.driver(testPorts()));
    await reading.untilCaughtUp();
    const signal = used.blank();
    const blank = await reading.untilReading((one) => one.signal === signal && one.quality === "UNAVAILABLE");
    expect(blank.value).toBeNull();
  });

  it("closes twice, and leaves no connection open", async () => {
    const used = await begin();
    const reading = await read(used.driver(testPorts()));
    await reading.untilCaughtUp();
    await Promise.all([reading.session.close(), reading.session.close()]);
    await reading.session.close();
    await expect.poll(() => used.connections, { interval: 2, timeout: 5_000 }).toBe(0);
    await reading[Symbol.asyncDispose]();
  });

  it("many waits leave no listener", async () => {
    const used = await begin();
    const { clock, waits } = eagerClock();
    await using reading = await read(used.driver(testPorts({ clock, network: clock })));
    await reading.untilCaughtUp();
    let listeners = 0;
    while (waits() < most) {
      if (!polled) used.change();
      await reading.next();
      listeners = Math.max(listeners, getEventListeners(reading.signal, "abort").length);
    }
    expect(listeners).toBeLessThanOrEqual(8);
    await reading.session.close();
    reading.stop();
    await reading.rest();
    expect(getEventListeners(reading.signal, "abort")).toEqual([]);
  }, 60_000);
}

const isReading = (item: Reading | Gap): item is Reading => item.kind === "reading";
const readingsOf = (batches: readonly Batch[]): readonly Reading[] => batches.flatMap(({ items }) => items.filter(isReading));

function expectLinkError(ended: unknown): LinkError {
  if (!(ended instanceof LinkError)) throw new Error(`expected a LinkError, got ${ended instanceof Error ? ended.message : "an orderly end"}`, { cause: ended });
  expect(ended.retry).not.toBe("never");
  return ended;
}

/** What a driver's connecting or its first reading ends with. */
async function failure(driver: Driver): Promise<unknown> {
  try {
    await using reading = await read(driver);
    return await reading.rest();
  } catch (cause) {
    return cause;
  }
}

interface ReadingRun extends AsyncDisposable {
  readonly session: Session;
  readonly batches: readonly Batch[];
  readonly peer: string;
  readonly signal: AbortSignal;
  next(): Promise<Batch>;
  until(wanted: (batch: Batch) => boolean): Promise<Batch>;
  untilReading(wanted: (reading: Reading) => boolean): Promise<Reading>;
  /** Reads until the driver has given what there is. */
  untilCaughtUp(): Promise<void>;
  /** Reads to the end: null when it ended by our signal, else what was thrown. */
  rest(): Promise<unknown>;
  stop(): void;
}

async function read(driver: Driver, stop = new AbortController()): Promise<ReadingRun> {
  const session = await driver.connect(stop.signal);
  const iterator = session.read(null, stop.signal)[Symbol.asyncIterator]();
  const batches: Batch[] = [];
  const next = async (): Promise<Batch> => {
    const step = await iterator.next();
    if (step.done === true) throw new Error("the driver's session ended");
    // Bounded, so that a long test does not measure its own memory.
    if (batches.push(step.value) > 20_000) batches.shift();
    return step.value;
  };
  const until = async (wanted: (batch: Batch) => boolean): Promise<Batch> => {
    for (let batch = await next(); ; batch = await next()) if (wanted(batch)) return batch;
  };
  return {
    session, batches, signal: stop.signal, next, until,
    get peer() { return session.peer; },
    stop: () => { stop.abort(new Error("stopped by the test")); },
    async untilReading(wanted) {
      const batch = await until(({ items }) => items.some((item) => isReading(item) && wanted(item)));
      const found = readingsOf([batch]).find(wanted);
      if (found === undefined) throw new Error("a batch lost its reading");
      return found;
    },
    async untilCaughtUp() {
      await until(({ caughtUp }) => caughtUp && readingsOf(batches).some(({ quality }) => quality !== "UNAVAILABLE"));
    },
    async rest() {
      try {
        for (;;) {
          const step = await iterator.next();
          if (step.done === true) return null;
          batches.push(step.value);
        }
      } catch (cause) {
        return cause;
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await session.close();
    },
  };
}

/** A clock whose waits end with the next turn of the event loop, and which goes on by what was waited; deadlines are real. */
function eagerClock(): { readonly clock: Clock; readonly waits: () => number } {
  const real = systemClock();
  let [waitedMs, waits] = [0, 0];
  const clock: Clock = {
    now: () => {
      const now = real.now();
      return { ...now, monoMs: monoMs(now.monoMs + waitedMs), unixMs: unixMs(Math.trunc(now.unixMs + waitedMs)) };
    },
    async sleep(ms, signal) {
      waits++;
      signal.throwIfAborted();
      await turn();
      signal.throwIfAborted();
      waitedMs += Math.max(0, ms);
    },
    deadline(ms, parent) {
      waits++;
      return real.deadline(ms, parent);
    },
    after(ms, task) {
      waits++;
      return real.after(ms, task);
    },
  };
  return { clock, waits: () => waits };
}
