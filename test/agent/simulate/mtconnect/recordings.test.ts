/** Every recording can be served, and what comes back is what the file holds, counted by regular expressions of this file. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { documentFeed } from "../../../../agent/simulate/mtconnect/feeds/documents.ts";
import { shdrFeed, shdrSessions, type ShdrOptions } from "../../../../agent/simulate/mtconnect/feeds/shdr.ts";
import { readModel } from "../../../../agent/simulate/mtconnect/model.ts";
import { simulate, type Simulation } from "../../../../agent/simulate/mtconnect/start.ts";
import { capture, describeWithCaptures } from "../../../support/captures.ts";
import { attribute, fetchText, observations } from "./reading.ts";

const clock = systemClock();
const read = (file: string): string => readFileSync(capture(`mtconnect/${file}`), "utf8");

async function serving<T>(feed: Parameters<typeof simulate>[0], use: (simulation: Simulation) => Promise<T>): Promise<T> {
  const simulation = await simulate(feed, { clock, speed: "all" });
  try {
    return await use(simulation);
  } finally {
    await simulation.close();
  }
}
async function everything(url: string): Promise<Map<number, string>> {
  const all = new Map<number, string>();
  for (let from = ""; ;) {
    const { text } = await fetchText(`${url}/sample?count=9999${from === "" ? "" : `&from=${from}`}`);
    for (const [sequence, element] of observations(text)) all.set(sequence, element);
    from = attribute(text, "nextSequence");
    if (Number(from) > Number(attribute(text, "lastSequence"))) return new Map([...all].sort(([a], [b]) => a - b));
  }
}

describeWithCaptures("recorded documents", () => {
  it.each([
    [["nist-smstestbed/sample-page-395.xml", "nist-smstestbed/sample-page-396.xml", "nist-smstestbed/sample-page-397.xml"], undefined],
    [["nist-smstestbed/sample-page-395.xml", "nist-smstestbed/sample-page-396.xml", "nist-smstestbed/sample-page-397.xml"], "nist-smstestbed/devices-all.xml"],
    [["nist-smstestbed/sample-page-140.xml", "nist-smstestbed/sample-page-141.xml", "nist-smstestbed/sample-page-142.xml"], undefined],
    [["nist-smstestbed/sample-hurco04-01of20.xml"], "nist-smstestbed/devices-all.xml"],
    [["ffmfg/mazak_sample_chunk1.xml", "ffmfg/mazak_sample_chunk2.xml"], "ffmfg/mazak_probe.xml"],
    [["ladder99/sample-demo-1.7.xml"], undefined],
  ])("%j give back the same observations (model: %s)", async (files, probe) => {
    const documents = files.map((where) => ({ where, text: read(where) }));
    const held = new Map(documents.flatMap(({ text }) => [...observations(text)]));
    const feed = documentFeed(documents, probe === undefined ? undefined : { where: probe, text: read(probe) });
    await serving(feed, async ({ agent }) => {
      const served = await everything(agent.url);
      expect(served.size).toBe(held.size);
      expect(held.size).toBe(documents.reduce((sum, { text }) => sum + [...text.matchAll(/ sequence="/gu)].length, 0));
      // What has element children (data sets, messages) is compared by its attributes: the reader stops at the first child.
      expect([...served].filter(([sequence, element]) => held.get(sequence)?.trim() !== element.trim())).toEqual([]);
      const current = (await fetchText(`${agent.url}/current`)).text;
      expect(attribute(current, "instanceId")).toBe(attribute(documents[0]?.text ?? "", "instanceId"));
      const newest = Math.max(...documents.flatMap(({ text }) => [...text.matchAll(/ timestamp="([^"]+)"/gu)].map(([, stamp = ""]) => Date.parse(stamp))));
      expect(attribute(current, "creationTime")).toBe(`${new Date(newest).toISOString().slice(0, 19)}Z`);
    });
  });

  it("of two agent instances are refused", () => {
    const documents = ["nist-smstestbed/sample-page-142.xml", "nist-smstestbed/sample-page-395.xml"].map((where) => ({ where, text: read(where) }));
    expect(() => documentFeed(documents)).toThrow("2 agent instances");
  });
});

/** Observations a log holds, counted without the simulator: pairs, or conditions of five fields. */
function counted(text: string, skip: RegExp): number {
  let sum = 0;
  for (const line of text.split(/\r?\n/u)) {
    const fields = line.split("|");
    if (!/^\d{4}-/u.test(line) || fields.length < 3 || skip.test(fields[1] ?? "")) continue;
    sum += fields.length === 7 && /^(?:normal|warning|fault|unavailable)$/iu.test(fields[2] ?? "") ? 1 : Math.floor((fields.length - 1) / 2);
  }
  return sum;
}
const ASSETS = /^@|_asset_(?:chg|rem)$/u;

