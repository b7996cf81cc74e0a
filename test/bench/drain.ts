/**
 * Backlog drain: records a second from a full outbox on disk to acknowledged and settled, against mqtt.js publishing
 * the same payloads at QoS 1 with the same window and nothing around it. A real Mosquitto, a real outbox; runs take
 * turns, and the median of each counts. Limit: one machine, broker and client share its cores.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, UniqueMessageIdProvider } from "mqtt";
import type { Outbox, StoredRecord } from "../../agent/contract/outbox.ts";
import { rfc3339, unixMs } from "../../agent/contract/time.ts";
import { deliver } from "../../agent/runtime/link/deliver.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { eventWriter } from "../../buffer/mqtt/cloud-events.ts";
import { mqttDestination } from "../../buffer/mqtt/destination.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { decode } from "../../agent/contract/shape.ts";
import { describeLoss } from "../buffer/records.ts";
import { startMosquitto } from "../support/broker.ts";
import { IDENTITY, MACHINE_PATH, put, testBoard } from "../support/delivering.ts";
import { memoryKeep, testPorts } from "../support/ports.ts";
import { SAMPLES } from "../support/sample-records.ts";
import { atLeast, atMost, percentile, type Figure } from "./figure.ts";
import { listen } from "./support/broker.ts";

const COUNT = 100_000;
const RUNS = 5;
const WINDOWS = [20, 100];
const LIVE = "live";
const LIVE_EVERY_MS = 10;
const ROUNDS = WINDOWS.flatMap((window) => Array.from({ length: RUNS }, (_, run) => ({ window, name: `window-${window}-run-${run}` })));

export async function drain(): Promise<readonly Figure[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellgate-drain-"));
  const ports = testPorts();
  try {
    await using broker = await startMosquitto(["max_inflight_messages 1000"]);
    const outbox = openOutbox({ dataDir, destinations: [...ROUNDS.map(({ name }) => name), LIVE].map((name) => ({ name })), clock: systemClock(), log: ports.log, describeLoss });
    await fill(outbox);
    const payloads = payloadsOf(outbox);
    const rates = new Map(WINDOWS.map((window) => [window, { ours: [] as number[], raw: [] as number[] }]));
    await publishRaw(broker.port, payloads, 20); // Warms the broker and the library up for both.
    for (const { window, name } of ROUNDS) {
      rates.get(window)?.raw.push(await publishRaw(broker.port, payloads, window));
      rates.get(window)?.ours.push(await drainOnce(broker.port, outbox, { window, name }));
    }
    const waits = await liveMeanwhile(broker.port, outbox);
    await outbox.close();
    return [
      atMost("a live value at a subscriber while the backlog drains, p95", "ms", percentile(waits, 0.95), 2_000),
      ...[...rates].map(([window, { ours, raw }]) => atLeast(`backlog drain, window ${window}`, "records/s", percentile(ours, 0.5), { limit: percentile(raw, 0.5), least: 0.8 })),
    ];
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function fill(outbox: Outbox): Promise<void> {
  const types = [SAMPLES.cycle, SAMPLES.state, SAMPLES.state, SAMPLES.count];
  for (let at = 0; at < COUNT; at += 500)
    await put(outbox, Array.from({ length: 500 }, (_, index) => ({ ...(types[index % types.length] ?? SAMPLES.state), id: `6f9619ff-8b86-5011-b42d-${(at + index).toString(16).padStart(12, "0")}` })));
}

/** What our destination will publish, made beforehand so that raw publishing does nothing but publish. */
function payloadsOf(outbox: Outbox): readonly { readonly topic: string; readonly payload: string }[] {
  const write = eventWriter({ ...IDENTITY, epoch: outbox.epoch }, () => MACHINE_PATH);
  const name = ROUNDS[0]?.name ?? "";
  const payloads: { topic: string; payload: string }[] = [];
  for (let records: readonly StoredRecord[] = outbox.pending(name, 0, 500); records.length > 0; records = outbox.pending(name, records.at(-1)?.seq ?? 0, 500))
    for (const record of records) payloads.push({ topic: `${MACHINE_PATH}/rec/${record.type}`, payload: write(record, { publishedAt: unixMs(Date.now()), replay: false }) });
  if (payloads.length !== COUNT) throw new Error(`the outbox holds ${payloads.length} records, not ${COUNT} (${rfc3339(unixMs(Date.now()))})`);
  return payloads;
}

