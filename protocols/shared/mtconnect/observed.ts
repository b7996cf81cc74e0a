/** One value of one data item, as an agent's document or an adapter's line has it; and how its item is found. */
import type { UnixMs } from "../../../agent/contract/time.ts";

/** `level`: what a condition says: the element's name in a document, the first field of a line. */
export interface Observed<Item> {
  readonly item: Item;
  readonly at: UnixMs | null;
  readonly level: string;
  readonly text: string;
  /** This and the next two: of a condition. */
  readonly nativeCode: string | null;
  readonly conditionId: string | null;
  readonly type: string | null;
}

/** Finds the item of an observation; null: not ours. The device is told by name and uuid of its stream. */
export type Lookup<Item> = (dataItemId: string, device: string | null, uuid: string | null) => Item | null;
