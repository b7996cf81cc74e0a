/** The keys of `buffer:` in the YAML: how much of the disk records may take, how long delivered ones stay, what the card endures. */
import { optional, withDefault, type Of } from "../contract/shape.ts";
import { duration, object, share, size } from "../contract/shapes.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const BUFFER_KEYS = object({
  budget: withDefault(size({ description: "most the buffer file may take of the disk; from 90% of it on, the least valuable records are given up, and a loss record says so", minimumBytes: 8 * MIB, maximumBytes: 1024 * GIB }), GIB, "1 GiB"),
  keep_free: withDefault(share({ description: "share of the file system that the buffer leaves free, whatever its budget", minimumPercent: 0, maximumPercent: 90 }), 0.05, "5%"),
  history: withDefault(duration({ description: "how long delivered records stay, for the local page and for a replay, while there is room", maximumMs: 366 * 86_400_000 }), 7 * 86_400_000, "7d"),
  heal_window: withDefault(duration({ description: "how long a record that only the broker acknowledged is kept before its room may be used: a broker can lose what it acknowledged", maximumMs: 366 * 86_400_000 }), 72 * 3_600_000, "72h"),
  card: optional(object({
    endurance: size({ description: "bytes the card may be written in its life, from its data sheet (TBW)", minimumBytes: GIB, maximumBytes: 10_000 * 1024 * GIB }),
    life: withDefault(duration({ description: "how long it should last", minimumMs: 86_400_000, maximumMs: 40 * 366 * 86_400_000 }), 10 * 365 * 86_400_000, "3650d"),
  }, "the medium the buffer lies on: writing is held within what it endures")),
}, "the buffer on disk");

export type BufferKeys = Of<typeof BUFFER_KEYS>;
