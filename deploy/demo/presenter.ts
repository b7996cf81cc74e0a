/**
 * Records → lines that a technician understands, as they arrive. Pure: the same records give the same lines. It tells
 * what is news and is silent about the rest (a machine that is ready between two parts, a record that merely closed).
 */
import { numberOf, objectOf, textOf, timeOf, type RecordEvent } from "./event.ts";
import { clockTime, isState, painted, plural, span, type Paint } from "./words.ts";

interface Seen {
  parts: number;
  program: string | null;
}
type Data = RecordEvent["data"];

export class Presenter {
  private readonly paint: Paint;
  private readonly machines = new Map<string, Seen>();
  constructor(paint: Paint) {
    this.paint = paint;
  }

  /** The current value of the program, which a record tells only at a cycle's end. */
  program(source: string, program: string | null): void {
    this.seen(source).program = program;
  }

  /** Zero or more lines, without line ends. */
  lines(event: RecordEvent): string[] {
    const { data } = event;
    const seen = this.seen(event.source);
    const machine = textOf(objectOf(data, "equipment"), "machine") ?? "agent";
    const [at, words] = this.tell(event, seen);
    if (words === null) return [];
    const time = at === null ? "--:--:--" : clockTime(at, numberOf(data, "utcOffsetMin") ?? 0);
    return [`${painted(time, "2", this.paint)}  ${machine.padEnd(6)} ${words}`];
  }

  private seen(source: string): Seen {
    const seen = this.machines.get(source) ?? { parts: 0, program: null };
    this.machines.set(source, seen);
    return seen;
  }

  private tell(event: RecordEvent, seen: Seen): readonly [number | null, string | null] {
    const { data } = event;
    const start = timeOf(data, "start");
    const end = timeOf(data, "end");
    if (data["status"] === "void") return [start, this.dim(`corrected: the ${event.type} record of this moment is withdrawn, the machine's own history says otherwise`)];
    switch (event.type) {
      case "state": return [start, this.state(data, seen)];
      case "cycle": return [end, this.cycle(data, seen)];
      case "count": return [end, this.count(data, seen)];
      case "downtime": return [data["status"] === "open" ? start : end, this.downtime(data)];
      case "alarm": return [data["status"] === "open" ? start : end, this.alarm(data)];
      case "connection": return [data["status"] === "open" ? start : end, this.connection(data)];
      case "summary": return [end, this.bold(`shift ${textOf(objectOf(data, "window"), "shiftId") ?? ""} is over: its summary has arrived`)];
      case "receipt": return [end, null];
      case "loss": return [start, this.red(`RECORDS LOST: ${textOf(data, "reason") ?? ""}, ${String(numberOf(data, "count") ?? "?")} of them`)];
    }
  }

  private state(data: Data, seen: Seen): string | null {
    const state = textOf(data, "state");
    if (data["status"] !== "open" || !isState(state)) return null;
    const before = textOf(data, "prevState");
    const program = seen.program === null ? "" : `, program ${seen.program}`;
    switch (state) {
      case "RUNNING":
        if (before === "READY") return this.dim(`running${program}`);
        return this.green(before === "HELD" || before === "PROGRAM_STOP" || before === "WAITING" ? "running again" : `running${program}`);
      case "READY": return before === null || before === "MANUAL" || before === "ALARM" || before === "UNKNOWN" ? "ready, not running" : null;
      case "HELD": return this.yellow("feed hold");
      case "PROGRAM_STOP": return this.yellow("stopped by the program (M00 or M01): the operator must act");
      case "WAITING": return this.yellow("waiting for a robot, pallet or bar feeder");
      case "ALARM": return this.red("ALARM");
      case "ESTOP": return this.red("EMERGENCY STOP");
      case "MANUAL": return this.blue("manual, MDI or edit: somebody is at the machine");
      case "OFF": return "switched off";
      case "UNKNOWN": return this.magenta("unknown: we do not see what the machine does, so we do not call it idle");
    }
  }

