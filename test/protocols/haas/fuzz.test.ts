/** Damaged replies: whatever comes, replies and readings of them, or a LinkError; never a throw, and within bounds. */
import { expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { numberOf, ReplyDecoder, secondsOf, type Reply } from "../../../protocols/haas/reply.ts";
import { ControlState, countOf } from "../../../protocols/haas/state.ts";
import { seeded } from "../../support/seeded.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_105);
const INPUTS = Number(process.env["FUZZ_INPUTS"] ?? 50_000);
const TEXTS = [
  ">SERIAL NUMBER, 1234567\r\n>", "\x02S/N, 12345678\x17\r\n>", ">PROGRAM, O00123, FEED HOLD, PARTS, 380\r\n>", "\x02STATUS, BUSY\x17\r\n>", ">MODE, (ZERO RET)\r\n>", ">MODE, __proto__\r\n>",
  ">P.O. TIME, 06282:17:13\r\n>", ">MACRO, 3027, 0.000000\r\n>", ">?, ?Q600 99999\r\n>", "UNKNOWN\r\n", ">M30 #1, 380\r\n>",
];
const PIECES = [",", "\r\n", "\n", ">", "?", "\x02", "\x17", "\0", "\xff", "PARTS", "PROGRAM, ", "STATUS", "NaN", "9".repeat(400), ",".repeat(900), "x".repeat(2_000), "\u{1F600}"];

it(`${INPUTS} mutated replies, FUZZ_SEED=${SEED}`, () => {
  const random = seeded(SEED);
  const below = (limit: number): number => Math.floor(random() * limit);
  const of = <T>(all: readonly T[]): T => all[below(all.length)] as T;
  const mutated = (): Buffer => {
    let bytes = Buffer.from(of(TEXTS) + of(TEXTS), "latin1");
    for (let change = below(4); change > 0; change--) {
      const at = below(bytes.length + 1);
      const kind = below(3);
      if (kind === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(12))]);
      else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(of(PIECES)), bytes.subarray(at)]);
      else if (at < bytes.length) bytes[at] = below(256);
    }
    return bytes;
  };
  let [values, refused] = [0, 0];
  for (let input = 0; input < INPUTS; input++) {
    const decoder = new ReplyDecoder("the control", { sevenBits: random() < 0.3 });
    const state = new ControlState({ words: { WAITING: "WAIT" }, modes: { STARTUP_MODE: "MANUAL" } });
    const bytes = mutated();
    const cut = below(bytes.length + 1);
    const replies: Reply[] = [];
    try {
      replies.push(...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut)));
    } catch (cause) {
      if (!(cause instanceof LinkError)) throw cause;
      refused++;
    }
    for (const reply of replies) {
      if (reply.kind === "rejected") continue;
      const answer = { label: reply.label, fields: reply.fields };
      state.motion(answer, input);
      const text = reply.fields[0];
      for (const { value, quality } of [...state.three(answer) ?? [], state.mode(answer), countOf(text)]) {
        values++;
        const wrong = (value === null) !== (quality === "UNAVAILABLE") || (typeof value === "string" && value.length > 256) || (typeof value === "number" && !Number.isSafeInteger(value));
        if (wrong) throw new Error(`${JSON.stringify(value)} ${quality} (input ${input}: ${bytes.toString("hex")})`);
      }
      for (const number of [numberOf(text), secondsOf(text)]) if (number !== null && Number.isNaN(number)) throw new Error(`a number that is none (input ${input}: ${bytes.toString("hex")})`);
    }
  }
  expect(values).toBeGreaterThan(INPUTS);
  expect(refused).toBeGreaterThan(0);
}, 120_000);
