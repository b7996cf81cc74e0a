/** What comes back from the broker: which messages are handed on, and what becomes of the others. */
import { describe, expect, it } from "vitest";
import type { Delivery, Destination, DownlinkKind } from "../../../agent/contract/destination.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startAedes, startMosquitto, subscribe } from "../../support/broker.ts";
import { AGENT_PATH, destinationAt, put } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { manyRecords } from "../../support/sample-records.ts";
import { startScriptedBroker } from "../../support/scripted-broker.ts";

interface Listening {
  readonly delivery: Delivery;
  readonly heard: (readonly [DownlinkKind, string])[];
  readonly until: (count: number) => Promise<void>;
}
async function listening(destination: Destination): Promise<Listening> {
  const heard: (readonly [DownlinkKind, string])[] = [];
  let ring = (): void => undefined;
  const delivery = await destination.connect(new AbortController().signal, (kind, payload) => {
    heard.push([kind, Buffer.from(payload).toString()]);
    ring();
  });
  return {
    delivery, heard,
    async until(count) {
      while (heard.length < count) await new Promise<void>((resolve) => (ring = resolve));
    },
  };
}
const warned = async (delivery: Delivery, words: string): Promise<readonly string[]> => {
  for (let tries = 0; tries < 500; tries++) {
    if (delivery.warnings().some((warning) => warning.includes(words))) return delivery.warnings();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return delivery.warnings();
};
const topic = (kind: string): string => `${AGENT_PATH}/${kind}`;

describeNeeding(["mosquitto"], "downlinks through Mosquitto", () => {
  it.each([["5"], ["3.1.1"]])("come over protocol %s while records go out, each as it was sent", async (protocol) => {
    await using broker = await startMosquitto();
    await using bridge = await subscribe(broker.port, "cellgate/#");
    const { delivery, heard, until } = await listening(destinationAt(broker.port, { protocol }));
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(2_000));
    const sent = delivery.deliver(outbox.pending("bridge", 0, 2_000), new AbortController().signal);
    for (const kind of ["confirm", "replay", "cmd"]) await bridge.publish(topic(kind), `{"to":"${kind}"}`);
    await until(3);
    expect(heard).toEqual([["confirm", '{"to":"confirm"}'], ["replay", '{"to":"replay"}'], ["cmd", '{"to":"cmd"}']]);
    expect((await sent).accepted.length).toBe(2_000);
    await delivery.close();
  });

  it.each([["5"], ["3.1.1"]])("a request that was left at the broker is not heard over protocol %s", async (protocol) => {
    await using broker = await startMosquitto();
    await using bridge = await subscribe(broker.port, "cellgate/#");
    await bridge.publish(topic("replay"), "old", true);
    const { delivery, heard, until } = await listening(destinationAt(broker.port, { protocol }));
    await bridge.publish(topic("replay"), "new", true);
    await until(1);
    expect(heard).toEqual([["replay", "new"]]);
    await delivery.close();
  });
});

describe("downlinks through aedes", () => {
  it("a subscription that aedes denies is a warning that names the topic", async () => {
    await using broker = await startAedes({ authorizeSubscribe: (_, subscription, done) => { done(null, subscription.topic.endsWith("/replay") ? null : subscription); } });
    const { delivery } = await listening(destinationAt(broker.port));
    expect(await warned(delivery, "refused our subscription")).toContain(`The broker refused our subscription to ${topic("replay")}: unspecified error (0x80). Let this client read that topic.`);
    await delivery.close();
  });
});

