/** A broker that takes only small packets refuses loss records too: they arrive when it takes more, and say that they come again. */
import { expect, it } from "vitest";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { delivering, destinationAt, eventOf } from "../../../support/delivering.ts";
import { testPorts } from "../../../support/ports.ts";
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

it("and again on the same link, where the broker is put right meanwhile", async () => {
  let code = 0x99;
  await using broker = await startScriptedBroker({ publish: ({ retain }) => (retain ? 0 : code) });
  const outbox = open({ dataDir: temporaryDirectory(), destinations: [{ name: "bridge" }] });
  await outbox.commit(commitOf([record(1)], { observedAt: unixMs(Date.now()) }));
  const ports = testPorts({ network: systemClock(20) });
  await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
  const offered = (): number => broker.published.filter(({ text }) => text.includes("io.cellgate.loss")).length;
  while (offered() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  code = 0;
  while (outbox.status().destinations[0]?.waiting !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(running.links.filter(({ state }) => state === "up")).toHaveLength(1);
  expect(outbox.status().destinations[0]).toMatchObject({ dead: 1, replaying: 0 });
});
