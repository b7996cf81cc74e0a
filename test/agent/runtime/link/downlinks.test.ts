import { describe, expect, it } from "vitest";
import type { DownlinkKind } from "../../../../agent/contract/destination.ts";
import { StoreError } from "../../../../agent/contract/errors.ts";
import { Downlinks, type DownlinkParts } from "../../../../agent/runtime/link/downlinks.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { testPorts } from "../../../support/ports.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const confirm = (through: number, change: object = {}): Uint8Array => utf8(JSON.stringify({ destination: "bridge", epoch: "e1", through, ...change }));

function receiving(outbox: Partial<DownlinkParts["outbox"]> = {}) {
  const clock = fakeClock();
  const ports = testPorts({ network: clock });
  const calls: unknown[][] = [];
  const called = (...what: unknown[]) => {
    calls.push(what);
    return { ok: true, rows: 1 } as const;
  };
  const downlinks = new Downlinks({
    destination: "bridge", ports,
    outbox: { confirm: (...args) => called("confirm", ...args), replay: (...args) => called("replay", ...args), ...outbox },
    commands: { heartbeat: () => void called("heartbeat") },
  });
  return { clock, ports, calls, downlinks };
}

describe("messages from the broker", () => {
  it("a confirm, a replay and a command reach their ends", () => {
    const { calls, downlinks } = receiving();
    downlinks.take("confirm", confirm(12));
    downlinks.take("replay", utf8('{"epoch":"e1","from":3,"to":9}'));
    downlinks.take("replay", utf8('{"destination":"bridge","epoch":"e1","from":3,"to":3}'));
    downlinks.take("cmd", utf8('{"verb":"heartbeat"}'));
    expect(calls).toEqual([["confirm", "bridge", "e1", 12], ["replay", "bridge", "e1", 3, 9], ["replay", "bridge", "e1", 3, 3], ["heartbeat"]]);
    expect(downlinks.status()).toEqual({ accepted: { confirm: 1, replay: 2, cmd: 1 }, refused: { confirm: 0, replay: 0, cmd: 0 }, lastRefusals: [] });
  });

  it.each<readonly [DownlinkKind, string | Uint8Array, RegExp]>([
    ["confirm", "", /JSON/],
    ["confirm", "null", /found nothing/],
    ["confirm", "[]", /found a list/],
    ["confirm", '{"destination":"bridge","epoch":"e1"}', /"through" is missing/],
    ["confirm", '{"destination":"bridge","epoch":"e1","through":-1}', /from 0/],
    ["confirm", '{"destination":"bridge","epoch":"e1","through":1e300}', /whole number/],
    ["confirm", '{"destination":"bridge","epoch":"e1","through":"7"}', /found the text "7"/],
    ["confirm", '{"destination":"bridge","epoch":"e1","through":7,"path":"/etc/passwd"}', /unknown key "path"/],
    ["confirm", '{"destination":"bridge","epoch":"e1","through":7,"__proto__":{"admin":true}}', /unknown key "__proto__"/],
    ["confirm", '{"__proto__":{"destination":"bridge","epoch":"e1","through":7}}', /missing/],
    ["confirm", '{"constructor":{"prototype":{"x":1}}}', /unknown key "constructor"/],
    ["confirm", '{"destination":"another","epoch":"e1","through":7}', /names the destination "another", and came through bridge/],
    ["confirm", `{"destination":"bridge","epoch":"${"e".repeat(65)}","through":7}`, /at most 64 characters/],
    ["confirm", new Uint8Array([0x7b, 0xff, 0xfe]), /encoded data was not valid|utf-8/i],
    ["confirm", new Uint8Array(16 * 1024 + 1).fill(0x20), /16385 bytes, more than 16384/],
    ["confirm", "[".repeat(16_000), /nested deeper than 8/],
    ["confirm", `{"a":${"[".repeat(8)}${"]".repeat(8)}}`, /nested deeper than 8/],
    ["confirm", '{"destination":"[[[[[[[[[[\\"[[[[","epoch":"e1","through":7}', /came through bridge/],
    ["replay", '{"epoch":"e1","from":9,"to":3}', /from 9 lies behind to 3/],
    ["replay", '{"epoch":"e1","from":0,"to":3}', /from 1/],
    ["cmd", '{"verb":"update"}', /found the text "update", expected one of heartbeat/],
    ["cmd", '{"verb":"toString"}', /expected one of heartbeat/],
    ["cmd", '{"verb":"heartbeat","url":"http://x"}', /unknown key "url"/],
  ])("%s %s is refused with a reason", (kind, payload, reason) => {
    const { calls, downlinks, ports } = receiving();
    downlinks.take(kind, typeof payload === "string" ? utf8(payload) : payload);
    expect(calls).toEqual([]);
    expect(downlinks.status().refused[kind]).toBe(1);
    expect(downlinks.status().lastRefusals).toEqual([expect.stringMatching(reason)]);
    expect(ports.lines).toMatchObject([{ level: "warn", fields: { kind } }]);
  });

  it("what the buffer refuses, or fails at, is a refusal", () => {
    const { downlinks } = receiving({ confirm: () => ({ ok: false, reason: "epoch e1 is not this buffer's" }), replay: () => {
      throw new StoreError("closed", "the buffer is closed");
    } });
    downlinks.take("confirm", confirm(1));
    downlinks.take("replay", utf8('{"epoch":"e1","from":3,"to":9}'));
    expect(downlinks.status()).toMatchObject({ refused: { confirm: 1, replay: 1 }, lastRefusals: ["confirm: epoch e1 is not this buffer's", "replay: the buffer is closed"] });
  });

  it("confirms beyond the rate wait, and the newest counts", async () => {
    const { calls, clock, downlinks } = receiving();
    for (let through = 1; through <= 1_000; through++) downlinks.take("confirm", confirm(through));
    expect(calls).toHaveLength(50);
    await clock.advance(1_000);
    expect(calls.slice(50)).toEqual([["confirm", "bridge", "e1", 1_000]]);
    expect(downlinks.status().refused.confirm).toBe(0);
  });

  it("replays and commands beyond their rate are refused", async () => {
    const { calls, clock, downlinks } = receiving();
    const flood = (): void => {
      for (let nth = 0; nth < 100; nth++) {
        downlinks.take("replay", utf8('{"epoch":"e1","from":3,"to":9}'));
        downlinks.take("cmd", utf8('{"verb":"heartbeat"}'));
      }
    };
    flood();
    expect(calls).toHaveLength(6);
    await clock.advance(10_000);
    flood();
    expect(calls).toHaveLength(8);
    expect(downlinks.status().lastRefusals).toEqual(["replay: more often than 0.1 a second", "cmd: more often than 1 a second"]);
  });

  it("a second of a thousand hostile messages costs little, keeps little and says little", () => {
    const { downlinks, ports } = receiving();
    const hostile = [utf8("[".repeat(16_000)), utf8(`{${Array.from({ length: 2_000 }, (_, at) => `"k${at}":1`).join(",")}}`.slice(0, 16_000)), new Uint8Array(1_000_000), utf8('{"verb":"\u001b[31m\u202eexec"}'), utf8("\u0000\u0007")];
    for (let nth = 0; nth < 20_000; nth++) for (const kind of ["confirm", "replay", "cmd"] as const) downlinks.take(kind, hostile[nth % hostile.length] ?? new Uint8Array());
    const { refused, accepted, lastRefusals } = downlinks.status();
    expect(accepted).toEqual({ confirm: 0, replay: 0, cmd: 0 });
    expect(refused.replay + refused.cmd).toBe(40_000);
    expect(ports.lines.length).toBeLessThanOrEqual(15);
    expect(lastRefusals.length).toBeLessThanOrEqual(5);
    for (const reason of lastRefusals) expect(reason).toMatch(/^[^\p{C}]{1,200}$/u);
  });
});
