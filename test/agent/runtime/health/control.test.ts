import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askAgent, controlSocketOf, serveControl, type Reply, type Request } from "../../../../agent/runtime/health/control.ts";
import { controlVerbs } from "../../../../agent/runtime/health/control-verbs.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { memoryOutbox } from "../../../support/memory-outbox.ts";
import { testPorts } from "../../../support/ports.ts";

const forever = new AbortController().signal;
const network = systemClock();
let dataDir = "";
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), "cellgate-control-"))));
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

async function serving(answer: (request: Request) => Reply, ports = testPorts()): Promise<AsyncDisposable> {
  const stopping = new AbortController();
  const served = serveControl({ dataDir, ports, answer }, stopping.signal);
  while ((await askAgent(dataDir, { verb: "ready?" }, network, forever)) === null) await new Promise((resolve) => setImmediate(resolve));
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error("test over"));
      await served;
    },
  };
}
/** What comes back for these bytes, whatever they are; empty when the agent just closes. */
async function raw(bytes: string | Buffer): Promise<string> {
  const socket = connect({ path: controlSocketOf(dataDir) });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
  socket.end(bytes);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

describe("the control socket", () => {
  it("answers one line with one line, is for owner and group only, and is gone afterwards", async () => {
    {
      await using _ = await serving(({ verb, ...args }) => ({ ok: true, result: { verb, args } }));
      expect(await askAgent(dataDir, { verb: "x", from: 1 }, network, forever)).toEqual({ ok: true, result: { verb: "x", args: { from: 1 } } });
      expect(statSync(controlSocketOf(dataDir)).mode & 0o777).toBe(0o660);
    }
    expect(existsSync(controlSocketOf(dataDir))).toBe(false);
    expect(await askAgent(dataDir, { verb: "x" }, network, forever)).toBeNull();
  });

  it("takes the place of what a killed agent left, socket or file", async () => {
    writeFileSync(controlSocketOf(dataDir), "stale");
    expect(await askAgent(dataDir, { verb: "x" }, network, forever)).toBeNull();
    await using _ = await serving(() => ({ ok: true, result: 1 }));
    expect(await askAgent(dataDir, { verb: "x" }, network, forever)).toEqual({ ok: true, result: 1 });
  });

  it("refuses what is no request with a reason, and lives on", async () => {
    await using _ = await serving(() => {
      throw new Error("the disk is gone");
    });
    for (const [bytes, reason] of [
      ["nonsense\n", /JSON/], ["[]\n", /with a verb/], ['{"verb":7}\n', /with a verb/], ["null\n", /with a verb/], ["\u0000\n", /JSON/],
      [`${"x".repeat(70_000)}\n`, /at most 65536 bytes/], [`${"[".repeat(60_000)}\n`, /JSON/], ['{"verb":"status"}\n', /the disk is gone/],
    ] as const) {
      const reply = JSON.parse(await raw(bytes)) as Reply;
      expect(reply).toMatchObject({ ok: false, reason: expect.stringMatching(reason) as string });
    }
    expect(await raw("no end of line")).toBe("");
    expect(await raw("")).toBe("");
  });

  it("tells whoever comes while eight are served what to do", async () => {
    await using _ = await serving(() => ({ ok: true, result: 1 }));
    const silent = Array.from({ length: 8 }, () => connect({ path: controlSocketOf(dataDir) }).on("error", () => undefined));
    await Promise.all(silent.map((socket) => once(socket, "connect")));
    await expect(askAgent(dataDir, { verb: "x" }, network, forever)).rejects.toThrow(/serves 8 commands at once; try again in 5 s/);
    for (const socket of silent) socket.destroy();
  });

  it("serves eight at once, and one that stays silent is let go", async () => {
    const ports = testPorts({ network: systemClock(50) });
    await using _ = await serving(() => ({ ok: true, result: 1 }), ports);
    const silent = Array.from({ length: 8 }, () => connect({ path: controlSocketOf(dataDir) }).on("error", () => undefined));
    await Promise.all(silent.map((socket) => once(socket, "close")));
    expect(await askAgent(dataDir, { verb: "x" }, network, forever)).toEqual({ ok: true, result: 1 });
  });

  it("where there can be none it says so, and the agent runs on", async () => {
    const ports = testPorts();
    await serveControl({ dataDir: join(dataDir, "x".repeat(100)), ports, answer: () => ({ ok: true, result: 1 }) }, forever);
    await serveControl({ dataDir: join(dataDir, "missing"), ports, answer: () => ({ ok: true, result: 1 }) }, forever);
    expect(ports.lines.map(({ level, sentence }) => [level, /data_dir is too long|cannot be made/.test(sentence)])).toEqual([["warn", true], ["warn", true]]);
  });
});

describe("the control verbs", () => {
  const asked: unknown[][] = [];
  const answer = controlVerbs({
    outbox: { ...memoryOutbox(), replay: (...args) => {
      asked.push(args);
      return { ok: true, rows: 3 };
    }, release: () => ({ ok: false, reason: "there is no such range" }) },
    destinations: ["bridge"], health: () => ({ status: "online" }),
    sources: { list: () => [], registers: (machine, question) => Promise.resolve({ rows: [{ address: question.address, values: { u16: "7" } }], refused: [machine] }) },
  });

  it("say what was done, or why nothing was", () => {
    expect(answer({ verb: "status" })).toEqual({ ok: true, result: { status: "online" } });
    expect(answer({ verb: "buffer.replay", destination: "bridge", from: 4, to: 6 })).toEqual({ ok: true, result: { rows: 3 } });
    expect(answer({ verb: "buffer.replay", destination: "bridge", from: 4, epoch: "old" })).toEqual({ ok: true, result: { rows: 3 } });
    expect(asked).toEqual([["bridge", "epoch-1", 4, 6], ["bridge", "old", 4, 4]]);
    expect(answer({ verb: "buffer.release", destination: "bridge", fromSeq: 4 })).toEqual({ ok: false, reason: "there is no such range" });
  });

  it("ask a device only in the words of one register", async () => {
    expect(answer({ verb: "sources" })).toEqual({ ok: true, result: [] });
    expect(await answer({ verb: "source.registers", machine: "M1", unit: 1, table: "holding", address: 40 })).toEqual({ ok: true, result: { rows: [{ address: 40, values: { u16: "7" } }], refused: ["M1"] } });
  });

  it.each([
    [{ verb: "source.registers", machine: "M1", unit: 1, table: "coil", address: 40 }, /"coil"/],
    [{ verb: "source.registers", machine: "M1", unit: 1, table: "holding", address: 65_536 }, /65535/],
    [{ verb: "source.registers", machine: "M1", unit: 1, table: "holding", address: 1, value: 7 }, /unknown key "value"/],
    [{ verb: "shutdown" }, /unknown verb "shutdown"; there are status, buffer\.status, buffer\.replay/],
    [{ verb: "__proto__" }, /unknown verb/], [{ verb: "constructor" }, /unknown verb/],
    [{ verb: "status", now: true }, /unknown key "now", expected no keys/],
    [{ verb: "buffer.replay", destination: "bridge" }, /"from" is missing/],
    [{ verb: "buffer.replay", destination: "bridge", from: 0 }, /whole number from 1/],
    [{ verb: "buffer.replay", destination: "brigde", from: 1 }, /no destination "brigde"; there is bridge/],
    [{ verb: "buffer.dead", limit: 100_000 }, /from 1 to 1000/],
    [JSON.parse('{"verb":"buffer.purge","__proto__":{"destination":"bridge","fromSeq":1}}') as Request, /unknown key "__proto__"/],
  ] as const)("refuse %j", (request, reason) => {
    expect(answer(request)).toMatchObject({ ok: false, reason: expect.stringMatching(reason) as string });
  });
});
