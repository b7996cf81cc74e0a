/** The driver against the recorded bytes of a reference agent, cut anywhere. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { capture, describeWithCaptures } from "../../support/captures.ts";
import { httpAnswer, rawServer, type RawAnswer } from "./raw-server.ts";
import { run, type Run, type RunOptions } from "./reading.ts";

const file = (name: string): Buffer => readFileSync(capture(`mtconnect/live-reference-agent/${name}`));

/** The recorded current values, made to belong to the instance and place where the recorded stream begins. */
function currentBefore(stream: string): Uint8Array {
  const instance = /instanceId="(\d+)"/u.exec(file(stream).toString("latin1"))?.[1] ?? "";
  const from = Math.min(...[...file(stream).toString("latin1").matchAll(/ sequence="(\d+)"/gu)].map(([, sequence]) => Number(sequence)));
  const current = file("current-2.7.http").toString("latin1").split("\r\n\r\n")[1] ?? "";
  const model = /deviceModelChangeTime="([^"]*)"/u.exec(file(stream).toString("latin1"))?.[1] ?? "";
  return httpAnswer(current.replace(/deviceModelChangeTime="[^"]*"/u, `deviceModelChangeTime="${model}"`).replace(/instanceId="\d+"/u, `instanceId="${instance}"`).replace(/nextSequence="\d+" firstSequence="\d+" lastSequence="\d+"/u, `nextSequence="${from}" firstSequence="1" lastSequence="${from - 1}"`));
}

async function replay(stream: string, pieces: readonly number[], ending: RawAnswer["ending"] = "hang", until?: RunOptions["until"]): Promise<Run & { readonly methods: readonly string[]; readonly targets: readonly string[] }> {
  const filtered = stream.includes("filtered");
  await using server = await rawServer(({ target }) => ({
    bytes: target.includes("/current") && !filtered ? currentBefore(stream) : file(target.includes("/probe") ? "probe-2.7.http" : target.includes("/current") ? "current-2.7.http" : stream),
    pieces, ending: target.includes("/sample") ? ending : "close",
  }));
  const result = await run({ url: server.url, device: "OKUMA", heartbeat: "100ms" }, until ? { until } : {});
  return { ...result, methods: server.requests.map(({ method }) => method), targets: server.requests.map(({ target }) => decodeURIComponent(target)) };
}

/** Independent of the driver: what the recording holds, by pattern on its text. */
function executions(name: string): readonly string[] {
  const text = file(name).toString("latin1").replaceAll(/\r\n[0-9a-f]+\r\n/gu, "");
  return [...text.matchAll(/<Execution [^>]*sequence="(\d+)"[^>]*>([^<]*)</gu)].map(([, sequence, value]) => `${sequence} ${value}`).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}
const ours = (result: Run, signal: string): readonly string[] => result.readings.filter((reading) => reading.signal === signal && !reading.initial).map(({ position, value }) => `${position} ${typeof value === "string" ? value : JSON.stringify(value)}`);

describeWithCaptures("recorded streams of the reference agent 2.7", () => {
  it("gives every execution of the filtered stream, whatever the pieces", async () => {
    const truth = executions("stream-filtered-2.7.http");
    expect(truth.length).toBeGreaterThan(10);
    for (const pieces of [[1 << 20], [1_000], [7, 1, 64, 3_000, 2], [1_447]]) {
      const result = await replay("stream-filtered-2.7.http", pieces, "hang", (_, all) => all.length === 82);
      expect(ours(result, "execution")).toEqual(truth);
    }
  });

  it("keeps the resume point of heartbeats, and asks with GET only", async () => {
    const result = await replay("stream-filtered-2.7.http", [4_096], "hang", (_, all) => all.length === 82);
    const nexts = result.batches.map(({ cursor }) => Number(cursor?.["next"]));
    expect(nexts.slice(0, 4)).toEqual([1_981, 1_981, 1_984, 2_498]);
    expect(nexts).toEqual([...nexts].sort((a, b) => a - b));
    expect(result.batches[2]).toMatchObject({ items: [], caughtUp: true, sourceNow: Date.UTC(2026, 10, 23, 11, 59, 28) });
    expect(new Set(result.methods)).toEqual(new Set(["GET"]));
    expect(result.targets.at(-1)).toMatch(/^\/OKUMA\/sample\?path=\/\/DataItem\[.*@category="CONDITION".*\]&from=1981&count=1000&interval=50&heartbeat=100$/u);
  });

  it("begins with initial values that carry their own old stamps", async () => {
    const result = await replay("stream-filtered-2.7.http", [65_536], "hang", (_, all) => all.length === 3);
    expect(result.batches[0]).toMatchObject({ items: [], caughtUp: false });
    const initial = result.batches[1]?.items ?? [];
    expect(initial.length).toBeGreaterThan(10);
    expect(initial.every((item) => item.kind === "reading" && item.initial === true && (item.position ?? 0) < 1_981)).toBe(true);
    expect(initial.find((item) => item.kind === "reading" && item.signal === "execution")).toMatchObject({ item: "Lpexecution", instance: "1795435164", path: 1 });
    expect(result.peer).toBe(`MTConnect agent 2.7.0.9 at ${new URL("http://" + result.peer.split(" at ")[1]?.split(",")[0]).host}, device OKUMA`);
  });

  it("says that the agent threw us out, after what it gave before", async () => {
    const result = await replay("stream-fell-behind-end-2.7.http", [1_000]);
    expect(result.error).toMatchObject({ fault: "lost" });
    expect(result.error?.message).toMatch(/INTERNAL_ERROR \(Client fell too far behind, disconnecting\) \(http:\/\/127.0.0.1:\d+\/OKUMA\/sample\?path=…&from=/u);
    expect(result.batches.length).toBeGreaterThan(20);
  });

  it("takes a stream that ends without its last chunk as lost", async () => {
    const result = await replay("stream-cut-by-shutdown-2.7.http", [8_192], "close");
    expect(result.error).toMatchObject({ fault: "lost" });
    expect(result.error?.message).toContain("ECONNRESET");
    expect(result.batches.length).toBeGreaterThan(2);
  });
});