describe("downlinks through a broker that does as it is told", () => {
  it("what is too large, on another topic, retained or too much is dropped and counted, and the rest is heard", async () => {
    await using broker = await startScriptedBroker({});
    const { delivery, heard, until } = await listening(destinationAt(broker.port));
    await broker.say(topic("confirm"), Buffer.alloc(16_384, 0x61));
    await broker.say(topic("confirm"), Buffer.alloc(16_385));
    await broker.say("elsewhere", "x");
    await broker.say(topic("cmd"), "old", { retain: true });
    await broker.say(topic("cmd"), "now", { qos: 0 });
    await until(2);
    expect(heard.map(([kind, text]) => [kind, text.length])).toEqual([["confirm", 16_384], ["cmd", 3]]);
    expect(delivery.warnings()).toEqual(["Messages from the broker were dropped unread: 1 larger than 16 kB, 1 on a topic we did not ask for, 1 retained, so an old request."]);
    while (broker.acknowledged < 4) await new Promise((resolve) => setTimeout(resolve, 5)); // All at QoS 1, dropped or not: the broker must not send them again.
    await delivery.close();
  });

  it("a flood of 20,000 is acknowledged whole and heard at a bounded rate", async () => {
    await using broker = await startScriptedBroker({});
    const { delivery, heard } = await listening(destinationAt(broker.port));
    const began = process.hrtime.bigint();
    for (let n = 0; n < 20_000; n++) await broker.say(topic("cmd"), '{"verb":"flood"}');
    while (broker.acknowledged < 20_000) await new Promise((resolve) => setTimeout(resolve, 5));
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    expect(heard.length).toBeLessThanOrEqual(101 + 100 * seconds);
    expect(delivery.warnings()[0]).toMatch(/\d+ too many at once/);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(10));
    expect((await delivery.deliver(outbox.pending("bridge", 0, 10), new AbortController().signal)).accepted.length).toBe(10);
    await delivery.close();
  });

  it("refused, unanswered and cut: each is a warning and no link is lost for it", async () => {
    await using refusing = await startScriptedBroker({ subscribe: () => [1, 0x87, 0x97] });
    const refused = await listening(destinationAt(refusing.port));
    expect(await warned(refused.delivery, "refused")).toEqual([
      `The broker refused our subscription to ${topic("replay")}: not authorised (0x87). Let this client read that topic.`,
      `The broker refused our subscription to ${topic("cmd")}: quota exceeded (0x97). Let this client read that topic.`,
    ]);
    await refused.delivery.close();

    await using mute = await startScriptedBroker({ subscribe: () => "silent" });
    const unanswered = await listening(destinationAt(mute.port, {}, testPorts({ network: systemClock(100) })));
    expect(await warned(unanswered.delivery, "has not answered our subscription")).toHaveLength(1);
    await unanswered.delivery.close();
  });

  it("a broker that breaks the connection off when asked is asked again only after ten minutes, and then heard when it answers", async () => {
    let isRude = true;
    await using broker = await startScriptedBroker({ subscribe: (filters) => (isRude ? "die" : filters.map(() => 1)) });
    const clock = systemClock();
    let askLater = (): void => undefined;
    const network = { ...clock, after: (ms: number, task: () => void) => {
      if (ms === 600_000) askLater = task;
      return clock.after(ms, task);
    } };
    const destination = destinationAt(broker.port, {}, testPorts({ network }));
    for (let link = 1; link <= 2; link++) await (await listening(destination)).delivery.lost;
    const without = await listening(destination);
    expect(without.delivery.warnings()).toEqual([expect.stringContaining(`Not yet subscribed to ${AGENT_PATH}/…`) as string]);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(10));
    expect((await without.delivery.deliver(outbox.pending("bridge", 0, 10), new AbortController().signal)).accepted.length).toBe(10);
    expect(broker.subscriptions.length).toBe(6);
    askLater();
    await without.delivery.lost;

    const later = await listening(destination);
    isRude = false;
    askLater();
    while (later.delivery.warnings().length > 0 || broker.subscriptions.length < 12) await new Promise((resolve) => setTimeout(resolve, 5));
    await broker.say(topic("cmd"), "{}");
    await later.until(1);
    await later.delivery.close();
    const again = await listening(destination);
    while (broker.subscriptions.length < 15) await new Promise((resolve) => setTimeout(resolve, 5));
    await again.delivery.close();
  });
});
