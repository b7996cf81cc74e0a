/** Which refused records are tried again, and which are given up; and that one denied type does not hold up the others. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { Refusals } from "../../../buffer/mqtt/refusals.ts";
import { delivering, destinationAt, put } from "../../support/delivering.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { testPorts } from "../../support/ports.ts";
import { SAMPLES } from "../../support/sample-records.ts";
import { startScriptedBroker } from "../../support/scripted-broker.ts";

const DENIED = 0x87;
const FAULTY = 0x80;

describe("records that the broker refuses for now", () => {
  it("are given up after five tries, however many links were made anew between two of them", async () => {
    const clock = fakeClock();
    const refusals = new Refusals(testPorts({ network: clock }));
    for (let times = 1; times < 5; times++) {
      for (let link = 0; link < 10; link++) expect(refusals.refused(1, "state", DENIED)).toBe(false);
      await clock.advance(20_000);
    }
    expect(refusals.refused(1, "state", DENIED)).toBe(true);
  });

  it.each([
    ["at once, where the topic has cost one and others are taken", DENIED, 1_000, true],
    ["not at once, where nothing else was taken lately: it may be everything", DENIED, 61_000, false],
    ["not at once, where the broker is only faulty", FAULTY, 1_000, false],
  ] as const)("further ones of a topic: %s", async (_, code, agoMs, isGivenUp) => {
    const clock = fakeClock();
    const refusals = new Refusals(testPorts({ network: clock }));
    for (let times = 1; times <= 5; times++) {
      refusals.refused(1, "state", code);
      await clock.advance(20_000);
    }
    refusals.taken(2, "cycle");
    await clock.advance(agoMs);
    expect(refusals.refused(3, "state", code)).toBe(isGivenUp);
    refusals.taken(4, "state");
    expect(refusals.refused(5, "state", code)).toBe(false);
  });

  it("are told meanwhile: by topic in the warnings, and once an hour in the log", async () => {
    const clock = fakeClock();
    const ports = testPorts({ network: clock });
    const refusals = new Refusals(ports);
    expect(refusals.warnings()).toEqual([]);
    for (let times = 0; times < 3; times++) for (const [seq, topic] of [[1, "a/rec/state"], [2, "a/rec/state"], [3, "a/rec/cycle"]] as const) refusals.refused(seq, topic, DENIED);
    expect(refusals.warnings()).toEqual([
      "The broker refuses records to a/rec/state: not authorised (0x87). 2 wait and are tried again.",
      "The broker refuses records to a/rec/cycle: not authorised (0x87). One waits and is tried again.",
    ]);
    refusals.taken(1, "a/rec/state");
    refusals.taken(2, "a/rec/state");
    for (let at = 0; at < 4; at++) refusals.refused(10 + at, `b/rec/${at}`, FAULTY);
    expect(refusals.warnings()).toEqual([expect.stringContaining("a/rec/cycle"), expect.stringContaining("b/rec/0: unspecified error (0x80)"), expect.stringContaining("b/rec/1"), "The broker refuses records to 2 more topics."]);
    await clock.advance(3_600_000);
    refusals.refused(1, "a/rec/state", DENIED);
    expect(ports.lines.filter(({ fields }) => String(fields["topic"]).startsWith("a/")).map(({ level, fields }) => [level, fields])).toEqual([
      ["warn", { topic: "a/rec/state", reason: "not authorised (0x87)" }],
      ["warn", { topic: "a/rec/cycle", reason: "not authorised (0x87)" }],
      ["warn", { topic: "a/rec/state", reason: "not authorised (0x87)", refusedSince: 6 }],
    ]);
  });

  it("records of a denied type are sent once each, once the type is known to be denied, and hold up no other", async () => {
    await using broker = await startScriptedBroker({ publish: ({ topic }) => (topic.endsWith("/rec/state") ? DENIED : 0) });
    const outbox = memoryOutbox();
    const ports = testPorts({ network: systemClock(200) });
    await using _ = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    const records = (from: number, to: number) => Array.from({ length: to - from }, (_none, at) => [{ ...SAMPLES.state, id: `s-${from + at}` }, { ...SAMPLES.cycle, id: `c-${from + at}` }]).flat();
    await put(outbox, records(0, 1));
    await outbox.drained();
    expect(outbox.rejected.map(({ seq }) => seq)).toEqual([1]);
    await put(outbox, records(1, 2));
    await outbox.drained();
    const before = broker.published.length;
    await put(outbox, records(2, 600));
    await outbox.drained();
    expect([outbox.accepted.length, outbox.rejected.length]).toEqual([600, 600]);
    // A few again: at 200 times as fast, what was taken of others is soon not recent. Five tries of each would be 3,588.
    expect(broker.published.length - before).toBeLessThan(2 * 598 + 600);
  });
});
