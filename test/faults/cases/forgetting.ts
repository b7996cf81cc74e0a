/**
 * A broker that acknowledges and forgets: a third of what it acknowledges never reaches the bridge. The bridge sees the
 * holes by the chain, and by `completeThrough` of the heartbeat what should have come last, and asks for it again.
 */
import type { FaultCase } from "../case.ts";
import { readReceived } from "../checker/logs.ts";
import { startBridge, type Bridge } from "../support/bridge.ts";
import { receivedLog } from "../support/evidence.ts";
import { openShop, sleep } from "../support/shop.ts";

const FORGOTTEN = 0.3;
const FORGETS_MS = 4_000;
/** An agent answers a replay in 10 s, five at once. */
const ASKS = 6;
const ASK_AGAIN_MS = 3_000;

/** First and last number that this bridge lacks; null when it holds all it knows of. */
function hole(folder: string, bridge: Bridge): { readonly epoch: string; readonly from: number; readonly to: number } | null {
  const events = readReceived(receivedLog(folder)).filter(({ destination }) => destination === bridge.name);
  const epoch = events.at(-1)?.epoch;
  if (epoch === undefined) return null;
  const held = new Set(events.map(({ seq }) => seq));
  const [, promised = "0"] = /"completeThrough":\{.*?"seq":(\d+)/.exec(bridge.heartbeat()?.text ?? "") ?? [];
  const last = Math.max(Number(promised), ...held);
  const missing = Array.from({ length: last }, (_, index) => index + 1).filter((seq) => !held.has(seq));
  const [from, to] = [missing[0], missing.at(-1)];
  return from === undefined || to === undefined ? null : { epoch, from, to };
}

export const forgetting: FaultCase = {
  name: "broker-forgets",
  what: "the whole agent before a broker that acknowledges and forgets a third, and a bridge that asks for it again",
  runs: { short: 1, long: 10 },
  longestMs: 180_000,
  async run(run) {
    await using bridge = await startBridge(run.folder, "bridge");
    await using shop = await openShop(run, { ways: [bridge], plays: FORGETS_MS + 1_500 });
    let forgotten = 0;
    bridge.behave({ answer: () => {
      if (run.random() >= FORGOTTEN) return 0;
      forgotten++;
      return "forgotten";
    } });
    shop.start();
    await sleep(FORGETS_MS);
    bridge.behave({});
    await shop.told(60_000);
    for (let ask = 0; ask < ASKS; ask++) {
      const wanted = hole(run.folder, bridge);
      if (wanted === null) break;
      bridge.send(`${bridge.heartbeat()?.topic ?? ""}/replay`, JSON.stringify({ destination: "bridge", ...wanted }));
      await sleep(ASK_AGAIN_MS);
    }
    const tally = await shop.settle({ faults: forgotten, exact: true, bridges: [bridge] });
    return { ...tally, violations: [...tally.violations, ...(forgotten === 0 ? ["nothing was forgotten: the run shows nothing"] : [])] };
  },
};
