/**
 * A broker that misbehaves: refusing, closing after CONNACK, silent, acknowledging late, out of order, never, with every
 * error code, dying with or without having taken the message, frozen, with a receive maximum of 1 or packets of 1 kB at
 * most. One destination meets one fault after the other, drawn by the seed; beside it another one is well all the time.
 */
import type { FaultCase } from "../case.ts";
import { startBridge, type Behaviour } from "../support/bridge.ts";
import { openShop, sleep } from "../support/shop.ts";

/** MQTT 5.0 §2.4: what a PUBACK may carry. */
const PUBACK_ERRORS = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
/** §3.2.2.2: what a CONNACK may carry; the version's refusal (0x84) leads to 3.1.1, and is another test's. */
const CONNACK_ERRORS = [0x80, 0x81, 0x82, 0x83, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f];

interface Fault {
  readonly name: string;
  readonly behaviour: (random: () => number) => Behaviour;
  /** The fault needs a new connection to show; and another to end, where it is a property of the connection. */
  readonly cuts?: boolean;
  readonly cutsAfter?: boolean;
}
const one = <T>(all: readonly T[], random: () => number): T => all[Math.floor(random() * all.length)] as T;
/** One that ends connections, then one that does not: of three closings within a minute the agent would think that another client uses its name. */
const FAULTS: readonly Fault[] = [
  { name: "refuses", behaviour: (random) => ({ connack: one(CONNACK_ERRORS, random) }), cuts: true },
  { name: "late", behaviour: (random) => ({ delayMs: () => 50 + random() * 400 }) },
  { name: "closes instead of CONNACK", behaviour: () => ({ connack: "close" }), cuts: true },
  { name: "out of order", behaviour: (random) => ({ delayMs: () => random() * 60 }) },
  { name: "closes after CONNACK", behaviour: (random) => ({ closesAfterMs: Math.floor(random() * 50) }), cuts: true },
  { name: "never", behaviour: () => ({ answer: () => "mute" }) },
  { name: "dies", behaviour: (random) => ({ answer: () => (random() < 0.1 ? "die" : 0) }) },
  { name: "loses", behaviour: () => ({ answer: () => "lost" }) },
  { name: "takes and dies", behaviour: (random) => ({ answer: () => (random() < 0.1 ? "take-and-die" : 0) }) },
  { name: "some error code", behaviour: (random) => ({ answer: () => (random() < 0.2 ? one(PUBACK_ERRORS, random) : 0) }) },
  { name: "receive maximum 1", behaviour: (random) => ({ receiveMaximum: 1, delayMs: () => random() * 5 }), cuts: true, cutsAfter: true },
  { name: "one error code", behaviour: (random) => { const code = one(PUBACK_ERRORS, random); return { answer: () => code }; } },
  { name: "packets of 1 kB", behaviour: () => ({ maximumPacketSize: 1_024 }), cuts: true, cutsAfter: true },
  { name: "frozen", behaviour: () => ({ frozen: true }) },
];
const FAULTS_A_RUN = 2;
const [SHORTEST_MS, LONGEST_MS] = [300, 1_800];
const PAUSE_MS = 300;
/** The loop's back-off after faults in a row, and the longest it stays away. */
const SETTLES_MS = 250_000;

export const brokerScripted: FaultCase = {
  name: "broker-scripted",
  what: `the whole agent before a broker with ${FAULTS_A_RUN} faults of ${FAULTS.length} kinds, one after the other, and one that is well`,
  runs: { short: 7, long: 100 },
  longestMs: 330_000,
  async run(run) {
    const { random } = run;
    await using bridge = await startBridge(run.folder, "bridge");
    await using steady = await startBridge(run.folder, "steady");
    const durations = Array.from({ length: FAULTS_A_RUN }, () => SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS));
    await using shop = await openShop(run, { ways: [bridge, steady], plays: 1_000 + durations.reduce((sum, ms) => sum + ms + PAUSE_MS, 0) });
    shop.start();
    await sleep(900);
    const met: string[] = [];
    for (const [index, ms] of durations.entries()) {
      // Each kind has its turn over the runs; what is drawn is its order and form.
      const fault = FAULTS[(run.index * FAULTS_A_RUN + index) % FAULTS.length];
      if (!fault) continue;
      met.push(fault.name);
      bridge.behave(fault.behaviour(random));
      if (fault.cuts) bridge.cut();
      await sleep(ms);
      bridge.behave({});
      if (fault.cutsAfter) bridge.cut();
      await sleep(PAUSE_MS);
    }
    const tally = await shop.settle({ faults: FAULTS_A_RUN, exact: true, bridges: [bridge, steady], withinMs: SETTLES_MS });
    return { ...tally, violations: tally.violations.map((words) => `after ${met.join(", ")}: ${words}`) };
  },
};
