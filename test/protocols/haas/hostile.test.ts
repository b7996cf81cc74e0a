/** A control of our own, by hand: framings, other clients, noise and odd values that the simulator does not have. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { Batch } from "../../../agent/contract/observation.ts";
import { of, run, type Run } from "./reading.ts";

/** What is written for a question, whole; null: nothing. `turn`: how often it was asked, this time with it. */
type Saying = (asked: string, turn: number) => string | null;

const ANSWERS: Readonly<Record<string, string>> = { Q100: "SERIAL NUMBER, 1", Q101: "SOFTWARE VERSION, 100", Q102: "MODEL, VF2", Q104: "MODE, MEM", Q200: "TOOL CHANGES, 35", Q201: "USING TOOL, 4", Q300: "P.O. TIME, 00001:00:00", Q301: "C.S. TIME, 00000:10:00", Q303: "LAST CYCLE, 00000:00:13", Q304: "PREV CYCLE, 00000:00:01", Q402: "M30 #1, 380", Q500: "PROGRAM, O1, IDLE, PARTS, 380" };
const ngc = (text: string): string => `${text}\r\n>`;
/** `own`: questions that are answered otherwise. */
const saying = (own: Readonly<Record<string, Saying>>, frame: (text: string) => string = ngc): Saying => (asked, turn) => {
  const other = own[asked];
  return other !== undefined ? other(asked, turn) : ANSWERS[asked] === undefined ? frame("?, BAD MESSAGE") : frame(ANSWERS[asked]);
};

async function against(say: Saying, keys: Readonly<Record<string, unknown>> = {}, until: (batch: Batch, all: readonly Batch[]) => boolean = (_, all) => all.length === 4): Promise<Run> {
  const turns = new Map<string, number>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = "";
    socket.on("error", () => undefined).on("data", (bytes: Buffer) => {
      const lines = (rest + bytes.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const asked = line.replace(/^\?/u, "");
        turns.set(asked, (turns.get(asked) ?? 0) + 1);
        socket.write(say(asked, turns.get(asked) ?? 0) ?? "", "latin1");
      }
    });
    socket.write(">");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await run({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, dialect: "ngc", ...keys }, { until });
  } finally {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  }
}

describe("framings", () => {
  it.each([
    ["CR alone (Setting 25)", (text: string) => `\x02${text}\x17\r>`],
    ["LF alone", (text: string) => `${text}\n>`],
    ["ETB alone", (text: string) => `\x02${text}\x17`],
    ["no prompt", (text: string) => `${text}\r\n`],
    ["prompts on their own lines", (text: string) => `>\r\n>${text}\r\n>\r\n`],
    ["LF CR CR", (text: string) => `\x02${text}\x17\n\r\r>`],
  ])("%s", async (_, frame) => {
    const result = await against(saying({}, frame), {}, (__, all) => all.length === 2);
    expect(result.error).toBeNull();
    expect([of(result, "part_count"), of(result, "execution"), of(result, "program"), of(result, "controller_mode")]).toEqual([[380], ["READY"], ["O1"], ["AUTOMATIC"]]);
  });
});

