/** A simulated machine that says everything at its true instant, and whoever makes it say so knows when that was. */
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { startMTConnectAgent, type SimulatedAgent } from "../../agent/simulate/mtconnect/agent.ts";
import { shiftModel } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { sleep } from "../bench/support/waiting.ts";
import { IDLE, type Says } from "./hand-machine.ts";

export interface TrueMachine {
  readonly agent: SimulatedAgent;
  /** When it said so. */
  says(values: Says): number;
  /** From running to ready with one part more; [start, end]. */
  cycle(ms?: number): Promise<readonly [number, number]>;
}
export async function trueMachine(): Promise<TrueMachine> {
  const agent = await startMTConnectAgent({ model: shiftModel("VMC-3"), clock: systemClock(), instanceId: "1" });
  let parts = 10;
  const machine: TrueMachine = {
    agent,
    says(values) {
      const at = Date.now();
      agent.push(Object.entries(values).map(([item, value]) => ({ item, at, value: String(value) })));
      return at;
    },
    async cycle(ms = 300) {
      const start = machine.says({ exec: "ACTIVE" });
      await sleep(ms);
      const end = machine.says({ exec: "READY", pcount: (parts += 1) });
      await sleep(100);
      return [start, end];
    },
  };
  machine.says(IDLE);
  return machine;
}
