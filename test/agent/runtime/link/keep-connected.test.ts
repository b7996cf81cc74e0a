import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { LinkError, StoreError } from "../../../../agent/contract/errors.ts";
import type { Link } from "../../../../agent/contract/source.ts";
import { keepConnected, type Holding } from "../../../../agent/runtime/link/keep-connected.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { testPorts } from "../../../support/ports.ts";

type Session = (holding: Holding, holdMs: (ms: number) => Promise<void>) => Promise<LinkError>;
const lost = new LinkError("lost", "backoff", "gone");

function keeping(session: Session) {
  const clock = fakeClock();
  const ports = testPorts({ network: clock });
  const links: Link[] = [];
  const stopping = new AbortController();
  const ended = keepConnected({
    what: "test link", firstMs: 1_000, maximumMs: 8_000, ports, onLink: (link) => void links.push(link),
    session: (holding, signal) => session(holding, (ms) => clock.sleep(ms, signal)),
  }, stopping.signal);
  return { clock, ports, links, stopping, ended, waits: () => links.flatMap((link) => (link.state === "down" ? [link.retryInMs] : [])) };
}

describe("the loop that keeps a link", () => {
  it("waits longer each time while the link does not prove itself: not there, lost at once, or held long without anything", async () => {
    let sessions = 0;
    const { clock, waits, stopping, ended } = keeping(async (holding, hold) => {
      sessions += 1;
      if (sessions % 3 === 0) throw lost;
      holding.up("peer");
      if (sessions % 3 === 1) holding.worked();
      await hold(sessions % 3 === 1 ? 9_000 : 59_000);
      return lost;
    });
    await clock.advance(200_000);
    expect(waits().slice(0, 6)).toEqual([750, 1_500, 3_000, 6_000, 6_000, 6_000]);
    stopping.abort(new Error("over"));
    await ended;
  });

  it.each([["worked and held ten seconds", true, 10_000], ["held a minute", false, 60_000]] as const)("begins anew once it has %s", async (_, works, holdsMs) => {
    let sessions = 0;
    const { clock, waits, stopping, ended } = keeping(async (holding, hold) => {
      sessions += 1;
      if (sessions !== 4) throw lost;
      holding.up("peer");
      if (works) holding.worked();
      await hold(holdsMs);
      return lost;
    });
    await clock.advance(100_000);
    expect(waits().slice(0, 5)).toEqual([750, 1_500, 3_000, 750, 1_500]);
    stopping.abort(new Error("over"));
    await ended;
  });

  it("waits as long as the other side asks, never less than its own series", async () => {
    const { clock, waits, stopping, ended } = keeping(() => Promise.reject(new LinkError("refused", { afterMs: 2_000 }, "busy")));
    await clock.advance(20_000);
    expect(waits().slice(0, 4)).toEqual([2_000, 2_000, 3_000, 6_000]);
    stopping.abort(new Error("over"));
    await ended;
  });

  it("ends when trying again is useless", async () => {
    const { links, ended } = keeping(() => Promise.reject(new LinkError("unsupported", "never", "wrong device")));
    await ended;
    expect(links).toEqual([{ state: "connecting", attempt: 1 }, { state: "stopped", fault: "unsupported", message: "wrong device" }]);
  });

  it("a bug is told with its stack, and waits a minute", async () => {
    const { clock, links, ports, stopping, ended } = keeping(() => Promise.reject(new TypeError("x is not a function")));
    await clock.advance(1);
    expect(links.at(-1)).toMatchObject({ state: "down", fault: "internal", retryInMs: 60_000, message: "internal error in the test link: x is not a function" });
    expect(ports.lines).toMatchObject([{ level: "error", fields: { stack: expect.stringContaining("TypeError") as string } }]);
    stopping.abort(new Error("over"));
    await ended;
  });

  it.each(["full", "io", "read-only"] as const)("a buffer that is %s is waited for", async (fault) => {
    const { clock, links, stopping, ended } = keeping(() => Promise.reject(new StoreError(fault, "not now")));
    await clock.advance(1);
    expect(links.at(-1)).toMatchObject({ state: "down", retryInMs: 5_000 });
    stopping.abort(new Error("over"));
    await ended;
  });

  it.each(["corrupt", "closed", "replaced", "locked", "newer-version"] as const)("a buffer that is %s ends it", async (fault) => {
    await expect(keeping(() => Promise.reject(new StoreError(fault, "no"))).ended).rejects.toMatchObject({ fault });
  });

  it("leaves no listener behind", async () => {
    const { clock, links, stopping, ended } = keeping(() => Promise.reject(lost));
    await clock.advance(8_000 * 200);
    expect(links.length).toBeGreaterThan(400);
    expect(getEventListeners(stopping.signal, "abort").length).toBeLessThanOrEqual(1);
    stopping.abort(new Error("over"));
    await ended;
    expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
    expect(links.at(-1)).toEqual({ state: "stopped" });
  });
});