  private cycle(data: Data, seen: Seen): string {
    const program = textOf(objectOf(data, "program"), "main");
    const parts = numberOf(data, "partsDelta") ?? 0;
    seen.parts += parts;
    const held = numberOf(data, "heldMs") ?? 0;
    const cutting = span(numberOf(data, "inCycleMs") ?? 0);
    const hold = held > 0 ? `, held ${span(held)}` : "";
    const made = parts > 0 ? `, ${plural(parts, "part")} (${seen.parts} so far)` : ", no part";
    const name = program ?? "no program name";
    const outcome = textOf(data, "outcome") ?? "unknown";
    switch (outcome) {
      case "completed": return this.green(`cycle done: ${name}, ${cutting} in cycle${hold}${made}`);
      case "aborted": return this.red(`cycle broken off: ${name} after ${cutting}${hold}${made}`);
      case "interrupted": return this.yellow(`cycle ended early: ${name} after ${cutting}${hold}${made}`);
      default: return this.magenta(`cycle lost sight of: ${name}, seen for ${cutting}; how it ended we do not know`);
    }
  }

  /** A count that belongs to a cycle was told with it. */
  private count(data: Data, seen: Seen): string | null {
    const delta = numberOf(data, "delta") ?? 0;
    if (data["plausibility"] === "rejected") return this.yellow(`part counter jumped to ${String(numberOf(objectOf(data, "counter"), "to"))}: not believed, not counted`);
    if (data["resetDetected"] === true) return "part counter was set back by the operator: a new count begins, no part is lost or counted twice";
    if (Array.isArray(data["cycleIds"]) && data["cycleIds"].length > 0) return null;
    if (delta === 0) return null;
    seen.parts += delta;
    return this.magenta(`${plural(delta, "part")} made while nobody saw, says the machine's counter (${seen.parts} so far)`);
  }

  private downtime(data: Data): string | null {
    const reason = textOf(data, "reasonText") ?? "no reason given yet";
    if (data["status"] === "open") return this.red(`STOP longer than the allowance: ${reason}`);
    const length = span(numberOf(data, "durationMs") ?? 0);
    const category = textOf(data, "category");
    const kind = category === "micro" ? "short stop" : category === "setup" ? "setup" : category === "planned" ? "planned stop" : "stop";
    return this.yellow(`${kind} over after ${length}: ${reason}${data["endedBy"] === "source_lost" ? " (then we lost sight of the machine)" : ""}`);
  }

  private alarm(data: Data): string {
    const text = `${textOf(data, "alarmId") ?? ""} ${textOf(data, "text") ?? ""}`.trim();
    return data["status"] === "open" ? this.red(`alarm ${text}`) : `alarm ${text} is gone after ${span(numberOf(data, "durationMs") ?? 0)}`;
  }

  private connection(data: Data): string | null {
    if (data["kind"] !== "gap") return this.dim(`connection: ${textOf(data, "kind") ?? ""}`);
    if (data["status"] === "open") return this.magenta(`CONNECTION LOST (${textOf(data, "reason") ?? ""}): we do not know what the machine does`);
    return this.green(`connection is back after ${span(numberOf(data, "durationMs") ?? 0)}; that time stays unknown, never idle`);
  }

  private dim(text: string): string {
    return painted(text, "2", this.paint);
  }
  private bold(text: string): string {
    return painted(text, "1", this.paint);
  }
  private green(text: string): string {
    return painted(text, "32", this.paint);
  }
  private yellow(text: string): string {
    return painted(text, "33", this.paint);
  }
  private red(text: string): string {
    return painted(text, "1;31", this.paint);
  }
  private blue(text: string): string {
    return painted(text, "34", this.paint);
  }
  private magenta(text: string): string {
    return painted(text, "35", this.paint);
  }
}
