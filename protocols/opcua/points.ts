/** Configured points: any node → any signal, alone (profile none) or beside a profile, whose readings of the same signal they replace. */
import type { Reading } from "../../agent/contract/observation.ts";
import { pointAddress, type OpcuaConfig, type PointConfig } from "./config.ts";
import type { Change, Profile, Translator, Wanted } from "./profile.ts";
import { readingOf } from "./translate.ts";

/** Signals that are looked at often. */
const STATES: ReadonlySet<string> = new Set(["availability", "execution", "controller_mode", "functional_mode", "emergency_stop", "alarm", "program", "part_count", "part_count_good", "part_count_bad", "power_state", "door"]);
const PREFIX = "point ";

/** The profile (null: none) with the configured points beside it. */
export function withPoints(profile: Profile | null, { points }: Pick<OpcuaConfig, "points">): Profile {
  const wanted = points.map((point, index): Wanted => wantedOf(point, index));
  const replaced = new Set(points.filter(({ signal }) => signal !== "alarm").map(({ signal, channel }) => `${signal}|${channel ?? 1}`));
  return {
    name: profile?.name ?? "configured points",
    alarms: profile?.alarms ?? [],
    find: async (explorer) => [...(await profile?.find(explorer) ?? []), ...wanted],
    translator: () => both(profile?.translator() ?? null, points, replaced),
  };
}

function wantedOf(point: PointConfig, index: number): Wanted {
  const { sampling, queue, deadband, element, signal } = point;
  return {
    key: PREFIX + index, address: pointAddress(point), pace: STATES.has(signal) ? "state" : "measure", optional: false,
    ...(sampling !== undefined && { samplingMs: sampling }), ...(queue !== undefined && { queue }), ...(deadband !== undefined && { deadband }), ...(element !== undefined && { element }),
  };
}

function both(translator: Translator | null, points: readonly PointConfig[], replaced: ReadonlySet<string>): Translator {
  const own = (change: Change): readonly Reading[] => {
    const point = points[Number(change.key.slice(PREFIX.length))];
    if (point === undefined) return [];
    const { channel, signal } = point;
    return [readingOf(point, change, { ...(channel !== undefined && { path: channel }), ...(signal === "alarm" && { item: change.key }) })];
  };
  return {
    wants: (changes) => translator?.wants(changes) ?? [],
    take: (changes, evidence) => {
      // One after the other: what happened at one instant stays together, and in its order.
      const theirs = translator?.take(changes.filter(({ key }) => !key.startsWith(PREFIX)), evidence) ?? [];
      const ours = changes.filter(({ key }) => key.startsWith(PREFIX)).flatMap(own);
      return inTime([...theirs.filter(({ signal, path }) => !replaced.has(`${signal}|${path ?? 1}`)), ...ours]);
    },
  };
}

/** By stamp; those without one stay where they came. */
export function inTime<T extends Pick<Reading, "sourceTime">>(items: readonly T[]): readonly T[] {
  let before = Number.NEGATIVE_INFINITY;
  const dated = items.map((item, index) => {
    before = item.sourceTime ?? before;
    return { item, at: item.sourceTime ?? before, index };
  });
  return dated.sort((one, other) => one.at - other.at || one.index - other.index).map(({ item }) => item);
}