describeWithCaptures("adapter logs", () => {
  it.each([
    ["nist-smstestbed/GFAgie01-20161109-20161110.txt", "nist-smstestbed/devices-all.xml", "GFAgie01"],
    ["nist-smstestbed/Hurco01-20170809-20170810.txt", "nist-smstestbed/devices-all.xml", "Hurco01"],
    ["nist-smstestbed/Hurco02-20170124-20170125.txt", "nist-smstestbed/devices-2020.xml", "Hurco02"],
    ["nist-smstestbed/Hurco04-20170131-clean.txt", "nist-smstestbed/devices-all.xml", "Hurco04"],
    ["nist-smstestbed/Mazak03-20190626-20190627.txt", "nist-smstestbed/devices-2020.xml", "Mazak03"],
    ["nist-smstestbed/mtc_adapter007-first400-with-merge-markers.txt", "nist-smstestbed/devices-2020.xml", "Hurco03"],
    ["node-agent/Mazak01-adapter-noZ.log", "node-agent/Mazak01-devices.xml", "Mazak01"],
    ["node-agent/Mazak03-adapter-noZ.log", "node-agent/Mazak03-devices.xml", "Mazak03"],
  ])("%s is served whole, in order, for the right device", async (log, devices, name) => {
    const text = read(log);
    const options: ShdrOptions = { model: readModel(read(devices), devices), where: log };
    await serving(shdrFeed(text, options), async ({ agent, playback }) => {
      expect(playback.done).toBe(true);
      const served = await everything(agent.url);
      expect(served.size).toBe(counted(text, ASSETS) + assetItems(text, options));
      expect([...served.keys()]).toHaveLength(Math.max(...served.keys()));
      const page = (await fetchText(`${agent.url}/sample?count=1000`)).text;
      expect([...new Set([...page.matchAll(/<DeviceStream name="([^"]+)"/gu)].map(([, device]) => device))]).toEqual([name]);
    });
  });

  it("stamps without zone are served as they were", async () => {
    const devices = "node-agent/Mazak03-devices.xml";
    await serving(shdrFeed(read("node-agent/Mazak03-adapter-noZ.log"), { model: readModel(read(devices), devices), where: "log" }), async ({ agent }) => {
      const { text } = await fetchText(`${agent.url}/sample?count=10`);
      expect(text).toContain('timestamp="2017-10-29T02:29:43.271206"');
    });
  });

  it("the Okuma log is four sessions out of time order, each served by itself", async () => {
    const log = "cppagent/okuma-multus-adapter.txt";
    const devices = "cppagent/okuma-mazak-devices-2.7.xml";
    const text = read(log);
    expect(shdrSessions(text)).toBe(4);
    const firsts: string[] = [];
    for (const session of [1, 2, 3, 4]) {
      await serving(shdrFeed(text, { model: readModel(read(devices), devices, "OKUMA"), where: log, session }), async ({ agent }) => {
        const all = await everything(agent.url);
        const stamps = [...all.values()].map((element) => /timestamp="([^"]+)"/u.exec(element)?.[1] ?? "");
        // The adapter's own stamps step back by fractions of a second, never by a session.
        const back = stamps.slice(1).map((stamp, index) => Date.parse(stamps[index] ?? "") - Date.parse(stamp));
        expect(Math.max(...back)).toBeLessThan(1000);
        firsts.push(stamps[0]?.slice(11, 19) ?? "");
      });
    }
    expect(firsts).toEqual(["13:51:34", "13:37:18", "14:21:07", "13:57:41"]);
    expect(() => shdrFeed(text, { model: readModel(read(devices), devices), where: log, session: 5 })).toThrow("has 4 sessions, not 5");
  });
});

/** Agents add two asset items to each device; some models list them, some do not. */
function assetItems(text: string, { model }: ShdrOptions): number {
  const known = new Set(model.items.flatMap((item) => [item.id, item.name]));
  return text.split("\n").filter((line) => /_asset_(?:chg|rem)$/u.test(line.split("|")[1] ?? "") && known.has(line.split("|")[1] ?? "")).length;
}
