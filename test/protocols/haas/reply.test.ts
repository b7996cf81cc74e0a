/** Questions and replies, as tables of the fact sheet's bytes (haas.md §1, §2). */
import { describe, expect, it } from "vitest";
import { encode, HIGHEST_VARIABLE, labelsOf, QUESTION_ROWS, type Question } from "../../../protocols/haas/questions.ts";
import { LINE_LIMIT, numberOf, ReplyDecoder, secondsOf, type Reply } from "../../../protocols/haas/reply.ts";
import { MODE_ROWS, ROUND_ROWS, STATUS_ROWS } from "../../../protocols/haas/signals.ts";

const values = (label: string, ...fields: readonly string[]): Reply => ({ kind: "values", label, fields });
const rejected = (text: string, echo: string | null = null): Reply => ({ kind: "rejected", echo, text });

describe("questions", () => {
  it("are those of the list, in the form of either control", () => {
    const all: readonly Question[] = [...QUESTION_ROWS.map(({ number }) => ({ q: number })), { q: 600, variable: 3027 }];
    expect(all.map((question) => encode(question, "ngc").toString("latin1"))).toEqual([100, 101, 102, 104, 200, 201, 300, 301, 303, 304, 402, 403, 500, "600 3027"].map((number) => `?Q${number}\r\n`));
    expect(all.map((question) => encode(question, "classic").toString("latin1"))).toEqual([100, 101, 102, 104, 200, 201, 300, 301, 303, 304, 402, 403, 500, "600 3027"].map((number) => `Q${number}\r\n`));
    expect(all.every((question) => labelsOf(question).length > 0)).toBe(true);
  });

  it("nothing else can be encoded: no write, no other number, no text", () => {
    const others: readonly unknown[] = [{ q: 0 }, { q: 103.5 }, { q: 601 }, { q: "E600" }, { q: "500\r\nE1 2" }, { q: 600 }, { q: 600, variable: 0 }, { q: 600, variable: 1.5 }, { q: 600, variable: HIGHEST_VARIABLE + 1 }, { q: 600, variable: "1 2" }, { q: 600, variable: "1\r\nE1 2" }, { q: Number.NaN }, {}];
    for (const other of others) for (const dialect of ["ngc", "classic"] as const) expect(() => encode(other as Question, dialect)).toThrow(RangeError);
  });

  it("tables say where each row is from", () => {
    for (const { source } of [...QUESTION_ROWS, ...STATUS_ROWS, ...MODE_ROWS, ...ROUND_ROWS]) expect(source).toMatch(/^§/u);
  });
});

describe("replies", () => {
  const rows: readonly (readonly [bytes: string, wanted: readonly Reply[]])[] = [
    [">SERIAL NUMBER, 1234567\r\n>", [values("SERIAL NUMBER", "1234567")]],
    [">>SERIAL NUMBER, 1234567\r\n>", [values("SERIAL NUMBER", "1234567")]],
    ["\x02S/N, 12345678\x17\r\n>", [values("S/N", "12345678")]],
    ["SOFTWARE VERSION, 100.17.000.2037\r\n>", [values("SOFTWARE VERSION", "100.17.000.2037")]],
    ["\x02MODE, (ZERO RET)\x17\r\n>", [values("MODE", "(ZERO RET)")]],
    [">P.O. TIME, 06282:17:13\r\n", [values("P.O. TIME", "06282:17:13")]],
    [">PROGRAM, O00123, IDLE, PARTS, 380\r\n>", [values("PROGRAM", "O00123", "IDLE", "PARTS", "380")]],
    [">PROGRAM, O00123, FEED HOLD, PARTS, 380\n", [values("PROGRAM", "O00123", "FEED HOLD", "PARTS", "380")]],
    ["\x02STATUS, BUSY\x17\r\n>", [values("STATUS", "BUSY")]],
    [">MACRO, 0.0\r\n>", [values("MACRO", "0.0")]],
    ["\x02MACRO, 3027, 0.000000\x17\r\n>", [values("MACRO", "3027", "0.000000")]],
    ["UNKNOWN\r\n", [rejected("UNKNOWN")]],
    ["\x02UNKNOWN\x17\r\n>", [rejected("UNKNOWN")]],
    ["UNKNOWNS, 4\r\n", [values("UNKNOWNS", "4")]],
    [">?, ?Q999\r\n>", [rejected("?, ?Q999", "Q999")]],
    [">?Q100\r\n>", [rejected("?Q100", "Q100")]],
    [">?, ?Q600 99999\r\n>", [rejected("?, ?Q600 99999", "Q600 99999")]],
    [">?, BAD MESSAGE\r\n>", [rejected("?, BAD MESSAGE")]],
    ["\x00\xff\x02MODEL, VF2D\x17\r\n>", [values("MODEL", "VF2D")]],
    ["\r\n>\r\n>", []],
    ["MODE, MEM\r\n>MODE, MDI\r\n>", [values("MODE", "MEM"), values("MODE", "MDI")]],
  ];
  it.each(rows)("%j, whatever the pieces", (text, wanted) => {
    const bytes = Buffer.from(text, "latin1");
    for (let cut = 0; cut <= bytes.length; cut++) {
      const decoder = new ReplyDecoder("the control", { sevenBits: false });
      expect([...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))]).toEqual(wanted);
    }
  });

  it("seven bits: the eighth is parity", () => {
    const bytes = Buffer.from("\x02MODE, (MEM)\x17\r\n>", "latin1").map((byte, place) => (place % 2 === 0 ? byte | 0x80 : byte));
    expect(new ReplyDecoder("the port", { sevenBits: true }).push(bytes)).toEqual([values("MODE", "(MEM)")]);
  });

  it("what never ends is no answer: told with its first bytes", () => {
    const decoder = new ReplyDecoder("the Haas control at h:5051", { sevenBits: false });
    expect(() => decoder.push(Buffer.alloc(LINE_LIMIT + 1, "x"))).toThrow("what the Haas control at h:5051 sends is no answer of a Haas control");
    expect(new ReplyDecoder("h", { sevenBits: false }).push(Buffer.from(`${"x".repeat(LINE_LIMIT)}y\nMODE, MEM\n`))).toEqual([values("MODE", "MEM")]);
  });

  it.each([["380", 380], ["0.0", 0], ["-1.5", -1.5], ["1.5E3", 1500], ["NaN", null], ["", null], ["0x10", null], [undefined, null]])("number %j", (text, wanted) => {
    expect(numberOf(text)).toBe(wanted);
  });
  it.each([["06282:17:13", 22_616_233], ["00000:00:01", 1], ["1:2:3", 3_723], ["00:61:00", null], ["x", null], [undefined, null]])("time %j", (text, wanted) => {
    expect(secondsOf(text)).toBe(wanted);
  });
});
