/** The simulated agent against the facts: paging, streams, heartbeats, limits, errors, conditions, faults. */
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { startMTConnectAgent, type SimulatedAgent, type SimulatedAgentOptions } from "../../../../agent/simulate/mtconnect/agent.ts";
import { shiftModel } from "../../../../agent/simulate/mtconnect/feeds/shift.ts";
import { attribute, fetchText, headerNames, observations, openStream, type OpenStream } from "./reading.ts";

const clock = systemClock();
let agent: SimulatedAgent | null = null;
const streams: OpenStream[] = [];

async function start(options: Partial<SimulatedAgentOptions> = {}): Promise<SimulatedAgent> {
  agent = await startMTConnectAgent({ model: shiftModel(), clock, schema: "2.7", ...options });
  return agent;
}
async function stream(url: string, raw?: (head: string) => void): Promise<OpenStream> {
  const opened = await openStream(url, raw);
  streams.push(opened);
  return opened;
}
async function untilOpen(of: SimulatedAgent, open: number): Promise<void> {
  await expect.poll(() => of.openStreams, { interval: 5 }).toBe(open);
}
const feeds = (of: SimulatedAgent, values: readonly (string | number)[]): void => of.push(values.map((value) => ({ item: "feed", at: Date.UTC(2026, 0, 5), value: String(value) })));
const texts = (document: string): string[] => [...observations(document)].sort(([a], [b]) => a - b).map(([, text]) => text.slice(text.indexOf(">") + 1));
const EXECUTION = `path=${encodeURIComponent('//DataItem[@type="EXECUTION"]')}`;

afterEach(async () => {
  for (const open of streams.splice(0)) open.close();
  await agent?.close();
  agent = null;
});

describe("samples", () => {
  it("chain page by page without a hole or a repeat, also when the ring has moved on", async () => {
    const served = await start({ bufferSize: 1000 });
    feeds(served, Array.from({ length: 2500 }, (_, index) => index));
    const seen: number[] = [];
    let from = "";
    for (;;) {
      const { text } = await fetchText(`${served.url}/sample?count=170${from === "" ? "" : `&from=${from}`}`);
      seen.push(...observations(text).keys());
      from = attribute(text, "nextSequence");
      if (Number(from) > Number(attribute(text, "lastSequence"))) break;
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => 1501 + index));
  });

  it("give 100 when no count is said, and an empty document from the next sequence", async () => {
    const served = await start();
    feeds(served, Array.from({ length: 150 }, (_, index) => index));
    expect(observations((await fetchText(`${served.url}/sample`)).text).size).toBe(100);
    const { status, text } = await fetchText(`${served.url}/sample?from=151`);
    expect([status, attribute(text, "nextSequence"), text.includes("<Streams/>")]).toEqual([200, "151", true]);
  });

  it("count only what the path selects, and nextSequence covers what was passed over", async () => {
    const served = await start();
    feeds(served, [1, 2]);
    served.push([{ item: "execution", at: "2026-01-05T06:00:00Z", value: "ACTIVE" }]);
    feeds(served, [3, 4]);
    const { text } = await fetchText(`${served.url}/sample?${EXECUTION}&count=5`);
    expect([texts(text), attribute(text, "nextSequence"), attribute(text, "firstSequence")]).toEqual([["ACTIVE"], "6", "1"]);
  });

  it("walk backwards with a negative count from 2.0 on", async () => {
    const served = await start();
    feeds(served, [1, 2, 3, 4]);
    const { text } = await fetchText(`${served.url}/sample?from=3&count=-2`);
    expect([texts(text), attribute(text, "nextSequence")]).toEqual([["2", "3"], "1"]);
  });

  it.each(["from=0", "from=99", "count=0", "count=131073", "heartbeat=1&interval=10"])("refuse %s as out of range", async (query) => {
    const served = await start();
    feeds(served, [1]);
    const { status, text } = await fetchText(`${served.url}/sample?${query}`);
    expect([status, text.includes('errorCode="OUT_OF_RANGE"')]).toEqual([400, true]);
  });
});

describe("paths", () => {
  it.each([
    ['//DataItem[@type="EXECUTION" or @type="PROGRAM"]', 2],
    ['//DataItem[@type="EXECUTION"]|//DataItem[@category="CONDITION"]', 4],
    ['//Device[@name="VMC-3"]//DataItem[@type="PATH_FEEDRATE_OVERRIDE" and @subType="RAPID"]', 1],
    ["//Device[@uuid='cellgate.simulator.VMC-3']//Rotary", 4],
    ['//*[@id="logic"]', 1],
    ["//Path/DataItems/DataItem[not(@category='EVENT')]", 3],
    ['//DataItem[contains(@type,"OVERRIDE")]', 3],
    ["//Controller//Path", 12],
  ])("%s selects %i items", async (path, items) => {
    const served = await start();
    served.loseAdapter();
    expect(observations((await fetchText(`${served.url}/current?path=${encodeURIComponent(path)}`)).text).size).toBe(items);
  });

  it.each(["//Foo", "//m:DataItem", "DataItem", "//DataItem[@type=", '//DataItem[@type="NOPE"]', "//DataItem[position()]"])("%s is INVALID_XPATH", async (path) => {
    const served = await start();
    const { status, text } = await fetchText(`${served.url}/current?path=${encodeURIComponent(path)}`);
    expect([status, text.includes('errorCode="INVALID_XPATH"')]).toEqual([400, true]);
  });
});

