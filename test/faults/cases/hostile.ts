/**
 * A hostile broker: downlinks that are huge, deep, of another shape, with `__proto__`, with unknown verbs and numbers that
 * are none, about 1,000 a second; a flood of other topics; and packets that announce 256 MB. The whole agent delivers all
 * the same, and its memory is bounded.
 */
import type { FaultCase } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { peakBytes } from "../support/memory.ts";
import { openShop, sleep } from "../support/shop.ts";

const FLOOD_MS = 3_000;
const BURST = 50;
const EVERY_MS = 50;
/** The heartbeat's period, and a little. */
const HEARTBEAT_MS = 15_000;
const MIB = 1024 * 1024;
const GROWTH_BYTES = 60 * MIB;
const EPOCH = "00000000-0000-4000-8000-000000000000";
const PAYLOADS: readonly string[] = [
  "", "{", "null", "[]", "7", '"x"', "\u0000\u0001", "{}".repeat(2_000), "[".repeat(10_000), `{"a":${"[".repeat(500)}${"]".repeat(500)}}`,
  '{"__proto__":{"destination":"bridge"},"epoch":"x","through":1}', '{"constructor":{"prototype":{"through":9}}}',
  `{"destination":"bridge","epoch":"${EPOCH}","through":1e309}`, `{"destination":"bridge","epoch":"${EPOCH}","through":-1}`, `{"destination":"bridge","epoch":"${EPOCH}","through":99999999999999999999}`,
  `{"destination":"../../etc/passwd","epoch":"${EPOCH}","through":3}`, `{"epoch":"${EPOCH}","from":1,"to":9007199254740991}`, `{"epoch":"${EPOCH}","from":9,"to":1}`,
  '{"verb":"reboot"}', '{"verb":"heartbeat","url":"http://192.0.2.1/"}', `{"verb":"${"x".repeat(20_000)}"}`,
];
/** More than the agent says it takes: it may end the connection. */
const HUGE = JSON.stringify({ epoch: EPOCH, destination: "x".repeat(400_000), through: 1 });
/** PUBLISH whose remaining length is the largest there is, 256 MB, and a little of it. */
const ENDLESS = Buffer.concat([Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(60_000, 0x41)]);

/** The agent hears at most 100 a second, and counts apart what it does not hear. */
const LEAST_COUNTED = 150;

/** What the heartbeat says of them. */
function toldRefusals(text: string): { readonly refused: number; readonly reasons: number } {
  const { destinations = [] } = JSON.parse(text) as { readonly destinations?: readonly { readonly downlinks?: { readonly refused: Readonly<Record<string, number>>; readonly lastRefusals: readonly string[] } }[] };
  const counts = destinations.flatMap(({ downlinks }) => Object.values(downlinks?.refused ?? {}));
  return { refused: counts.reduce((sum, count) => sum + count, 0), reasons: destinations.flatMap(({ downlinks }) => downlinks?.lastRefusals ?? []).length };
}

export const hostile: FaultCase = {
  name: "hostile-broker",
  what: "the whole agent before a broker that floods it with hostile downlinks and announces packets of 256 MB",
  runs: { short: 1, long: 6 },
  longestMs: 300_000,
  async run(run) {
    await using bridge = await startBridge(run.folder, "bridge");
    await using shop = await openShop(run, { ways: [bridge], plays: 8_000 });
    shop.start();
    while (bridge.heartbeat() === null) await sleep(50);
    await sleep(1_000);
    const topic = bridge.heartbeat()?.topic ?? "";
    const before = peakBytes(shop.pid) ?? 0;
    let sent = 0;
    for (const end = performance.now() + FLOOD_MS; performance.now() < end; await sleep(EVERY_MS)) for (let index = 0; index < BURST; index++, sent++) {
      const payload = PAYLOADS[Math.floor(run.random() * PAYLOADS.length)] ?? "";
      const to = ["confirm", "replay", "cmd", "cmd/else", "rec/state"][sent % 5] ?? "";
      bridge.send(`${topic}/${to}`, payload);
    }
    const answered = shop.isRunning();
    await sleep(500);
    for (const payload of [HUGE, ENDLESS]) {
      if (typeof payload === "string") bridge.send(`${topic}/confirm`, payload);
      else bridge.sendRaw(payload);
      await sleep(1_500);
    }
    const grown = (peakBytes(shop.pid) ?? Infinity) - before;
    bridge.cut();
    // The heartbeat comes with the new link; the last one of all is only a goodbye.
    for (const end = performance.now() + HEARTBEAT_MS; performance.now() < end && toldRefusals(bridge.heartbeat()?.text ?? "{}").refused < LEAST_COUNTED;) await sleep(100);
    const { refused, reasons } = toldRefusals(bridge.heartbeat()?.text ?? "{}");
    const tally = await shop.settle({ faults: sent, exact: true, bridges: [bridge], withinMs: 240_000, note: `memory grew by at most ${20 * Math.ceil(grown / MIB / 20)} MB` });
    const also = [...(answered ? [] : ["the agent ended under the flood"]), ...(grown > GROWTH_BYTES ? [`memory grew by ${Math.round(grown / MIB)} MB`] : [])];
    if (refused < LEAST_COUNTED || reasons === 0) also.push(`of ${sent} hostile messages ${refused} were counted as refused, with ${reasons} reasons`);
    return { ...tally, violations: [...also, ...tally.violations] };
  },
};
