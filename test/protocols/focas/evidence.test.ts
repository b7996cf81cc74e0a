/** What the run status is taken for: each row of a table is one poll, and the words that the driver says after it. */
import { describe, expect, it } from "vitest";
import type { Status } from "../../../protocols/focas/decode.ts";
import { executionOf, needsBlock, noEvidence, type Seen } from "../../../protocols/focas/evidence.ts";

type Poll = Partial<Omit<Seen, "status">> & Partial<Status>;
const MEM: Status = { mode: 1, run: 0, motion: 0, mstb: 0, emergency: 0, alarm: 0, edit: 0 };
const seen = (poll: Poll): Seen => {
  const { mode, run, motion, mstb, emergency, alarm, edit } = { ...MEM, ...poll };
  return {
    main: 1234, running: 1234, sequence: null, lastM: null, parts: null, cycleMs: null, alarmBits: null, feed: null, feedOverride: null, sinceMs: 1_000, ...poll,
    status: { mode, run, motion, mstb, emergency, alarm, edit },
  };
};
/** The words of each poll, those of one poll joined. */
function told(...polls: readonly Poll[]): readonly string[] {
  let state = noEvidence;
  return polls.map((poll) => {
    const { block, ...rest } = seen(poll);
    let next = executionOf(state, rest);
    if (needsBlock(state, next.words)) next = executionOf(state, { ...rest, block: block ?? null });
    state = next.state;
    return next.words.join(", ");
  });
}
const [RESET, STOP, HOLD, START] = [0, 1, 2, 3];

