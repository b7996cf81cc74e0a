/** A broker that takes only small packets refuses loss records too: they arrive when it takes more, and say that they come again. */
import { expect, it } from "vitest";
import { unixMs } from "../../../../agent/contract/time.ts";
import { delivering, destinationAt, eventOf } from "../../../support/delivering.ts";
import { startScriptedBroker } from "../../../support/scripted-broker.ts";
import { commitOf, record } from "../../../buffer/records.ts";
import { open, temporaryDirectory } from "../../../buffer/support.ts";

it("a loss record that one link refuses is sent by the next, without anybody asking", async () => {
  let largest = 600;
  await using broker = await startScriptedBroker({ get maximumPacketSize() { return largest; } });
  const outbox = open({ dataDir: temporaryDirectory(), destinations: [{ name: "bridge" }] });
  await outbox.commit(commitOf([record(1, "state", { text: "x".repeat(700) }), record(2, "state", { text: "x".repeat(700) })], { observedAt: unixMs(Date.now()) }));
  await using _ = delivering(destinationAt(broker.port), outbox);
  const waiting = (): number | undefined => outbox.status().destinations[0]?.waiting;
  // The rows are dead; their loss record, refused too, waits.
  while (outbox.status().destinations[0]?.replaying !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
  const events = (): readonly Readonly<Record<string, unknown>>[] => broker.published.filter(({ text }) => text.includes('"seq":')).map(({ text }) => eventOf(text));
  expect(events()).toEqual([]);
  largest = 60_000;
  broker.hangUp();
  while (waiting() !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(events()).toMatchObject([{ seq: 3, prev: 2, replay: true, data: { reason: "oversize", fromSeq: 1, toSeq: 2, count: 2 } }]);
});
