/** Damaged adapter text: whatever it is, lines, fields and readings come of it without a throw, and within bounds. */
import { expect, it } from "vitest";
import { decodeModel } from "../../../protocols/shared/mtconnect/probe.ts";
import { AdapterClock } from "../../../protocols/shdr/clock.ts";
import { LineDecoder } from "../../../protocols/shdr/line.ts";
import { LINE_LIMIT, LineSplitter } from "../../../protocols/shdr/lines.ts";
import { namesOf } from "../../../protocols/shdr/names.ts";
import { proposal } from "../../../protocols/shdr/propose.ts";
import { Reader, timeOf } from "../../../protocols/shdr/readings.ts";
import { seeded } from "../../support/seeded.ts";
import { config, MAP } from "./reading.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_105);
const INPUTS = Number(process.env["FUZZ_INPUTS"] ?? 50_000);

const TEXTS = [
  "2026-01-05T06:00:00.123Z|avail|AVAILABLE|execution|ACTIVE|part_count|41|fact|600.5\n",
  "|logic|FAULT|1012:a7|1|HIGH|SPINDLE OVERLOAD\n|logic|NORMAL||||\n",
  '2026-01-05T06:00:00Z@12|message|7|"A\\|B"\n* PONG 10000\n',
  "|@ASSET@|EM1|CuttingTool|--multiline--ABCD\n<CuttingTool>\n--multiline--ABCD\n|execution|READY\n",
  "1500|vib|3|100|1 2 3|mode|AUTOMATIC\r\n* device: MILL\r\n* relativeTime: yes\r\nMILL:execution|x\r\n",
];
const PIECES = ["|", "\n", "\r\n", "@", "*", "--multiline--", "\"", "\\|", "UNAVAILABLE", "FAULT", ":", "\0", "\xff", "\u{1F600}", "9".repeat(400), "|".repeat(5_000), "|execution|ACTIVE", "2026-13-45T99:99:99Z|"];
const MODEL = '<MTConnectDevices><Devices><Device id="d" name="MILL" uuid="u"><DataItems><DataItem id="e" name="execution" category="EVENT" type="EXECUTION"/><DataItem id="v" name="vib" category="SAMPLE" type="ACCELERATION" representation="TIME_SERIES"/><DataItem id="l" name="logic" category="CONDITION" type="LOGIC_PROGRAM"/><DataItem id="m" name="message" category="EVENT" type="MESSAGE"/></DataItems></Device></Devices></MTConnectDevices>';

it(`${INPUTS} mutated texts, FUZZ_SEED=${SEED}`, async () => {
  const random = seeded(SEED);
  const below = (limit: number): number => Math.floor(random() * limit);
  const of = <T>(all: readonly [T, ...T[]] | readonly T[]): T => all[below(all.length)] as T;
  const allNames = [namesOf(config({ host: "h", map: MAP }), null), namesOf(config({ host: "h", devices: "d" }), await decodeModel(Buffer.from(MODEL), "the model"))];
  const mutated = (): Buffer => {
    let bytes = Buffer.from(of(TEXTS) + of(TEXTS), random() < 0.2 ? "latin1" : "utf8");
    for (let change = below(4); change >= 0; change--) {
      const at = below(bytes.length + 1);
      const kind = below(4);
      if (kind === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(20))]);
      else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(of(PIECES)), bytes.subarray(at)]);
      else if (kind === 2 && at < bytes.length) bytes[at] = below(256);
      else bytes = Buffer.concat([bytes.subarray(0, at), bytes]);
    }
    return bytes;
  };
  let readings = 0;
  for (let input = 0; input < INPUTS; input++) {
    const [splitter, decoder, clock] = [new LineSplitter(), new LineDecoder(), new AdapterClock({ unixMs: Date.UTC(2026, 0, 5, 6), monoMs: 5 })];
    const reader = new Reader(of(allNames), clock);
    const bytes = mutated();
    const cut = below(bytes.length + 1);
    for (const text of [...splitter.push(bytes.subarray(0, cut)), ...splitter.push(bytes.subarray(cut)), ...splitter.push(Buffer.from("\n"))]) {
      if (text.length > LINE_LIMIT) throw new Error(`a line of ${text.length} (input ${input})`);
      const line = decoder.decode(text);
      if (line.kind !== "data") continue;
      const at = timeOf(line.stamp, clock, { monoMs: input, isRelative: random() < 0.1 });
      if (at !== null && !Number.isSafeInteger(at)) throw new Error(`a time of ${String(at)} (input ${input}: ${text})`);
      if (at !== null) clock.heard(at, input);
      for (const reading of reader.readings(line.fields, at, { said: { device: null, isConverted: false }, opening: random() < 0.5, monoMs: input })) {
        readings++;
        if ((reading.value === null) !== (reading.quality === "UNAVAILABLE")) throw new Error(`${JSON.stringify(reading)} (input ${input})`);
        if (typeof reading.value === "number" && !Number.isFinite(reading.value)) throw new Error(`${JSON.stringify(reading)} (input ${input})`);
        if (typeof reading.value === "string" && reading.value.length > 1_024) throw new Error(`a text of ${reading.value.length} (input ${input})`);
      }
    }
    if (input % 100 === 0 && proposal(reader.seen).length > 200_000) throw new Error(`a proposal of ${proposal(reader.seen).length} (input ${input})`);
  }
  expect(readings).toBeGreaterThan(INPUTS / 2);
}, 120_000);
