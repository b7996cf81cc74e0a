/** Which release this is. */
import { unixMs } from "./contract/time.ts";

/** Rises with each release; stands in records' heartbeats and in `cellgate version`. */
export const VERSION = "0.1.0";
/** When this release was made, to the month: a clock that shows less is not set. */
export const RELEASED = unixMs(Date.UTC(2026, 10, 1));