describe("current", () => {
  it("shows the state at any sequence still in the ring", async () => {
    const served = await start({ bufferSize: 3 });
    served.push([{ item: "program", at: 0, value: "O1" }]);
    feeds(served, [1, 2, 3, 4]);
    const { text } = await fetchText(`${served.url}/current?at=4`);
    expect(texts(text)).toEqual(["O1", "3"]);
    expect((await fetchText(`${served.url}/current?at=2`)).text).toContain("OUT_OF_RANGE");
  });

  it("holds several active conditions of one item, cleared one by one or all at once", async () => {
    const served = await start();
    const condition = (value: string, nativeCode?: string, text?: string): void => served.push([{ item: "logic", at: 0, value, ...(nativeCode === undefined ? {} : { nativeCode }), ...(text === undefined ? {} : { text }) }]);
    const active = async (): Promise<string[]> => [...(await fetchText(`${served.url}/current`)).text.matchAll(/<(Normal|Warning|Fault|Unavailable) [^>]*?(?:nativeCode="(\d+)")?[^>]*>/gu)].map(([whole, level = ""]) => `${level} ${/nativeCode="(\d+)"/u.exec(whole)?.[1] ?? "-"}`);
    condition("fault", "1", "first & <worst>");
    condition("Warning", "2");
    condition("FAULT", "2", "worse");
    expect(await active()).toEqual(["Fault 1", "Fault 2"]);
    condition("NORMAL", "1");
    expect(await active()).toEqual(["Fault 2"]);
    condition("FAULT", "3");
    condition("NORMAL");
    expect(await active()).toEqual(["Normal -"]);
    served.loseAdapter();
    expect(await active()).toEqual(["Unavailable -", "Unavailable -", "Unavailable -"]);
  });
});

describe("streams", () => {
  it("send what is there at once, then what comes, then empty heartbeats whose nextSequence moves on", async () => {
    const served = await start();
    served.push([{ item: "execution", at: 0, value: "READY" }]);
    const open = await stream(`${served.url}/sample?from=1&${EXECUTION}&interval=20&heartbeat=150`);
    expect(texts(await open.next() ?? "")).toEqual(["READY"]);
    served.push([{ item: "execution", at: 0, value: "ACTIVE" }]);
    expect(texts(await open.next() ?? "")).toEqual(["ACTIVE"]);
    feeds(served, [1, 2, 3]);
    const beat = await open.next() ?? "";
    expect([observations(beat).size, attribute(beat, "nextSequence")]).toEqual([0, "6"]);
  });

  it("catch up in parts of at most count, each beginning where the one before ended", async () => {
    const served = await start();
    feeds(served, Array.from({ length: 25 }, (_, index) => index));
    const open = await stream(`${served.url}/sample?from=1&count=10&interval=1000`);
    const parts = [await open.next(), await open.next(), await open.next()].map((part) => part ?? "");
    expect(parts.map((part) => [Math.min(...observations(part).keys()), observations(part).size, attribute(part, "nextSequence")])).toEqual([[1, 10, "11"], [11, 10, "21"], [21, 5, "26"]]);
  });

  it.each([
    { schema: "1.3", type: "multipart/x-mixed-replace", head: /^--[0-9a-f]{32}\r\nContent-type: text\/xml\r\nContent-length: \d+$/u, ending: ">\r\n" },
    { schema: "2.7", type: "multipart/mixed", head: /^--[0-9a-f-]{36}\r\nContent-Type: application\/xml\r\nContent-Length: \d+$/u, ending: ">" },
    { schema: "2.0", family: "net" as const, type: "multipart/x-mixed-replace", head: /^--[0-9a-f]{32}\r\nContent-type: text\/xml\r\nContent-length: \d+$/u, ending: ">\n\r\n" },
  ])("frame parts as $schema $family agents do", async ({ type, head, ending, ...options }) => {
    const served = await start(options);
    const heads: string[] = [];
    const open = await stream(`${served.url}/sample?interval=100&heartbeat=100`, (text) => heads.push(text));
    const part = await open.next() ?? "";
    expect(open.response.headers["content-type"]).toMatch(type);
    expect(heads[0]).toMatch(head);
    expect(part.endsWith(ending)).toBe(true);
    expect(part.trimEnd().endsWith("</MTConnectStreams>")).toBe(true);
  });

  it("end with an error part for a reader the ring has overtaken", async () => {
    const served = await start({ bufferSize: 10 });
    const open = await stream(`${served.url}/sample?interval=200&heartbeat=60000`);
    await open.next();
    feeds(served, Array.from({ length: 50 }, (_, index) => index));
    const last = await open.next() ?? "";
    expect(last).toContain('<InternalError errorCode="INTERNAL_ERROR">');
    expect(await open.next()).toBeNull();
  });

  it("end without their last chunk when the agent stops, and are cut by a restart", async () => {
    const served = await start();
    for (const fault of [() => served.endWithoutLastChunk(), () => served.restart("77")]) {
      const open = await stream(`${served.url}/sample?interval=20&heartbeat=60000`);
      await open.next();
      await untilOpen(served, 1);
      fault();
      await expect(open.next()).rejects.toThrow(/aborted|ECONNRESET|hang up/u);
      await untilOpen(served, 0);
    }
  });
});

