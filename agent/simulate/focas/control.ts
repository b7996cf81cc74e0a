/**
 * The state of a simulated FANUC control, in the control's own numbers (focas.md §5, §7). Plain fields: a script or a test
 * sets them. Time of the present run goes on by itself while it runs.
 */
import type { Clock } from "../../contract/time.ts";

export interface SimulatedAlarm {
  readonly number: number;
  /** Bit and type of §5.7: 3 PS, 6 SV, 9 SP on a 30i. */
  readonly type: number;
  readonly axis?: number;
  readonly text: Buffer;
}
export interface SimulatedAxis {
  readonly name: string;
  /** mm. */
  position: number;
  load: number;
}

/** §7.1 */
export const AUT = { mdi: 0, memory: 1, edit: 3, handle: 4, jog: 5, remote: 10 } as const;
export const RUN = { reset: 0, stop: 1, hold: 2, start: 3 } as const;

export class SimulatedPath {
  aut: number = AUT.memory;
  motion = 0;
  mstb = 0;
  emergency = 0;
  /** Of the status word; 1 by itself while `alarms` has one. */
  condition = 0;
  edit = 0;
  main = 1;
  running = 1;
  /** On a 30i a program may have a name instead. */
  name: string | null = null;
  sequence = 0;
  /** mm/min; rev/min; percent. */
  feed = 0;
  spindle = 0;
  spindleLoad = 0;
  /** The codes commanded last. */
  lastM = 0;
  tool = 0;
  block = "";
  alarms: readonly SimulatedAlarm[] = [];
  /** By type, 0 to 4. */
  readonly messages: (Buffer | null)[] = [null, null, null, null, null];
  readonly axes: readonly SimulatedAxis[] = ["X", "Y", "Z"].map((name) => ({ name, position: 0, load: 0 }));
  readonly parameters = new Map<number, number>([[6711, 0], [6712, 0], [6713, 0], [6750, 0], [3281, 0]]);
  readonly macros = new Map<number, number | null>();
  /** Comments by O number. */
  readonly directory = new Map<number, Buffer>();
  readonly #clock: Clock;
  #run: number = RUN.reset;
  #ranMs = 0;
  #since = 0;
  #operatedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get run(): number { return this.#run; }
  /** A start from reset begins the time of the run anew, as on the real one. */
  set run(run: number) {
    const now = this.#clock.now().monoMs;
    if (this.#run === RUN.start) [this.#ranMs, this.#operatedMs] = [this.#ranMs + now - this.#since, this.#operatedMs + now - this.#since];
    if (run === RUN.start && this.#run === RUN.reset) this.#ranMs = 0;
    [this.#run, this.#since] = [run, now];
  }
  /** ms of the present automatic run, holds and stops left out. */
  get cycleMs(): number { return Math.trunc(this.#ranMs + this.#running()); }
  get operatedMs(): number { return Math.trunc(this.#operatedMs + this.#running()); }
  get alarm(): number { return this.alarms.length > 0 ? 1 : this.condition; }
  #running(): number { return this.#run === RUN.start ? this.#clock.now().monoMs - this.#since : 0; }
}

export class SimulatedControl {
  readonly paths: readonly SimulatedPath[];
  /** By area number (§5.14). */
  readonly pmc = new Map<number, Buffer>();
  readonly clock: Clock;

  constructor(clock: Clock, paths = 1) {
    this.clock = clock;
    this.paths = Array.from({ length: paths }, () => new SimulatedPath(clock));
    this.setPmc(0, 12, 155);
    this.setPmc(0, 30, 100);
  }
  get first(): SimulatedPath {
    const [first] = this.paths;
    if (first === undefined) throw new Error("a control has at least one path");
    return first;
  }
  setPmc(area: number, address: number, byte: number): void {
    const bytes = this.pmc.get(area) ?? Buffer.alloc(1_024);
    this.pmc.set(area, bytes);
    bytes[address] = byte;
  }
}
