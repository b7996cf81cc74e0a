/** The keys of a machine's rules in the YAML (all but its sources), with their defaults: facts/records.md §1.8, §2, §6. */
import { CYCLE_KINDS, DOWNTIME_CATEGORIES, MACHINE_STATES } from "../contract/record.ts";
import { optional, withDefault, type Of, type Path, type Problem } from "../contract/shape.ts";
import { duration, durationText, flag, integer, list, object, oneOf } from "../contract/shapes.ts";
import { checked, glob, line, rotationSpeed } from "./refined.ts";

const MINUTE_MS = 60_000;

const PROGRAM = checked(object({
  match: glob("main program, with * for any text and ? for one character"),
  kind: withDefault(oneOf(CYCLE_KINDS, "what its cycles are; only production makes parts"), "production"),
  parts_per_cycle: optional(integer({ description: "parts a completed cycle makes; default: the machine's", minimum: 0, maximum: 10_000 })),
}), (value, path, problems) => {
  if (value.kind !== "production" && value.parts_per_cycle !== undefined)
    problems.push({ path: [...path, "parts_per_cycle"], on: "value", found: `parts of a program of kind ${value.kind}, which makes none`, expected: "no parts_per_cycle here, or kind: production" });
});

const CYCLE = checked(object({
  parts_per_cycle: withDefault(integer({ description: "parts a completed cycle makes", minimum: 0, maximum: 10_000 }), 1),
  ignore_programs: withDefault(list(glob("main program"), { description: "programs that make no parts: warm-up, cleaning; * stands for any text, ? for one character", maxItems: 1000 }), []),
  programs: withDefault(list(PROGRAM, { description: "programs with rules of their own; the first that fits counts, before ignore_programs", maxItems: 1000 }), []),
  minimum: withDefault(duration({ description: "a shorter cycle is recorded as kind unknown, without parts", maximumMs: 60 * MINUTE_MS }), 0, "0s"),
  counter_join: withDefault(duration({ description: "a counter step this near a cycle's end belongs to that cycle; its record waits so long", maximumMs: 10 * MINUTE_MS }), 5_000, "5s"),
  quantity: withDefault(oneOf(["auto", "counter", "cycle"], "what counts as parts: the control's counter, completed cycles, or auto: cycles until the counter steps at a cycle's end"), "auto"),
  main_path: withDefault(integer({ description: "on a control with several paths: whose program and count stand for the machine", minimum: 1, maximum: 64 }), 1),
  restart_within: withDefault(duration({ description: "an aborted cycle followed by the same program within this time is a restart of the same part; 0s: never assumed", maximumMs: 24 * 60 * MINUTE_MS }), 0, "0s"),
  spindle_minimum: withDefault(rotationSpeed("least speed that counts as turning"), 10, "10 rpm"),
}, "what a cycle is and what it makes"), (value, path, problems) => {
  const rules = [
    ...value.programs.map(({ match }, index) => ({ match, path: [...path, "programs", index, "match"] })),
    ...value.ignore_programs.map((match, index) => ({ match, path: [...path, "ignore_programs", index] })),
  ];
  rules.forEach((rule, index) => {
    if (rules.slice(0, index).some(({ match }) => match === rule.match || match === "*")) neverReached(rule.path, "an entry before it fits every program that this one fits", problems);
  });
});

const REASON = checked(object({
  state: optional(oneOf(MACHINE_STATES, "the state with which the stop began")),
  alarm: optional(glob("code or text of the first alarm, with * and ?")),
  code: line("code of the site's reason list", 64),
  text: optional(line("the reason in words")),
  category: optional(oneOf(DOWNTIME_CATEGORIES, "category of the stop")),
}), (value, path, problems) => {
  if (value.state === "RUNNING" || value.state === "UNKNOWN")
    problems.push({ path: [...path, "state"], on: "value", found: `a stop that begins with ${value.state}`, expected: "a state that is a stop: unknown time is never downtime, and running is none" });
});

const DOWNTIME = checked(object({
  threshold: withDefault(duration({ description: "load and unload allowance: a shorter stop is none", maximumMs: 24 * 60 * MINUTE_MS }), 2 * MINUTE_MS, "2m"),
  micro_stop: withDefault(duration({ description: "a shorter stop is counted as micro and not asked about", maximumMs: 24 * 60 * MINUTE_MS }), 5 * MINUTE_MS, "5m"),
  waiting_counts: withDefault(flag("true: waiting for a pallet, robot or bar feeder may become a downtime"), false),
  reasons: withDefault(list(REASON, { description: "reasons given by rule; the first that fits counts, an absent condition fits anything", maxItems: 1000 }), []),
}, "what a downtime is and what its reason may be"), (value, path, problems) => {
  if (value.micro_stop < value.threshold)
    problems.push({ path: [...path, "micro_stop"], on: "value", found: `a micro-stop limit of ${durationText(value.micro_stop)} below the threshold of ${durationText(value.threshold)}`, expected: "at least the threshold; equal to it there are no micro-stops" });
  value.reasons.forEach((reason, index) => {
    const earlier = value.reasons.slice(0, index).some((one) => (one.state === undefined || one.state === reason.state) && (one.alarm === undefined || one.alarm === "*" && reason.alarm !== undefined || one.alarm === reason.alarm));
    if (earlier) neverReached([...path, "reasons", index], "an entry before it fits every stop that this one fits", problems);
    if (!value.waiting_counts && reason.state === "WAITING")
      problems.push({ path: [...path, "reasons", index, "state"], on: "value", found: "a reason for WAITING, which is no downtime here", expected: "waiting_counts: true beside it, or another state" });
  });
});

const COUNT = object({
  maximum_step: withDefault(integer({ description: "largest step of the counter that counts at once; a larger one is held until confirmed", minimum: 1, maximum: 1_000_000 }), 100),
  confirm_reports: withDefault(integer({ description: "further reports that confirm a held step", minimum: 1, maximum: 100 }), 2),
  confirm_after: withDefault(duration({ description: "time without another value that confirms a held step", minimumMs: 1_000, maximumMs: 24 * 60 * MINUTE_MS }), 5 * MINUTE_MS, "5m"),
}, "which steps of the part counter are believed");

export const RULE_KEYS = {
  state: optional(object({
    minimum: withDefault(duration({ description: "least duration of a state; 0s where the source stamps its events", maximumMs: 10 * MINUTE_MS }), 0, "0s"),
  }, "what a state is")),
  cycle: optional(CYCLE),
  count: optional(COUNT),
  downtime: optional(DOWNTIME),
  alarm: optional(object({
    rejoin: withDefault(duration({ description: "an alarm raised again within this time is the same one", maximumMs: 60 * MINUTE_MS }), 5_000, "5s"),
  }, "what an alarm is")),
} as const;

const KEYS = object(RULE_KEYS);
/** Groups that the file leaves out are `undefined` here; `agent/config/decode.ts` reads them as empty ones. */
export type RuleKeys = Of<typeof KEYS>;

export const GROUPS = { cycle: CYCLE, count: COUNT, downtime: DOWNTIME } as const;

function neverReached(path: Path, why: string, problems: Problem[]): void {
  problems.push({ path, on: "value", found: `an entry that is never reached: ${why}`, expected: "special entries before general ones, each once" });
}
