/**
 * One control path, poll after poll: asks for what is due, follows a change with what is long (alarm texts, comment, the
 * present block), and gives all readings. Holds what a conclusion needs of the polls before; nothing else.
 */
import type { ActiveAlarm, Reading } from "../../agent/contract/observation.ts";
import { activeAlarms } from "./alarms.ts";
import { isLasting, statusInWords } from "./blocks.ts";
import type { FocasConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import type { Control } from "./control.ts";
import { decodeBlockText, decodeDirectory, type AlarmRecord } from "./decode.ts";
import { executionOf, needsBlock, noEvidence, type EvidenceState, type Seen } from "./evidence.ts";
import { ask } from "./functions.ts";
import type { Item } from "./item.ts";
import { everyPoll, itemsOf, nowAndThen, type PathItems } from "./items.ts";
import { askFor, askFrame, framesOf } from "./plan.ts";
import { rangesOf } from "./ranges.ts";
import { feedOverrideOf, readingsOf, type Concluded } from "./readings.ts";
import { decodeText } from "./text.ts";

/** As many as an item has ways. */
const SETTLE_ROUNDS = 3;
/** RMT: a program is fed from outside; the directory is not asked for then (focas.md §9, 16). */
const REMOTE = 10;
const BLOCK_BYTES = 256;

export interface PathReaderParts {
  readonly connection: Connection;
  readonly control: Control;
  readonly config: FocasConfig;
}

export class PathReader {
  readonly #parts: PathReaderParts;
  readonly #items: PathItems;
  readonly #points: ReturnType<typeof rangesOf>;
  #evidence: EvidenceState = noEvidence;
  #words: Concluded["words"] = [];
  #alarms: readonly ActiveAlarm[] | null = null;
  #alarmSign = "";
  /** As last read: a list that cannot be read once is not an end of what was on it. */
  #listed: readonly AlarmRecord[] | null = null;
  /** Since the list was read, to the start of this poll; and how late a change in what was read last may be. */
  #listAgeMs = 0;
  #lateMs = 0;
  #cycleTime: number | null = null;
  #comment: { readonly program: number; readonly text: string | null } | null = null;
  /** Frames of the slow round that still wait; one goes with each poll. */
  #waiting: readonly (readonly Item<unknown>[])[] = [];

  constructor(parts: PathReaderParts, { path, axes }: Control["paths"][number]) {
    const { control, config } = parts;
    const first = control.paths[0]?.path;
    this.#parts = parts;
    this.#items = itemsOf({ path, axes, isOlder: control.isOlder, isStatusKnown: control.isStatusKnown, points: config.points.filter((point) => (point.path ?? first) === path) }, config);
    this.#points = rangesOf(this.#items.points.map(({ item }) => item));
  }

  /** Finds out what the control can tell. */
  async settle(signal: AbortSignal): Promise<void> {
    const all = [...everyPoll(this.#items), ...this.#points.alone, ...nowAndThen(this.#items)];
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      const open = all.filter(({ isSettled }) => !isSettled);
      if (open.length === 0) return;
      await askFor(this.#parts.connection, open, signal);
    }
  }

  /** Names of what the control does not tell. */
  get refused(): readonly string[] {
    return this.#all.filter(({ way }) => way === null).map(({ name }) => name);
  }

  /** The same with the last status, for people. */
  get refusals(): readonly { readonly what: string; readonly why: string }[] {
    return this.#all.filter(({ way }) => way === null).map(({ name, status }) => ({ what: name, why: status === 0 ? "it says nothing of it" : statusInWords(status) }));
  }

  /** Some controls refuse a function only in some modes: what was given up is tried again. */
  reconsider(): void {
    for (const item of this.#all) item.reconsider();
  }

  get #all(): readonly Item<unknown>[] {
    return [...everyPoll(this.#items), ...this.#items.points.map(({ item }) => item), ...nowAndThen(this.#items), this.#items.alarms];
  }

  /** `sinceMs`: since the poll before; 0 at the first. */
  async poll({ isSlow, sinceMs }: { readonly isSlow: boolean; readonly sinceMs: number }, signal: AbortSignal): Promise<readonly Reading[]> {
    const { connection, control, config } = this.#parts;
    await askFor(connection, [...everyPoll(this.#items), ...this.#points.alone, ...this.#points.ranges.flatMap(({ asks }) => asks)], signal);
    await askFor(connection, this.#points.ranges.filter((range) => range.spread()).flatMap(({ asks }) => asks), signal);
    await this.#askNames(signal);
    await this.#conclude(sinceMs, signal);
    this.#listAgeMs += sinceMs;
    await this.#askAlarms(isSlow, signal);
    await this.#askComment(signal);
    if (isSlow && this.#waiting.length === 0) this.#waiting = framesOf(nowAndThen(this.#items), connection.version);
    const [frame, ...others] = this.#waiting;
    this.#waiting = others;
    if (frame !== undefined) await askFrame(connection, frame.filter(({ way }) => way !== null), signal);
    if (isSlow) this.#cycleTime = this.#items.cycleTime.value;
    return readingsOf(this.#items, {
      words: this.#words, cycleTime: this.#cycleTime, alarms: this.#alarms, alarmsSinceMs: this.#lateMs, comment: this.#comment?.text ?? null, page: control.page, ...(control.hasSeveral && { path: this.#items.path }),
    }, config);
  }

  /** Programs with names have no numbers. */
  async #askNames(signal: AbortSignal): Promise<void> {
    const programs = this.#items.programs.value;
    const due = [...(programs?.main === 0 ? [this.#items.mainName] : []), ...(programs?.running === 0 ? [this.#items.runningName] : [])];
    await askFor(this.#parts.connection, due, signal);
  }

  async #conclude(sinceMs: number, signal: AbortSignal): Promise<void> {
    const seen = this.#seen(sinceMs);
    if (seen === null) {
      [this.#evidence, this.#words] = [noEvidence, []];
      return;
    }
    let next = executionOf(this.#evidence, seen);
    if (needsBlock(this.#evidence, next.words)) next = executionOf(this.#evidence, { ...seen, block: await this.#block(signal) });
    [this.#evidence, this.#words] = [next.state, next.words];
  }

  #seen(sinceMs: number): Seen | null {
    const { status, programs, sequence, commanded, parts, cycleTime, alarmBits, feed, feedOverride, points } = this.#items;
    if (status.value === null) return null;
    const counter = points.find(({ point }) => point.signal === "part_count")?.item ?? parts;
    return {
      status: status.value, sinceMs, main: programs.value?.main ?? null, running: programs.value?.running ?? null, sequence: sequence.value,
      lastM: commanded.value?.m ?? null, parts: counter.value, cycleMs: cycleTime.value, alarmBits: alarmBits.value, feed: feed.value,
      feedOverride: feedOverrideOf(feedOverride?.value ?? null),
    };
  }

  async #block(signal: AbortSignal): Promise<string | null> {
    const [answer] = await this.#parts.connection.ask([ask("block", this.#items.path, BLOCK_BYTES)], signal);
    return answer?.status === 0 ? decodeBlockText(answer.data) : null;
  }

  /** The list is long: it is read when its bits change, and now and then while there are alarms. */
  async #askAlarms(isSlow: boolean, signal: AbortSignal): Promise<void> {
    const { status, alarmBits, alarms, axes } = this.#items;
    if (status.value === null) {
      [this.#alarms, this.#alarmSign, this.#listed] = [null, "", null];
      return;
    }
    const none = status.value.alarm === 0 && (alarmBits.value ?? 0) === 0;
    const sign = `${status.value.alarm}/${alarmBits.value ?? "?"}`;
    const isOther = sign !== this.#alarmSign;
    const isDue = isOther || isSlow;
    this.#alarmSign = sign;
    if (!none && isDue) await askFor(this.#parts.connection, [alarms], signal);
    if (!none && !isDue) return;
    const { control } = this.#parts;
    // Of equal bits, what is new on the list may have come at any time since it was read.
    this.#lateMs = isOther ? 0 : Math.ceil(this.#listAgeMs);
    this.#listAgeMs = 0;
    const isOld = !none && alarms.value === null && alarms.way !== null && this.#listed !== null;
    if (!isOld) this.#listed = none ? [] : alarms.value;
    // Not read, or not yet on the list: asked for again with the next poll.
    if (isOld || (status.value.alarm === 1 && this.#listed?.length === 0)) this.#alarmSign = "";
    this.#alarms = activeAlarms({
      status: status.value, bits: alarmBits.value, records: this.#listed, isOld, isOlder: control.isOlder, axes,
      textOf: (bytes) => decodeText(bytes, control.page),
    });
  }

  /** Once for each program, and not while one is fed from outside. */
  async #askComment(signal: AbortSignal): Promise<void> {
    const program = this.#items.programs.value?.main ?? 0;
    if (program === this.#comment?.program) return;
    if (program === 0 || this.#items.status.value?.mode === REMOTE) {
      this.#comment = null;
      return;
    }
    const [answer] = await this.#parts.connection.ask([ask("programDirectory", this.#items.path, program, 1, 2)], signal);
    // Busy now: asked for again with the next poll.
    if (answer === undefined || (answer.status !== 0 && !isLasting(answer.status))) {
      this.#comment = null;
      return;
    }
    const text = answer.status === 0 ? decodeDirectory(answer.data, program) : null;
    this.#comment = { program, text: text === null ? null : decodeText(text, this.#parts.control.page).replaceAll(/^\(|\)$/gu, "").trim() };
  }
}