describe("faults", () => {
  it("a pulled cable keeps sockets open and silent, and gives everything when it is back", async () => {
    const served = await start();
    const open = await stream(`${served.url}/sample?interval=10&heartbeat=50`);
    await open.next();
    served.pullCable("hang");
    feeds(served, [1, 2]);
    const parts = served.stats.parts;
    await expect(fetch(`${served.url}/current`, { signal: AbortSignal.timeout(150) })).rejects.toThrow("timeout");
    expect(served.stats.parts).toBe(parts);
    await served.plugCable();
    let seen: string[] = [];
    while (seen.length < 2) seen = [...seen, ...texts(await open.next() ?? "")];
    expect(seen).toEqual(["1", "2"]);
  });

  it("a cut cable resets what is open and refuses what is new, on the same port afterwards", async () => {
    const served = await start();
    const open = await stream(`${served.url}/sample?interval=10&heartbeat=60000`);
    await open.next();
    served.pullCable("cut");
    await expect(open.next()).rejects.toThrow(/ECONNRESET|aborted/u);
    await expect(fetch(`${served.url}/current`)).rejects.toThrow("fetch failed");
    await served.plugCable();
    expect((await fetchText(`${served.url}/current`)).status).toBe(200);
  });

  it("a restart begins a new instance at sequence 1 with everything unavailable", async () => {
    const served = await start({ instanceId: "1" });
    feeds(served, [1, 2, 3]);
    served.restart("2");
    const { text } = await fetchText(`${served.url}/sample?count=1000`);
    expect([attribute(text, "instanceId"), attribute(text, "firstSequence"), observations(text).size]).toEqual(["2", "1", shiftModel().items.length]);
    expect(new Set(texts(text))).toEqual(new Set(["UNAVAILABLE", ""]));
  });

  it("answers rubbish when told to, and counts what is not a GET", async () => {
    const served = await start();
    served.garbage();
    expect((await fetchText(`${served.url}/current`)).text.startsWith("<?xml")).toBe(false);
    expect((await fetchText(`${served.url}/current`)).text.startsWith("<?xml")).toBe(true);
    expect((await fetchText(`${served.url}/current`, { method: "HEAD" })).status).toBe(404);
    expect((await fetchText(`${served.url}/current`, { method: "POST", body: "x" })).status).toBe(400);
    expect([served.stats.nonGet, served.stats.writes]).toEqual([2, 1]);
  });

  it("compresses where asked to", async () => {
    const served = await start({ gzip: true });
    const { headers, text } = await fetchText(`${served.url}/probe`, { headers: { "accept-encoding": "gzip" } });
    expect([headers.get("content-encoding"), text.includes("</MTConnectDevices>")]).toEqual(["gzip", true]);
  });
});

describe("ages", () => {
  it.each([
    ["1.1", 200, /<Header [^>]*\/><Error errorCode="OUT_OF_RANGE">[^<]+<\/Error><\/MTConnectError>/u],
    ["1.3", 200, /<Errors><Error errorCode="OUT_OF_RANGE">[^<]+<\/Error><\/Errors>/u],
    ["2.0", 400, /<Errors><Error errorCode="OUT_OF_RANGE">[^<]+<\/Error><\/Errors>/u],
    ["2.6", 400, /<Errors><OutOfRange errorCode="OUT_OF_RANGE"><ErrorMessage>/u],
  ])("%s answers an error with status %i in its own form", async (schema, status, form) => {
    const served = await start({ schema });
    const answer = await fetchText(`${served.url}/sample?from=5`);
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(form);
    expect(answer.text).toContain(`xmlns="urn:mtconnect.org:MTConnectError:${schema}"`);
  });

  it("1.x refuses at with interval; 2.7 streams and ignores it", async () => {
    const old = await start({ schema: "1.3" });
    feeds(old, [1]);
    expect((await fetchText(`${old.url}/current?at=1&interval=100`)).text).toContain("INVALID_REQUEST");
    await old.close();
    const served = await start();
    feeds(served, [1]);
    const open = await stream(`${served.url}/current?at=1&interval=20`);
    expect(texts(await open.next() ?? "")).toEqual(["1"]);
    expect(headerNames(await open.next() ?? "")).toContain("nextSequence");
  });
});
