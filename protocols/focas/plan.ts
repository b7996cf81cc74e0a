/**
 * Which items are asked for together: at most ten blocks a frame, and no answer longer than the control's buffer, which
 * on old ones is small (focas.md §2.1, §2.4).
 */
import { ANSWER_HEAD, BLOCKS_PER_FRAME } from "./blocks.ts";
import type { Connection } from "./connection.ts";
import type { Item } from "./item.ts";

/** Payload bytes of an answer by protocol level. source: §2.1 (a hint), §2.4 */
const ROOM: Readonly<Record<number, number>> = { 1: 1_400, 2: 1_400, 3: 2_800, 4: 3_400 };
const SMALLEST = 1_400;

/** In their order; items that were given up are left out. An item too long for any frame has one of its own. */
export function framesOf(items: readonly Item<unknown>[], version: number): readonly (readonly Item<unknown>[])[] {
  const room = ROOM[version] ?? SMALLEST;
  const frames: Item<unknown>[][] = [];
  let left = 0;
  for (const item of items) {
    if (item.way === null) continue;
    const size = ANSWER_HEAD + item.way.bytes;
    const frame = frames.at(-1);
    if (frame === undefined || frame.length >= BLOCKS_PER_FRAME || size > left) {
      frames.push([item]);
      left = room - 2 - size;
    } else {
      frame.push(item);
      left -= size;
    }
  }
  return frames;
}

/** One frame after the other; each item takes its own answer. */
export async function askFor(connection: Connection, items: readonly Item<unknown>[], signal: AbortSignal): Promise<void> {
  for (const frame of framesOf(items, connection.version)) await askFrame(connection, frame, signal);
}

export async function askFrame(connection: Connection, frame: readonly Item<unknown>[], signal: AbortSignal): Promise<void> {
  const answers = await connection.ask(frame.flatMap(({ way }) => (way === null ? [] : [way.block])), signal);
  answers.forEach((answer, index) => frame[index]?.take(answer));
}
