/** `cellgate buffer …`: the tools for the person at the buffer. */
import type { Command } from "../cli.ts";
import { deadCommand, purgeCommand, releaseCommand } from "./dead.ts";
import { exportCommand } from "./export.ts";
import type { BufferParts } from "./parts.ts";
import { peekCommand } from "./peek.ts";
import { repairCommand } from "./repair.ts";
import { bufferReplayCommand } from "./replay.ts";
import { bufferStatusCommand } from "./status.ts";
import { verifyCommand } from "./verify.ts";

export const bufferCommands = (parts: BufferParts): readonly Command[] =>
  [bufferStatusCommand, peekCommand, verifyCommand, exportCommand, bufferReplayCommand, deadCommand, releaseCommand, purgeCommand, repairCommand].map((command) => command(parts));
