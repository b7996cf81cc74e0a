/**
 * The current values of one machine as the board shows them. While the source is away or we are catching up only
 * UNKNOWN is shown: what is learned of the past is held until it is the present. With them goes the newest stored record
 * of each type. Bounded by the names of live values and the record types.
 */
import { groupOf, type LiveValue } from "../../contract/finding.ts";
import type { GapReason } from "../../contract/observation.ts";
import type { NewRecord, RecordType } from "../../contract/record.ts";
import { rfc3339, type UnixMs } from "../../contract/time.ts";
import type { WritableBoard } from "../link/board.ts";
import { lost } from "./live-recall.ts";

const STATE = "state";
const AVAILABILITY = "availability";

export class LiveValues {
  readonly #machine: string;
  readonly #board: WritableBoard;
  readonly #values = new Map<string, LiveValue>();
  readonly #unshown = new Set<string>();
  /** Group → member → value: those of #values that are shown together. */
  readonly #groups = new Map<string, Map<string, LiveValue>>();
  readonly #unshownGroups = new Set<string>();
  readonly #newest = new Map<RecordType, NewRecord>();
  readonly #unshownTypes = new Set<RecordType>();

  constructor(machine: string, board: WritableBoard) {
    this.#machine = machine;
    this.#board = board;
  }

  take(value: LiveValue): void {
    this.#values.set(value.name, value);
    const place = groupOf(value.name);
    if (place === null) return void this.#unshown.add(value.name);
    const members = this.#groups.get(place.group) ?? new Map<string, LiveValue>();
    this.#groups.set(place.group, members.set(place.member, value));
    this.#unshownGroups.add(place.group);
  }

  /** What the buffer has stored. A correction of the past is not the newest; what is taken back gives way to anything. */
  stored(records: readonly NewRecord[]): void {
    const isVoid = ({ body }: NewRecord): boolean => body.status === "void";
    for (const record of records) if (isVoid(record) && this.#newest.get(record.type)?.id === record.id) this.#renew(record);
    for (const record of records) {
      const known = this.#newest.get(record.type);
      if (!isVoid(record) && (known === undefined || isVoid(known) || known.start <= record.start)) this.#renew(record);
    }
  }

  /** What is known to be true now. */
  show(): void {
    for (const name of this.#unshown) {
      const known = this.#values.get(name);
      if (known !== undefined) this.#put(name, { value: known.value, at: rfc3339(known.at) });
    }
    this.#unshown.clear();
    for (const group of this.#unshownGroups) this.#showGroup(group);
    this.#unshownGroups.clear();
    for (const type of this.#unshownTypes) {
      const record = this.#newest.get(type);
      if (record !== undefined) this.#board.put({ scope: "record", machine: this.#machine, record });
    }
    this.#unshownTypes.clear();
  }

  /** The board says at once what the ledger says only when the hold has run out. */
  hide(at: UnixMs, because: GapReason): void {
    this.#hide(STATE, { value: "UNKNOWN", at: rfc3339(at), because });
    if (this.#values.has(AVAILABILITY)) this.#hide(AVAILABILITY, { value: "UNAVAILABLE", at: rfc3339(at), because });
  }

  /** Of nothing that the source said it is known whether it is still so. */
  lose(at: UnixMs): void {
    for (const value of lost(this.all(), at)) this.take(value);
  }

  all(): readonly LiveValue[] {
    return [...this.#values.values()];
  }

  /** All that is known of it, whatever changed; `at` is of the newest. */
  #showGroup(group: string): void {
    const members = [...(this.#groups.get(group) ?? [])];
    const newest = members.reduce<UnixMs | null>((most, [, { at }]) => (most === null || at > most ? at : most), null);
    if (newest !== null) this.#put(group, { values: Object.fromEntries(members.map(([member, { value }]) => [member, value])), at: rfc3339(newest) });
  }

  #hide(name: string, payload: object): void {
    this.#put(name, payload);
    this.#unshown.add(name);
  }

  #renew(record: NewRecord): void {
    this.#newest.set(record.type, record);
    this.#unshownTypes.add(record.type);
  }

  #put(name: string, payload: object): void {
    this.#board.put({ scope: "live", machine: this.#machine, name, payload });
  }
}
