/** What a session is made of, put together by the driver. */
import type { Ports } from "../../agent/contract/ports.ts";
import type { Clause } from "./alarms.ts";
import type { OpcuaConfig } from "./config.ts";
import type { Open } from "./connect.ts";
import type { ReadOnly } from "./guard.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Profile } from "./profile.ts";

export interface SessionParts {
  readonly config: OpcuaConfig;
  readonly ports: Ports;
  readonly open: Open;
  readonly guard: ReadOnly;
  readonly profile: Profile;
  readonly mailbox: Mailbox;
  /** What is asked of each alarm event; null: they are not followed. */
  readonly alarmClauses: readonly Clause[] | null;
  readonly where: string;
  readonly peer: string;
}
