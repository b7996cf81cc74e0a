/**
 * Mutated streams and documents into everything that decodes them: no crash but a clear LinkError, no hang, memory
 * bounded. FUZZ_INPUTS sets how many (20,000 by default; a million by hand), FUZZ_SEED which ones.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { decodeDocument } from "../../../protocols/mtconnect/document.ts";
import { selectItems, type ChosenItem } from "../../../protocols/shared/mtconnect/items.ts";
import { MultipartDecoder } from "../../../protocols/mtconnect/multipart.ts";
import { bufferHeader, decodePosition, encodePosition, resumeAt, startOf, strayed, type Position } from "../../../protocols/mtconnect/position.ts";
import { decodeModel } from "../../../protocols/shared/mtconnect/probe.ts";
import { readingsOf } from "../../../protocols/mtconnect/readings.ts";
import { capture, describeWithCaptures } from "../../support/captures.ts";
import { seeded } from "../../support/seeded.ts";

const INPUTS = Number(process.env["FUZZ_INPUTS"] ?? 20_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_105);

const TOKENS = [
  "--b\r\n", "--b--\r\n", "\r\n", "\n", "\r\n\r\n", "Content-length: ", "Content-length: 99999999999", "Content-length: -1", "Content-length: 0\r\n\r\n", "\ufeff", "\0", "<", ">", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE a [", "<?", "?>", "&", "&#0;", "&#x110000;", "&amp;", "\"", "'", "=",
  "<MTConnectStreams>", "</MTConnectStreams>", "<MTConnectError>", "<Error errorCode=\"OUT_OF_RANGE\">", "<Fault dataItemId=\"sys\" sequence=\"5\" nativeCode=\"1\">", " sequence=\"18446744073709551616\"", " sequence=\"-1\"", " nextSequence=\"0\"", " firstSequence=\"9007199254740993\"", " instanceId=\"\"", "UNAVAILABLE", "2016-02-30T25:61:61Z", "\xff\xfe", "é\u{1f600}", "<a>".repeat(70), " a=\"\"".repeat(70), "9".repeat(400),
];

function mutated(seeds: readonly Buffer[], random: () => number): Buffer {
  const whole = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(from: readonly T[]): T => from[whole(from.length)] as T;
  let bytes = Buffer.from(pick(seeds));
  for (let turn = 1 + whole(6); turn > 0; turn--) {
    const at = whole(bytes.length + 1);
    const length = whole(Math.min(bytes.length - at, 200) + 1);
    const kind = whole(6);
    if (kind === 0 && bytes.length > 0) bytes[whole(bytes.length)] = whole(256);
    if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(TOKENS)), bytes.subarray(at)]);
    if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), pick(seeds).subarray(whole(500))]);
    if (kind === 5) bytes = bytes.subarray(0, bytes.length - (random() < 0.3 ? length : 0));
  }
  return bytes;
}

describeWithCaptures(`${INPUTS} mutated inputs, FUZZ_SEED=${SEED}`, () => {
  it("give readings or a clear error", async () => {
    const random = seeded(SEED);
    const raw = (name: string): string => readFileSync(capture(`mtconnect/live-reference-agent/${name}`)).toString("latin1").split("\r\n\r\n").slice(1).join("\r\n\r\n");
    const streamed = raw("stream-filtered-2.7.http").replaceAll(/\r\n[0-9a-f]{1,4}\r\n(?=--)/gu, "").replaceAll(/^[0-9a-f]{1,4}\r\n/gu, "");
    const boundary = /--([0-9a-f-]{36})/u.exec(streamed)?.[1] ?? "";
    const parts = streamed.split(`--${boundary}`).slice(1).map((part) => `--b${part}`);
    const documents = [raw("error-from-too-old-2.7.http"), raw("error-two-parameters-2.7.http"), raw("sample-empty-2.7.http"), readFileSync(capture("mtconnect/ladder99/sample-demo-1.7.xml"), "latin1").slice(0, 4_000),
      "<MTConnectStreams><Header instanceId='1' firstSequence='1' lastSequence='9' nextSequence='10'/><Streams><DeviceStream name='M' uuid='u'><ComponentStream><Condition><Fault dataItemId='sys' sequence='5' nativeCode='1'>a</Fault><Normal dataItemId='sys' sequence='6'/></Condition></ComponentStream></DeviceStream></Streams></MTConnectStreams>"];
    const seeds = [...parts.filter((part) => part.length < 3_000 && part.includes("dataItemId")).slice(0, 12), `${parts[0]}`, `${parts[3]}${parts[4]}${parts[5]}`, ...documents.map((text) => `--b\r\nContent-length: ${text.length}\r\n\r\n${text}\r\n--b\r\n\r\n${text}\r\n--b--\r\n`)].map((text) => Buffer.from(text, "latin1"));
    const model = await decodeModel(Buffer.from(raw("probe-2.7.http"), "latin1"), "probe");
    const { items, lookup } = selectItems(model, { device: "OKUMA" }, "it");
    const sys: ChosenItem = { ...(items[0] as ChosenItem), id: "sys", signal: "alarm", value: "condition" };
    const all = (id: string): ChosenItem | null => (id === "sys" ? sys : lookup(id, null, null));

    const told = { readings: 0, errors: new Map<string, number>() };
    let slowestMs = 0;
    let shortest = Infinity;
    const heapBefore = process.memoryUsage().heapUsed;
    for (let input = 0; input < INPUTS; input++) {
      const bytes = mutated(seeds, random);
      const began = performance.now();
      try {
        told.readings += decodeAll(bytes, all, random);
      } catch (cause) {
        if (!(cause instanceof LinkError)) throw new Error(`FUZZ_SEED=${SEED} input ${input}: ${bytes.toString("base64")}`, { cause });
        shortest = Math.min(shortest, cause.message.length);
        const word = cause.message.replaceAll(/[^a-zA-Z ]+/gu, "").slice(0, 70);
        if (told.errors.has(word) || told.errors.size < 500) told.errors.set(word, (told.errors.get(word) ?? 0) + 1);
      }
      slowestMs = Math.max(slowestMs, performance.now() - began);
    }
    const refused = [...told.errors.values()].reduce((sum, count) => sum + count, 0);
    console.log(`${INPUTS} inputs: ${told.readings} readings, ${refused} refused in ${told.errors.size} ways, slowest ${slowestMs.toFixed(1)} ms`);
    expect(told.readings).toBeGreaterThan(INPUTS / 10);
    expect(told.errors.size).toBeGreaterThan(10);
    expect(shortest).toBeGreaterThan(20);
    expect(slowestMs).toBeLessThan(1_000);
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(200 * 1024 * 1024);
  }, 24 * 3_600_000);
});

/** What the driver does with bytes, without the sockets. Returns how many readings came out. */
function decodeAll(bytes: Buffer, lookup: (id: string) => ChosenItem | null, random: () => number): number {
  const decoder = new MultipartDecoder("b");
  let position: Position = { instance: "1795435164", next: 1, seen: null, conditions: {}, initial: null };
  let count = 0;
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(random() * 2_000);
    for (const { body } of decoder.push(bytes.subarray(at, at + size))) {
      const document = decodeDocument(body, lookup, "a part of it");
      if (document.kind !== "streams") continue;
      const header = bufferHeader(document.header);
      if (header === null) continue;
      const start = startOf(position, header);
      if (strayed(position, header) !== null) position = { ...position, instance: header.instance, next: resumeAt(header, start.kind === "overrun" ? 0 : 1) };
      const fresh = document.observations.filter(({ sequence }) => sequence >= position.next);
      const { readings, conditions } = readingsOf(fresh, position.conditions, { instance: position.instance, initial: false });
      for (let index = 1; index < readings.length; index++) if ((readings[index]?.position ?? 0) <= (readings[index - 1]?.position ?? 0)) throw new Error("not in order");
      count += readings.length;
      position = { ...position, conditions, next: Math.max(position.next, header.next) };
      const again = decodePosition(encodePosition(position));
      if (JSON.stringify(again) !== JSON.stringify(position)) throw new Error(`a position that does not survive: ${JSON.stringify(position)}`);
    }
    at += size;
  }
  return count;
}
