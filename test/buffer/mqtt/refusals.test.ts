/** Which refused records are tried again, and which are given up; and that one denied type does not hold up the others. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/clock.ts";
import { Refusals } from "../../../buffer/mqtt/refusals.ts";
import { delivering, destinationAt, eventOf, put } from "../../support/delivering.ts";
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
    const refusals = new Refusals(clock);
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
    const refusals = new Refusals(clock);
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

  it("a backlog of a denied type does not take five tries of each", async () => {
    await using broker = await startScriptedBroker({ publish: ({ topic }) => (topic.endsWith("/rec/state") ? DENIED : 0) });
    const outbox = memoryOutbox();
    for (let n = 0; n < 3_000; n++) await put(outbox, [{ ...SAMPLES.state, id: `s-${n}` }, { ...SAMPLES.cycle, id: `c-${n}` }]);
    const ports = testPorts({ network: systemClock(200) });
    await using _ = delivering(destinationAt(broker.port, { window: 100 }, ports), outbox, { ports });
    await outbox.drained();
    expect([outbox.accepted.length, outbox.rejected.length]).toEqual([3_000, 3_000]);
    // What was sent before the topic was known to be denied takes its tries; what comes after is sent once, and holds up nothing.
    const sends = Map.groupBy(broker.published, ({ text }) => eventOf(text).seq);
    expect(outbox.rejected.filter(({ seq }) => sends.get(seq)?.length === 1).length).toBeGreaterThan(100);
  }, 30_000);
});
