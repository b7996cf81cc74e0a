/** When the system clock is believed, on a fake clock with a scripted answer about its synchronisation. */
import { describe, expect, test } from "vitest";
import { createClockTrust, type ClockProbe } from "../../../../agent/runtime/time/clock-trust.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { testPorts } from "../../../support/ports.ts";

const NOT_BEFORE = unixMs(Date.UTC(2026, 10, 1));
const SHUTDOWN = Date.UTC(2026, 9, 20);
const NOW = Date.UTC(2026, 10, 27);

function trusting(startUnixMs: number, answer: () => Awaited<ReturnType<ClockProbe>>) {
  const clock = fakeClock(startUnixMs);
  const ports = testPorts({ clock, network: clock });
  const trust = createClockTrust({ waitMs: 300_000, notBefore: NOT_BEFORE, probe: () => Promise.resolve(answer()) }, ports);
  const stop = new AbortController();
  const watching = trust.watch(stop.signal);
  let isSettled = false;
  const settled = trust.settled(stop.signal).then(() => void (isSettled = true), () => undefined);
  return {
    clock, ports, trust, isSettled: () => isSettled,
    async end() {
      stop.abort(new Error("the test ends"));
      await clock.advance(0);
      await Promise.all([watching, settled]);
    },
  };
}

describe("clock trust", () => {
  test("a clock that the network has set is believed at once", async () => {
    const now = trusting(NOW, () => "set");
    await now.clock.advance(1);
    expect([now.trust.state(), now.isSettled()]).toEqual(["synchronised", true]);
    expect(now.ports.lines).toEqual([]);
    await now.end();
  });

  test("where nobody says, a plausible time is assumed to be right, and 1970 is not", async () => {
    const plausible = trusting(NOW, () => "unknown");
    await plausible.clock.advance(1);
    expect(plausible.trust.state()).toBe("assumed");
    await plausible.end();
    const epoch = trusting(60_000, () => "unknown");
    await epoch.clock.advance(10_000);
    expect([epoch.trust.state(), epoch.isSettled()]).toEqual(["waiting", false]);
    epoch.clock.stepWall(NOW);
    await epoch.clock.advance(1_000);
    expect([epoch.trust.state(), epoch.isSettled()]).toEqual(["assumed", true]);
    await epoch.end();
  });

  test("data waits until the clock is set, which may step it", async () => {
    let set = false;
    const late = trusting(SHUTDOWN, () => (set ? "set" : "not set"));
    await late.clock.advance(60_000);
    expect([late.trust.state(), late.isSettled()]).toEqual(["waiting", false]);
    set = true;
    late.clock.stepWall(NOW - SHUTDOWN);
    await late.clock.advance(1_000);
    expect([late.trust.state(), late.isSettled()]).toEqual(["synchronised", true]);
    await late.end();
  });

  test("a mark of synchronisation does not make a time before this release right", async () => {
    const odd = trusting(SHUTDOWN, () => "set");
    await odd.clock.advance(5_000);
    expect(odd.trust.state()).toBe("waiting");
    await odd.end();
  });

  test("after the wait it goes on and says so, once; and says when the clock is set at last", async () => {
    let set = false;
    const alone = trusting(NOW, () => (set ? "set" : "not set"));
    await alone.clock.advance(299_000);
    expect(alone.isSettled()).toBe(false);
    await alone.clock.advance(120_000);
    expect([alone.trust.state(), alone.isSettled()]).toEqual(["unsynchronised", true]);
    set = true;
    await alone.clock.advance(1_000);
    expect(alone.trust.state()).toBe("synchronised");
    expect(alone.ports.lines.map(({ level }) => level)).toEqual(["warn", "warn", "info"]);
    await alone.end();
  });

  test("a stop ends the wait", async () => {
    const stopped = trusting(SHUTDOWN, () => "not set");
    await stopped.clock.advance(1_000);
    await stopped.end();
    expect(stopped.isSettled()).toBe(false);
  });
});
