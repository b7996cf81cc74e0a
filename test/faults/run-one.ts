/**
 * The process of one run. One argument: the Order as JSON. Sends its Tally over the channel and ends. It leads a process
 * group, so that nothing it started outlives it; when the channel closes before, the harness is gone, and the group goes too.
 */
import { seeded } from "../support/seeded.ts";
import type { Order, Tally } from "./case.ts";
import { CASES } from "./cases.ts";
import { failed } from "./support/tallies.ts";

const order = JSON.parse(process.argv[2] ?? "") as Order;
process.once("disconnect", () => process.kill(-process.pid, "SIGKILL"));
const tally = await performed(order);
process.send?.(tally, () => process.exit());

/** A run that throws is a violation like any other. */
async function performed({ name, seed }: Order): Promise<Tally> {
  const of = CASES.find((one) => one.name === name);
  if (!of) throw new Error(`no case called ${name}`);
  try {
    return await of.run({ ...order, random: seeded(seed) });
  } catch (cause) {
    return failed(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
  }
}