describe("nothing is invented", () => {
  it("a variable that the control refuses is not what another client was answered", async () => {
    const variables = [{ variable: 700, signal: "point/x" }];
    for (const refusal of ["?, BAD VARIABLE NUMBER", "?, ?Q600 700"]) {
      const result = await against(saying({ "Q600 700": () => ngc("MACRO, 55.000000") + ngc(refusal) }), { variables }, (_, all) => all.length === 5);
      expect([result.error, of(result, "point/x")]).toEqual([null, [null]]);
    }
  });

  it("half an answer of the three-in-one is no program without a name", async () => {
    const halves = ["PROGRAM", "PROGRAM, O1", "PROGRAM, PARTS, 3", "STATUS"];
    const result = await against(saying({ Q500: (_, turn) => ngc(turn % 2 === 1 ? "PROGRAM, O7, IDLE, PARTS, 3" : halves[turn / 2 - 1] ?? "") }), {}, (_, all) => all.length === 9);
    expect([of(result, "program"), of(result, "execution")]).toEqual([["O7"], ["READY"]]);
    const lasting = await against(saying({ Q500: () => ngc("PROGRAM, O1") }), {}, (_, all) => all.length === 4);
    expect([of(lasting, "program"), of(lasting, "execution")]).toEqual([[null], [null]]);
  });

  it("a garbled digit is no hundred parts; a jump that is said twice is one", async () => {
    const counts = ["380", "780", "380", "381", "38\x7f", "381", "400", "400"];
    const result = await against(saying({ Q402: (_, turn) => ngc(`M30 #1, ${counts[turn - 1] ?? "400"}`) }), {}, (_, all) => all.length === 7);
    expect(of(result, "part_count")).toEqual([380, 381, 400]);
  });

  it("what moved under one word does not make another one running", async () => {
    const words = ["CUTTING", "CUTTING", "CUTTING", "CUTTING", "IDLE", "IDLE", "M00 STOP", "M00 STOP", "CUTTING"];
    let seconds = 0;
    const result = await against(saying({
      Q500: (_, turn) => ngc(`PROGRAM, O1, ${words[turn - 1] ?? "CUTTING"}, PARTS, 3`),
      Q301: () => ngc(`C.S. TIME, 00000:10:${String(seconds++ < 4 ? seconds + 10 : 30).padStart(2, "0")}`),
    }), {}, (_, all) => all.length === 9);
    expect(of(result, "execution")).toEqual(["CUTTING", "ACTIVE", "READY", "M00 STOP", "ACTIVE"]);
    expect(result.readings.filter(({ signal, value }) => signal === "execution" && value === "M00 STOP").map(({ quality }) => quality)).toEqual(["UNCERTAIN"]);
  });

  it("a word that nobody knows does not end an alarm", async () => {
    const words = ["ALARM ON", "E-STOPPED", "IDLE"];
    const result = await against(saying({ Q500: (_, turn) => ngc(`PROGRAM, O1, ${words[turn - 1] ?? "IDLE"}, PARTS, 3`) }), {}, (_, all) => all.length === 3);
    expect(result.readings.filter(({ signal }) => signal === "alarm").map(({ value }) => (Array.isArray(value) ? value.length : value))).toEqual([1, null, 0]);
  });

  it("an older control that says BUSY whatever it is asked is running, and keeps what it had", async () => {
    let isBusy = false;
    const busy = (text: string): string => `\x02${isBusy ? "STATUS, BUSY" : text}\x17\r\n>`;
    const answer = saying({ Q500: (_, turn) => {
      isBusy = turn >= 2 && turn < 8;
      return busy(`PROGRAM, O1, IDLE, PARTS, ${turn < 8 ? 380 : 381}`);
    }, Q402: (_, turn) => busy(`M30 #1, ${turn < 9 ? 380 : 381}`) }, busy);
    const result = await against(answer, { dialect: "classic" }, (_, all) => all.length === 10);
    expect(result.error).toBeNull();
    expect([of(result, "execution"), of(result, "part_count"), of(result, "program"), of(result, "controller_mode")]).toEqual([["READY", "ACTIVE", "READY"], [380, 381], ["O1"], ["AUTOMATIC"]]);
    isBusy = true;
    const running = await against(saying({}, busy), { dialect: "classic" }, (_, all) => all.length === 2);
    expect([running.error, of(running, "execution"), of(running, "part_count"), of(running, "program")]).toEqual([null, ["ACTIVE"], [], [null]]);
  });

  it("odd numbers of variables", async () => {
    const texts: Readonly<Record<string, readonly unknown[]>> = { "1234.567000": [1234.567], "-0.000": [0], "0.000000": [0], "1E999": [null], "": [null], "NaN": [null], "-": [null], "1,5": [null] };
    for (const [text, wanted] of Object.entries(texts)) {
      const result = await against(saying({ "Q600 700": (_, turn) => ngc(`MACRO, ${text === "-0.000" && turn > 1 ? "0.000" : text}`) }), { variables: [{ variable: 700, signal: "point/x" }], timeout: "100ms" }, (_, all) => all.length === 4);
      expect([text, of(result, "point/x")]).toEqual([text, wanted]);
    }
  });
});
