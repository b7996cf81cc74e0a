/** From decoded keys to the plain, frozen configuration that the agent runs on, every default filled in. */
import { createHash } from "node:crypto";
import type { CalendarRules, MachineRules, ProgramRule, ReasonRule } from "../contract/rules.ts";
import { decode as decodeShape, type Shape } from "../contract/shape.ts";
import { InvariantError } from "../contract/errors.ts";
import { AGENT_KEYS, type AgentKeys } from "./agent-keys.ts";
import { BUFFER_KEYS, type BufferKeys } from "./buffer-keys.ts";
import type { CalendarKeys } from "./calendar-keys.ts";
import type { FileKeys, MachineKeys } from "./file-shape.ts";
import { GROUPS, type RuleKeys } from "./machine-keys.ts";
import type { AgentSettings, BufferSettings, Configuration, MachineSettings, SourceSettings } from "./model.ts";

/** What the host says where the file says nothing. */
export interface Host {
  readonly name: string;
  readonly timezone: string;
}

/** `lineOf`: the line on which the value at a path stands. */
export function configurationOf(keys: FileKeys, host: Host, lineOf: (path: readonly (string | number)[]) => number): Configuration {
  const agent = agentOf(keys.agent ?? emptyGroup(AGENT_KEYS), host);
  return frozen({
    agent,
    buffer: bufferOf(keys.buffer ?? emptyGroup(BUFFER_KEYS)),
    destinations: keys.destinations.map(({ kind, shared, own }, index) => ({
      kind, name: shared.name, confirm: shared.confirm, types: shared.types ?? null, limitBytes: shared.limit ?? null, config: own, line: lineOf(["destinations", index]),
    })),
    machines: keys.machines.map((machine, index): MachineSettings => {
      const { id, description, work_center: workCenter } = machine;
      return {
        id,
        ...(description !== undefined && { description }),
        ...(workCenter !== undefined && { workCenter }),
        rules: rulesOf(machine, agent, keys.calendars ?? {}),
        sources: machine.sources.map(({ kind, shared, own }, place): SourceSettings => ({
          kind,
          name: shared.name ?? kind,
          config: own,
          time: shared.time,
          clockToleranceMs: shared.clock_tolerance,
          refillHoldMs: shared.refill_hold,
          line: lineOf(["machines", index, "sources", place]),
        })),
        line: lineOf(["machines", index]),
      };
    }),
  });
}

/** What a group that the file leaves out means: the same as an empty one. */
function emptyGroup<T>(shape: Shape<T>): T {
  const read = decodeShape(shape, {});
  if (!read.ok) throw new InvariantError("a group of the configuration without required keys cannot be decoded from nothing");
  return read.value;
}

function agentOf({ data_dir: dataDir, clock_wait: clockWaitMs, id, timezone, ...rest }: AgentKeys, host: Host): AgentSettings {
  return { ...rest, id: id ?? host.name, timezone: timezone ?? host.timezone, dataDir, clockWaitMs };
}

function bufferOf({ budget, keep_free: keepFree, history, heal_window: healWindowMs, card }: BufferKeys): BufferSettings {
  return { budgetBytes: budget, keepFree, historyMs: history, healWindowMs, card: card ? { enduranceBytes: card.endurance, lifeMs: card.life } : null };
}

function rulesOf(machine: MachineKeys, agent: AgentSettings, calendars: Readonly<Record<string, CalendarKeys>>): MachineRules {
  const cycle = machine.cycle ?? emptyGroup(GROUPS.cycle);
  const count = machine.count ?? emptyGroup(GROUPS.count);
  const downtime = machine.downtime ?? emptyGroup(GROUPS.downtime);
  const [name, calendar] = typeof machine.shifts === "string"
    ? [machine.shifts, Object.hasOwn(calendars, machine.shifts) ? calendars[machine.shifts] : undefined]
    : [machine.id, machine.shifts];
  return {
    agent: agent.id,
    machine: machine.id,
    timezone: agent.timezone,
    mainPath: cycle.main_path,
    state: { minimumMs: machine.state?.minimum ?? 0 },
    cycle: {
      minimumMs: cycle.minimum,
      counterJoinMs: cycle.counter_join,
      partsPerCycle: cycle.parts_per_cycle,
      quantity: cycle.quantity,
      programs: programsOf(cycle),
      spindleMinimumRpm: cycle.spindle_minimum,
      restartWithinMs: cycle.restart_within,
    },
    count: { maximumStep: count.maximum_step, confirmReports: count.confirm_reports, confirmAfterMs: count.confirm_after },
    downtime: {
      thresholdMs: downtime.threshold,
      microStopMs: downtime.micro_stop,
      waitingCounts: downtime.waiting_counts,
      reasons: downtime.reasons satisfies readonly ReasonRule[],
    },
    alarm: { rejoinMs: machine.alarm?.rejoin ?? 5_000 },
    calendar: calendar === undefined ? null : calendarOf(name, calendar, agent.timezone),
  };
}

/** Rules of their own come first: they are the special ones. */
function programsOf(cycle: NonNullable<RuleKeys["cycle"]>): readonly ProgramRule[] {
  return [
    ...cycle.programs.map(({ match, kind, parts_per_cycle: parts }) => ({ match, kind, ...(parts !== undefined && { partsPerCycle: parts }) })),
    ...cycle.ignore_programs.map((match) => ({ match, kind: "warmup" as const })),
  ];
}

function calendarOf(name: string, keys: CalendarKeys, timezone: string): CalendarRules {
  const content = {
    timezone: keys.timezone ?? timezone,
    shifts: keys.shifts.map(({ code, start, end, days }) => ({ code, startMinute: start, endMinute: end, days })),
    breaks: keys.breaks.map(({ name, start, end, days }) => ({ name, startMinute: start, endMinute: end, days })),
    exceptions: keys.exceptions.map(({ date, name, shifts }) => ({ date, name, shifts: shifts.map(({ code, start, end }) => ({ code, startMinute: start, endMinute: end })) })),
    breakMode: keys.break_mode,
  };
  return { name, version: createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 12), ...content };
}

/** Freezes plain groups and lists all the way down; what a kind decoded into an object of a class stays its own. */
function frozen<T>(value: T): T {
  if (Array.isArray(value)) value.forEach(frozen);
  else if (typeof value === "object" && value !== null && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)) Object.values(value).forEach(frozen);
  else return value;
  return Object.freeze(value);
}
