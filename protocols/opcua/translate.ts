/** A value of a node → a reading of one of our signals, by the same rules as any configured point. Pure. */
import type { Reading } from "../../agent/contract/observation.ts";
import { pointValue, type Point } from "../shared/points.ts";
import type { Change } from "./profile.ts";
import type { Sample } from "./values.ts";

/** A row of a profile's table: a node's key, what it becomes, and who says so. */
export interface Row extends Point {
  readonly key: string;
  /** Section of the fact sheet. */
  readonly source: string;
}
export interface Place {
  /** Tells several nodes of one signal apart. */
  readonly item?: string;
  readonly path?: number;
}

export function readingOf(point: Point, { sample, initial }: Pick<Change, "sample" | "initial">, { item, path }: Place): Reading {
  const valued = pointValue(point, sample.raw);
  const quality = valued.quality === "GOOD" && sample.quality === "UNCERTAIN" ? ({ ...valued, quality: "UNCERTAIN" } as const) : valued;
  return { kind: "reading", signal: point.signal, ...marks(sample, initial), ...(item !== undefined && { item }), ...(path !== undefined && { path }), ...quality };
}

/** What every reading made of a sample carries of it. */
export const marks = ({ at }: Pick<Sample, "at">, initial: boolean): Pick<Reading, "sourceTime" | "initial"> => ({ ...(at !== undefined && { sourceTime: at }), ...(initial && { initial }) });
