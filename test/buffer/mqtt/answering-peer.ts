/** A real broker as the conformance suite's peer: a proxy before it fails at the n-th record, a subscriber at the broker itself sees what arrived. */
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { subscribe } from "../../support/broker.ts";
import { destinationAt, eventOf } from "../../support/delivering.ts";
import { testPorts } from "../../support/ports.ts";
import { startAnsweringProxy, type Passing } from "../../support/answering-proxy.ts";
import type { PeerAnswer, ScriptedPeer, StartPeer } from "../../conformance/destination.ts";

/** The watchdog waits this long for an acknowledgement. */
const STALLED_MS = 10_000;
const ANSWERS: Readonly<Record<PeerAnswer, Passing>> = { take: "pass", "refuse for good": 0x99, "take nothing for now": 0x80, silent: "silent", die: "die" };

/** `port` of the broker; each peer gets an agent id of its own, so that one test's retained values are not another's. */
export function answeringPeers(port: () => number, keys: object): StartPeer {
  return async (answer, stalledMs): Promise<ScriptedPeer> => {
    const subscriber = await subscribe(port(), "cellgate/+/+/+/+/+/rec/+");
    const proxy = await startAnsweringProxy(port(), (nth) => ANSWERS[answer(nth)]);
    const ports = testPorts(stalledMs === undefined ? {} : { network: systemClock(STALLED_MS / stalledMs) });
    return {
      destination: destinationAt(proxy.port, keys, ports),
      async received(atLeast) {
        await subscriber.until(({ length }) => length >= atLeast);
        return subscriber.received.map(({ text }) => eventOf(text).id.replace(/:1$/, ""));
      },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await subscriber[Symbol.asyncDispose]();
      },
    };
  };
}
