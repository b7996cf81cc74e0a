/** `--since`: a length of time back from now (8h), or an instant (RFC 3339). */
import { duration } from "../../contract/shapes.ts";
import { INVALID, type Problem } from "../../contract/shape.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";
import { UsageError, type Option } from "../arguments.ts";

export const SINCE: Option = { kind: "value", value: "TIME", help: "from when on, by when the agent learned it: 8h back, or 2026-11-27T06:00:00Z" };

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;
const DAY_ONLY = /^\d{4}-\d{2}-\d{2}$/;
const LENGTH = duration({ maximumMs: 100 * 366 * 86_400_000 });

/** Throws UsageError. */
export function sinceOf(text: string, now: UnixMs, option = "--since"): UnixMs {
  const at = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return unixMs(at);
  const problems: Problem[] = [];
  const ms = LENGTH.read(text, [], problems);
  if (ms !== INVALID) return unixMs(now - ms);
  const near = problems[0]?.nearest;
  const hint = DAY_ONLY.test(text) ? `; did you mean ${text}T00:00:00Z?` : typeof near === "string" ? `; did you mean ${near}?` : "";
  throw new UsageError(`${option} needs a length of time such as 30m, 8h or 7d, or an instant such as 2026-11-27T06:00:00Z with its zone, not ${JSON.stringify(text)}${hint}`);
}