describe("a stop is told by what happened in its own run", () => {
  it.each<[string, readonly Poll[], readonly string[]]>([
    ["M30 commanded in it", [{ run: RESET, lastM: 30 }, { run: START, lastM: 3 }, { run: STOP, lastM: 30 }, { run: STOP, lastM: 30 }, { run: RESET, lastM: 30 }],
      ["READY", "ACTIVE", "PROGRAM_COMPLETED", "PROGRAM_COMPLETED", "READY"]],
    ["M30 and the reset between two polls", [{ run: RESET, lastM: 30 }, { run: START, lastM: 3 }, { run: RESET, lastM: 30 }], ["READY", "ACTIVE", "PROGRAM_COMPLETED, READY"]],
    ["M02", [{ lastM: 2 }, { run: START, lastM: 8 }, { run: STOP, lastM: 2 }], ["READY", "ACTIVE", "PROGRAM_COMPLETED"]],
    ["M00", [{ lastM: 30 }, { run: START, lastM: 3 }, { run: STOP, lastM: 0 }, { run: START, lastM: 0 }], ["READY", "ACTIVE", "PROGRAM_STOPPED", "ACTIVE"]],
    ["M01", [{ lastM: 30 }, { run: START, lastM: 3 }, { run: STOP, lastM: 1 }], ["READY", "ACTIVE", "OPTIONAL_STOP"]],
    ["nothing: single block", [{ lastM: 30 }, { run: START, lastM: 3 }, { run: STOP, lastM: 3 }, { run: STOP, lastM: 3 }, { run: START, lastM: 3 }], ["READY", "ACTIVE", "INTERRUPTED", "INTERRUPTED", "ACTIVE"]],
    ["an M30 of the run before proves nothing", [{ lastM: 30 }, { run: START, lastM: 30 }, { run: STOP, lastM: 30 }], ["READY", "ACTIVE", "INTERRUPTED"]],
    ["an M00 from before the stop that it made proves nothing of the next", [{ lastM: 30 }, { run: START, lastM: 3 }, { run: STOP, lastM: 0 }, { run: START, lastM: 0 }, { run: STOP, lastM: 0 }],
      ["READY", "ACTIVE", "PROGRAM_STOPPED", "ACTIVE", "INTERRUPTED"]],
    ["an M code that one poll could not read is none commanded since", [{ lastM: 30 }, { run: START, lastM: 30 }, { run: START, lastM: null }, { run: START, lastM: 30 }, { run: STOP, lastM: 30 }],
      ["READY", "ACTIVE", "ACTIVE", "ACTIVE", "INTERRUPTED"]],
    ["an M code that was not read just before the start may be of the run before", [{ lastM: 3 }, { lastM: null }, { run: START, lastM: 30 }, { run: STOP, lastM: 30 }], ["READY", "READY", "ACTIVE", "INTERRUPTED"]],
    ["read again, another one is evidence", [{ lastM: 30 }, { run: START, lastM: 3 }, { run: START, lastM: null }, { run: STOP, lastM: 30 }], ["READY", "ACTIVE", "ACTIVE", "PROGRAM_COMPLETED"]],
    ["resumed and ended between two polls", [{ lastM: 30 }, { run: START, lastM: 3 }, { run: STOP, lastM: 1 }, { run: STOP, lastM: 30 }], ["READY", "ACTIVE", "OPTIONAL_STOP", "PROGRAM_COMPLETED"]],
    ["the counter steps with it", [{ parts: 5 }, { run: START, parts: 5 }, { run: STOP, parts: 6 }], ["READY", "ACTIVE", "PROGRAM_COMPLETED"]],
    ["the counter steps just after", [{ parts: 5 }, { run: START, parts: 5 }, { run: STOP, parts: 5 }, { run: STOP, parts: 6 }], ["READY", "ACTIVE", "INTERRUPTED", "PROGRAM_COMPLETED"]],
    ["somebody sets the counter long after", [{ parts: 5 }, { run: START, parts: 5 }, { run: STOP, parts: 5 }, { run: STOP, parts: 5 }, { run: STOP, parts: 5 }, { run: STOP, parts: 6 }],
      ["READY", "ACTIVE", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED"]],
    ["rewound: it ended, whether well is not known", [{}, { run: START, sequence: 120 }, { run: STOP, sequence: 0 }], ["READY", "ACTIVE", "READY"]],
    ["a sub-program without numbers is no rewind", [{}, { run: START, sequence: 120 }, { run: STOP, sequence: 0, running: 9010 }], ["READY", "ACTIVE", "INTERRUPTED"]],
    ["an alarm with it", [{}, { run: START }, { run: STOP, alarm: 1, alarmBits: 8 }, { run: STOP }], ["READY", "ACTIVE", "STOPPED", "STOPPED"]],
    ["an alarm that was there while it ran", [{ alarm: 1, alarmBits: 0x1000 }, { run: START, alarm: 1, alarmBits: 0x1000 }, { run: STOP, alarm: 1, alarmBits: 0x1000 }], ["READY", "ACTIVE", "INTERRUPTED"]],
    ["another alarm beside it", [{ alarm: 1, alarmBits: 0x1000 }, { run: START, alarm: 1, alarmBits: 0x1000 }, { run: STOP, alarm: 1, alarmBits: 0x1040 }], ["READY", "ACTIVE", "STOPPED"]],
    ["an alarm during a hold does not end it", [{}, { run: START }, { run: STOP }, { run: STOP }, { run: STOP }, { run: STOP, alarm: 1, alarmBits: 64 }], ["READY", "ACTIVE", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED"]],
    ["in MDI it is over", [{ mode: 0 }, { mode: 0, run: START }, { mode: 0, run: STOP }], ["READY", "ACTIVE", "READY"]],
    ["a change of mode while held changes nothing", [{}, { run: START }, { run: STOP }, { run: STOP, mode: 5 }, { run: STOP, mode: 0 }, { run: STOP }], ["READY", "ACTIVE", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED"]],
  ])("%s", (_, polls, words) => {
    expect(told(...polls)).toEqual(words);
  });

  it.each([
    ["N120 G01 X10. M00", "PROGRAM_STOPPED"], ["M01(CHECK)", "OPTIONAL_STOP"], ["M30", "INTERRUPTED"], ["N9999M2", "INTERRUPTED"], ["O1234(BRACKET)", "READY"], ["%", "READY"],
    ["G01 X10. (M30 AFTER THIS)", "INTERRUPTED"], ["M300", "INTERRUPTED"], ["M10", "INTERRUPTED"], ["", "INTERRUPTED"], [null, "INTERRUPTED"],
  ])("else by the present block: %s", (block, word) => {
    expect(told({}, { run: START }, { run: STOP, block }).at(-1)).toBe(word);
  });

  it.each([["M00", 0, "PROGRAM_STOPPED"], ["M30", 0, "INTERRUPTED"], ["M30", 30, "INTERRUPTED"], ["N9999M2", 2, "INTERRUPTED"], ["M01", 8, "INTERRUPTED"]])("the block shown may be the next one: %s, while the last M code is %i, is %s", (block, lastM, word) => {
    expect(told({ lastM }, { run: START, lastM }, { run: STOP, lastM, block }).at(-1)).toBe(word);
  });
});

describe("a new run that no poll saw begin", () => {
  it.each<[string, readonly Poll[], readonly string[]]>([
    ["after a stop that nothing explained: the time of the run began anew", [{}, { run: START, cycleMs: 60_000 }, { run: STOP, cycleMs: 61_000 }, { run: START, cycleMs: 500 }], ["READY", "ACTIVE", "INTERRUPTED", "READY, ACTIVE"]],
    ["a slip of the control's clock at a full minute is none", [{}, { run: START, cycleMs: 239_999 }, { run: START, cycleMs: 180_010 }, { run: START, cycleMs: 241_000 }], ["READY", "ACTIVE", "ACTIVE", "ACTIVE"]],
    ["polls a minute apart, and a run that has been under way for most of it", [{}, { run: START, cycleMs: 90_000, sinceMs: 60_000 }, { run: START, cycleMs: 50_000, sinceMs: 60_000 }], ["READY", "ACTIVE", "READY, ACTIVE"]],
    ["the same run goes on", [{}, { run: START, cycleMs: 60_000 }, { run: STOP, cycleMs: 61_000 }, { run: START, cycleMs: 61_500 }], ["READY", "ACTIVE", "INTERRUPTED", "ACTIVE"]],
    ["by its sequence number, where there is no time", [{}, { run: START, sequence: 400 }, { run: STOP, sequence: 500 }, { run: START, sequence: 10 }], ["READY", "ACTIVE", "INTERRUPTED", "READY, ACTIVE"]],
    ["end and start between two polls", [{ cycleMs: 0 }, { run: START, cycleMs: 90_000 }, { run: START, cycleMs: 300 }], ["READY", "ACTIVE", "READY, ACTIVE"]],
    ["its M30 is of the run before, and proves nothing of a stop in the new one", [{ lastM: 3 }, { run: START, cycleMs: 60_000, lastM: 3 }, { run: START, cycleMs: 50, lastM: 30 }, { run: STOP, cycleMs: 400, lastM: 30 }],
      ["READY", "ACTIVE", "PROGRAM_COMPLETED, ACTIVE", "INTERRUPTED"]],
    ["of which polls see a hold alone, and its reset", [{ lastM: 3, parts: 1 }, { run: START, lastM: 3, parts: 1 }, { run: STOP, lastM: 30, parts: 2 }, { run: HOLD, lastM: 30, parts: 2 }, { run: RESET, lastM: 30, parts: 2 }],
      ["READY", "ACTIVE", "PROGRAM_COMPLETED", "FEED_HOLD", "READY"]],
    ["its M30 is read only later: it is still of the run before", [{ lastM: 3, parts: 1 }, { run: START, cycleMs: 60_000, lastM: 3, parts: 1 }, { run: START, cycleMs: 50, lastM: null, parts: 2 }, { run: START, cycleMs: 900, lastM: 30, parts: 2 }, { run: RESET, lastM: 30, parts: 2 }],
      ["READY", "ACTIVE", "PROGRAM_COMPLETED, ACTIVE", "ACTIVE", "READY"]],
    ["end, with a part, and start between two polls", [{ cycleMs: 0, parts: 1 }, { run: START, cycleMs: 90_000, parts: 1 }, { run: START, cycleMs: 300, parts: 2 }], ["READY", "ACTIVE", "PROGRAM_COMPLETED, ACTIVE"]],
  ])("%s", (_, polls, words) => {
    expect(told(...polls)).toEqual(words);
  });
});

describe("other words", () => {
  it("feed hold, its release, reset out of it", () => {
    expect(told({}, { run: START }, { run: HOLD }, { run: START }, { run: HOLD }, { run: RESET })).toEqual(["READY", "ACTIVE", "FEED_HOLD", "ACTIVE", "FEED_HOLD", "READY"]);
  });

  it("emergency stop", () => {
    expect(told({}, { run: START }, { run: START, emergency: 1 }, { run: STOP, emergency: 1 }, { run: RESET })).toEqual(["READY", "ACTIVE", "STOPPED", "STOPPED", "READY"]);
  });

  it("override at 0 % holds it, where the signal has shown that it means something", () => {
    expect(told({ feedOverride: 100 }, { run: START, feedOverride: 0, feed: 0 }, { run: START, feedOverride: 50, feed: 600 })).toEqual(["READY", "INTERRUPTED", "ACTIVE"]);
    expect(told({ feedOverride: 0 }, { run: START, feedOverride: 0, feed: 0 })).toEqual(["READY", "ACTIVE"]);
  });

  it("a status that no source names is not known", () => {
    expect(told({}, { run: 9 }, { run: START })).toEqual(["READY", "", "ACTIVE"]);
  });

  it.each<[Poll, string]>([
    [{ run: STOP, lastM: 30 }, "READY"], [{ run: STOP, lastM: 0 }, "PROGRAM_STOPPED"], [{ run: STOP, lastM: 1 }, "OPTIONAL_STOP"], [{ run: STOP, sequence: 0 }, "READY"], [{ run: STOP, sequence: 40, lastM: 8 }, "INTERRUPTED"],
    [{ run: STOP, alarm: 1 }, "STOPPED"], [{ run: START }, "ACTIVE"], [{ run: HOLD }, "FEED_HOLD"], [{ run: 4 }, "ACTIVE"],
  ])("found when we come: %j is %s", (poll, word) => {
    expect(told(poll)).toEqual([word]);
  });
});