const rate = (sinceMs: number): number => (COUNT * 1_000) / (performance.now() - sinceMs);

async function publishRaw(port: number, payloads: readonly { readonly topic: string; readonly payload: string }[], window: number): Promise<number> {
  const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", protocolVersion: 5, reconnectPeriod: 0, keepalive: 15, clientId: "raw", messageIdProvider: new UniqueMessageIdProvider() });
  const beganMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    let next = 0;
    let done = 0;
    const send = (): void => {
      const message = payloads[next++];
      if (!message) return;
      client.publish(message.topic, message.payload, { qos: 1 }, (error) => {
        if (error) return reject(error);
        if (++done === payloads.length) return resolve();
        send();
      });
    };
    for (let index = 0; index < window; index++) send();
  });
  const measured = rate(beganMs);
  await client.endAsync(true);
  return measured;
}

/** From a live value's putting on the board to its arrival, again and again while everything drains at full speed. */
async function liveMeanwhile(port: number, outbox: Outbox): Promise<readonly number[]> {
  const waits: number[] = [];
  await using _listening = await listen(port, "cellgate/v1/+/+/+/+/live/+", (_topic, text, atMs) => void waits.push(atMs - (JSON.parse(text) as { readonly putMs: number }).putMs));
  const board = testBoard();
  const putting = setInterval(() => { board.put({ scope: "live", machine: "VMC-3", name: "spindle_speed", payload: { putMs: performance.now() } }); }, LIVE_EVERY_MS);
  try {
    await drainOnce(port, outbox, { window: WINDOWS[0] ?? 20, name: LIVE, board });
  } finally {
    clearInterval(putting);
  }
  return waits;
}

async function drainOnce(port: number, outbox: Outbox, { window, name, board = testBoard() }: { readonly window: number; readonly name: string; readonly board?: ReturnType<typeof testBoard> }): Promise<number> {
  const ports = testPorts();
  const decoded = decode(mqttDestination.shape, { url: `mqtt://127.0.0.1:${port}`, window });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const controller = new AbortController();
  let beganMs = 0;
  let settled = 0;
  let measured = 0;
  // The outbox itself, with a look at how much of it has been settled.
  const watched: Outbox = {
    epoch: outbox.epoch, marking: outbox.marking, replaced: outbox.replaced,
    heard: (mark) => outbox.heard(mark),
    replaying: (destination, after, limit) => outbox.replaying(destination, after, limit),
    offerRefused: (destination) => { outbox.offerRefused(destination); },
    confirm: (destination, epoch, through) => outbox.confirm(destination, epoch, through),
    replay: (destination, epoch, from, to) => outbox.replay(destination, epoch, from, to),
    deadLetters: (limit) => outbox.deadLetters(limit),
    release: (destination, fromSeq) => outbox.release(destination, fromSeq),
    purge: (destination, fromSeq) => outbox.purge(destination, fromSeq),
    dropped: (day) => outbox.dropped(day),
    history: (after, limit) => outbox.history(after, limit),
    checkpoint: (key) => outbox.checkpoint(key),
    commit: (commit) => outbox.commit(commit),
    pending: (destination, after, limit) => outbox.pending(destination, after, limit),
    sendable: (destination, after, limit) => outbox.sendable(destination, after, limit),
    sending: (destination, seq) => outbox.sending(destination, seq),
    settle(destination, outcome) {
      outbox.settle(destination, outcome);
      settled += outcome.accepted.length;
      if (settled < COUNT) return;
      measured = rate(beganMs);
      controller.abort(new Error("drained"));
    },
    arrival: (after, signal) => outbox.arrival(after, signal),
    status: () => outbox.status(),
    condition: () => outbox.condition(),
    fault: () => outbox.fault(),
    synced: () => outbox.synced(),
    close: () => outbox.close(),
  };
  const destination = mqttDestination.create(decoded.value, { ...IDENTITY, epoch: outbox.epoch }, { ...ports, keep: memoryKeep() }, name);
  await deliver({ destination, outbox: watched, board, ports, onLink: ({ state }) => {
    if (state === "up") beganMs = performance.now();
  } }, controller.signal);
  return measured;
}
